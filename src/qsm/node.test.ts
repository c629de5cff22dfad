import { describe, expect, test } from "vitest";
import { NO_CHANGE } from "../cms/no-change.ts";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import type { WholeRegionView } from "../cms/views.ts";
import type { NodeConfig } from "./config.ts";

const VIEW = { region: 100, view: 1 };

/** One region of nodes 1 … count with groups 1 and 2. */
function oneRegion(seed: number, count: number, config: Partial<NodeConfig> = {}): NodeNet {
  const net = new NodeNet(seed, { tokenRate: 10, ...config });
  const members = Array.from({ length: count }, (_, i) => net.add(i + 1).info);
  const view: WholeRegionView = { id: VIEW, groups: [1, 2], address: 0, members };
  for (const { id } of members) net.apply(id, firstChange(view));
  return net;
}

function texts(net: NodeNet, id: number): string[] {
  return net.get(id).delivered.map(({ text }) => text);
}

describe("one region", () => {
  test.each([1, 2, 5, 12])(
    "of %i members delivers each message to all, in order, and knows when it is stable",
    (count) => {
      const net = oneRegion(1, count);
      const sent = Array.from({ length: 50 }, (_, i) => `m${i}`);
      sent.forEach((text, i) => net.send(1, 1 + (i % 2), text, i));
      net.run(1_000);
      for (let id = 1; id <= count; id++) expect(texts(net, id)).toEqual(sent);
      expect(net.get(1).stable).toEqual(sent.map((_, i) => i));
    },
  );

  test.each(["byReplication", "byRingCap"] as const)("repairs what is lost (%s)", (plan) => {
    const net = oneRegion(2, 30, { plan });
    net.loses = (_from, _to, _channel) => net.random.chance(0.1);
    const sent = Array.from({ length: 400 }, (_, i) => `m${i} ${"x".repeat(900)}`);
    sent.forEach((text, i) => net.after(i, () => net.send(1 + (i % 3), 1, text, i)));
    net.run(6_000);
    for (let id = 1; id <= 30; id++) expect(texts(net, id).sort()).toEqual(sent.toSorted());
    expect(net.get(1).stable.length + net.get(2).stable.length + net.get(3).stable.length).toBe(400);
    for (const { node } of net.nodes.values()) {
      for (const region of node.regions) {
        for (const stream of region.streams.values()) expect(stream.kept.packets).toBe(0);
      }
    }
  });

  test("what several neighbours lack comes to all of them in the round that finds it", () => {
    const net = oneRegion(8, 8, { replication: 8, tokenRate: 1, transitMs: 50 });
    const lacking = [1, 2, 3, 4, 5, 6];
    let isLossy = true;
    net.loses = (_from, to, channel) => isLossy && channel === "data" && lacking.includes(to);
    net.send(8, 1, "one");
    net.run(20);
    isLossy = false;
    // The first round may still take it for being under way.
    net.run(2_500);
    for (let id = 1; id <= 8; id++) expect(texts(net, id)).toEqual(["one"]);
    expect(net.sent.repair).toBe(lacking.length);
  });

  test("is silent when nothing is sent, and wakes for the next message", () => {
    const net = oneRegion(3, 12);
    net.send(5, 1, "one");
    net.run(3_000);
    const { control, repair, data } = net.sent;
    net.run(60_000);
    expect(net.sent).toEqual({ control, repair, data });
    net.send(7, 1, "two");
    net.run(2_000);
    for (let id = 1; id <= 12; id++) expect(texts(net, id)).toEqual(["one", "two"]);
    expect(net.get(7).stable).toHaveLength(1);
  });

  test("the loss of the last message, and of the only one at all members, is noticed", () => {
    const net = oneRegion(4, 6);
    let lose = true;
    net.loses = (_from, _to, channel, bytes) => channel === "data" && lose && bytes.length > 60;
    net.send(2, 1, "x".repeat(50));
    net.run(50);
    lose = false;
    net.run(2_000);
    for (let id = 1; id <= 6; id++) expect(texts(net, id)).toHaveLength(1);
  });

  test("a member counts as lost what later packets of the sender leave out, not what a token tells of", () => {
    const net = oneRegion(6, 3, { packing: false });
    const reception = () => [...net.get(2).node.regions].map((region) => region.reception);
    for (let i = 0; i < 5; i++) net.send(1, 1, `m${i}`);
    net.run(50);
    net.loses = (_from, to, channel) => channel === "data" && to === 2;
    for (let i = 5; i < 10; i++) net.send(1, 1, `m${i}`);
    net.run(1_000);
    expect(texts(net, 2)).toHaveLength(10);
    expect(reception()).toMatchObject([{ received: 5, expected: 5 }]);
    net.loses = () => false;
    net.send(1, 1, "m10");
    net.run(1_000);
    expect(reception()).toMatchObject([{ received: 6, expected: 11 }]);
  });

  test("short messages share packets, unless that is turned off", () => {
    const packetsOf = (packing: boolean): number => {
      const net = oneRegion(6, 3, { packing });
      for (let i = 0; i < 19; i++) net.get(1).node.send(1, new Uint8Array(10), i, net.now);
      net.send(1, 1, "the end of the turn");
      net.run(50);
      for (let id = 1; id <= 3; id++) expect(texts(net, id)).toHaveLength(20);
      return net.sent.data;
    };
    expect(packetsOf(true)).toBeLessThan(5);
    expect(packetsOf(false)).toBeGreaterThanOrEqual(20);
  });

  test("a network that takes nothing is given nothing but control, until it does again", () => {
    const net = oneRegion(6, 3, { packing: false });
    const { node } = net.get(1);
    node.room = 2;
    for (let i = 0; i < 5; i++) net.send(1, 1, `m${i}`);
    net.run(1_000);
    expect(texts(net, 2)).toEqual(["m0", "m1"]);
    node.room = 10;
    net.send(1, 1, "m5");
    net.run(1_000);
    expect(texts(net, 2)).toEqual(["m0", "m1", "m2", "m3", "m4", "m5"]);
    expect(node.room).toBe(6);
  });

  test("long messages are cut and put together", () => {
    const net = oneRegion(5, 3);
    const long = "0123456789".repeat(20_000);
    net.send(1, 1, "before");
    net.send(1, 2, long);
    net.send(1, 1, "after");
    net.run(3_000);
    for (let id = 1; id <= 3; id++) expect(texts(net, id)).toEqual(["before", long, "after"]);
  });
});

