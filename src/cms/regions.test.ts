import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GroupNumber, NodeId, RegionId } from "../base/ids.ts";
import { isEqual } from "./ascending.ts";
import type { Step } from "./region.ts";
import { type NodeChange, RegionMap } from "./regions.ts";
import type { GroupView, NodeInfo, RegionView } from "./views.ts";

const address = { host: "127.0.0.1", controlPort: 1, repairPort: 2, dataPort: 3 };

function mapWith(...names: string[]): { map: RegionMap; nodes: NodeId[] } {
  const map = new RegionMap();
  map.enter(1);
  return { map, nodes: names.map((name) => map.register(name, address).id) };
}

const change = (node: NodeId, joined: readonly string[], left: readonly string[] = []): NodeChange => ({
  node,
  joined,
  left,
  failed: false,
});

const failure = (node: NodeId): NodeChange => ({ node, joined: [], left: [], failed: true });

const ids = (members: readonly NodeInfo[] | undefined) => members?.map((member) => member.id);

function regionNames(map: RegionMap, name: string): string[] {
  const group = map.groupNamed(name);
  return [...(group?.regions ?? [])].map(({ view }) => view.members.map((member) => member.name).join(""));
}

describe("the worked example O6", () => {
  const { map, nodes } = mapWith("a", "b", "c", "d");
  const [a, b, c, d] = nodes as [NodeId, NodeId, NodeId, NodeId];
  map.apply([change(a, ["A"]), change(b, ["A", "B"]), change(c, ["B", "A"]), change(d, ["B"])]);
  const before = { r1: map.regionOf(a), r2: map.regionOf(b), r3: map.regionOf(d) };

  test("regions are the nodes with equal groups", () => {
    expect(map.regionOf(c)).toBe(before.r2);
    expect(regionNames(map, "A")).toEqual(["a", "bc"]);
    expect(regionNames(map, "B")).toEqual(["bc", "d"]);
    expect(before.r2?.view.id.view).toBe(1);
  });

  test("a node that joins moves: its old region ends, the new one has a next view", () => {
    const r3 = before.r3?.view;
    const step = map.apply([change(a, ["B"])]);
    expect(map.regionOf(a)).toBe(before.r2);
    expect(ids(before.r2?.view.members)).toEqual([a, b, c]);
    expect(before.r2?.view.id.view).toBe(2);
    expect(map.regionOf(d)?.view).toBe(r3);
    expect(step.regions.map(({ region, after }) => [region, after])).toEqual([
      [before.r1, undefined],
      [before.r2, before.r2?.view],
    ]);
    expect(regionNames(map, "A")).toEqual(["abc"]);
    expect(regionNames(map, "B")).toEqual(["abc", "d"]);
    // Views of groups name regions: only A has lost one.
    expect(map.groupNamed("A")?.viewNumber).toBe(2);
    expect(map.groupNamed("B")?.viewNumber).toBe(1);
  });
});

test("an address is given out again only when it has come back, the one that came back first", () => {
  const { map, nodes } = mapWith("a", "b", "c");
  const [a, b, c] = nodes as [NodeId, NodeId, NodeId];
  map.apply([change(a, ["A"]), change(b, ["B"])]);
  map.apply([failure(a), failure(b)]);
  map.apply([change(c, ["A"])]);
  expect(map.regionOf(c)?.address).toBe(2);
  map.recycle(1);
  map.recycle(0);
  map.apply([change(c, ["B"])]);
  expect(map.regionOf(c)?.address).toBe(1);
  expect(() => map.recycle(0)).toThrow("once");
});

test("all nodes of a region that make the same change go to one region, whose groups are one list", () => {
  const names = Array.from({ length: 400 }, (_, i) => `n${i}`);
  const { map, nodes } = mapWith(...names);
  const groups = Array.from({ length: 1_000 }, (_, i) => `g${i}`);
  map.apply(nodes.map((node) => change(node, groups)));
  const more = Array.from({ length: 1_000 }, (_, i) => `h${i}`);
  const step = map.apply(nodes.map((node) => change(node, more, groups.slice(0, 10))));
  expect(map.regions.size).toBe(1);
  expect(map.regionOf(nodes[0] as NodeId)?.groups).toHaveLength(1_990);
  expect(new Set(step.moves.map((move) => move.joined)).size).toBe(1);
  expect(step.regions).toHaveLength(2);
  expect(map.groups.size).toBe(1_990);
});

