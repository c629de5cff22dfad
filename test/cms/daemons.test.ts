import { expect, test } from "vitest";
import { membershipDefaults } from "../../src/cms/service.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { regionsOf, RegionWorld } from "./region-daemons.ts";

/** A batch, and the reports of it. */
const BATCH_MS = 500;
/** Until daemons have noticed that others are gone, or back, and an epoch has begun. */
const CHANGE_MS = 8_000;
const GRACE_MS = membershipDefaults.graceMs;
const GONE_MS = membershipDefaults.goneMs;
/** These nodes do not find out what they have accepted of one that failed: it waits for that in vain. */
const SETTLE_MS = membershipDefaults.settleMs;

const failures = (node: { changes: readonly { failed: readonly number[] }[] }): number[] =>
  node.changes.flatMap(({ failed }) => failed);

test("nodes at three daemons are told the same regions", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g", "h");
  const bob = world.node("bob", "two", "g", "h");
  const eve = world.node("eve", "three", "g");
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g+h: ann bob", "g: eve"]);
  expect(bob.views.regions).toEqual(ann.views.regions);
  expect([...eve.views.regions.keys()]).toEqual([...ann.views.regions.keys()]);
  expect(eve.views.groups.size).toBe(1);
  expect(new Set([ann.node, bob.node, eve.node]).size).toBe(3);
  expect([...ann.views.regions.values()].flatMap(({ members }) => members.map(({ name }) => name)).sort()).toEqual([
    "#ann#one",
    "#bob#two",
    "#eve#three",
  ]);
  world.expectAgreement("one", "two", "three");
  expect(world.daemon("two").node.status(world.network.now).regions).toMatchObject({
    epoch: world.daemon("one").node.regions.service.replica.epoch,
    suspended: false,
    nodes: 3,
    regions: 2,
    groups: 2,
  });

  eve.join("h");
  world.run(BATCH_MS);
  expect(regionsOf(eve)).toEqual(["g+h: ann bob eve"]);
  expect(regionsOf(ann)).toEqual(regionsOf(eve));
  expect(ann.acknowledged).toBeGreaterThan(0);

  // All have the same surroundings; without multicast between the daemons there is none between nodes.
  expect(ann.site).toEqual({ cluster: world.site.hash, pool: undefined, usesMulticast: false });
  expect(eve.site).toEqual(ann.site);

  // No views of the totally ordered kind, and what is sent to the group through a daemon is refused.
  bob.ask(TypeBit.agreed, "g", "hello");
  world.run(BATCH_MS);
  expect([...ann.deliveries, ...bob.deliveries, ...eve.deliveries]).toEqual([]);
  expect(bob.refusals).toEqual([expect.stringContaining('"scalable"')]);
});

test("the members of a scalable group are told its policy: from when a join fixes it, and each that comes later", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  world.run(BATCH_MS);
  expect(ann.facts).toEqual([]);
  const bob = world.node("bob", "two");
  const node = '{"host":"bob","control":1,"repair":2,"data":3}';
  bob.ask(TypeBit.join, "g", `{"quality":"scalable","slow":"drop","node":${node}}`);
  world.run(BATCH_MS);
  const eve = world.node("eve", "one", "g");
  world.run(BATCH_MS);
  for (const one of [ann, bob, eve])
    expect(one.facts).toEqual([{ group: "g", policy: "drop", repairs: undefined, isOrdered: false }]);
  expect(regionsOf(eve)).toEqual(["g: ann bob eve"]);
});

test("who goes to another daemon is the node there only with its last join, and so leaves no group in between", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const groups = Array.from({ length: 200 }, (_, i) => `g${i}`);
  const ann = world.node("ann", "one", "g0");
  const bob = world.node("bob", "three", ...groups);
  world.run(BATCH_MS);
  const told = ann.changes.length;
  world.crash("three");
  bob.move("two");
  world.run(CHANGE_MS);
  expect(failures(ann)).toEqual([]);
  expect(bob.views.groups.size).toBe(groups.length);
  // No region, and no view of one, has come or gone.
  expect(ann.changes.slice(told).flatMap((change) => [...change.regionsChanged, ...change.regionsCreated])).toEqual([]);
});