describe("members that fail", () => {
  /** All others are told that the node has failed. */
  function fail(net: NodeNet, node: number, n: number): void {
    net.kill(node);
    for (const id of net.nodes.keys()) {
      if (id === node || !net.get(id).isUp) continue;
      net.apply(id, { ...NO_CHANGE, seq: n, n, failed: [node], viewsFailed: [{ id: VIEW, nodes: [node] }] });
    }
  }

  test.each([1, 2, 6, 12])("the others go on without node %i of 12", (victim) => {
    const net = oneRegion(7, 12);
    net.loses = () => net.random.chance(0.05);
    for (let i = 0; i < 300; i++) net.after(i * 5, () => net.send(3, 1, `m${i}`, i));
    net.after(700, () => net.kill(victim));
    net.after(1_000, () => fail(net, victim, 2));
    net.run(6_000);
    const sent = Array.from({ length: 300 }, (_, i) => `m${i}`);
    for (let id = 1; id <= 12; id++) if (id !== victim) expect(texts(net, id)).toEqual(sent);
    expect(net.get(3).stable).toHaveLength(300);
  });

  test("what a failed sender has brought to anybody comes to all, the rest is told as lost, the same everywhere", () => {
    const net = oneRegion(8, 12);
    // Its packets reach few, some nobody: 5 and 9 only node 7, 6 nobody.
    net.loses = (from, to, channel, bytes) => {
      if (from !== 4 || channel !== "data") return net.random.chance(0.02);
      const seq = bytes.length > 60 ? (bytes[37] as number) : 0;
      if (seq === 6) return true;
      return seq === 5 || seq === 9 ? to !== 7 : net.random.chance(0.5);
    };
    for (let i = 1; i <= 10; i++) net.after(i, () => net.send(4, 1, `m${i} ${"x".repeat(40)}`, i));
    net.after(15, () => net.kill(4));
    net.after(500, () => fail(net, 4, 2));
    net.run(8_000);
    for (let id = 1; id <= 12; id++) {
      if (id === 4) continue;
      expect(texts(net, id).map((text) => text.split(" ")[0])).toEqual(
        [1, 2, 3, 4, 5, 7, 8, 9, 10].map((n) => `m${n}`),
      );
      expect(net.get(id).lost).toEqual([{ sender: 4, count: 1 }]);
    }
  });

  test("several failures one after the other, leaders among them, while a sender's packets are being settled", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const net = oneRegion(seed, 15, { tokenRate: 20 });
      net.loses = () => net.random.chance(0.1);
      for (let i = 0; i < 200; i++) net.after(i * 3, () => net.send(5, 1, `a${i}`, i));
      for (let i = 0; i < 200; i++) net.after(i * 3, () => net.send(9, 2, `b${i}`, i));
      const victims = [5, 1, 2, 10];
      victims.forEach((victim, i) => {
        net.after(300 + i * net.random.integer(10, 400), () => net.kill(victim));
      });
      // Told in one order, as the membership service would.
      let at = 1_800;
      victims.forEach((victim, i) => {
        at += net.random.integer(1, 120);
        net.after(at, () => fail(net, victim, i + 2));
      });
      net.run(12_000);
      const survivors = [...net.nodes.keys()].filter((id) => net.get(id).isUp);
      const reference = texts(net, survivors[0] as number);
      const of = (list: readonly string[], letter: string) => list.filter((text) => text.startsWith(letter));
      expect(of(reference, "b")).toEqual(Array.from({ length: 200 }, (_, i) => `b${i}`));
      for (const id of survivors) {
        expect([seed, id, of(texts(net, id), "a")]).toEqual([seed, id, of(reference, "a")]);
        expect(of(texts(net, id), "b")).toEqual(of(reference, "b"));
        expect(net.get(id).lost).toEqual(net.get(survivors[0] as number).lost);
      }
    }
  });
});

