import { assert } from "../base/assert.ts";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";
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
  /** In configuration order, which is the order of the ring. */
  readonly members: readonly DaemonId[];
  /** One per site of the configuration, ordered by site. */
  readonly streams: readonly Stream[];
  readonly local: Stream;
  readonly #members: ReadonlySet<DaemonId>;
  /** Greatest LTS up to which every member is known to hold every stream: the bound for safe delivery and for dropping. */
  stable = 0;

  constructor(id: ConfigurationId, members: readonly DaemonId[], sites: readonly number[], localSite: number) {
    this.id = id;
    this.members = members;
    this.#members = new Set(members);
    this.streams = sites.map((site) => new Stream(site));
    const local = this.streams.find((stream) => stream.site === localSite);
    assert(local !== undefined, "a daemon's own site is in its configuration");
    this.local = local;
  }

  isMember(daemon: DaemonId): boolean {
    return this.#members.has(daemon);
  }

  stream(site: number): Stream | undefined {
    if (this.streams.length === 1) return this.local.site === site ? this.local : undefined;
    return this.streams.find((stream) => stream.site === site);
  }

  /** The smallest stamp that an unseen packet can have. What lies before it is ordered for good (recovery.md). */
  get cutLts(): number {
    if (this.streams.length === 1) return this.local.unknownLts;
    return Math.min(...this.streams.map((stream) => stream.unknownLts));
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
}
