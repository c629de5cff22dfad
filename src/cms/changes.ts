import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { ascending, has, overlaps } from "./ascending.ts";
import type { Move, Region, RegionStep, Step } from "./region.ts";
import type { RegionMap } from "./regions.ts";
import type { Change, GroupChange, GroupView, NodeInfo, RegionChange, RegionView, ViewFailure } from "./views.ts";

/** What a batch means to nodes, but for what stands differently in each one's `Change`. Its lists are shared and never changed. */
export type News = Omit<Change, "seq" | "n" | "finals">;

/** Nodes to which a batch means the same: they were in one region before it, and are in one after it. */
export type Audience = {
  /** By id; never empty. */
  readonly nodes: readonly NodeInfo[];
  readonly news: News;
  /** Views in which these nodes could send until now, and cannot any more: by id of the region. */
  readonly sealed: readonly RegionView[];
};

/** A view that was current before the batch, with nodes that failed in it: its members, or who could send in it. */
export type Loss = { readonly view: RegionView; readonly failed: readonly NodeId[] };

export type Told = { readonly audiences: readonly Audience[]; readonly losses: readonly Loss[] };

/**
 * Who has to be told what of a batch (A10): each node the regions that share a group with it, and its own groups.
 *
 * Nodes that stay in their region are told the same, and so are nodes that make the same move: what they are told is worked out once for
 * all of them. What others hear of a node that moves does not depend on how many groups it is in, but for the groups that they share: their
 * regions gain and lose nodes, and only regions that begin and end are changes of groups. So this takes time in what is told, plus for each
 * region that the batch touches a look at the regions of its groups.
 */
export function audiences(map: RegionMap, step: Step): Told {
  return new Telling(map, step).told();
}

/** All that a node has to know, as a change by which one that knows nothing knows it. */
export function wholeChange(map: RegionMap, node: NodeId, seq: number, n: number): Change {
  const groups = map.regionOf(node)?.groups ?? [];
  const regions = new Set<Region>();
  const groupsCreated: GroupView[] = [];
  for (const number of groups) {
    const group = map.groups.get(number);
    assert(group !== undefined, "the groups of a region are known");
    groupsCreated.push(group.view);
    for (const region of group.regions) regions.add(region);
  }
  const regionsCreated = [...regions].sort(byId).map((region) => region.view);
  return { ...NO_NEWS, seq, n, regionsCreated, groupsCreated, finals: [] };
}

export const NO_NEWS: News = {
  failed: [],
  viewsFailed: [],
  regionsCreated: [],
  regionsChanged: [],
  regionsDeleted: [],
  groupsCreated: [],
  groupsChanged: [],
  groupsDeleted: [],
};

class Telling {
  readonly #map: RegionMap;
  readonly #step: Step;
  readonly #steps = new Map<Region, RegionStep>();
  /** Regions, of before and after, with those touched that share a group with them. */
  readonly #near = new Map<Region, RegionStep[]>();
  /** Regions of after, with the changes of their groups, by number. */
  readonly #groupChanges = new Map<Region, GroupChange[]>();
  readonly #losses = new Map<Region, Loss>();
  readonly #regionChanges = new Map<RegionStep, RegionChange>();

  constructor(map: RegionMap, step: Step) {
    this.#map = map;
    this.#step = step;
    for (const touched of step.regions) this.#steps.set(touched.region, touched);
    this.#findNear();
    this.#findGroupChanges();
    this.#findLosses();
  }