test("who leaves its groups is out of their regions, and goes on as a node", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  bob.leave("g");
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g: ann"]);
  expect(regionsOf(bob)).toEqual([]);
  expect(failures(ann)).toEqual([]);
  const { node } = bob;
  bob.join("g");
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g: ann bob"]);
  expect(bob.node).toBe(node);
  expect(bob.deliveries).toEqual([]);
});

test("the end of a session is the failure of its node, at once", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  const gone = bob.node;
  bob.kill();
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g: ann"]);
  expect(failures(ann)).toEqual([gone]);
  world.expectAgreement("one", "two");
});

test("a group has one quality", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two");
  bob.ask(TypeBit.join, "o");
  world.run(BATCH_MS);
  const views = bob.deliveries.length;
  ann.join("o");
  bob.ask(TypeBit.join, "g");
  bob.ask(TypeBit.join, "h", '{"quality":"scalable","node":{"host":"bob","control":1,"repair":0,"data":3}}');
  world.run(BATCH_MS);
  expect(ann.refusals).toEqual([expect.stringContaining('"ordered", not "scalable"')]);
  expect(bob.refusals).toEqual([
    expect.stringContaining('"scalable", not "ordered"'),
    expect.stringContaining('"node.repair"'),
  ]);
  expect(bob.deliveries.length).toBe(views);
  expect(bob.node).toBeUndefined();
  expect(regionsOf(ann)).toEqual(["g: ann"]);
});

test("a session that is resumed is the same node, and has missed nothing", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  const { node } = bob;
  bob.hangUp();
  const eve = world.node("eve", "one", "g");
  world.run(BATCH_MS);
  bob.connect("two");
  world.run(GRACE_MS + BATCH_MS);
  expect(bob.resumption).toBe("resumed");
  expect(bob.node).toBe(node);
  expect(regionsOf(bob)).toEqual(["g: ann bob eve"]);
  expect(failures(ann)).toEqual([]);
  expect(regionsOf(eve)).toEqual(regionsOf(ann));
});

test("who has lost what it was told comes back with its place, as the same node", () => {
  const world = new RegionWorld(["one", "two", "three"], { resumeBytesMax: 1 });
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  const { node } = bob;
  bob.hangUp();
  world.crash("three");
  const eve = world.node("eve", "one", "g");
  world.run(CHANGE_MS);
  bob.connect("two");
  world.run(BATCH_MS);
  expect(bob.resumption).toBe("interrupted");
  expect(regionsOf(bob)).toEqual(["g: ann bob"]);
  bob.join("g");
  world.run(GRACE_MS);
  expect(bob.node).toBe(node);
  for (const one of [ann, bob, eve]) expect(regionsOf(one)).toEqual(["g: ann bob eve"]);
  expect(failures(ann)).toEqual([]);
});

test("a session without a connection for longer than the grace time is a node that has failed", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  const gone = bob.node;
  bob.hangUp();
  world.run(GRACE_MS - BATCH_MS);
  expect(failures(ann)).toEqual([]);
  world.run(2 * BATCH_MS);
  expect(failures(ann)).toEqual([gone]);
  bob.connect("two");
  world.run(BATCH_MS);
  expect(bob.expelled).toBe(false);
  world.run(SETTLE_MS);
  expect(bob.resumption).toBe("resumed");
  expect(bob.expelled).toBe(true);
  bob.join("g");
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g: ann bob"]);
  expect(bob.node).toBeGreaterThan(gone as number);
});

test("a node whose process has ended fails after a second; one that has turned to another daemon by then does not", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  const eve = world.node("eve", "two", "g");
  world.run(BATCH_MS);
  const { node } = eve;
  bob.hangUp(true);
  eve.hangUp(true);
  world.run(GONE_MS - BATCH_MS);
  expect(failures(ann)).toEqual([]);
  eve.move("three");
  world.run(2 * BATCH_MS);
  expect(failures(ann)).toEqual([bob.node]);
  expect(eve.expelled).toBe(false);
  expect(eve.node).toBe(node);
  expect(regionsOf(ann)).toEqual(["g: ann eve"]);
});

