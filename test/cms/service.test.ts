import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { ToyWorld } from "./toy-world.ts";

describe("a node", () => {
  function world() {
    const made = new ToyWorld(new Random(1), 3);
    made.heal();
    made.settle();
    return made;
  }

  test("is told of its groups, and of others in them, when a batch is complete", () => {
    const w = world();
    const [a, b] = [w.client(), w.client()];
    w.attach(a, 1);
    w.attach(b, 2);
    w.join(a, "A");
    w.join(b, "A");
    w.deliverAll();
    expect(a.node).toBeDefined();
    expect(a.mirror.groups.size).toBe(0);
    w.pass(99);
    expect(a.mirror.groups.size).toBe(0);
    w.pass(1);
    const view = [...a.mirror.regions.values()];
    expect(view.map(({ members }) => members.map(({ id }) => id))).toEqual([[a.node, b.node]]);
    expect(b.mirror.groups).toEqual(a.mirror.groups);
  });

  test("that ends has failed at once, whatever is collecting", () => {
    const w = world();
    const [a, b] = [w.client(), w.client()];
    for (const [client, daemon] of [
      [a, 1],
      [b, 2],
    ] as const) {
      w.attach(client, daemon);
      w.join(client, "A");
    }
    w.settle();
    const failed = b.node;
    w.kill(b);
    w.deliverAll();
    expect(a.changes.map((change) => change.failed)).toContainEqual([failed]);
    expect([...a.mirror.regions.values()][0]?.members).toHaveLength(1);
  });

  test("goes on at another daemon with what it has not got yet", () => {
    const w = world();
    const [a, b] = [w.client(), w.client()];
    w.attach(a, 1);
    w.attach(b, 2);
    w.join(a, "A");
    w.settle();
    const { node } = a;
    w.crash(1);
    w.join(b, "A");
    w.settle(5_000);
    expect(b.mirror.groups.size).toBe(1);
    expect(a.changes).toHaveLength(1);
    w.attach(a, 3);
    w.join(a, "A");
    w.settle(5_000);
    expect(a.node).toBe(node);
    expect(a.mirror.regions).toEqual(b.mirror.regions);
    expect([...b.mirror.regions.values()][0]?.members).toHaveLength(2);
  });

  test("that nobody carries any more is declared failed after the grace time, and comes back as another", () => {
    const w = world();
    const [a, b] = [w.client(), w.client()];
    w.attach(a, 1);
    w.attach(b, 2);
    w.join(a, "A");
    w.join(b, "A");
    w.settle();
    const { node } = a;
    w.crash(1);
    w.deliverAll();
    w.pass(9_999);
    expect([...b.mirror.regions.values()][0]?.members).toHaveLength(2);
    w.pass(1);
    expect([...b.mirror.regions.values()][0]?.members).toHaveLength(1);
    w.attach(a, 2);
    w.deliverAll();
    expect(a.node).toBeUndefined();
    w.attach(a, 2);
    w.settle();
    expect(a.node).toBeGreaterThan(node as number);
  });

  test("in a minority is told that nothing is computed, and hears what it has missed afterwards", () => {
    const w = world();
    const [a, b] = [w.client(), w.client()];
    w.attach(a, 1);
    w.attach(b, 2);
    w.join(a, "A");
    w.join(b, "A");
    w.settle();
    w.split([[1], [2, 3]]);
    w.join(a, "B");
    w.join(b, "C");
    w.settle(1_000);
    expect([a.suspended, b.suspended]).toEqual([true, false]);
    expect(a.mirror.groups.size).toBe(1);
    expect(b.mirror.groups.size).toBe(2);
    w.heal();
    w.settle(1_000);
    expect([a.suspended, b.suspended]).toEqual([false, false]);
    expect(a.mirror.groups.size).toBe(2);
    w.checkAgreement();
  });

  test("that is taken by what it had asked another daemon for before hears when that one has lost it", () => {
    const w = world();
    const a = w.client();
    w.attach(a, 1);
    w.join(a, "A");
    w.settle();
    const node = a.node as number;
    const address = { host: a.token, controlPort: 1, repairPort: 2, dataPort: 3 };
    const place = { node, seq: a.mirror.seq };
    w.serviceOf(2).attach({ user: "late", client: a.token, name: "#late#d2", address, place });
    w.settle();
    expect(w.serviceOf(1).replica.nodes.get(node)?.daemon).toBe(2);
    w.serviceOf(2).detach("late", 1_500);
    w.settle(5_000);
    expect(a.node).toBe(node);
    w.settle(20_000);
    expect(a.node).toBeUndefined();
  });

  test("expelled by a majority while its daemon was away comes back as another", () => {
    const w = world();
    const a = w.client();
    w.attach(a, 1);
    w.join(a, "A");
    w.settle();
    const { node } = a;
    w.split([[1], [2, 3]]);
    w.settle(20_000);
    expect(a.node).toBe(node);
    w.heal();
    w.settle(1_000);
    expect(a.node).toBeUndefined();
  });
});

test("when all that knew the state have started anew, older knowledge does not go on", () => {
  const w = new ToyWorld(new Random(2), 3);
  w.split([[1, 2, 3]]);
  w.settle();
  w.split([[1, 2], [3]]);
  const a = w.client();
  w.attach(a, 1);
  w.join(a, "A");
  w.settle();
  w.split([[1], [2], [3]]);
  w.crash(2);
  w.restart(2);
  w.split([[1], [2, 3]]);
  w.settle();
  expect(w.serviceOf(3).isActive).toBe(true);
  expect(w.serviceOf(3).replica.nodes.size).toBe(0);
  w.heal();
  w.settle();
  // Its daemon has the longest memory, of an epoch that is over.
  expect(a.node).toBeUndefined();
  w.checkAgreement();
});

test("a state goes on when an epoch was made durable and never began", () => {
  const w = new ToyWorld(new Random(3), 3);
  w.heal();
  const a = w.client();
  w.attach(a, 1);
  w.join(a, "A");
  w.settle();
  const { node } = a;
  w.split([[1, 2], [3]]);
  w.persistsAtOnce = false;
  w.deliverAll();
  w.finishPersisting(2);
  w.crash(2);
  w.restart(2);
  w.split([[1, 2, 3]]);
  w.persistsAtOnce = true;
  w.settle();
  expect(a.node).toBe(node);
  expect(w.serviceOf(2).replica.nodes.has(node as number)).toBe(true);
});

test("ids are never given out twice, and all agree, through splits, merges, crashes and restarts (K34, K59)", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(3, 3, 4, 5), fc.integer({ min: 100, max: 400 }), (seed, daemons, steps) => {
      const w = new ToyWorld(new Random(seed), daemons);
      w.heal();
      for (let i = 0; i < steps; i++) w.step();
      w.finish();
      w.checkAgreement();
      w.checkViews();
    }),
    { numRuns: 60 },
  );
}, 60_000);
