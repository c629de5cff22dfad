import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeId, RegionViewId } from "../base/ids.ts";
import { audiences } from "./changes.ts";
import { changeOf, Lifecycle, type Notice } from "./lifecycle.ts";
import { NodeViews } from "./node-views.ts";
import { type NodeChange, RegionMap } from "./regions.ts";
import type { Change, FinalView, RegionView } from "./views.ts";

const address = { host: "::1", controlPort: 1, repairPort: 2, dataPort: 3 };
const NAMES = ["A", "B", "C"];
const keyOf = (id: RegionViewId): string => `${id.region}.${id.view}`;

/** A node that applies its changes late, sends in every view that it knows as current, and reports late. */
class LaggingNode {
  readonly id: NodeId;
  readonly views = new NodeViews();
  readonly inbox: Change[] = [];
  /** Greatest sequence number assigned, by view. */
  readonly sent = new Map<string, number>();
  /** What it has sealed and not reported. */
  readonly sealed = new Map<string, RegionViewId>();
  readonly finals = new Map<string, FinalView>();
  readonly failedIn = new Map<string, Set<NodeId>>();
  told = 0;
  failed = false;

  constructor(id: NodeId) {
    this.id = id;
  }

  applyOne(): void {
    const change = this.inbox.shift();
    if (change === undefined) return;
    const own = (id: RegionViewId) => keyOf(id);
    for (const { id } of this.views.apply(change).superseded) this.sealed.set(keyOf(id), id);
    for (const final of change.finals) {
      expect(this.finals.has(own(final.id))).toBe(false);
      this.finals.set(own(final.id), final);
    }
    for (const { id, nodes } of change.viewsFailed) {
      const known = this.failedIn.get(own(id)) ?? new Set();
      for (const node of nodes) {
        expect(known.has(node)).toBe(false);
        expect(change.failed).toContain(node);
        known.add(node);
      }
      this.failedIn.set(own(id), known);
    }
  }

  send(): void {
    for (const view of this.views.regions.values()) {
      this.sent.set(keyOf(view.id), (this.sent.get(keyOf(view.id)) ?? 0) + 1);
    }
  }

  isCurrent(view: RegionViewId): boolean {
    const known = this.views.regions.get(view.region)?.id;
    return known?.view === view.view || this.inbox.some((change) => createsView(change, view));
  }
}

function createsView(change: Change, id: RegionViewId): boolean {
  return (
    change.regionsCreated.some((view) => view.id.region === id.region && view.id.view === id.view) ||
    change.regionsChanged.some((view) => view.region === id.region && view.view === id.view)
  );
}

class World {
  readonly map = new RegionMap({ dissemination: "hybrid", wasteLimit: 0 });
  readonly lifecycle = new Lifecycle(this.map);
  readonly nodes: LaggingNode[] = [];
  readonly views = new Map<string, RegionView>();
  readonly final = new Map<string, FinalView>();
  readonly retired = new Set<string>();
  #n = 0;

  constructor() {
    this.map.enter(1);
  }

  register(): LaggingNode {
    const node = new LaggingNode(this.map.register(`n${this.nodes.length}`, address).id);
    this.nodes.push(node);
    return node;
  }

  node(id: NodeId): LaggingNode {
    return this.nodes.find((node) => node.id === id) as LaggingNode;
  }

