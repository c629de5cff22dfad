import type { GroupNumber, NodeId, RegionId } from "../../base/ids.ts";
import { absentOf, type Change, type GroupView, type NodeInfo, type RegionView } from "../../cms/views.ts";

/** The members of a group, by id. */
export type Roster = { readonly ids: readonly NodeId[]; readonly names: readonly string[] };

/** Who has come, and gone, from one roster to the next. */
export type Difference = {
  readonly joined: readonly string[];
  readonly left: readonly string[];
  /** Those who left. */
  readonly gone: readonly NodeId[];
};

/** What a node's application sees of its views (qsm/node.ts). */
export type KnownViews = {
  readonly n: number;
  readonly regions: ReadonlyMap<RegionId, RegionView>;
  readonly groups: ReadonlyMap<GroupNumber, GroupView>;
  /** The groups of a region that the node is in. */
  groupsIn(region: RegionId): Iterable<GroupNumber>;
};

/** The groups whose members a change may have changed, of those that are known now: group views do not name what happens in a region. */
export function groupsTouched(change: Change, views: KnownViews): ReadonlySet<GroupNumber> {
  const touched = new Set<GroupNumber>();
  for (const { group } of [...change.groupsCreated, ...change.groupsChanged]) touched.add(group);
  const renewed = [
    ...change.regionsChanged.map(({ region }) => region),
    ...change.regionsCreated.map(({ id }) => id.region),
  ];
  for (const region of renewed) {
    for (const group of views.groupsIn(region)) touched.add(group);
  }
  return touched;
}

/** Whether a node knows the group only because its (approximate) region has it, without being in it. */
export function isOnlyCarried({ group, regions }: GroupView, views: KnownViews, node: NodeId | undefined): boolean {
  if (node === undefined) return false;
  return regions.some((region) => absentOf(views.regions.get(region) ?? {}, node).includes(group));
}

/**
 * The rosters of groups as one step has them, and how they differ from those before. Groups of the same regions share them, and so do their
 * differences: a step that concerns thousands of groups is worked out once.
 */
export class Rosters {
  readonly #views: KnownViews;
  readonly #rosters = new Map<string, Roster>();
  readonly #differences = new Map<Roster, Map<Roster | undefined, Difference>>();

  constructor(views: KnownViews) {
    this.#views = views;
  }

  of({ group, regions }: GroupView): Roster {
    const views = regions.flatMap((region) => this.#views.regions.get(region) ?? []);
    // Of approximate regions not all members are in all groups.
    const isExact = views.every(({ absent }) => absent === undefined);
    const key = isExact ? regions.join() : `${regions.join()} ${group}`;
    let roster = this.#rosters.get(key);
    if (roster === undefined) {
      const members: NodeInfo[] = views.flatMap((view) =>
        isExact ? view.members : view.members.filter(({ id }) => !absentOf(view, id).includes(group)),
      );
      members.sort((a, b) => a.id - b.id);
      roster = { ids: members.map(({ id }) => id), names: members.map(({ name }) => name) };
      this.#rosters.set(key, roster);
    }
    return roster;
  }

  /** `undefined`: they have the same members. */
  difference(roster: Roster, before: Roster | undefined): Difference | undefined {
    let byBefore = this.#differences.get(roster);
    if (byBefore === undefined) this.#differences.set(roster, (byBefore = new Map()));
    let difference = byBefore.get(before);
    if (difference === undefined) {
      const joined = beyond(roster, before);
      const left = before === undefined ? NOBODY : beyond(before, roster);
      difference = { joined: joined.names, left: left.names, gone: left.ids };
      byBefore.set(before, difference);
    }
    return difference.joined.length + difference.left.length === 0 ? undefined : difference;
  }
}

const NOBODY: Roster = { ids: [], names: [] };

function beyond({ ids, names }: Roster, other: Roster | undefined): Roster {
  const known = new Set(other?.ids);
  return { ids: ids.filter((id) => !known.has(id)), names: names.filter((_, i) => !known.has(ids[i] as NodeId)) };
}
