import { assert } from "../base/assert.ts";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { Interests } from "./interests.ts";
import { Stream } from "./stream.ts";

/** A position in the total order of one configuration: (LTS, site). */
export type Stamp = { readonly lts: number; readonly site: number };

/** Whether a comes before b. */
export function isBefore(aLts: number, aSite: number, bLts: number, bSite: number): boolean {
  return aLts < bLts || (aLts === bLts && aSite < bSite);
}

/**
 * What belongs to one configuration of daemons: members, streams, and what of them is stable. One object, made when
 * the ring forms, frozen when the next one starts to form, dropped at the next install. Below `membership/` and `ordering/`
 * both, so that they share it without knowing each other (architecture.md, decision 9).
 */
export class Configuration {
  readonly id: ConfigurationId;
  /** Of all sites, in configuration order. */
  readonly members: readonly DaemonId[];
  /** Those of this daemon's site, in the order of its ring. The first represents the site. */
  readonly ring: readonly DaemonId[];
  /** One per site of the configuration, ordered by site. */
  readonly streams: readonly Stream[];
  readonly local: Stream;
  readonly #sites: ReadonlyMap<DaemonId, number>;
  /** What its daemons have announced that they are interested in. */
  readonly interests = new Interests();
  /** An LTS that another site has reached, as it said with what its daemons hold: what is stamped here from then on comes after it. */
  clockHeard = 0;
  /** Greatest LTS up to which every member is known to hold every stream: the bound for safe delivery and for dropping. */
  stable = 0;

  constructor(
    id: ConfigurationId,
    members: readonly DaemonId[],
    sites: readonly number[],
    localSite: number,
    siteOf: (daemon: DaemonId) => number = () => localSite,
  ) {
    this.id = id;
    this.members = members;
    this.#sites = new Map(members.map((member) => [member, siteOf(member)]));
    this.ring = sites.length === 1 ? members : members.filter((member) => siteOf(member) === localSite);
    this.streams = sites.map((site) => new Stream(site));
    const local = this.streams.find((stream) => stream.site === localSite);
    assert(local !== undefined, "a daemon's own site is in its configuration");
    this.local = local;
  }

  get hasOneSite(): boolean {
    return this.streams.length === 1;
  }

  isMember(daemon: DaemonId): boolean {
    return this.#sites.has(daemon);
  }

  /** `undefined` for a daemon that is not a member. */
  siteOf(daemon: DaemonId): number | undefined {
    return this.#sites.get(daemon);
  }

  /** Who speaks for a site: the first of its members. */
  representativeOf(site: number): DaemonId {
    const first = this.members.find((member) => this.#sites.get(member) === site);
    assert(first !== undefined, "a site of a configuration has members in it");
    return first;
  }

  stream(site: number): Stream | undefined {
    if (this.streams.length === 1) return this.local.site === site ? this.local : undefined;
    return this.streams.find((stream) => stream.site === site);
  }

  /** Whether a correct member can have stamped this packet, as far as the packet tells. */
  admits({ origin, site, seq, first, lts, numbers }: RingPacket): boolean {
    // With one site the stamp is the seq.
    if (this.streams.length === 1)
      return site === this.local.site && lts === seq && first === seq && numbers === undefined;
    // What stands for others is made by the representative of their site, for other sites.
    const isWhole = numbers === undefined ? first === seq : first > 0 && first <= seq && site !== this.local.site;
    return this.#sites.get(origin) === site && lts >= seq && isWhole;
  }

  /** The smallest stamp that an unseen packet can have. What lies before it is ordered for good (recovery.md). */
  get cutLts(): number {
    if (this.streams.length === 1) return this.local.unknownLts;
    let lowest = Number.POSITIVE_INFINITY;
    for (const { unknownLts } of this.streams) if (unknownLts < lowest) lowest = unknownLts;
    return lowest;
  }

  /** The site of the cut: the lowest of those whose unknown stamp has `cutLts`. */
  get cutSite(): number {
    if (this.streams.length === 1) return this.local.site;
    const lts = this.cutLts;
    return (this.streams.find((stream) => stream.unknownLts === lts) as Stream).site;
  }

  isAgreed(lts: number, site: number): boolean {
    return isBefore(lts, site, this.cutLts, this.cutSite);
  }

  /** The greatest LTS of a packet held: what is stamped next comes after it (protocols.md G22). */
  get ltsHeld(): number {
    let greatest = 0;
    for (const { ltsHeld } of this.streams) if (ltsHeld > greatest) greatest = ltsHeld;
    return greatest;
  }

  /** Packets of the local stream up to this seq are stable. */
  get stableSeq(): number {
    if (this.streams.length === 1) return Math.min(this.stable, this.local.prefix);
    return this.local.seqUpTo(this.stable);
  }

  /** Takes over what the sites have acknowledged; whether `stable` has grown. */
  settle(): boolean {
    let lowest = this.local.acknowledged;
    for (const { acknowledged } of this.streams) if (acknowledged < lowest) lowest = acknowledged;
    if (lowest <= this.stable) return false;
    this.stable = lowest;
    return true;
  }
}