test("an epoch begins to count anew, and never goes back", () => {
  const { map } = mapWith("a");
  map.enter(3);
  expect(map.register("b", address).id).toBe(3 * 2 ** 32 + 1);
  expect(() => map.enter(3)).toThrow("grow");
  expect(() => new RegionMap().register("c", address)).toThrow("begun");
});

// ---- against a model that works everything out anew -------------------------------------------------------------------

const NAMES = ["A", "B", "C", "D", "E"];

type Action =
  | { readonly kind: "register" }
  | { readonly kind: "epoch" }
  | { readonly kind: "again" }
  | {
      readonly kind: "batch";
      readonly of: readonly { node: number; joined: string[]; left: string[]; fails: boolean }[];
    };

const names = fc.subarray(NAMES);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Action>({ kind: "register" }) },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: "epoch" }) },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: "again" }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      of: fc.uniqueArray(
        fc.record({
          node: fc.nat(11),
          joined: names,
          left: names,
          fails: fc.integer({ min: 0, max: 9 }).map((n) => n === 7),
        }),
        { selector: ({ node }) => node, maxLength: 6 },
      ),
    }),
  },
);

/** Everything from scratch: who is in which groups, and nothing else. */
class Model {
  readonly groupsOf = new Map<NodeId, Set<string>>();
  readonly #all: NodeId[] = [];
  readonly #regionIds = new Set<RegionId>();
  readonly #groupNumbers = new Set<GroupNumber>();
  readonly #nodeIds = new Set<NodeId>();
  #regionViews = new Map<RegionId, RegionView>();
  #groupViews = new Map<GroupNumber, GroupView>();

