import type { NodeId } from "../base/ids.ts";
import { approximate } from "./approximate.ts";
import type { NodeChange } from "./regions.ts";

/** What a batch comes to, in what the regions of nodes carry. */
export type Clustered = {
  readonly batch: readonly NodeChange[];
  /** Nodes that stay in their region, and want other groups of it than before. */
  readonly changed: readonly NodeId[];
};

/**
 * Approximate regions (protocols.md A2): knows what groups nodes want, and turns that into what their regions carry. A node then counts as being
 * in all groups of its region; which of them it wants stands with the members of the region's view. Everything is worked out anew with each
 * batch, from all nodes, in an order that is the same everywhere: its cost grows with the square of the different sets of groups.
 */
export class Clustering {
  readonly #wasteLimit: number;
  /** Names, in order; never empty. */
  readonly #wanted = new Map<NodeId, readonly string[]>();

  constructor(wasteLimit: number) {
    this.#wasteLimit = wasteLimit;
  }

  wantedBy(node: NodeId): readonly string[] {
    return this.#wanted.get(node) ?? [];
  }

  /** For a clustering that goes on where another one stands. */
  know(node: NodeId, wanted: readonly string[]): void {
    if (wanted.length > 0) this.#wanted.set(node, wanted);
  }

  /** `carried`: names of the groups of a node's region until now. */
  apply(batch: readonly NodeChange[], carried: (node: NodeId) => readonly string[]): Clustered {
    const touched = new Set<NodeId>();
    const failed: NodeChange[] = [];
    for (const change of batch) {
      if (change.failed) {
        this.#wanted.delete(change.node);
        failed.push(change);
      } else if (this.#want(change)) touched.add(change.node);
    }
    const gone = new Set(failed.map(({ node }) => node));
    const moves: NodeChange[] = [];
    const changed: NodeId[] = [];
    const next = this.#regions();
    for (const node of new Set([...next.keys(), ...touched])) {
      if (gone.has(node)) continue;
      const before = new Set(carried(node));
      const after = new Set(next.get(node) ?? []);
      const joined = [...after].filter((name) => !before.has(name));
      const left = [...before].filter((name) => !after.has(name));
      if (joined.length > 0 || left.length > 0) moves.push({ node, joined, left, failed: false });
      else if (touched.has(node)) changed.push(node);
    }
    return { batch: [...failed, ...moves], changed };
  }

  #want({ node, joined, left }: NodeChange): boolean {
    const before = this.wantedBy(node);
    const wanted = new Set(before);
    for (const name of left) wanted.delete(name);
    for (const name of joined) wanted.add(name);
    const after = [...wanted].sort(byText);
    if (after.length === before.length && after.every((name, i) => name === before[i])) return false;
    if (after.length === 0) this.#wanted.delete(node);
    else this.#wanted.set(node, after);
    return true;
  }

  /** The groups that each node's region is to carry. */
  #regions(): Map<NodeId, readonly string[]> {
    const cells = new Map<string, { readonly names: readonly string[]; readonly nodes: NodeId[] }>();
    for (const [node, names] of this.#wanted) {
      // A name has no zero byte.
      const key = names.join("\0");
      const cell = cells.get(key);
      if (cell === undefined) cells.set(key, { names, nodes: [node] });
      else cell.nodes.push(node);
    }
    const ordered = [...cells.keys()]
      .sort(byText)
      .map((key) => cells.get(key) as NonNullable<ReturnType<typeof cells.get>>);
    const all = [...new Set(ordered.flatMap(({ names }) => names))].sort(byText);
    const places = new Map(all.map((name, i) => [name, i]));
    const clusters = approximate(
      ordered.map(({ names, nodes }) => ({
        groups: names.map((name) => places.get(name) as number),
        members: nodes.length,
      })),
      this.#wasteLimit,
    );
    const regions = new Map<NodeId, readonly string[]>();
    for (const { groups, cells: parts } of clusters) {
      const names = groups.map((place) => all[place] as string);
      for (const part of parts) for (const node of ordered[part]?.nodes ?? []) regions.set(node, names);
    }
    return regions;
  }
}

function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
