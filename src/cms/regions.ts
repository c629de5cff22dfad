import { assert } from "../base/assert.ts";
import { type GroupNumber, issuedId, type NodeId, type RegionId } from "../base/ids.ts";
import { AddressPool } from "./address-pool.ts";
import { ascending, edited, has, hashOf, isEqual } from "./ascending.ts";
import { Clustering } from "./clustering.ts";
import { isHybrid } from "./dissemination-rule.ts";
import { type GroupStep, type Move, Region, RegionGroup, type RegionStep, type Step } from "./region.ts";
import { exactRegions, type RegionPolicy } from "./region-policy.ts";
import type { Absence, NodeInfo, RegionView } from "./views.ts";

export type { Step } from "./region.ts";

/** What becomes of one node in a batch. */
export type NodeChange = {
  readonly node: NodeId;
  /** Names of groups. What the node is in already, or not in, is passed over. */
  readonly joined: readonly string[];
  readonly left: readonly string[];
  /** The node is gone, with all its groups. */
  readonly failed: boolean;
};

/** How many ids of each kind an epoch has given out. */
export type IssuedIds = { readonly nodes: number; readonly regions: number; readonly groups: number };

/** All that a `RegionMap` knows, as plain data. Canonical: equal maps give equal states. */
export type RegionMapState = {
  readonly policy: RegionPolicy;
  readonly epoch: number;
  readonly issued: IssuedIds;
  readonly addresses: { readonly taken: number; readonly free: readonly number[] };
  /** By number. */
  readonly groups: readonly {
    readonly number: GroupNumber;
    readonly name: string;
    readonly view: number;
    readonly address: number | undefined;
    readonly isHybrid: boolean;
  }[];
  /** By id. */
  readonly regions: readonly {
    readonly id: RegionId;
    readonly view: number;
    readonly address: number;
    readonly groups: readonly GroupNumber[];
    readonly members: readonly NodeId[];
  }[];
  /** By id. */
  readonly nodes: readonly NodeInfo[];
  /** Where regions are approximate: the groups that nodes are in, by node. */
  readonly wanted: readonly Absence[];
};

/**
 * Which nodes are in which groups, and what follows from it: exact regions of overlap, their views, and the views of groups (protocols.md
 * A1, A8, A9). A pure reducer: equal batches in equal order make equal maps (K34). It knows nothing of failures' detection, epochs'
 * durability, or who has been told what.
 *
 * The groups of a region stand once for all its nodes. A change of a node is looked up by the region that it leaves and the groups that it
 * joins and leaves: only the first node of a batch with such a change pays for the length of the list. A batch costs what it changes, plus
 * the members of the regions that it touches.
 *
 * Group views name regions and not their views: a change within a region is none of its groups (section 0, A8/A9). Ids are never given out
 * again: the next region with the same groups is another one.
 */
export class RegionMap {
  readonly #policy: RegionPolicy;
  /** Where regions are approximate. */
  readonly #clustering: Clustering | undefined;
  #epoch = 0;
  #issued: { nodes: number; regions: number; groups: number } = { nodes: 0, regions: 0, groups: 0 };
  readonly #nodes = new Map<NodeId, RegionNode>();
  readonly #regions = new Map<RegionId, Region>();
  readonly #bySignature = new Map<number, Region[]>();
  readonly #groups = new Map<GroupNumber, RegionGroup>();
  readonly #byName = new Map<string, RegionGroup>();
  readonly #addresses = new AddressPool();
  #marks = 0;

  constructor(policy: RegionPolicy = exactRegions) {
    this.#policy = policy;
    if (policy.wasteLimit > 0) this.#clustering = new Clustering(policy.wasteLimit);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get issued(): IssuedIds {
    return this.#issued;
  }

  /** By id. To be read before the next batch. */
  get regions(): ReadonlyMap<RegionId, Region> {
    return this.#regions;
  }

