import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import type { Change, GroupView, NodeInfo, RegionChange, RegionView } from "./views.ts";

/** What a change has done to the region views that a node knows. */
export type ViewsStep = {
  /** Current from now on. */
  readonly opened: readonly RegionView[];
  /** Were current, or are of no interest any more: the node sends nothing new in them. */
  readonly superseded: readonly RegionView[];
};

/**
 * What a node knows of regions and groups: exactly what the membership service has told it, change by change. A change that does not fit
 * is a bug of the service: nothing that a network does gets here.
 */
export class NodeViews {
  readonly #regions = new Map<RegionId, RegionView>();
  readonly #groups = new Map<GroupNumber, GroupView>();
  #seq: number;
  #n = 0;

  /** `seq`: of the last change that this node does not need, because the next one tells it everything. */
  constructor(seq = 0) {
    this.#seq = seq;
  }

  /** Of the last change. */
  get seq(): number {
    return this.#seq;
  }

  /** Position in the service's log up to which this node has been told. */
  get n(): number {
    return this.#n;
  }

  /** The current views of the regions of all groups that the node is in. */
  get regions(): ReadonlyMap<RegionId, RegionView> {
    return this.#regions;
  }

  get groups(): ReadonlyMap<GroupNumber, GroupView> {
    return this.#groups;
  }

  apply(change: Change): ViewsStep {
    assert(change.seq === this.#seq + 1, "changes come in order, without gaps");
    assert(change.n >= this.#n, "changes come in the order of the log");
    this.#seq = change.seq;
    this.#n = change.n;

    const opened: RegionView[] = [];
    const superseded: RegionView[] = [];
    for (const id of change.regionsDeleted) {
      superseded.push(this.#known(id));
      this.#regions.delete(id);
    }
    for (const delta of change.regionsChanged) {
      const before = this.#known(delta.region);
      const view = nextView(before, delta);
      this.#regions.set(delta.region, view);
      superseded.push(before);
      opened.push(view);
    }
    for (const view of change.regionsCreated) {
      assert(!this.#regions.has(view.id.region), "a region is told whole to who does not know it");
      this.#regions.set(view.id.region, view);
      opened.push(view);
    }
    this.#applyGroups(change);
    return { opened, superseded };
  }

  #applyGroups({ groupsCreated, groupsChanged, groupsDeleted }: Change): void {
    for (const number of groupsDeleted) assert(this.#groups.delete(number), "a group that ends was known");
    for (const { group, view, address, added, removed } of groupsChanged) {
      const before = this.#groups.get(group);
      assert(before !== undefined && view === before.view + 1, "views of a group come one by one");
      const gone = new Set(removed);
      const regions = before.regions.filter((id) => !gone.has(id));
      assert(before.regions.length - regions.length === gone.size, "a region that leaves a group was in it");
      for (const id of added) regions.push(id);
      const { name } = before;
      this.#groups.set(group, { group, name, view, ...(address === undefined ? {} : { address }), regions });
    }
    for (const view of groupsCreated) {
      assert(!this.#groups.has(view.group), "a group is told whole to who does not know it");
      this.#groups.set(view.group, view);
    }
  }

  #known(region: RegionId): RegionView {
    const view = this.#regions.get(region);
    assert(view !== undefined, "a region that changes is known");
    return view;
  }
}

function nextView(before: RegionView, { region, view, added, removed, absent }: RegionChange): RegionView {
  assert(view === before.id.view + 1, "views of a region come one by one");
  const gone = new Set<NodeId>(removed);
  const members: NodeInfo[] = [];
  let a = 0;
  for (const member of before.members) {
    while (a < added.length && (added[a] as NodeInfo).id < member.id) members.push(added[a++] as NodeInfo);
    if (!gone.delete(member.id)) members.push(member);
  }
  while (a < added.length) members.push(added[a++] as NodeInfo);
  assert(gone.size === 0, "who leaves a region was in it");
  const { groups, address } = before;
  return { id: { region, view }, groups, address, members, ...(absent === undefined ? {} : { absent }) };
}
