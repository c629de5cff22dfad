import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId } from "../base/ids.ts";
import { encodeChange } from "./change-codec.ts";
import { audiences, type Loss, type Told, wholeChange } from "./changes.ts";
import { NodeViews } from "./node-views.ts";
import { type NodeChange, RegionMap } from "./regions.ts";
import type { RegionView } from "./views.ts";

const address = { host: "::1", controlPort: 1, repairPort: 2, dataPort: 3 };
const NAMES = ["A", "B", "C", "D"];
const key = ({ id }: RegionView): string => `${id.region}.${id.view}`;

/** A map whose nodes are told what `audiences` says, each at a mirror of its own. */
class World {
  readonly map = new RegionMap({ dissemination: "auto", wasteLimit: 0 });
  readonly mirrors = new Map<NodeId, NodeViews>();
  readonly all: NodeId[] = [];
  n = 0;

  constructor() {
    this.map.enter(1);
  }

  register(): NodeId {
    const { id } = this.map.register(`n${this.all.length}`, address);
    this.all.push(id);
    this.mirrors.set(id, new NodeViews());
    return id;
  }

  apply(batch: readonly NodeChange[]): Told {
    this.n++;
    const before = new Map([...this.mirrors].map(([node, mirror]) => [node, new Map(mirror.regions)]));
    const step = this.map.apply(batch);
    for (const node of step.failed) this.mirrors.delete(node);
    const told = audiences(this.map, step);
    const once = new Set<NodeId>();
    for (const { nodes, news, sealed } of told.audiences) {
      for (const { id } of nodes) {
        expect(once.has(id)).toBe(false);
        once.add(id);
        const mirror = this.mirrors.get(id) as NodeViews;
        const { superseded } = mirror.apply({ ...news, seq: mirror.seq + 1, n: this.n, finals: [] });
        expect(sealed.map(key)).toEqual(
          superseded.map(key).sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b)),
        );
        expect(news.failed.every((node) => step.failed.includes(node))).toBe(true);
      }
    }
    this.#checkLosses(told.losses, new Set(step.failed), before);
    return told;
  }

  /** A failed node was in a view, or could send in it, exactly if it knew the region. */
  #checkLosses(
    losses: readonly Loss[],
    failed: ReadonlySet<NodeId>,
    before: ReadonlyMap<NodeId, ReadonlyMap<number, RegionView>>,
  ): void {
    const expected = new Map<string, NodeId[]>();
    for (const node of [...failed].sort((a, b) => a - b)) {
      for (const view of before.get(node)?.values() ?? []) {
        expected.set(key(view), [...(expected.get(key(view)) ?? []), node]);
      }
    }
    expect(new Map(losses.map((loss) => [key(loss.view), loss.failed]))).toEqual(expected);
  }

  /** What each mirror knows is what the map says of the groups of that node, and what a whole change says. */
  check(): void {
    for (const [node, mirror] of this.mirrors) {
      const own = this.map.regionOf(node)?.groups ?? [];
      const groups = own.map((number) => this.map.groups.get(number)?.view);
      expect([...mirror.groups.values()].sort((a, b) => a.group - b.group)).toEqual(groups);
      const near = [...this.map.regions.values()].filter((region) =>
        region.groups.some((group) => own.includes(group)),
      );
      expect(mirror.regions).toEqual(new Map(near.map((region) => [region.id, region.view])));
      for (const { id, groups } of near) {
        for (const [place, group] of groups.entries()) {
          expect(mirror.placeIn(id, group)).toBe(own.includes(group) ? place : undefined);
        }
        expect([...mirror.groupsIn(id)].sort((a, b) => a - b)).toEqual(groups.filter((group) => own.includes(group)));
      }

      const fresh = new NodeViews(40);
      fresh.apply(wholeChange(this.map, node, 41, this.n));
      expect(fresh.regions).toEqual(mirror.regions);
      expect(fresh.groups).toEqual(mirror.groups);
    }
  }
}

const change = (node: NodeId, joined: readonly string[], left: readonly string[] = []): NodeChange => ({
  node,
  joined,
  left,
  failed: false,
});