  get groups(): ReadonlyMap<GroupNumber, RegionGroup> {
    return this.#groups;
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  node(id: NodeId): NodeInfo | undefined {
    return this.#nodes.get(id)?.info;
  }

  regionOf(node: NodeId): Region | undefined {
    return this.#nodes.get(node)?.region;
  }

  groupNamed(name: string): RegionGroup | undefined {
    return this.#byName.get(name);
  }

  /** A mark that no region bears yet. */
  newMark(): number {
    return ++this.#marks;
  }

  /** From here on ids of this epoch are given out. Nobody may have given out any of it before. */
  enter(epoch: number): void {
    assert(epoch > this.#epoch, "epochs grow");
    this.#epoch = epoch;
    this.#issued = { nodes: 0, regions: 0, groups: 0 };
  }

  /** A new node, in no group yet. */
  register(name: string, address: NodeInfo["address"]): NodeInfo {
    assert(this.#epoch > 0, "an epoch has begun");
    const info: NodeInfo = { id: issuedId(this.#epoch, ++this.#issued.nodes), name, address };
    this.#nodes.set(info.id, { info, region: undefined });
    return info;
  }

  /**
   * Applies one batch, at most one change per node. Changes of nodes that are not known are passed over. The regions of `renewed` get a
   * next view in any case.
   */
  apply(wanted: readonly NodeChange[], renewed: readonly RegionId[] = []): Step {
    const plan = new Plan();
    const batch = this.#clustered(wanted, plan);
    for (const id of renewed) {
      const region = this.#regions.get(id);
      if (region !== undefined) plan.touch(region);
    }
    const moves: Move[] = [];
    const failed: NodeId[] = [];
    for (const change of batch.toSorted((a, b) => a.node - b.node)) {
      const node = this.#nodes.get(change.node);
      if (node === undefined) continue;
      if (change.failed) {
        failed.push(change.node);
        this.#nodes.delete(change.node);
      }
      const move = this.#move(node, change, plan);
      if (move !== undefined) moves.push(move);
    }
    const groups = new Map<GroupNumber, OpenGroupStep>();
    const regions = [...plan.touched]
      .sort(([a], [b]) => a.id - b.id)
      .map(([region, touched]) => this.#renew(region, touched, groups));
    return { regions, groups: this.#renewGroups(groups), moves, failed };
  }

  /** The groups that a node is in, ascending. */
  groupsOf(node: NodeId): readonly GroupNumber[] {
    const carried = this.regionOf(node)?.groups ?? NONE;
    return this.#clustering === undefined ? carried : carried.filter((number) => !this.#isAbsent(node, number));
  }

  /** The address of a region or group that has ended, and on which nobody acts any more, may be given to another one. */
  recycle(address: number): void {
    this.#addresses.put(address);
  }

  export(): RegionMapState {
    return {
      policy: this.#policy,
      epoch: this.#epoch,
      issued: { ...this.#issued },
      addresses: this.#addresses.export(),
      groups: [...this.#groups.values()]
        .sort((a, b) => a.number - b.number)
        .map(({ number, name, viewNumber, address, isHybrid: hybrid }) => {
          return { number, name, view: viewNumber, address, isHybrid: hybrid };
        }),
      regions: [...this.#regions.values()]
        .sort((a, b) => a.id - b.id)
        .map(({ id, address, groups, view }) => ({
          id,
          view: view.id.view,
          address,
          groups,
          members: view.members.map((member) => member.id),
        })),
      nodes: Array.from(this.#nodes.values(), (node) => node.info).sort((a, b) => a.id - b.id),
      wanted: this.#clustering === undefined ? [] : this.#wanted(),
    };
  }

  /** A map that knows what `export` told. */
  static import(state: RegionMapState): RegionMap {
    const map = new RegionMap(state.policy);
    map.#epoch = state.epoch;
    map.#issued = { ...state.issued };
    map.#addresses.import(state.addresses);
    for (const info of state.nodes) map.#nodes.set(info.id, { info, region: undefined });
    for (const { number, name, view, address, isHybrid: hybrid } of state.groups) {
      const group = new RegionGroup(number, name);
      group.viewNumber = view;
      group.address = address;
      group.isHybrid = hybrid;
      map.#groups.set(number, group);
      map.#byName.set(name, group);
    }
    for (const { id, view, address, groups, members } of state.regions) {
      const region = new Region(id, groups, hashOf(groups), address);
      const infos = members.map((member) => {
        const node = map.#nodes.get(member);
        assert(node !== undefined, "a region's members are known");
        node.region = region;
        return node.info;
      });
      region.view = { id: { region: id, view }, address, members: infos };
      map.#insert(region);
      for (const number of groups) map.#group(number).regions.add(region);
    }
    for (const { node, groups } of state.wanted) {
      map.#clustering?.know(node, groups.map((number) => map.#group(number).name).sort(byText));
    }
    for (const region of map.#regions.values())
      region.view = { ...region.view, ...map.#absent(region, region.view.members) };
    return map;
  }

  // ---- approximate regions ----------------------------------------------------------------------------------------

  #clustered(batch: readonly NodeChange[], plan: Plan): readonly NodeChange[] {
    if (this.#clustering === undefined) return batch;
    const known = batch.filter(({ node }) => this.#nodes.has(node));
    const { batch: moves, changed } = this.#clustering.apply(known, (node) =>
      (this.regionOf(node)?.groups ?? NONE).map((number) => this.#group(number).name),
    );
    for (const node of changed) {
      const region = this.regionOf(node);
      if (region !== undefined) plan.touch(region);
    }
    return moves;
  }

  #isAbsent(node: NodeId, group: GroupNumber): boolean {
    return this.#clustering?.wantedBy(node).includes(this.#group(group).name) === false;
  }

  #absent({ groups }: Region, members: readonly NodeInfo[]): { absent?: readonly Absence[] } {
    if (this.#clustering === undefined) return {};
    const absent: Absence[] = [];
    for (const { id } of members) {
      const others = groups.filter((number) => this.#isAbsent(id, number));
      if (others.length > 0) absent.push({ node: id, groups: others });
    }
    return absent.length === 0 ? {} : { absent };
  }

  #wanted(): Absence[] {
    return [...this.#nodes.keys()]
      .sort((a, b) => a - b)
      .map((node) => ({ node, groups: this.groupsOf(node) }))
      .filter(({ groups }) => groups.length > 0);
  }

  // ---- A9, step 1: who goes where ---------------------------------------------------------------------------------

  #move(node: RegionNode, change: NodeChange, plan: Plan): Move | undefined {
    const from = node.region;
    const { to, joined, left } = change.failed
      ? { to: undefined, joined: NONE, left: from?.groups ?? NONE }
      : this.#route(from, change, plan);
    if (to === from) return undefined;
    if (from !== undefined) plan.touch(from).gone.set(node.info.id, change.failed);
    if (to !== undefined) plan.touch(to).come.push(node.info);
    node.region = to;
    return { node: node.info, failed: change.failed, from, to, joined, left };
  }

  #route(from: Region | undefined, change: NodeChange, plan: Plan): Route {
    const current = from?.groups ?? NONE;
    const joined: GroupNumber[] = [];
    const unknown: string[] = [];
    for (const name of change.joined) {
      const number = this.#byName.get(name)?.number;
      if (number === undefined) unknown.push(name);
      else if (!has(current, number)) joined.push(number);
    }
    // In whatever order the names came, their groups are numbered alike everywhere.
    unknown.sort((a, b) => (a < b ? -1 : 1));
    for (const name of unknown) joined.push((this.#byName.get(name) ?? this.#createGroup(name)).number);
    const left: GroupNumber[] = [];
    for (const name of change.left) {
      const number = this.#byName.get(name)?.number;
      if (number !== undefined && has(current, number)) left.push(number);
    }
    if (joined.length === 0 && left.length === 0) return { to: from, joined, left };
    ascending(joined);
    ascending(left);
    return plan.route(from, joined, left, (hash) => this.#regionWith(edited(current, joined, left), hash));
  }

  /** The region of exactly these groups, made if there is none. */
  #regionWith(groups: GroupNumber[], hash: number): Region | undefined {
    if (groups.length === 0) return undefined;
    const known = this.#bySignature.get(hash)?.find((region) => isEqual(region.groups, groups));
    if (known !== undefined) return known;
    const id = issuedId(this.#epoch, ++this.#issued.regions);
    const region = new Region(id, groups, hash, this.#addresses.take());
    this.#insert(region);
    return region;
  }

  #insert(region: Region): void {
    this.#regions.set(region.id, region);
    const equal = this.#bySignature.get(region.hash);
    if (equal === undefined) this.#bySignature.set(region.hash, [region]);
    else equal.push(region);
  }

  #createGroup(name: string): RegionGroup {
    const group = new RegionGroup(issuedId(this.#epoch, ++this.#issued.groups), name);
    this.#groups.set(group.number, group);
    this.#byName.set(name, group);
    return group;
  }

  #group(number: GroupNumber): RegionGroup {
    const group = this.#groups.get(number);
    assert(group !== undefined, "the groups of a region are known");
    return group;
  }

  // ---- A9, steps 2 and 3: the next views --------------------------------------------------------------------------

  #renew(region: Region, touched: Touched, groups: Map<GroupNumber, OpenGroupStep>): RegionStep {
    const { isNew, view } = region;
    const before = isNew ? undefined : view;
    const members = mergeMembers(view.members, touched);
    assert(
      members.length === view.members.length - touched.gone.size + touched.come.length,
      "each node is in one region",
    );
    let after: RegionView | undefined;
    if (members.length === 0) {
      this.#end(region);
      for (const number of region.groups) this.#groupStep(number, groups).removed.push(region);
    } else {
      after = {
        id: { region: region.id, view: view.id.view + 1 },
        address: region.address,
        members,
        ...this.#absent(region, members),
      };
      region.view = after;
      if (isNew) for (const number of region.groups) this.#groupStep(number, groups).added.push(region);
    }
    const failed: NodeId[] = [];
    for (const [node, hasFailed] of touched.gone) if (hasFailed) failed.push(node);
    return { region, before, after, added: touched.come, removed: [...touched.gone.keys()], failed };
  }

  #end(region: Region): void {
    this.#regions.delete(region.id);
    const equal = this.#bySignature.get(region.hash) as Region[];
    if (equal.length === 1) this.#bySignature.delete(region.hash);
    else equal.splice(equal.indexOf(region), 1);
  }

  /**
   * Where messages to the group go from this view of it on. Looked at only when its set of regions changes: what changes within a region is none of
   * the group, of which there may be thousands.
   */
  #address(group: RegionGroup): void {
    const sizes = Array.from(group.regions, ({ view }) => view.members.length);
    group.isHybrid = isHybrid(this.#policy.dissemination, sizes);
    if (group.isHybrid) group.address ??= this.#addresses.take();
  }

  #groupStep(number: GroupNumber, groups: Map<GroupNumber, OpenGroupStep>): OpenGroupStep {
    let step = groups.get(number);
    if (step === undefined) {
      step = { group: this.#group(number), added: [], removed: [] };
      groups.set(number, step);
    }
    return step;
  }

  #renewGroups(steps: ReadonlyMap<GroupNumber, OpenGroupStep>): Map<GroupNumber, GroupStep> {
    const sorted = new Map<GroupNumber, GroupStep>();
    for (const number of [...steps.keys()].sort((a, b) => a - b)) {
      const step = steps.get(number) as OpenGroupStep;
      const { group, added, removed } = step;
      for (const region of removed) assert(group.regions.delete(region), "a group's regions are known");
      for (const region of added) group.regions.add(region);
      if (group.regions.size === 0) {
        this.#groups.delete(number);
        this.#byName.delete(group.name);
      } else {
        group.viewNumber++;
        this.#address(group);
      }
      sorted.set(number, step);
    }
    return sorted;
  }
}

type RegionNode = { readonly info: NodeInfo; region: Region | undefined };

type Touched = {
  /** By id, as the batch is gone through. */
  readonly come: NodeInfo[];
  /** By id, and whether it has failed. */
  readonly gone: Map<NodeId, boolean>;
};

type OpenGroupStep = { readonly group: RegionGroup; readonly added: Region[]; readonly removed: Region[] };

type Route = {
  readonly to: Region | undefined;
  readonly joined: readonly GroupNumber[];
  readonly left: readonly GroupNumber[];
};

/** What a batch has come to so far. */
class Plan {
  readonly touched = new Map<Region, Touched>();
  readonly #routes = new Map<Region | undefined, Map<number, Route[]>>();

  touch(region: Region): Touched {
    let touched = this.touched.get(region);
    if (touched === undefined) {
      touched = { come: [], gone: new Map() };
      this.touched.set(region, touched);
    }
    return touched;
  }

  /** Where who leaves `from` with this difference goes: `find` is asked once for each, with the hash of the groups there. */
  route(
    from: Region | undefined,
    joined: readonly GroupNumber[],
    left: readonly GroupNumber[],
    find: (hash: number) => Region | undefined,
  ): Route {
    const hash = (hashOf(joined) - hashOf(left)) | 0;
    let routes = this.#routes.get(from);
    if (routes === undefined) {
      routes = new Map();
      this.#routes.set(from, routes);
    }
    const alike = routes.get(hash) ?? [];
    const known = alike.find((route) => isEqual(route.joined, joined) && isEqual(route.left, left));
    if (known !== undefined) return known;
    const route: Route = { to: find(((from?.hash ?? 0) + hash) | 0), joined, left };
    alike.push(route);
    routes.set(hash, alike);
    return route;
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** The members after a change, by id. */
function mergeMembers(members: readonly NodeInfo[], { come, gone }: Touched): NodeInfo[] {
  const result: NodeInfo[] = [];
  let c = 0;
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as NodeInfo;
    while (c < come.length && (come[c] as NodeInfo).id < member.id) result.push(come[c++] as NodeInfo);
    if (!gone.has(member.id)) result.push(member);
  }
  while (c < come.length) result.push(come[c++] as NodeInfo);
  return result;
}

const NONE: readonly never[] = [];
