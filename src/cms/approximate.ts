import { assert } from "../base/assert.ts";
import type { GroupNumber } from "../base/ids.ts";

/** Nodes that are in exactly the same groups. */
export type Cell = {
  /** Ascending. */
  readonly groups: readonly GroupNumber[];
  readonly members: number;
};

/** Cells that are one region. */
export type Cluster = {
  /** All groups of its cells: what comes to the region. Ascending. */
  readonly groups: readonly GroupNumber[];
  /** Places of its cells in the list that was given. Ascending. */
  readonly cells: readonly number[];
  readonly members: number;
  /** Deliveries of packets that their node does not want, for one message to each of the groups. */
  readonly wasted: number;
};

/**
 * Approximate regions (protocols.md A2): merges regions that have groups in common as long as, of the packets that come to a region, no more
 * than this share of the deliveries (0 … 1) is to nodes that are not in the packet's group. Every group counts alike, as if all had the same traffic.
 * With 0 the regions stay exact.
 *
 * Greedy: of all pairs that may be merged, the one first that wastes least for each packet that a sender is saved, where that is equal the one that
 * stands first. Of its outcome no two regions with a common group could be merged. Equal cells in equal order give equal clusters.
 */
export function approximate(cells: readonly Cell[], wasteLimit: number): Cluster[] {
  assert(wasteLimit >= 0 && wasteLimit < 1, "a waste limit is a share of what is received");
  const clusters: (Cluster | undefined)[] = cells.map(({ groups, members }, i) => {
    return { groups, cells: [i], members, wasted: 0 };
  });
  const best = clusters.map((_, i) => bestPartner(clusters, i, wasteLimit));
  for (;;) {
    let first: Merger | undefined;
    for (const merger of best) if (merger !== undefined && isBetter(merger, first)) first = merger;
    if (first === undefined) break;
    const { a, b } = first;
    clusters[a] = merged(clusters[a] as Cluster, clusters[b] as Cluster);
    clusters[b] = best[b] = undefined;
    for (const [i, merger] of best.entries()) {
      if (clusters[i] === undefined) continue;
      const isStale = i === a || (merger !== undefined && [merger.a, merger.b].some((one) => one === a || one === b));
      if (isStale) best[i] = bestPartner(clusters, i, wasteLimit);
      // The new cluster may suit those better that stand before it: each pair is looked at from its first.
      else if (i < a) {
        const other = mergerOf(clusters, i, a, wasteLimit);
        if (other !== undefined && isBetter(other, merger)) best[i] = other;
      }
    }
  }
  return clusters.filter((cluster) => cluster !== undefined);
}

/** Share of a cluster's deliveries that are to nodes that do not want them. */
export function wasteOf({ groups, members, wasted }: Cluster): number {
  return wasted / (groups.length * members);
}

/** Two clusters, `a` before `b`, that may be one: deliveries that are wasted more for each packet that is saved. */
type Merger = { readonly a: number; readonly b: number; readonly price: number };

function isBetter(merger: Merger, other: Merger | undefined): boolean {
  if (other === undefined || merger.price !== other.price)
    return merger.price < (other?.price ?? Number.POSITIVE_INFINITY);
  return merger.a < other.a || (merger.a === other.a && merger.b < other.b);
}

/** The best merger of a cluster with one of those that stand behind it. */
function bestPartner(clusters: readonly (Cluster | undefined)[], a: number, wasteLimit: number): Merger | undefined {
  let best: Merger | undefined;
  for (let b = a + 1; b < clusters.length; b++) {
    const merger = mergerOf(clusters, a, b, wasteLimit);
    if (merger !== undefined && isBetter(merger, best)) best = merger;
  }
  return best;
}

function mergerOf(
  clusters: readonly (Cluster | undefined)[],
  a: number,
  b: number,
  wasteLimit: number,
): Merger | undefined {
  const [one, other] = [clusters[a], clusters[b]];
  if (one === undefined || other === undefined) return undefined;
  const common = countCommon(one.groups, other.groups);
  if (common === 0) return undefined;
  const added = wasteOfMerging(one, other, common);
  const size = one.groups.length + other.groups.length - common;
  const wasted = one.wasted + other.wasted + added;
  return wasted > wasteLimit * size * (one.members + other.members) ? undefined : { a, b, price: added / common };
}

/** What each gets more than before, and does not want. */
function wasteOfMerging(one: Cluster, other: Cluster, common: number): number {
  return one.members * (other.groups.length - common) + other.members * (one.groups.length - common);
}

function merged(one: Cluster, other: Cluster): Cluster {
  const common = countCommon(one.groups, other.groups);
  return {
    groups: union(one.groups, other.groups),
    cells: union(one.cells, other.cells),
    members: one.members + other.members,
    wasted: one.wasted + other.wasted + wasteOfMerging(one, other, common),
  };
}

function countCommon(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const difference = (a[i] as number) - (b[j] as number);
    if (difference === 0) count++;
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return count;
}

function union(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}
