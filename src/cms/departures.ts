import { type NodeId, type RegionViewId, regionViewKey } from "../base/ids.ts";
import type { SettledStream } from "./settled.ts";

/** All that `Departures` knows, as plain data; the oldest first. */
export type DeparturesState = readonly {
  readonly node: NodeId;
  /** Views whose members have not said yet what they have accepted. */
  readonly open: readonly RegionViewId[];
  readonly settled: readonly SettledStream[];
}[];

type Departure = { readonly open: Map<string, RegionViewId>; readonly settled: Map<string, SettledStream> };

/**
 * Nodes that have failed, and what has become of that which they sent (region-views.md, rule 4): of each view in which one could send, its
 * members report what they have accepted, or the view is over. So a node that only seemed to be gone can be told.
 */
export class Departures {
  readonly #byNode = new Map<NodeId, Departure>();

  /** It could send in these views. */
  add(node: NodeId, views: readonly RegionViewId[]): void {
    this.#byNode.set(node, { open: new Map(views.map((id) => [regionViewKey(id), id])), settled: new Map() });
    const [oldest] = this.#byNode.keys();
    if (this.#byNode.size > DEPARTURES_MAX && oldest !== undefined) this.#byNode.delete(oldest);
  }

  /** The leader of a view reports. The first report counts: who leads the view later knows the same. */
  settled(stream: SettledStream): void {
    const departure = this.#byNode.get(stream.sender);
    const key = regionViewKey(stream.id);
    if (departure?.open.delete(key) === true) departure.settled.set(key, stream);
  }

  /** Nobody is left who could say anything of this view. */
  retired(id: RegionViewId): void {
    const key = regionViewKey(id);
    for (const { open } of this.#byNode.values()) open.delete(key);
  }

  /** Whether nothing more will become known of what this node sent. */
  isSettled(node: NodeId): boolean {
    return (this.#byNode.get(node)?.open.size ?? 0) === 0;
  }

  /** What is known of it. */
  of(node: NodeId): readonly SettledStream[] {
    return [...(this.#byNode.get(node)?.settled.values() ?? [])];
  }

  export(): DeparturesState {
    return Array.from(this.#byNode, ([node, { open, settled }]) => {
      return { node, open: [...open.values()], settled: [...settled.values()] };
    });
  }

  static import(state: DeparturesState): Departures {
    const made = new Departures();
    for (const { node, open, settled } of state) {
      made.add(node, open);
      for (const stream of settled) made.#byNode.get(node)?.settled.set(regionViewKey(stream.id), stream);
    }
    return made;
  }
}

/** Who comes back after so many others have failed hears nothing of what it sent. */
const DEPARTURES_MAX = 1_000;
