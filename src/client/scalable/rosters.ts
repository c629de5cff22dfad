import type { GroupNumber, NodeId, RegionId } from "../../base/ids.ts";
import type { Change, GroupView, NodeInfo, RegionView } from "../../cms/views.ts";
import type { View } from "../events.ts";

/** The members of a group, by id. */
export type Roster = { readonly ids: readonly NodeId[]; readonly names: readonly string[] };

/** What a node's application sees of its views (qsm/node.ts). */
export type KnownViews = {
  readonly n: number;
  readonly regions: ReadonlyMap<RegionId, RegionView>;
  readonly groups: ReadonlyMap<GroupNumber, GroupView>;
};

/** The groups whose members a change may have changed, of those that are known now: group views do not name what happens in a region. */
export function groupsTouched(change: Change, { regions, groups }: KnownViews): ReadonlySet<GroupNumber> {
  const touched = new Set<GroupNumber>();
  for (const { group } of [...change.groupsCreated, ...change.groupsChanged]) touched.add(group);
  for (const { region } of change.regionsChanged) {
    for (const group of regions.get(region)?.groups ?? []) if (groups.has(group)) touched.add(group);
  }
  return touched;
}

/**
 * The rosters of groups as one step has them, and how they differ from those before. Groups of the same regions share them, and so do their
 * differences: a step that concerns thousands of groups is worked out once.
 */
export class Rosters {
  readonly #views: KnownViews;
  readonly #rosters = new Map<string, Roster>();
  readonly #differences = new Map<Roster, Map<Roster | undefined, Pick<View, "joined" | "left">>>();

  constructor(views: KnownViews) {
    this.#views = views;
  }

  of({ regions }: GroupView): Roster {
    const key = regions.join();
    let roster = this.#rosters.get(key);
    if (roster === undefined) {
      const members: NodeInfo[] = regions.flatMap((region) => this.#views.regions.get(region)?.members ?? []);
      members.sort((a, b) => a.id - b.id);
      roster = { ids: members.map(({ id }) => id), names: members.map(({ name }) => name) };
      this.#rosters.set(key, roster);
    }
    return roster;
  }

  difference(roster: Roster, before: Roster | undefined): Pick<View, "joined" | "left"> {
    let byBefore = this.#differences.get(roster);
    if (byBefore === undefined) this.#differences.set(roster, (byBefore = new Map()));
    let difference = byBefore.get(before);
    if (difference === undefined) {
      difference = {
        joined: namesBeyond(roster, before),
        left: before === undefined ? [] : namesBeyond(before, roster),
      };
      byBefore.set(before, difference);
    }
    return difference;
  }
}

export function isSameRoster(a: Roster, b: Roster | undefined): boolean {
  return b !== undefined && a.ids.length === b.ids.length && a.ids.every((id, i) => id === b.ids[i]);
}

function namesBeyond({ ids, names }: Roster, other: Roster | undefined): string[] {
  const known = new Set(other?.ids);
  return names.filter((_, i) => !known.has(ids[i] as NodeId));
}