/** Groups 1 and 2 over regions of three nodes each: 1 … 3 have both, the others one. */
function manyRegions(seed: number, regions: number, config: Partial<NodeConfig> = {}): NodeNet {
  const net = new NodeNet(seed, { tokenRate: 10, ...config });
  const views: WholeRegionView[] = [];
  for (let r = 0; r < regions; r++) {
    const members = [1, 2, 3].map((i) => net.add(r * 3 + i).info);
    views.push({ id: { region: 100 + r, view: 1 }, groups: r === 0 ? [1, 2] : [1], address: r, members });
  }
  for (const { info } of net.nodes.values()) {
    net.apply(info.id, {
      ...NO_CHANGE,
      seq: 1,
      n: 1,
      regionsCreated: views,
      groupsCreated: [
        {
          group: 1,
          name: "g1",
          view: 1,
          regions: views.map(({ id }) => id.region),
          places: views.map(() => 0),
          address: 50,
        },
      ],
    });
  }
  return net;
}

describe("hybrid mode", () => {
  test("one packet serves all regions, and what is lost is repaired in each", () => {
    const net = manyRegions(11, 8);
    const sent = Array.from({ length: 200 }, (_, i) => `m${i}`);
    net.loses = () => net.random.chance(0.1);
    sent.forEach((text, i) => net.after(i * 2, () => net.send(1, 1, text, i)));
    net.run(200);
    // Until the first acknowledgements, packets of eight regions went to each by itself only where they had to say more.
    net.run(6_000);
    for (const { info } of net.nodes.values()) expect(texts(net, info.id)).toEqual(sent);
    expect(net.get(1).stable).toHaveLength(200);
    expect(net.sent.data).toBeLessThan(200 * 8);
  });

  test("more regions than a packet can name take several packets", () => {
    const net = manyRegions(12, 80);
    net.send(1, 1, "x".repeat(1_000), 1);
    net.run(2_000);
    for (const { info } of net.nodes.values()) expect(texts(net, info.id)).toHaveLength(1);
    expect(net.get(1).stable).toEqual([1]);
  });

  test("a message that has begun when views change ends in the old ones, the others go out in the new", () => {
    const net = manyRegions(13, 5, { windowBytes: 4_000, windowResumeBytes: 2_000 });
    const long = "y".repeat(20_000);
    net.send(1, 1, long, 1);
    net.send(1, 1, "after", 2);
    const changed = { region: 104, view: 2, added: [], removed: [15] };
    for (const { info } of net.nodes.values()) {
      net.apply(info.id, {
        ...NO_CHANGE,
        seq: 2,
        n: 2,
        ...(info.id === 15 ? { regionsDeleted: [104], groupsDeleted: [1] } : { regionsChanged: [changed] }),
      });
    }
    net.run(5_000);
    for (let id = 1; id < 15; id++) expect(texts(net, id)).toEqual([long, "after"]);
    expect(net.get(1).stable).toEqual([1, 2]);
    expect(net.get(1).installed.at(-1)?.sealed).toMatchObject([{ last: 16 }]);
  });
});

