import { assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";

/** A configured daemon. */
export type DaemonPlace = { readonly id: DaemonId; readonly segment: number };

/**
 * The potential configuration: which daemons there may be, in which segments, and the order that all daemons agree
 * on, which is that of the configuration file (protocols.md G3, G.9).
 */
export class Layout {
  readonly #places: readonly DaemonPlace[];
  readonly #positions = new Map<DaemonId, number>();

  /** In the order of the configuration file; ids are unique. */
  constructor(places: readonly DaemonPlace[]) {
    this.#places = places;
    places.forEach(({ id }, position) => {
      assert(!this.#positions.has(id), "a daemon's id is unique");
      this.#positions.set(id, position);
    });
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
    assert(position !== undefined, `daemon ${daemon} is configured`);
    return position;
  }

  segmentOf(daemon: DaemonId): number {
    return (this.#places[this.positionOf(daemon)] as DaemonPlace).segment;
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
