import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import type { Change, GroupView, NodeInfo, RegionView } from "../cms/views.ts";

/** What a change has made of the views that a node knows. */
export type Applied = {
  /** Region views that there were, and that nobody sends in any more. */
  readonly superseded: readonly RegionView[];
  readonly regions: readonly RegionView[];
  readonly groups: readonly GroupView[];
  readonly groupsLeft: readonly GroupNumber[];
};

/** The current views of the regions and groups that a node knows: its mirror of the membership service. */
export class KnownViews {
  readonly #regions = new Map<RegionId, RegionView>();
  readonly #groups = new Map<GroupNumber, GroupView>();
  readonly #nodes = new Map<NodeId, NodeInfo>();

  region(id: RegionId): RegionView | undefined {
    return this.#regions.get(id);
  }

  group(group: GroupNumber): GroupView | undefined {
    return this.#groups.get(group);
  }

  get groups(): ReadonlyMap<GroupNumber, GroupView> {
    return this.#groups;
  }

  get regions(): ReadonlyMap<RegionId, RegionView> {
    return this.#regions;
  }

  /** A node that is or was a member of a region known here. */
  node(id: NodeId): NodeInfo | undefined {
    return this.#nodes.get(id);
  }

  apply(change: Change): Applied {
    const superseded: RegionView[] = [];
    const regions: RegionView[] = [];
    const groups: GroupView[] = [];
    for (const id of change.regionsDeleted) {
      const region = this.#regions.get(id);
      assert(region !== undefined, "a region that ends is known");
      superseded.push(region);
      this.#regions.delete(id);
    }
    for (const { region: id, view, added, removed } of change.regionsChanged) {
      const before = this.#regions.get(id);
      assert(before !== undefined && view === before.id.view + 1, "views of a region follow each other");
      const gone = new Set(removed);
      const members = [...before.members.filter((member) => !gone.has(member.id)), ...added];
      members.sort((a, b) => a.id - b.id);
      superseded.push(before);
      regions.push({ ...before, id: { region: id, view }, members });
    }
    for (const region of change.regionsCreated) {
      // A node that knew an earlier view is told the whole again after it was away.
      const before = this.#regions.get(region.id.region);
      if (before !== undefined) superseded.push(before);
      regions.push(region);
    }
    for (const region of regions) {
      this.#regions.set(region.id.region, region);
      for (const member of region.members) this.#nodes.set(member.id, member);
    }
    for (const id of change.groupsDeleted) this.#groups.delete(id);
    for (const { group, view, added, removed } of change.groupsChanged) {
      const before = this.#groups.get(group);
      assert(before !== undefined && view === before.view + 1, "views of a group follow each other");
      const gone = new Set(removed);
      const ids = [...before.regions.filter((region) => !gone.has(region)), ...added].sort((a, b) => a - b);
      groups.push({ ...before, view, regions: ids });
    }
    groups.push(...change.groupsCreated);
    for (const group of groups) this.#groups.set(group.group, group);
    return { superseded, regions, groups, groupsLeft: change.groupsDeleted };
  }
}
