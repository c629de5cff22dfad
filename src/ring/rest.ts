import type { DaemonId } from "../base/ids.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { REST_VERSION } from "../wire/ring-rest.ts";
import type { Token } from "../wire/ring-token.ts";
import type { Configuration } from "./configuration.ts";

/**
 * Where an idle token rests, and since when one member may think so (docs/adr/0002, docs/adr/0014).
 *
 * After two rotations without news everybody knows that everything is stable. Who sent last knows it after one. So it keeps the token then
 * and tells the others with one multicast what the second rotation would have told them: the next message need not wait for the token to
 * come back, and a message costs half as many datagrams.
 */
export class Rest {
  readonly #me: DaemonId;
  readonly #configuration: Configuration;
  readonly #announces: boolean;
  /** Who stamped the packet with the highest seq. */
  #lastOrigin: DaemonId;
  #lastSeq = 0;
  /** Hop of the token with which it was stamped. */
  #lastRound = 0;
  /** Of the token that was passed on, kept or heard of last. */
  #idleHops = 0;
  #isWanted = false;

  constructor(me: DaemonId, configuration: Configuration, version: number) {
    this.#me = me;
    this.#configuration = configuration;
    // A ring of one has nobody to tell, and over several sites promises have to go round as well.
    this.#announces = version >= REST_VERSION && configuration.hasOneSite && configuration.ring.length > 1;
    this.#lastOrigin = configuration.ring[0] as DaemonId;
  }

  /** Who keeps an idle token: among other sites the representative, since what they send comes there. */
  get at(): DaemonId {
    return this.#configuration.hasOneSite ? this.#lastOrigin : (this.#configuration.ring[0] as DaemonId);
  }

  /** A packet has been sent or has come. */
  note({ seq, origin, round }: RingPacket): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    this.#lastRound = round;
    this.#lastOrigin = origin;
  }

  /** The token leaves this member, or rests here, or was heard to rest. */
  passed(idleHops: number): void {
    this.#idleHops = idleHops;
    this.#isWanted = false;
  }

  /** Somebody has data, and thinks that the token may rest here. */
  wanted(): void {
    this.#isWanted = true;
  }

  /** Whether nothing was going on for so long, when the token was last here, that it may rest by now. */
  get mayRest(): boolean {
    return this.#idleHops >= this.#configuration.ring.length;
  }

  /**
   * Whether a member that has had the token of this hop, and has data now, should say so at once: the token rests, or will before it comes
   * by, if nobody sends. If somebody has sent since, it comes by first.
   */
  mayComeToRest(hop: number): boolean {
    if (this.#lastRound > hop) return false;
    return this.mayRest || (this.#announces && this.#idleHops > 0);
  }

  /** Whether this member has to be told what is stable, as the token may not come to tell it. */
  get waitsToBeTold(): boolean {
    return this.#announces && this.#configuration.stableSeq < this.#configuration.local.high;
  }

  /** Whether a token that would be passed on like this stays here, and whether the others have to be told so. */
  keeps(token: Token): "no" | "yes" | "announced" {
    if (this.at !== this.#me) return "no";
    const count = this.#configuration.ring.length;
    if (token.idleHops >= 2 * count) return "yes";
    const isQuiet = token.idleHops >= count && token.waiting === 0 && this.#configuration.stableSeq >= token.siteSeq;
    return this.#announces && isQuiet && !this.#isWanted ? "announced" : "no";
  }

  /** Whether `from` can have kept a token of this hop after the last packet here, which was the last one of all. */
  isPlausible(from: DaemonId, rest: { readonly hop: number; readonly seq: number }, hop: number): boolean {
    const { local, ring, cutLts } = this.#configuration;
    const isNext = rest.hop >= hop && rest.hop <= hop + ring.length;
    return this.#announces && from === this.#lastOrigin && isNext && rest.seq === local.high && rest.seq < cutLts;
  }
}
