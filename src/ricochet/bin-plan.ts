import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { Targets } from "../wire/timely/repairs.ts";

/** A group as repairs see it. */
export type GroupShape = {
  readonly group: GroupNumber;
  /** Ascending; this node is one of them. */
  readonly members: readonly NodeId[];
  /** How many repairs shall cover each packet at each member, on average: c of the rate of fire (r, c). */
  readonly repairs: number;
  /** r of the rate of fire, and how members to repair are chosen, the same at all members; default: as the node's settings say. */
  readonly packetsPerRepair?: number;
  readonly targets?: Targets;
  /** Each member says itself how it is to be repaired, so that repairs bring this share of what it loses. */
  readonly recovery?: number | undefined;
};

/** What a node knows of one of its timely groups. */
export type TimelyShape = GroupShape & {
  /** Number of the group's present view: ascending with every change of its members, and the same at all of them. */
  readonly view: number;
};

/** A bin for repairs: takes packets of these groups, and what comes of them goes to members of this region. */
export type BinPlan = {
  readonly groups: readonly GroupNumber[];
  /** Those who share exactly a certain set of groups with this node. Ascending. */
  readonly region: readonly NodeId[];
  /** How many of them each repair of the bin goes to, on average. */
  readonly targets: number;
};

/** Shares that differ by less than this differ by rounding. */
const ROUNDING = 1e-9;

/**
 * Divides the other members of a node's groups into regions by the exact set of groups that each shares with it, and a group's
 * repairs over the regions in proportion to their members (Ricochet; protocols.md B5 to B7, O7). In a region whose groups have different shares the
 * bins are nested: first one for all groups with the least share, then one for the rest with what is left of theirs.
 */
export function planBins(me: NodeId, groups: readonly GroupShape[]): BinPlan[] {
  const shared = new Map<NodeId, GroupShape[]>();
  for (const shape of groups.toSorted((a, b) => a.group - b.group)) {
    for (const member of shape.members) {
      if (member === me) continue;
      const others = shared.get(member);
      if (others === undefined) shared.set(member, [shape]);
      else others.push(shape);
    }
  }
  const regions = new Map<string, { readonly shapes: readonly GroupShape[]; readonly members: NodeId[] }>();
  for (const [member, shapes] of shared) {
    const key = shapes.map(({ group }) => group).join();
    const region = regions.get(key);
    if (region === undefined) regions.set(key, { shapes, members: [member] });
    else region.members.push(member);
  }
  return [...regions.values()].flatMap(({ shapes, members }) =>
    nested(
      shapes,
      members.sort((a, b) => a - b),
    ),
  );
}

function nested(shapes: readonly GroupShape[], region: readonly NodeId[]): BinPlan[] {
  let left = shapes.map(({ group, members, repairs }) => ({
    group,
    share: (repairs * region.length) / (members.length - 1),
  }));
  const bins: BinPlan[] = [];
  for (;;) {
    left = left.filter(({ share }) => share > ROUNDING);
    if (left.length === 0) return bins;
    const targets = Math.min(...left.map(({ share }) => share));
    bins.push({ groups: left.map(({ group }) => group), region, targets });
    left = left.map(({ group, share }) => ({ group, share: share - targets }));
  }
}
