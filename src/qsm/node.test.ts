import { describe, expect, test } from "vitest";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import type { RegionView } from "../cms/views.ts";
import type { NodeConfig } from "./config.ts";

/** One region of nodes 1 … count with groups 1 and 2. */
function oneRegion(seed: number, count: number, config: Partial<NodeConfig> = {}): NodeNet {
  const net = new NodeNet(seed, { tokenRate: 10, ...config });
  const members = Array.from({ length: count }, (_, i) => net.add(i + 1).info);
  const view: RegionView = { id: { region: 100, view: 1 }, groups: [1, 2], address: 0, members };
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
