import { assert } from "../../base/assert.ts";
import type { GroupNumber, RegionId } from "../../base/ids.ts";
import { NO_CHANGE } from "../../cms/no-change.ts";
import type { Change, GroupView, NodeInfo, WholeRegionView } from "../../cms/views.ts";

/** Views that a membership service would have computed: the first ones, of a system that does not change. */
export type Layout = {
  readonly nodes: readonly NodeInfo[];
  readonly regions: readonly WholeRegionView[];
  readonly groups: ReadonlyMap<GroupNumber, GroupView>;
  /** What each node is told when it comes. */
  changeFor(node: number): Change;
};

/** Exact regions of nodes with these groups. Node `i` has the id `i + 1`. */
export function layoutOf(groupsOf: readonly (readonly number[])[]): Layout {
  const nodes = groupsOf.map((_, i) => infoOf(i));
  const keys = new Map<readonly number[], string>();
  const byKey = new Map<string, { readonly groups: readonly number[]; readonly members: NodeInfo[] }>();
  groupsOf.forEach((groups, i) => {
    let key = keys.get(groups);
    if (key === undefined) keys.set(groups, (key = groups.join(" ")));
    let region = byKey.get(key);
    if (region === undefined) byKey.set(key, (region = { groups, members: [] }));
    region.members.push(nodes[i] as NodeInfo);
  });
  const regions: WholeRegionView[] = [...byKey.values()].map(({ groups, members }, i) => {
    return { id: { region: i + 1, view: 1 }, groups, address: i, members };
  });
  const regionsOf = new Map<GroupNumber, { readonly regions: RegionId[]; readonly places: number[] }>();
  for (const { id, groups } of regions) {
    for (const [place, group] of groups.entries()) {
      let of = regionsOf.get(group);
      if (of === undefined) regionsOf.set(group, (of = { regions: [], places: [] }));
      of.regions.push(id.region);
      of.places.push(place);
    }
  }
  const groups = new Map<GroupNumber, GroupView>();
  for (const [group, of] of regionsOf) groups.set(group, { group, name: `g${group}`, view: 1, ...of });
  const changes = new Map<readonly number[], Change>();
  return {
    nodes,
    regions,
    groups,
    changeFor: (node) => {
      const own = groupsOf[node];
      assert(own !== undefined, "the node is one of the layout");
      let change = changes.get(own);
      if (change === undefined) changes.set(own, (change = changeOf(own, groups, regions)));
      return change;
    },
  };
}

/** The port says which computer it is. */
function infoOf(index: number): NodeInfo {
  return {
    id: index + 1,
    name: `#n${index + 1}`,
    address: { host: "", controlPort: index, repairPort: index, dataPort: index },
  };
}

function changeOf(
  own: readonly number[],
  groups: ReadonlyMap<GroupNumber, GroupView>,
  regions: readonly WholeRegionView[],
): Change {
  const groupsCreated = own.map((group) => groups.get(group) as GroupView);
  const known = new Set(groupsCreated.flatMap(({ regions: of }) => of));
  const regionsCreated = regions.filter(({ id }) => known.has(id.region));
  return { ...NO_CHANGE, seq: 1, n: 1, regionsCreated, groupsCreated };
}
