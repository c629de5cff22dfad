import { describe, expect, test } from "vitest";
import { NO_CHANGE } from "../cms/no-change.ts";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import type { NodeId } from "../base/ids.ts";
import type { WholeRegionView } from "../cms/views.ts";
import type { NodeConfig } from "./config.ts";

const VIEW = { region: 100, view: 1 };
const HOP_MS = 1;

/** One region of nodes 1 … count; a hop takes about 1 ms. */
function oneRegion(seed: number, count: number, config: Partial<NodeConfig>): NodeNet {
  const net = new NodeNet(seed, { tokenRate: 10, ...config });
  net.latencyMs = HOP_MS;
  const members = Array.from({ length: count }, (_, i) => net.add(i + 1).info);
  const view: WholeRegionView = { id: VIEW, groups: [1], address: 0, members };
  for (const { id } of members) net.apply(id, firstChange(view));
  return net;
}

function roundTripMs(net: NodeNet, leader: NodeId): number {
  const [region] = net.get(leader).node.regions;
  return region?.ring.roundTripMs ?? 0;
}

function fail(net: NodeNet, failed: readonly NodeId[]): void {
  for (const id of failed) net.kill(id);
  const change = { ...NO_CHANGE, seq: 2, n: 2, failed, viewsFailed: [{ id: VIEW, nodes: failed }] };
  for (const { info, isUp } of net.nodes.values()) if (isUp) net.apply(info.id, change);
}

describe("rounds as a tree", () => {
  const tree = { ringMode: "tree", fanOut: 3, replication: 3 } as const;

  test("members of some levels of parts repair what is lost, and all becomes stable", () => {
    // 27 partitions: levels of 27, 9, 3 and 1.
    const net = oneRegion(1, 83, tree);
    net.loses = () => net.random.chance(0.05);
    const sent = Array.from({ length: 100 }, (_, i) => `m${i} ${"x".repeat(900)}`);
    sent.forEach((text, i) => net.after(3 * i, () => net.send(1 + 40 * (i % 3), 1, text, i)));
    net.run(6_000);
    for (const { delivered } of net.nodes.values()) {
      expect(delivered.map(({ text }) => text).sort()).toEqual(sent.toSorted());
    }
    const stable = [1, 41, 81].map((id) => net.get(id).stable.length);
    expect(stable).toEqual([34, 33, 33]);
    const kept = [...net.nodes.values()]
      .flatMap(({ node }) => [...node.regions])
      .map(({ streams }) => [...streams.values()]);
    expect(kept.flat().every((stream) => stream.kept.packets === 0)).toBe(true);
  });

  test.each([
    ["the leader", [1]],
    ["heads of several levels", [10, 28, 55]],
    ["a whole partition", [5, 32, 59]],
  ])("go on without %s", (_who, failed) => {
    const net = oneRegion(2, 81, tree);
    net.send(3, 1, "before", 1);
    // While the round is under way.
    net.run(2.5 * HOP_MS);
    fail(net, failed);
    net.send(3, 1, "after", 2);
    net.run(2_000);
    expect(net.get(3).stable).toEqual([1, 2]);
    for (const { info, delivered } of net.nodes.values()) {
      if (!failed.includes(info.id)) expect(delivered.map(({ text }) => text)).toEqual(["before", "after"]);
    }
  });

  test("the tail of what a failed sender has sent is lost everywhere, or nowhere", () => {
    const net = oneRegion(3, 81, tree);
    net.send(2, 1, "first");
    net.run(500);
    // The second reaches one member only, the third nobody.
    net.loses = (_from, to, channel) => channel === "data" && to !== 44;
    net.send(2, 1, "second");
    net.loses = (_from, _to, channel) => channel === "data";
    net.send(2, 1, "third");
    net.send(2, 1, "fourth");
    net.loses = (_from, to, channel) => channel === "data" && to !== 70;
    net.send(2, 1, "fifth");
    net.loses = () => false;
    net.run(2 * HOP_MS);
    fail(net, [2]);
    net.run(3_000);
    for (const { info, delivered, lost } of net.nodes.values()) {
      if (info.id === 2) continue;
      expect(delivered.map(({ text }) => text)).toEqual(["first", "second", "fifth"]);
      expect(lost.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    }
  });

  test("take two hops a level and one partition's ring, where one token takes one a member", () => {
    const measured = (["sequential", "tree"] as const).map((ringMode) => {
      return [60, 480].map((count) => {
        const net = oneRegion(4, count, { ringMode, fanOut: 10, replication: 5 });
        net.send(2, 1, "m");
        net.run(3_000);
        return roundTripMs(net, 1) / HOP_MS;
      });
    });
    const [[few, many], [fewTree, manyTree]] = measured as [[number, number], [number, number]];
    expect(few).toBeGreaterThan(60);
    expect(many / few).toBeGreaterThan(7);
    expect(fewTree).toBeLessThan(12);
    expect(manyTree).toBeLessThan(14);
  });

  test("come by themselves where a region is large", () => {
    const timeOf = (treeMembersMin: number): number => {
      const net = oneRegion(5, 60, { treeMembersMin });
      net.send(2, 1, "m");
      net.run(1_000);
      return roundTripMs(net, 1) / HOP_MS;
    };
    expect(timeOf(61)).toBeGreaterThan(60);
    expect(timeOf(60)).toBeLessThan(12);
  });
});

test("rounds that begin at fixed times overlap where one takes longer, and come back all the same", () => {
  // A round takes some 60 ms, and one begins every 20.
  const net = oneRegion(6, 50, { release: "periodic", ringMode: "sequential", tokenRate: 50, tokenLossMs: 60_000 });
  for (let i = 0; i < 50; i++) net.after(20 * i, () => net.send(2, 1, `m${i}`, i));
  net.run(1_000);
  expect(roundTripMs(net, 1)).toBeGreaterThan(50);
  expect(net.get(2).stable.length).toBeGreaterThan(35);
  net.run(1_000);
  expect(net.get(2).stable).toHaveLength(50);
  // And they end.
  const { control } = net.sent;
  net.run(5_000);
  expect(net.sent.control).toBe(control);
});
