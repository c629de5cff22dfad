import { AssertionError, assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";
import { SITES_MAX } from "../base/site-set.ts";

/** A configured daemon. `site`: 0 … `SITES_MAX` − 1, 0 if none is given. */
export type DaemonPlace = { readonly id: DaemonId; readonly segment: number; readonly site?: number };

/**
 * The potential configuration: which daemons there may be, in which segments of which sites, and the order that all daemons
 * agree on, which is that of the configuration file (protocols.md G3, G.9). A site is one or more segments that are near each
 * other: they have one ring. Between sites there are hops (docs/protocols/wide-area.md).
 */
export class Layout {
  readonly #places: readonly DaemonPlace[];
  readonly #positions = new Map<DaemonId, number>();
  /** All that are configured, ascending. */
  readonly sites: readonly number[];

  /** In the order of the configuration file; ids are unique. */
  constructor(places: readonly DaemonPlace[]) {
    this.#places = places;
    const sites = new Map<number, number>();
    places.forEach(({ id, segment, site = 0 }, position) => {
      assert(!this.#positions.has(id), "a daemon's id is unique");
      assert(site >= 0 && site < SITES_MAX, "a site's number is below SITES_MAX");
      assert((sites.get(segment) ?? site) === site, "a segment is in one site");
      sites.set(segment, site);
      this.#positions.set(id, position);
    });
    this.sites = [...new Set(sites.values())].sort((a, b) => a - b);
  }

  get daemons(): readonly DaemonPlace[] {
    return this.#places;
  }

  get hasOneSegment(): boolean {
    return this.#places.every(({ segment }) => segment === this.#places[0]?.segment);
  }

  has(daemon: DaemonId): boolean {
    return this.#positions.has(daemon);
  }

  positionOf(daemon: DaemonId): number {
    const position = this.#positions.get(daemon);
    // Not by `assert`: it is asked for all the time, and the text would be made each time.
    if (position === undefined) throw new AssertionError(`daemon ${daemon} is not configured`);
    return position;
  }

  segmentOf(daemon: DaemonId): number {
    return (this.#places[this.positionOf(daemon)] as DaemonPlace).segment;
  }

  siteOf(daemon: DaemonId): number {
    return (this.#places[this.positionOf(daemon)] as DaemonPlace).site ?? 0;
  }

  /** Those of these daemons that are in the site, in the same order. */
  ofSite(daemons: readonly DaemonId[], site: number): DaemonId[] {
    return this.sites.length === 1 ? [...daemons] : daemons.filter((daemon) => this.siteOf(daemon) === site);
  }

  /** A new array in the order of the configuration. */
  sorted(daemons: Iterable<DaemonId>): DaemonId[] {
    return [...new Set(daemons)].sort((a, b) => this.positionOf(a) - this.positionOf(b));
  }

  /** The first of these daemons that is in the segment. */
  firstOf(daemons: readonly DaemonId[], segment: number): DaemonId | undefined {
    return daemons.find((daemon) => this.segmentOf(daemon) === segment);
  }

  /** Of every segment but this one, the first of these daemons. */
  firstOfOtherSegments(daemons: readonly DaemonId[], segment: number): DaemonId[] {
    return daemons.filter((daemon) => {
      const other = this.segmentOf(daemon);
      return other !== segment && this.firstOf(daemons, other) === daemon;
    });
  }

  spansSegments(daemons: readonly DaemonId[]): boolean {
    return daemons.some((daemon) => this.segmentOf(daemon) !== this.segmentOf(daemons[0] as DaemonId));
  }
}
