import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import type { Change, GroupChange, GroupView, NodeInfo, RegionChange, RegionView } from "./views.ts";

/** What a change has done to the region views that a node knows. */
export type ViewsStep = {
  /** Current from now on. */
  readonly opened: readonly RegionView[];
  /** Were current, or are of no interest any more: the node sends nothing new in them. */
  readonly superseded: readonly RegionView[];
  /** Those of regions that this node has no group in common with any more. They may go on without it. */
  readonly left: ReadonlySet<RegionId>;
};

/**
 * What a node knows of regions and groups: exactly what the membership service has told it, change by change. A change that does not fit
 * is a bug of the service: nothing that a network does gets here.
 */
export class NodeViews {
  readonly #regions = new Map<RegionId, RegionView>();
  readonly #groups = new Map<GroupNumber, GroupView>();
  /** Of each region, the groups that the node is in, with their places there. */
  readonly #places = new Map<RegionId, Map<GroupNumber, number>>();
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

  /** The groups of a region that the node is in. */
  groupsIn(region: RegionId): Iterable<GroupNumber> {
    return this.#places.get(region)?.keys() ?? NONE;
  }

  /** How packets of a region name a group; `undefined` if the node is not in the group, or the group has not the region. */
  placeIn(region: RegionId, group: GroupNumber): number | undefined {
    return this.#places.get(region)?.get(group);
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
    const before = change.regionsDeleted.map((region) => [region, [...this.groupsIn(region)]] as const);
    this.#applyGroups(change);
    const isLeft = (groups: readonly GroupNumber[]): boolean => groups.every((group) => !this.#groups.has(group));
    const left = new Set(before.filter(([, groups]) => isLeft(groups)).map(([region]) => region));
    return { opened, superseded, left };
  }

  #applyGroups({ groupsCreated, groupsChanged, groupsDeleted }: Change): void {
    for (const number of groupsDeleted) {
      const before = this.#groups.get(number);
      assert(before !== undefined, "a group that ends was known");
      this.#forget(number, before.regions);
      this.#groups.delete(number);
    }
    for (const change of groupsChanged) {
      const before = this.#groups.get(change.group);
      assert(before !== undefined && change.view === before.view + 1, "views of a group come one by one");
      this.#forget(change.group, change.removed);
      this.#learn(change.group, change.added, change.places);
      this.#groups.set(change.group, nextGroupView(before, change));
    }
    for (const view of groupsCreated) {
      assert(!this.#groups.has(view.group), "a group is told whole to who does not know it");
      this.#learn(view.group, view.regions, view.places);
      this.#groups.set(view.group, view);
    }
  }

  #learn(group: GroupNumber, regions: readonly RegionId[], places: readonly number[]): void {
    for (const [i, region] of regions.entries()) {
      let known = this.#places.get(region);
      if (known === undefined) this.#places.set(region, (known = new Map()));
      const place = places[i];
      assert(place !== undefined && !known.has(group), "a region that comes to a group is told with the group's place");
      known.set(group, place);
    }
  }

  #forget(group: GroupNumber, regions: readonly RegionId[]): void {
    for (const region of regions) {
      const known = this.#places.get(region);
      assert(known?.delete(group) === true, "a region that leaves a group was in it");
      if (known.size === 0) this.#places.delete(region);
    }
  }

  #known(region: RegionId): RegionView {
    const view = this.#regions.get(region);
    assert(view !== undefined, "a region that changes is known");
    return view;
  }
}

const NONE: readonly never[] = [];

function nextGroupView(before: GroupView, { group, view, address, added, places, removed }: GroupChange): GroupView {
  const gone = new Set(removed);
  const own = address === undefined ? {} : { address };
  const stays = before.regions.map((region) => !gone.has(region));
  return {
    group,
    name: before.name,
    view,
    ...own,
    regions: [...before.regions.filter((_, i) => stays[i]), ...added],
    places: [...before.places.filter((_, i) => stays[i]), ...places],
  };
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
  const { address } = before;
  return { id: { region, view }, address, members, ...(absent === undefined ? {} : { absent }) };
}
