import { expect, test } from "vitest";
import { membershipDefaults } from "../../src/cms/service.ts";
import { metricsText } from "../../src/daemon/metrics.ts";
import { describeRegionsChange, type RegionsStatus } from "../../src/daemon/regions-status.ts";
import { noNodeFigures } from "../../src/qsm/statistics.ts";
import {
  encodeNodeStatistics,
  type NodeCounter,
  type NodeGauge,
  noFigures,
  REGION_FIGURES,
} from "../../src/wire/native/node-statistics.ts";
import { type RawNode, RegionWorld } from "./region-daemons.ts";

/** A batch, and the reports of it. */
const BATCH_MS = 500;
const CHANGE_MS = 8_000;

function regions(world: RegionWorld, daemon: string, whole = false): RegionsStatus {
  return world.daemon(daemon).node.status(world.network.now, whole).regions;
}

function told(world: RegionWorld, daemon: string): string[] {
  return regions(world, daemon).changes.map(describeRegionsChange);
}

/** The node tells what it counts: these figures, and of its region's present view. */
function count(node: RawNode, own: Partial<Record<NodeCounter | NodeGauge, number>>, leader = 0): void {
  const [region] = node.views.regions.values();
  const figures = { ...noFigures(REGION_FIGURES), leader, roundTripUs: leader * 5_000 };
  const statistics = { figures: { ...noNodeFigures(), ...own }, regions: region ? [{ id: region.id, figures }] : [] };
  node.count(encodeNodeStatistics(statistics));
}

test("changes of regions are told with who and why, at all daemons alike", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  world.node("ann", "one", "g", "h");
  const bob = world.node("bob", "two", "g", "h");
  world.run(BATCH_MS);
  bob.leave("h");
  world.run(BATCH_MS);
  bob.kill();
  world.run(BATCH_MS);
  const eve = world.node("eve", "three", "g");
  world.run(BATCH_MS);
  eve.leave("g");
  world.run(BATCH_MS);
  expect(told(world, "two")).toEqual([
    "#eve#three left all groups; regions: 1 ended",
    "#eve#three joined; regions: 1 new",
    "#bob#two failed (session ended); regions: 1 ended",
    "#bob#two changed groups; regions: 1 new, 1 changed",
    "#ann#one, #bob#two joined; regions: 1 new",
    "epoch 1 begins",
  ]);
  for (const daemon of ["one", "three"]) expect(told(world, daemon)).toEqual(told(world, "two"));
  expect(regions(world, "one")).toMatchObject({
    failures: { session: 1, absent: 0 },
    nodes: 2,
    regions: 1,
    largest: [{ nodes: 1, groups: { count: 2, first: ["g", "h"] }, leader: "#ann#one" }],
  });
});

test("a node without its session is looked for, and then has failed for that", () => {
  const world = new RegionWorld(["one", "two"]);
  world.node("ann", "one", "g");
  const bob = world.node("bob", "two", "g");
  world.run(BATCH_MS);
  bob.hangUp();
  world.run(1_000);
  const [absent] = regions(world, "two").absent;
  expect(absent?.name).toBe("#bob#two");
  expect(absent?.failsInMs).toBeGreaterThan(membershipDefaults.graceMs - 2_000);
  expect(regions(world, "one").absent).toEqual([]);
  expect(regions(world, "two")).toMatchObject({ served: { count: 1, attached: 0 } });
  world.run(membershipDefaults.graceMs + BATCH_MS);
  expect(told(world, "one")[0]).toBe("#bob#two failed (no session for too long); regions: 1 changed");
  expect(regions(world, "one").failures.absent).toBe(1);
  expect(regions(world, "two")).toMatchObject({ nodes: 1, absent: [], served: { count: 0 }, busiest: [] });
});

test("who does not report what it was told is shown as late, and the view that it holds open", () => {
  const world = new RegionWorld(["one"]);
  const ann = world.node("ann", "one", "g");
  world.node("bob", "one", "g");
  world.run(BATCH_MS);
  expect(regions(world, "one")).toMatchObject({ endingViews: 0, served: { late: 0, lateMs: 0 } });
  ann.reports = false;
  world.node("eve", "one", "g");
  world.run(BATCH_MS + 3_000);
  const status = regions(world, "one");
  expect(status).toMatchObject({
    endingViews: 1,
    served: { count: 3, late: 1 },
    busiest: [{ name: "#ann#one" }, {}, {}],
  });
  expect(status.served.lateMs).toBeGreaterThan(2_500);
  expect(status.busiest[1]?.lateMs).toBe(0);
});