  told(): Told {
    const audiences: Audience[] = [];
    for (const region of this.#near.keys()) {
      const nodes = this.#staying(region);
      if (nodes.length > 0) audiences.push({ nodes, ...this.#toldToStaying(region) });
    }
    for (const moves of this.#moves()) {
      const [first] = moves as [Move];
      audiences.push({ nodes: moves.map((move) => move.node), ...this.#toldToMoving(first) });
    }
    return { audiences, losses: [...this.#losses.values()] };
  }

  // ---- what concerns whom -----------------------------------------------------------------------------------------

  /** Goes through the groups of each touched region, in the regions of before and of after. */
  #findNear(): void {
    const ended = this.#step.regions.filter(({ after }) => after === undefined).length;
    const all = this.#map.regions.size + ended;
    for (const touched of this.#step.regions) {
      const mark = this.#map.newMark();
      let met = 0;
      const meet = (region: Region): void => {
        if (region.mark === mark) return;
        region.mark = mark;
        met++;
        push(this.#near, region, touched);
      };
      for (const number of touched.region.groups) {
        const change = this.#step.groups.get(number);
        const group = change?.group ?? this.#map.groups.get(number);
        assert(group !== undefined, "the groups of a region are known");
        for (const region of group.regions) meet(region);
        for (const region of change?.removed ?? []) meet(region);
        if (met === all) break;
      }
    }
  }

  #findGroupChanges(): void {
    for (const { group, added, removed } of this.#step.groups.values()) {
      // Who is in a new group has just joined it, and is told all of it.
      if (group.viewNumber === 1 || group.regions.size === 0) continue;
      const change: GroupChange = {
        group: group.number,
        view: group.viewNumber,
        ...(group.view.address === undefined ? {} : { address: group.view.address }),
        added: added.map((region) => region.id),
        places: group.placesIn(added),
        removed: removed.map((region) => region.id),
      };
      for (const region of group.regions) push(this.#groupChanges, region, change);
    }
  }

  #findLosses(): void {
    for (const [region, near] of this.#near) {
      const view = this.#before(region);
      if (view === undefined) continue;
      const failed: NodeId[] = [];
      for (const touched of near) for (const node of touched.failed) failed.push(node);
      if (failed.length > 0) this.#losses.set(region, { view, failed: ascending(failed) });
    }
  }

  /** The region's view before the batch. */
  #before(region: Region): RegionView | undefined {
    const touched = this.#steps.get(region);
    return touched === undefined ? region.view : touched.before;
  }

  // ---- nodes that stay --------------------------------------------------------------------------------------------

  #staying(region: Region): readonly NodeInfo[] {
    const touched = this.#steps.get(region);
    if (touched === undefined) return region.view.members;
    if (touched.before === undefined || touched.after === undefined) return [];
    if (touched.added.length === 0) return touched.after.members;
    const come = new Set(touched.added);
    return touched.after.members.filter((member) => !come.has(member));
  }

  #toldToStaying(region: Region): { news: News; sealed: RegionView[] } {
    const regionsCreated: RegionView[] = [];
    const regionsChanged: RegionChange[] = [];
    const regionsDeleted: number[] = [];
    const sealed: RegionView[] = [];
    for (const touched of this.#near.get(region) ?? []) {
      if (touched.before !== undefined) sealed.push(touched.before);
      if (touched.after === undefined) regionsDeleted.push(touched.region.id);
      else if (touched.before === undefined) regionsCreated.push(touched.after);
      else regionsChanged.push(this.#changeOf(touched));
    }
    const news = {
      ...this.#failures(region),
      regionsCreated,
      regionsChanged,
      regionsDeleted,
      groupsCreated: [],
      groupsChanged: this.#groupChanges.get(region) ?? [],
      groupsDeleted: [],
    };
    return { news, sealed };
  }

  // ---- nodes that move --------------------------------------------------------------------------------------------

  /** The moves of nodes that live, those from one region to one other together. */
  #moves(): Move[][] {
    const byWay = new Map<Region | undefined, Map<Region | undefined, Move[]>>();
    for (const move of this.#step.moves) {
      if (move.failed) continue;
      let ways = byWay.get(move.from);
      if (ways === undefined) {
        ways = new Map();
        byWay.set(move.from, ways);
      }
      push(ways, move.to, move);
    }
    return [...byWay.values()].flatMap((ways) => [...ways.values()]);
  }

  #toldToMoving({ from, to, joined, left }: Move): { news: News; sealed: RegionView[] } {
    const regionsCreated = this.#discovered(from, to, joined);
    const gone = this.#lostSight(from, to, left);
    const regionsChanged: RegionChange[] = [];
    const sealed = gone.map((region) => this.#before(region) as RegionView);
    for (const touched of this.#nearTo(to)) {
      if (touched.before === undefined || touched.after === undefined || !knew(from, touched.region)) continue;
      sealed.push(touched.before);
      regionsChanged.push(this.#changeOf(touched));
    }
    sealed.sort((a, b) => a.id.region - b.id.region);
    const changes = to === undefined ? undefined : this.#groupChanges.get(to);
    const news = {
      ...this.#failures(from),
      regionsCreated: regionsCreated.map((region) => region.view),
      regionsChanged,
      regionsDeleted: gone.map((region) => region.id),
      groupsCreated: joined.map((number) => {
        const group = this.#map.groups.get(number);
        assert(group !== undefined, "who joins a group is in it");
        return group.view;
      }),
      groupsChanged: (changes ?? []).filter((change) => !has(joined, change.group)),
      groupsDeleted: left,
    };
    return { news, sealed };
  }

  /** Regions that share a group with `to` and shared none with `from`: by id. */
  #discovered(from: Region | undefined, to: Region | undefined, joined: readonly number[]): Region[] {
    const found = new Set<Region>();
    for (const { region, before, after } of this.#nearTo(to)) {
      if (before === undefined && after !== undefined) found.add(region);
    }
    for (const number of joined) {
      for (const region of this.#map.groups.get(number)?.regions ?? []) {
        if (this.#before(region) === undefined || !knew(from, region)) found.add(region);
      }
    }
    return [...found].sort(byId);
  }

  /** Regions that shared a group with `from`, and have ended or share none with `to`: by id. */
  #lostSight(from: Region | undefined, to: Region | undefined, left: readonly number[]): Region[] {
    const lost = new Set<Region>();
    for (const { region, after } of this.#nearTo(from)) if (after === undefined) lost.add(region);
    for (const number of left) {
      for (const region of this.#map.groups.get(number)?.regions ?? []) {
        if (this.#before(region) !== undefined && !knew(to, region)) lost.add(region);
      }
    }
    return [...lost].sort(byId);
  }

  #nearTo(region: Region | undefined): readonly RegionStep[] {
    return region === undefined ? [] : (this.#near.get(region) ?? []);
  }

  // ---- parts of it ------------------------------------------------------------------------------------------------

  /** What those who were in that region have to know of failures. */
  #failures(region: Region | undefined): { failed: readonly NodeId[]; viewsFailed: readonly ViewFailure[] } {
    const loss = region === undefined ? undefined : this.#losses.get(region);
    if (loss === undefined) return { failed: [], viewsFailed: [] };
    return { failed: loss.failed, viewsFailed: [{ id: loss.view.id, nodes: loss.failed }] };
  }

  #changeOf(touched: RegionStep): RegionChange {
    let change = this.#regionChanges.get(touched);
    if (change === undefined) {
      const { region, added, removed } = touched;
      const { id, absent } = region.view;
      change = { region: region.id, view: id.view, added, removed, ...(absent === undefined ? {} : { absent }) };
      this.#regionChanges.set(touched, change);
    }
    return change;
  }
}

/** Whether who is in `own` is told of `region`. */
function knew(own: Region | undefined, region: Region): boolean {
  return own !== undefined && (own === region || overlaps(own.groups, region.groups));
}

function byId(a: Region, b: Region): number {
  return a.id - b.id;
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
