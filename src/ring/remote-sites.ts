import type { DaemonId } from "../base/ids.ts";
import { REQUEST_RANGES_MAX, type RemoteSite, type Request, type Token } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";

/**
 * What a ring of a site among others does with its token beyond that of a site alone (recovery.md, "Terms"; protocols.md G22 to G24). Its
 * representative writes what is known of the other sites; everybody raises the LTS to what it has seen, so that the site's
 * promise keeps up with the others even when it sends nothing.
 */
export class RemoteSites {
  readonly #configuration: Configuration;
  readonly isRepresentative: boolean;
  /** Seqs that the token had when this member passed it on last: packets above may be on their way. */
  readonly #passed = new Map<number, number>();

  constructor(me: DaemonId, configuration: Configuration) {
    this.#configuration = configuration;
    this.isRepresentative = configuration.ring[0] === me;
  }

  /** What the first token of a configuration says of other sites. */
  static none({ streams, local }: Configuration): RemoteSite[] {
    return streams.filter((stream) => stream !== local).map(({ site }) => ({ site, seq: 0, lts: 0, aru: 0 }));
  }

  /**
   * Reads what the token says of other sites, or says it; `clock` is an LTS that the site may well have reached by now. Whether there is
   * anything in it that others wait for.
   */
  visit(token: Token, clock: number): boolean {
    const { ltsHeld, clockHeard } = this.#configuration;
    let changed = ltsHeld > token.siteLts;
    token.siteLts = Math.max(token.siteLts, ltsHeld, clock, clockHeard);
    for (const remote of token.remotes) {
      const stream = this.#configuration.stream(remote.site);
      if (stream === undefined) continue;
      if (!this.isRepresentative) {
        stream.announce({ seq: remote.seq, lts: remote.lts });
        stream.acknowledged = Math.max(stream.acknowledged, remote.aru);
        continue;
      }
      const { known, acknowledged } = stream;
      changed ||= known.lts > remote.lts || acknowledged > remote.aru;
      remote.seq = known.seq;
      remote.lts = known.lts;
      remote.aru = acknowledged;
    }
    return changed;
  }

  /** What this member lacks of what the representative had multicast before the token came the last time. */
  requests(token: Token): Request[] {
    const { id } = this.#configuration;
    const requests: Request[] = [];
    for (const { site, seq } of token.remotes) {
      const upTo = Math.min(seq, this.#passed.get(site) ?? 0);
      const missing = this.#configuration.stream(site)?.missing(upTo, REQUEST_RANGES_MAX);
      if (missing !== undefined && !missing.isEmpty) requests.push({ configuration: id, site, missing });
    }
    return requests;
  }

  /** The token is passed on: what it says of this site is a promise from now on. */
  passing(token: Token): void {
    this.#configuration.local.announce({ seq: token.siteSeq, lts: token.siteLts });
    for (const { site, seq } of token.remotes) this.#passed.set(site, seq);
  }
}

/** The greatest seq of a site's stream that the token vouches for. */
export function seqOnToken(token: Token, site: number): number {
  return token.remotes.find((remote) => remote.site === site)?.seq ?? token.siteSeq;
}
