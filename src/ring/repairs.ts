import { sameConfiguration } from "../base/ids.ts";
import { REQUEST_RANGES_MAX, type Request, type Token } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";
import { type RemoteSites, seqOnToken } from "./remote-sites.ts";
import type { RingStatistics } from "./statistics.ts";

/** What repairs ask of the ring's host. */
export interface RepairsOutbox {
  /** To all other members of the ring. */
  multicast(bytes: Uint8Array): void;
  /** Recovery: answers what it can of a request for an old configuration and takes it out. Returns the bytes sent. */
  answerOld(request: Request): number;
  /** Recovery: packets of old configurations that this daemon asks its ring for. */
  missingOld(): readonly Request[];
}

const NOTHING = new Set<number>();

/** What the members of a ring lack: they ask for it on the token, and whoever has it and holds the token sends it again. */
export class Repairs {
  readonly #configuration: Configuration;
  readonly #remote: RemoteSites | undefined;
  readonly #statistics: RingStatistics;
  readonly #outbox: RepairsOutbox;
  #answeredLast = NOTHING;

  constructor(
    configuration: Configuration,
    remote: RemoteSites | undefined,
    statistics: RingStatistics,
    outbox: RepairsOutbox,
  ) {
    this.#configuration = configuration;
    this.#remote = remote;
    this.#statistics = statistics;
    this.#outbox = outbox;
  }

  /**
   * Sends what the token asks for, up to so many bytes; what it has not, or sent at the last visit in vain, stays for others. Returns
   * the bytes sent.
   */
  answer(token: Token, bytesMax: number, recovering: boolean): number {
    if (token.requests.length === 0) {
      this.#answeredLast = NOTHING;
      return 0;
    }
    const { id, ring, stable } = this.#configuration;
    let sent = 0;
    const before = ring.length > 2 ? this.#answeredLast : NOTHING;
    const answered = new Set<number>();
    this.#answeredLast = answered;
    for (const request of token.requests) {
      if (!sameConfiguration(request.configuration, id)) {
        // Once all have recovered nobody lacks anything old: who asks does not know what it asks for.
        if (recovering) sent += this.#outbox.answerOld(request);
        else request.missing.remove(0, 0xffff_ffff);
        continue;
      }
      const stream = this.#configuration.stream(request.site);
      // A request that nobody can answer must not stay on the token.
      request.missing.remove(stream === undefined ? 0 : seqOnToken(token, stream.site) + 1, 0xffff_ffff);
      if (stream === undefined) continue;
      request.missing.remove(0, this.#remote === undefined ? stable : stream.discarded);
      for (const seq of Array.from(request.missing.numbers())) {
        if (sent >= bytesMax) break;
        const packet = stream.get(seq);
        if (packet === undefined) continue;
        const key = stream.site * 2 ** 32 + packet.seq;
        if (before.has(key)) continue;
        request.missing.remove(seq);
        // One that stands for several is sent once.
        if (answered.has(key)) continue;
        answered.add(key);
        sent += packet.bytes.length;
        this.#statistics.retransmitted++;
        this.#outbox.multicast(packet.bytes);
      }
    }
    token.requests = token.requests.filter((request) => !request.missing.isEmpty);
    return sent;
  }

  /** Puts on the token what this member lacks: of the ring's own packets up to `upTo`. */
  ask(token: Token, upTo: number, recovering: boolean): void {
    const { id, local } = this.#configuration;
    if (local.prefix < upTo) {
      const missing = local.missing(upTo, REQUEST_RANGES_MAX);
      if (!missing.isEmpty) this.#add(token, { configuration: id, site: local.site, missing });
    }
    if (this.#remote !== undefined) for (const request of this.#remote.requests(token)) this.#add(token, request);
    if (recovering) for (const old of this.#outbox.missingOld()) this.#add(token, old);
  }

  #add(token: Token, request: Request): void {
    this.#statistics.requested += request.missing.size;
    const same = token.requests.find(
      (other) => other.site === request.site && sameConfiguration(other.configuration, request.configuration),
    );
    if (same === undefined) {
      token.requests.push(request);
      return;
    }
    const union = same.missing;
    union.addAll(request.missing);
    // What does not fit is asked for again in the next rotation.
    const ranges = [...union.ranges()];
    for (const [low, high] of ranges.slice(REQUEST_RANGES_MAX)) union.remove(low, high);
  }
}