test("a sender whose last acknowledgement is lost with the leader hears from the other members that the view has ended", () => {
  const net = manyRegions(14, 2);
  net.send(4, 1, "last words", 7);
  net.loses = (from, to, channel) => (from === 1 && to === 4 && channel === "control") || (from === 4 && net.now > 300);
  net.run(300);
  const id = { region: 100, view: 1 };
  const LAST = { sender: 4, seq: 1 };
  const groupsChanged = [{ group: 1, view: 2, added: [], places: [], removed: [100] }];
  for (const { info } of net.nodes.values()) {
    // The members leave, and with them the region ends.
    const leaving = { regionsDeleted: [100, 101], groupsDeleted: [1], finals: [{ id, last: [LAST], failed: [] }] };
    const staying = { regionsDeleted: [100], groupsChanged };
    net.apply(info.id, { ...NO_CHANGE, seq: 2, n: 2, ...(info.id <= 3 ? leaving : staying) });
  }
  net.run(2_000);
  expect(net.get(1).retired).toEqual(["100.1"]);
  expect(net.get(4).stable).toEqual([]);
  net.kill(1);
  net.loses = () => false;
  net.run(2_000);
  expect(net.get(4).stable).toEqual([7]);
});

test("who waits for a node that it is in no view with any more asks whether that has failed, and is calm when it has", () => {
  const net = new NodeNet(16, { tokenRate: 10, inquireMs: 1_000 });
  const regions = [1, 2].map((id): WholeRegionView => {
    return { id: { region: 100 + id, view: 1 }, groups: [1], address: id, members: [net.add(id).info] };
  });
  const groupsCreated = [{ group: 1, name: "g", view: 1, regions: [101, 102], places: [0, 0] }];
  for (const id of [1, 2]) net.apply(id, { ...NO_CHANGE, seq: 1, n: 1, regionsCreated: regions, groupsCreated });
  net.kill(2);
  net.send(1, 1, "last words", 7);
  net.run(3_000);
  // As long as they share a group, it will be told.
  const { inquired } = net.get(1);
  expect(inquired).toEqual([]);
  net.apply(1, { ...NO_CHANGE, seq: 2, n: 2, regionsDeleted: [101, 102], groupsDeleted: [1] });
  net.run(5_000);
  expect(inquired.length).toBeGreaterThan(2);
  expect(inquired[0]).toEqual([2]);
  net.apply(1, { ...NO_CHANGE, seq: 3, n: 3, failed: [2] });
  expect(net.get(1).stable).toEqual([7]);
  net.run(1_000);
  const [sent, asked] = [{ ...net.sent }, inquired.length];
  net.run(60_000);
  expect([net.sent, inquired.length]).toEqual([sent, asked]);
});

test("rounds that follow each other faster than packets travel repair nothing twice", () => {
  const net = oneRegion(15, 10, { roundBytes: 4_000, packing: false });
  net.waitingMs = 20;
  net.loses = (_from, _to, channel) => channel === "data" && net.random.chance(0.02);
  const count = 1_500;
  for (let i = 0; i < count; i++) net.after(i, () => net.send(1, 1, `m${i} ${"x".repeat(900)}`, i));
  net.run(8_000);
  let repaired = 0;
  let redundant = 0;
  for (const { info, node } of net.nodes.values()) {
    expect(texts(net, info.id)).toHaveLength(count);
    for (const { counters } of node.regions) {
      repaired += counters.repaired;
      redundant += counters.redundant;
    }
  }
  expect(repaired).toBeGreaterThan(count * 9 * 0.01);
  expect(redundant).toBeLessThan(count * 9 * 0.001);
});