test("what nodes are told gives each exactly the views of its groups, at every step", () => {
  const of = fc.record({
    node: fc.nat(9),
    joined: fc.subarray(NAMES),
    left: fc.subarray(NAMES),
    failed: fc.integer({ min: 0, max: 9 }).map((n) => n === 7),
  });
  const batch = fc.record({ comes: fc.nat(2), of: fc.uniqueArray(of, { selector: ({ node }) => node, maxLength: 5 }) });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 25, size: "max" }), (batches) => {
      const world = new World();
      for (const { comes, of: changes } of batches) {
        for (let i = 0; i < comes; i++) world.register();
        world.apply(changes.flatMap((one) => ({ ...one, node: world.all[one.node] ?? -1 - one.node })));
        world.check();
      }
    }),
    { numRuns: 150 },
  );
});

test("the changes of O6: who knew a region is told what is new in it", () => {
  const world = new World();
  const [a, b, c, d] = [world.register(), world.register(), world.register(), world.register()];
  world.apply([change(a, ["A"]), change(b, ["A", "B"]), change(c, ["A", "B"]), change(d, ["B"])]);
  const [r1, r2, r3] = [a, b, d].map((node) => world.map.regionOf(node)?.id);
  const told = world.apply([change(a, ["B"])]);
  const to = (node: NodeId) => told.audiences.find(({ nodes }) => nodes.some(({ id }) => id === node));
  const delta = { region: r2, view: 2, added: [world.map.node(a)], removed: [] };
  const groupA = world.map.groupNamed("A");
  const groupB = world.map.groupNamed("B");
  const lost = { group: groupA?.number, view: 2, added: [], removed: [r1] };
  expect(to(a)?.news).toMatchObject({
    regionsCreated: [{ id: { region: r3, view: 1 } }],
    regionsChanged: [delta],
    regionsDeleted: [r1],
    groupsCreated: [groupB?.view],
    groupsChanged: [lost],
  });
  expect(to(b)).toBe(to(c));
  expect(to(b)?.news).toMatchObject({
    regionsCreated: [],
    regionsChanged: [delta],
    regionsDeleted: [r1],
    groupsChanged: [lost],
  });
  expect(to(d)?.news).toMatchObject({
    regionsCreated: [],
    regionsChanged: [delta],
    regionsDeleted: [],
    groupsChanged: [],
  });
});

test("what others are told does not grow with the groups of who joins and leaves", () => {
  const world = new World();
  const all = Array.from({ length: 500 }, (_, i) => `g${i}`);
  const nodes = Array.from({ length: 20 }, () => world.register());
  const other = world.register();
  world.apply([...nodes.map((node) => change(node, all)), change(other, ["g0", "mine"])]);
  const joiner = world.register();
  for (const batch of [[change(joiner, all)], [change(joiner, [], all)]]) {
    const told = world.apply(batch);
    const old = told.audiences.filter((audience) => !audience.nodes.some(({ id }) => id === joiner));
    expect(old.map((audience) => audience.nodes.length).sort((a, b) => a - b)).toEqual([1, 20]);
    for (const { news } of old) {
      expect(news.regionsChanged).toHaveLength(1);
      expect([news.regionsCreated, news.regionsDeleted, news.groupsChanged, news.groupsCreated]).toEqual([
        [],
        [],
        [],
        [],
      ]);
    }
  }
  // A region of its own, of which they share 500 groups with one part of them and one with the other.
  const told = world.apply([change(joiner, [...all, "new"])]);
  const changed = told.audiences.map((audience) => [audience.nodes.length, audience.news.groupsChanged.length]);
  expect(changed.sort(([a], [b]) => (a as number) - (b as number))).toEqual([
    [1, 1],
    [1, 0],
    [20, 500],
  ]);
  world.check();
});

test("what others are sent of a new region does not grow with its groups that they are not in", () => {
  const bytesTold = (own: number): number => {
    const world = new World();
    const other = world.register();
    world.apply([change(other, ["common"])]);
    const joiner = world.register();
    const groups = ["common", ...Array.from({ length: own }, (_, i) => `own${i}`)];
    const told = world.apply([change(joiner, groups)]);
    const news = told.audiences.find(({ nodes }) => nodes.some(({ id }) => id === other))?.news;
    if (news === undefined) throw new Error("who shares a group with the joiner is told of it");
    return encodeChange({ ...news, seq: 1, n: 1, finals: [] }).length;
  };
  expect(bytesTold(1_000)).toBe(bytesTold(1));
});