  apply(batch: readonly NodeChange[], renewed: readonly number[] = []): void {
    const n = (this.#n += 3);
    const taken = new Set([...this.map.regions.values()].map((region) => region.address));
    const step = this.map.apply(batch, renewed);
    for (const id of step.failed) this.node(id).failed = true;
    for (const { after, before } of step.regions) {
      if (after === undefined) continue;
      this.views.set(keyOf(after.id), after);
      if (before === undefined) this.#checkAddress(after, taken);
    }
    const told = audiences(this.map, step);
    const notices = new Map(this.lifecycle.apply(n, step, told));
    for (const { nodes, news } of told.audiences) {
      for (const { id } of nodes) {
        const node = this.node(id);
        node.inbox.push(changeOf(++node.told, n, news, notices.get(id)));
        notices.delete(id);
      }
    }
    this.#tell(n, notices);
    this.#checkFinals();
  }

  report(node: LaggingNode): void {
    const sealed = [...node.sealed].map(([key, id]) => ({ id, last: node.sent.get(key) ?? 0 }));
    const n = (this.#n += 1);
    this.#tell(n, this.lifecycle.installed(n, [{ node: node.id, n: node.views.n, sealed, inquired: [], settled: [] }]));
    this.#checkFinals();
    node.sealed.clear();
  }

  retire(node: LaggingNode): void {
    for (const [key, { id }] of node.finals) {
      if (this.retired.has(key)) expect(this.lifecycle.retired(++this.#n, node.id, id)).toBe(false);
      else expect(this.lifecycle.retired(++this.#n, node.id, id)).toBe(true);
      this.retired.add(key);
    }
  }

  fail(...nodes: LaggingNode[]): void {
    this.apply(nodes.map(({ id }) => ({ node: id, joined: [], left: [], failed: true })));
  }

  /** Everyone does what is open. */
  calm(): void {
    for (let round = 0; round < 6; round++) {
      for (const node of this.nodes) {
        if (node.failed) continue;
        while (node.inbox.length > 0) node.applyOne();
        this.report(node);
        this.retire(node);
      }
    }
  }

  #tell(n: number, notices: ReadonlyMap<NodeId, Notice>): void {
    for (const [id, notice] of notices) {
      const node = this.node(id);
      node.inbox.push(changeOf(++node.told, n, undefined, notice));
    }
    for (const node of this.nodes) {
      for (const change of node.inbox) for (const final of change.finals) this.final.set(keyOf(final.id), final);
    }
  }

  /** Nobody alive can send in a final view any more, and what anybody sent is in it. */
  #checkFinals(): void {
    for (const [key, final] of this.final) {
      const last = new Map(final.last.map(({ sender, seq }) => [sender, seq]));
      for (const node of this.nodes) {
        const sent = node.sent.get(key) ?? 0;
        if (!node.failed) expect(node.isCurrent(final.id)).toBe(false);
        if (last.has(node.id)) expect(last.get(node.id)).toBe(sent);
        else if (sent > 0) expect(final.failed).toContain(node.id);
      }
      expect(this.lifecycle.lateSenders(final.id)).toEqual([]);
    }
  }

  /** An address is given to one region at a time, and again only when nothing of its last owner is left. */
  #checkAddress(created: RegionView, taken: ReadonlySet<number>): void {
    expect(taken.has(created.address)).toBe(false);
    for (const [key, view] of this.views) {
      if (view.address !== created.address || view.id.region === created.id.region) continue;
      const gone = this.retired.has(key) || view.members.every(({ id }) => this.node(id).failed);
      expect(gone).toBe(true);
      for (const node of this.nodes) if (!node.failed) expect(node.isCurrent(view.id)).toBe(false);
    }
  }
}

const change = (node: LaggingNode, joined: readonly string[], left: readonly string[] = []): NodeChange => ({
  node: node.id,
  joined,
  left,
  failed: false,
});

describe("a view that is superseded", () => {
  function superseded() {
    const world = new World();
    const [a, b, c] = [world.register(), world.register(), world.register()];
    world.apply([change(a, ["A"]), change(b, ["A"]), change(c, ["A", "B"])]);
    world.calm();
    a.send();
    a.send();
    const d = world.register();
    world.apply([change(d, ["A"])]);
    return { world, a, b, c, d, id: (a.views.regions.values().next().value as RegionView).id };
  }

  test("is final when all that could send in it have reported, members of other regions too", () => {
    const { world, a, b, c, d, id } = superseded();
    expect(world.lifecycle.lateSenders(id)).toEqual([a.id, b.id, c.id]);
    d.applyOne();
    world.report(d);
    a.applyOne();
    world.report(a);
    c.applyOne();
    world.report(c);
    expect(world.lifecycle.lateSenders(id)).toEqual([b.id]);
    expect(world.final.size).toBe(0);
    b.applyOne();
    world.report(b);
    expect(world.final.get(keyOf(id))).toEqual({ id, last: [{ sender: a.id, seq: 2 }], failed: [] });
    // Members are told, nobody else.
    expect([a, b, c, d].map((node) => node.inbox.length)).toEqual([1, 1, 0, 0]);
  });

  test("is final when those who have not reported have failed, and says so", () => {
    const { world, a, b, c, d, id } = superseded();
    for (const node of [a, b, d]) {
      node.applyOne();
      world.report(node);
    }
    world.fail(c);
    expect(world.final.get(keyOf(id))).toEqual({ id, last: [{ sender: a.id, seq: 2 }], failed: [c.id] });
    expect(a.inbox[0]).toMatchObject({ failed: [c.id], viewsFailed: [{ id: { view: 2 } }, { id, nodes: [c.id] }] });
  });

  test("is not retired before it is final, nor by who was not in it", () => {
    const { world, a, b, c, d, id } = superseded();
    expect(world.lifecycle.retired(100, a.id, id)).toBe(false);
    for (const node of [a, b, c, d]) {
      node.applyOne();
      world.report(node);
    }
    expect(world.lifecycle.retired(101, d.id, id)).toBe(false);
    expect(world.lifecycle.retired(102, b.id, id)).toBe(true);
    expect(world.lifecycle.retired(103, b.id, id)).toBe(false);
    // Two have been told that it is final, and have not said that they know.
    expect(world.lifecycle.tombstones).toBe(1);
    a.applyOne();
    world.report(a);
    expect(world.lifecycle.tombstones).toBe(1);
    b.applyOne();
    world.report(b);
    expect(world.lifecycle.tombstones).toBe(0);
    expect(world.lifecycle.endingViews).toBe(0);
  });

  test("ends by itself when all its members have failed and nobody sends in it", () => {
    const { world, a, b, c, d, id } = superseded();
    world.fail(a, b);
    d.applyOne();
    d.applyOne();
    world.report(d);
    c.applyOne();
    world.report(c);
    // It is gone: nobody was left to be told that it is final.
    expect(world.lifecycle.retired(100, c.id, id)).toBe(false);
    expect(world.lifecycle.endingViews).toBe(1);
    world.calm();
    expect(world.lifecycle.endingViews).toBe(0);
  });
});

test("a node that fails after it has left a view is told of to who is in that view", () => {
  const world = new World();
  const [a, b] = [world.register(), world.register()];
  world.apply([change(a, ["A"]), change(b, ["A", "B"])]);
  world.calm();
  const own = world.map.regionOf(a.id)?.view.id as RegionViewId;
  b.send();
  world.apply([change(b, [], ["A"])]);
  world.calm();
  expect(world.map.regionOf(a.id)?.view.id).toEqual(own);
  world.fail(b);
  expect(a.inbox).toMatchObject([{ failed: [b.id], viewsFailed: [{ id: own, nodes: [b.id] }] }]);
});

test("a member that fails after a view was superseded is told of to who could send there, and may wait for it", () => {
  const world = new World();
  const [a, b] = [world.register(), world.register()];
  world.apply([change(a, ["A"]), change(b, ["A", "B"])]);
  world.calm();
  b.send();
  // They part: what b has sent to the region of a may not be acknowledged yet.
  world.apply([change(b, [], ["A"]), change(a, ["C"], ["A"])]);
  for (const node of [a, b]) node.applyOne();
  for (const node of [a, b]) world.report(node);
  b.applyOne();
  world.retire(b);
  world.fail(a);
  expect(b.inbox).toMatchObject([{ failed: [a.id], viewsFailed: [] }]);
});

test("who asks for a node that has failed is told so, and of one that lives nothing", () => {
  const world = new World();
  const [a, b] = [world.register(), world.register()];
  world.apply([change(a, ["A"]), change(b, ["B"])]);
  world.calm();
  const ask = (): ReadonlyMap<NodeId, Notice> =>
    world.lifecycle.installed(99, [{ node: a.id, n: a.views.n, sealed: [], inquired: [b.id], settled: [] }]);
  expect(ask().size).toBe(0);
  world.fail(b);
  expect(a.inbox).toEqual([]);
  expect([...(ask().get(a.id)?.failed ?? [])]).toEqual([b.id]);
  expect(world.lifecycle.unreported(a.id)).toBe(1);
});

test("a view that has seen very many come and go is replaced by one with the same members", () => {
  const map = new RegionMap({ dissemination: "hybrid", wasteLimit: 0 });
  map.enter(1);
  const lifecycle = new Lifecycle(map);
  const [a, b] = [map.register("a", address).id, map.register("b", address).id];
  let n = 0;
  const apply = (joined: readonly string[], left: readonly string[], renewed: readonly number[] = []) => {
    const step = map.apply(
      [
        { node: a, joined: ["A"], left: [], failed: false },
        { node: b, joined, left, failed: false },
      ],
      renewed,
    );
    lifecycle.apply(++n, step, audiences(map, step));
    lifecycle.installed(n, [{ node: a, n, sealed: [], inquired: [], settled: [] }]);
    lifecycle.installed(n, [{ node: b, n, sealed: [], inquired: [], settled: [] }]);
  };
  for (let i = 0; i <= 1_000; i++) {
    expect(lifecycle.overgrown()).toEqual([]);
    apply(["A", "B"], []);
    apply([], ["A", "B"]);
  }
  const region = map.regionOf(a)?.id as number;
  expect(lifecycle.overgrown()).toEqual([region]);
  apply([], [], [region]);
  expect(map.regionOf(a)?.view).toMatchObject({ id: { region, view: 2 }, members: [{ id: a }] });
  expect(lifecycle.overgrown()).toEqual([]);
});

type Action =
  | {
      readonly kind: "batch";
      readonly of: readonly { node: number; joined: string[]; left: string[]; failed: boolean }[];
    }
  | { readonly kind: "register" | "calm" | "send" }
  | { readonly kind: "apply" | "report" | "retire"; readonly node: number };

const of = fc.record({
  node: fc.nat(6),
  joined: fc.subarray(NAMES),
  left: fc.subarray(NAMES),
  failed: fc.integer({ min: 0, max: 11 }).map((n) => n === 7),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("calm" as const, "register" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("send" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      of: fc.uniqueArray(of, { selector: ({ node }) => node, minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("apply" as const, "report" as const, "retire" as const),
      node: fc.nat(6),
    }),
  },
);

test("no view is final while anybody alive may send in it, and nothing of it is lost or reused too early", () => {
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 100, size: "max" }), (actions) => {
      const world = new World();
      for (let i = 0; i < 4; i++) world.register();
      for (const act of actions) {
        if (act.kind === "register") world.register();
        else if (act.kind === "calm") world.calm();
        else if (act.kind === "send") for (const node of world.nodes.filter((one) => !one.failed)) node.send();
        else if (act.kind === "batch") {
          world.apply(act.of.flatMap((one) => ({ ...one, node: world.nodes[one.node]?.id ?? 0 })));
        } else if ("node" in act) {
          const node = world.nodes[act.node];
          if (node === undefined || node.failed) continue;
          if (act.kind === "apply") node.applyOne();
          else if (act.kind === "report") world.report(node);
          else world.retire(node);
        }
      }
      world.calm();
      checkCalm(world);
    }),
    { numRuns: 80 },
  );
});

/** Everything that can end has ended, and members of a view know alike who failed in it. */
function checkCalm(world: World): void {
  expect(world.lifecycle.tombstones).toBe(0);
  expect(world.lifecycle.endingViews).toBe(0);
  const current = new Set([...world.map.regions.values()].map((region) => keyOf(region.view.id)));
  for (const [key, view] of world.views) {
    const living = view.members.map(({ id }) => world.node(id)).filter((node) => !node.failed);
    if (current.has(key)) expect(living).toHaveLength(view.members.length);
    else for (const node of living) expect(node.finals.has(key)).toBe(true);
    const known = living.map((node) => [...(node.failedIn.get(key) ?? [])].sort((a, b) => a - b));
    for (const failed of known) expect(failed).toEqual(known[0]);
    for (const { id } of view.members) {
      if (world.node(id).failed && living.length > 0 && !world.retired.has(key)) expect(known[0]).toContain(id);
    }
  }
}