test("a daemon that is in no primary configuration says that memberships are suspended, and when they go on", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  world.node("ann", "one", "g");
  world.run(BATCH_MS);
  world.split("three");
  world.run(CHANGE_MS);
  expect(regions(world, "three").suspended).toBe(true);
  expect(told(world, "three")[0]).toBe("memberships are suspended: no primary configuration");
  world.heal();
  world.run(CHANGE_MS);
  expect(regions(world, "three").suspended).toBe(false);
  expect(told(world, "three")[0]).toMatch(/^epoch \d+ begins$/);
});

test("what nodes say is shown by node, by region and all together, with rates", () => {
  const world = new RegionWorld(["one", "two"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "one", "g");
  world.node("eve", "two", "g");
  world.run(BATCH_MS);
  count(ann, { upMs: 1_000, messagesSent: 100, messagesDelivered: 200, unstableBytes: 5_000, rateAdmissible: 900 }, 1);
  count(bob, { upMs: 1_000, messagesDelivered: 200, keptBytes: 70, rateAdmissible: 800 });
  world.run(1_000);
  expect(regions(world, "one").served).toMatchObject({ reporting: 2, rates: { sent: 0, delivered: 0 } });
  count(ann, { upMs: 2_000, messagesSent: 150, messagesDelivered: 300, unstableBytes: 6_000, rateAdmissible: 900 }, 1);
  count(bob, { upMs: 3_000, messagesDelivered: 300, keptBytes: 80, rateAdmissible: 800, pushed: 3 });

  const status = regions(world, "one");
  expect(status.served).toMatchObject({
    count: 2,
    reporting: 2,
    rates: { sent: 50, delivered: 150 },
    totals: { messagesSent: 150, messagesDelivered: 600, pushed: 3 },
    unstableBytes: 6_000,
    keptBytes: 80,
    rateAdmissibleLeast: 800,
    roundTripMsMax: 5,
  });
  expect(status.largest).toMatchObject([
    { nodes: 3, reporting: 2, rates: { sent: 50, delivered: 150 }, pendingBytes: 6_000, led: { roundTripUs: 5_000 } },
  ]);
  expect(status.busiest).toMatchObject([
    { name: "#ann#one", region: status.largest[0]?.id, rates: { sent: 50, delivered: 100 } },
    { name: "#bob#one", rates: { delivered: 50 }, figures: { pushed: 3 } },
  ]);
  expect(regions(world, "two").served).toMatchObject({ count: 1, reporting: 0 });
  expect(metricsText(world.daemon("one").node.status(world.network.now))).toContain(
    'amalgam_nodes_repairs_total{kind="pushed"} 3\n',
  );

  // Who is silent has gone idle; and what a node has counted stays counted when it goes.
  world.run(5_000);
  expect(regions(world, "one").served.rates).toMatchObject({ sent: 0, delivered: 0 });
  bob.kill();
  world.run(BATCH_MS);
  expect(regions(world, "one").served).toMatchObject({ count: 1, reporting: 1, totals: { messagesDelivered: 600 } });
});

test("what a node has counted elsewhere counts only there", () => {
  const world = new RegionWorld(["one", "two", "three"]);
  const ann = world.node("ann", "one", "g");
  world.run(BATCH_MS);
  count(ann, { upMs: 1_000, messagesSent: 100 });
  ann.move("two");
  world.run(BATCH_MS);
  count(ann, { upMs: 2_000, messagesSent: 130 });
  count(ann, { upMs: 3_000, messagesSent: 150 });
  expect(regions(world, "one").served.totals.messagesSent).toBe(100);
  expect(regions(world, "two").served.totals.messagesSent).toBe(20);
});

test("statistics that are not well formed are counted and do no harm; of a session that is no node they are passed over", () => {
  const world = new RegionWorld(["one"]);
  const ann = world.node("ann", "one", "g");
  const bob = world.node("bob", "one");
  world.run(BATCH_MS);
  const faults = () => world.daemon("one").node.status(world.network.now).faults;
  ann.count(Uint8Array.of(1, 0xff, 0xff));
  bob.count(encodeNodeStatistics({ figures: noNodeFigures(), regions: [] }));
  expect(faults()).toMatchObject({ regionsMalformed: 1 });
  expect(regions(world, "one").served).toMatchObject({ count: 1, reporting: 0 });
  count(ann, { upMs: 1 });
  expect(regions(world, "one").served.reporting).toBe(1);
});

test("a status has the largest regions and the most remarkable nodes, the whole only where it is asked for", () => {
  const world = new RegionWorld(["one"]);
  for (let i = 0; i < 60; i++) world.node(`n${i}`, "one", `g${i % 30}`);
  world.node("late", "one", "g7");
  world.run(BATCH_MS);
  const short = regions(world, "one");
  expect([short.regions, short.largest.length, short.busiest.length]).toEqual([30, 20, 50]);
  expect(short.largest[0]).toMatchObject({ nodes: 3, groups: { first: ["g7"] } });
  const whole = regions(world, "one", true);
  expect([whole.largest.length, whole.busiest.length]).toEqual([30, 61]);
});