  register(id: NodeId): void {
    expect(this.#nodeIds.has(id)).toBe(false);
    this.#nodeIds.add(id);
    this.#all.push(id);
    this.groupsOf.set(id, new Set());
  }

  nodeAt(index: number): NodeId | undefined {
    return this.#all[index];
  }

  apply(batch: readonly NodeChange[]): void {
    for (const { node, joined, left, failed } of batch) {
      const groups = this.groupsOf.get(node);
      if (groups === undefined) continue;
      const before = new Set(groups);
      for (const name of joined) if (!before.has(name)) groups.add(name);
      for (const name of left) if (before.has(name)) groups.delete(name);
      if (failed) this.groupsOf.delete(node);
    }
  }

  check(map: RegionMap, step: Step | undefined): void {
    this.#checkRegions(map);
    this.#checkGroups(map);
    if (step === undefined) return;
    const changed = new Set(step.regions.map(({ region }) => region.id));
    for (const { before, after, added, removed } of step.regions) {
      const expected = new Set(ids(before?.members));
      for (const id of removed) expect(expected.delete(id)).toBe(true);
      for (const { id } of added) expected.add(id);
      expect(ids(after?.members) ?? []).toEqual([...expected].sort((a, b) => a - b));
    }
    // Views that a step does not name are those before; the others have the next number.
    for (const [id, region] of map.regions) {
      const before = this.#regionViews.get(id);
      if (before === undefined) {
        expect(region.view.id.view).toBe(1);
        expect(this.#regionIds.has(id)).toBe(false);
      } else if (changed.has(id)) expect(region.view.id.view).toBe(before.id.view + 1);
      else expect(region.view).toBe(before);
      this.#regionIds.add(id);
    }
    for (const [number, group] of map.groups) {
      const before = this.#groupViews.get(number);
      if (before === undefined) {
        expect(group.viewNumber).toBe(1);
        expect(this.#groupNumbers.has(number)).toBe(false);
      } else {
        const isSame = isEqual(before.regions, group.view.regions);
        expect(group.viewNumber).toBe(before.view + (isSame ? 0 : 1));
        expect(step.groups.has(number)).toBe(!isSame);
      }
      this.#groupNumbers.add(number);
    }
    this.#remember(map);
  }

  /** After an import views are equal, not the same. */
  adopt(map: RegionMap): void {
    for (const [id, view] of this.#regionViews) expect(map.regions.get(id)?.view).toEqual(view);
    this.#remember(map);
  }

  #remember(map: RegionMap): void {
    this.#regionViews = new Map([...map.regions].map(([id, region]) => [id, region.view]));
    this.#groupViews = new Map([...map.groups].map(([number, group]) => [number, group.view]));
  }

  #checkRegions(map: RegionMap): void {
    const expected = new Map<string, NodeId[]>();
    for (const [node, groups] of this.groupsOf) {
      const key = [...groups].sort().join(" ");
      if (key === "") expect(map.regionOf(node)).toBeUndefined();
      else expected.set(key, [...(expected.get(key) ?? []), node]);
    }
    const actual = new Map<string, NodeId[]>();
    const addresses = new Set<number>();
    for (const region of map.regions.values()) {
      const key = region.groups.map((number) => map.groups.get(number)?.name ?? "").sort();
      actual.set(key.join(" "), ids(region.view.members) as NodeId[]);
      for (const { id } of region.view.members) expect(map.regionOf(id)).toBe(region);
      addresses.add(region.address);
    }
    expect(addresses.size).toBe(map.regions.size);
    expect(actual).toEqual(expected);
    expect(actual.size).toBe(map.regions.size);
    expect(map.nodeCount).toBe(this.groupsOf.size);
  }

  /** K33: the regions of a group are disjoint, and their members together are the group's. */
  #checkGroups(map: RegionMap): void {
    for (const name of NAMES) {
      const expected = [...this.groupsOf].filter(([, groups]) => groups.has(name)).map(([node]) => node);
      const group = map.groupNamed(name);
      const members = (group?.view.regions ?? []).flatMap((id) => ids(map.regions.get(id)?.view.members) as NodeId[]);
      expect(members.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      if (group !== undefined) expect(map.groups.get(group.number)).toBe(group);
    }
    expect(map.groups.size).toBe(new Set([...this.groupsOf.values()].flatMap((groups) => [...groups])).size);
  }
}

test("regions and groups are what the memberships say, and views go on by one (K33, K34)", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40, size: "max" }), (actions) => {
      let map = new RegionMap();
      map.enter(1);
      const model = new Model();
      for (const act of actions) {
        let step: Step | undefined;
        if (act.kind === "register") model.register(map.register("n", address).id);
        else if (act.kind === "epoch") map.enter(map.epoch + 1);
        else if (act.kind === "again") {
          const state = map.export();
          map = RegionMap.import(state);
          expect(map.export()).toEqual(state);
          model.adopt(map);
        } else {
          const batch = act.of.map(({ node, joined, left, fails }) => ({
            node: model.nodeAt(node) ?? 7,
            joined,
            left,
            failed: fails,
          }));
          const unique = batch.filter(({ node }, i) => batch.findIndex((other) => other.node === node) === i);
          step = map.apply(unique);
          model.apply(unique);
        }
        model.check(map, step);
      }
    }),
    { numRuns: 150 },
  );
});

test("a group has an address of its own while its regions are many and small, the same one each time, and it comes back with them", () => {
  const map = new RegionMap({ dissemination: "auto", wasteLimit: 0 });
  map.enter(1);
  const nodes = Array.from({ length: 5 }, (_, i) => map.register(`n${i}`, address).id);
  // Each node in a region of its own.
  map.apply(nodes.map((node, i) => change(node, ["all", `own${i}`])));
  const group = map.groupNamed("all");
  const own = group?.view.address;
  expect(own).toBe(5);
  expect(map.groupNamed("own0")?.view.address).toBeUndefined();
  const [first] = nodes as [NodeId];
  map.apply([change(first, ["own1"], ["own0"])]);
  expect(group?.regions.size).toBe(4);
  expect(group?.view.address).toBeUndefined();
  map.apply([change(first, ["own0"])]);
  expect(group?.view.address).toBe(own);
  expect(RegionMap.import(map.export()).export()).toEqual(map.export());
  const step = map.apply(nodes.map(failure));
  const ended = [...step.groups.values()].find((each) => each.group === group)?.group;
  expect([ended?.regions.size, ended?.address]).toEqual([0, own]);
});