test("a node whose daemon crashes goes on at another one, and nobody is told of a failure", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "three", "g");
  world.run(BATCH_MS);
  const { node } = bob;
  const changes = ann.changes.length;
  world.crash("three");
  bob.closed();
  world.run(CHANGE_MS);
  bob.move("two");
  world.run(GRACE_MS + BATCH_MS);
  expect(bob.resumption).toBe("restarted");
  expect(bob.node).toBe(node);
  expect(bob.expelled).toBe(false);
  expect(failures(ann)).toEqual([]);
  expect(ann.changes.length).toBe(changes);
  expect(regionsOf(bob)).toEqual(["g: ann bob"]);
  const eve = world.node("eve", "two", "g");
  world.run(BATCH_MS);
  for (const one of [ann, bob, eve]) expect(regionsOf(one)).toEqual(["g: ann bob eve"]);
  world.expectAgreement("one", "two");
});

test("a node that is not back when the grace time is over has failed, and comes back as a new one", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "three", "g");
  world.run(BATCH_MS);
  const gone = bob.node;
  world.crash("three");
  bob.closed();
  world.run(CHANGE_MS + GRACE_MS);
  expect(failures(ann)).toEqual([gone]);
  expect(regionsOf(ann)).toEqual(["g: ann"]);
  bob.move("two");
  world.run(BATCH_MS);
  expect(bob.expelled).toBe(false);
  world.run(SETTLE_MS);
  expect(bob.expelled).toBe(true);
  bob.join("g");
  world.run(BATCH_MS);
  expect(bob.node).toBeGreaterThan(gone as number);
  expect(regionsOf(bob)).toEqual(["g: ann bob"]);
});

test("in a minority nothing is computed, and nodes are told so", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "three", "g");
  world.run(BATCH_MS);
  const before = regionsOf(bob);
  world.split("three");
  world.run(CHANGE_MS);
  expect([ann.suspended, bob.suspended]).toEqual([false, true]);
  expect(regionsOf(bob)).toEqual(before);
  const tom = world.node("tom", "three", "g");
  const eve = world.node("eve", "two", "g");
  world.run(BATCH_MS);
  expect([tom.suspended, tom.node]).toEqual([true, undefined]);
  expect(regionsOf(bob)).toEqual(before);
  expect(regionsOf(eve)).toEqual(["g: ann bob eve"]);
  world.heal();
  world.run(CHANGE_MS);
  for (const one of [ann, bob, tom, eve]) {
    expect(one.suspended).toBe(false);
    expect(regionsOf(one)).toEqual(["g: ann bob eve tom"]);
  }
  expect(failures(ann)).toEqual([]);
  world.expectAgreement("one", "two", "three");
});

test("a group that another component has as an ordered one is that after the merge", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one");
  const bob = world.node("bob", "three");
  world.split("three");
  world.run(CHANGE_MS);
  ann.join("g", "h");
  bob.ask(TypeBit.join, "g");
  world.run(BATCH_MS);
  expect(regionsOf(ann)).toEqual(["g+h: ann"]);
  expect(ann.deliveries).toEqual([]);
  world.heal();
  world.run(CHANGE_MS);
  expect(regionsOf(ann)).toEqual(["h: ann"]);
  expect(ann.deliveries.length).toBe(1);
  bob.ask(TypeBit.agreed, "g", "hello");
  world.run(BATCH_MS);
  expect(ann.deliveries.length).toBe(2);
  ann.join("g");
  world.run(BATCH_MS);
  expect(ann.refusals).toEqual([expect.stringContaining('"ordered", not "scalable"')]);
});

test("epochs grow over restarts of all daemons, and no id comes twice", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  world.run(BATCH_MS);
  const first = ann.node as number;
  const epoch = world.durable.get("one")?.epoch as number;
  expect(epoch).toBeGreaterThan(0);
  for (const name of ["one", "two"]) world.crash(name);
  ann.closed();
  world.run(BATCH_MS);
  for (const name of ["one", "two"]) world.start(name);
  world.run(CHANGE_MS);
  expect(world.durable.get("one")?.epoch).toBeGreaterThan(epoch);
  ann.move("two");
  world.run(BATCH_MS);
  expect(ann.expelled).toBe(true);
  ann.join("g");
  world.run(BATCH_MS);
  expect(ann.node).toBeGreaterThan(first);
  expect(regionsOf(ann)).toEqual(["g: ann"]);
});
