import { expect, test } from "vitest";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import { kindOf, NodeKind } from "../wire/region/head.ts";
import type { NodeConfig } from "./config.ts";

const GROUP = 1;
const NODES = 9;
const MESSAGES = 300;

/** Nodes of one region that lose data and repairs, while one message is sent each two milliseconds. */
function run(seed: number, config: Partial<NodeConfig>, share: number) {
  const net = new NodeNet(seed, { tokenRate: 1, packing: false, ...config });
  const ids = Array.from({ length: NODES }, (_, i) => i + 1);
  for (const id of ids) net.add(id);
  const members = ids.map((id) => net.get(id).info);
  const change = firstChange({ id: { region: 100, view: 1 }, groups: [GROUP], address: 0, members });
  for (const id of ids) net.apply(id, change);
  net.loses = (_from, _to, channel) => channel !== "control" && net.random.unit() < share;
  for (let i = 0; i < MESSAGES; i++) net.after(2 * i, () => net.send(1 + (i % NODES), GROUP, `${i}`, i + 1));
  net.run(2 * MESSAGES + 50);
  const soon = ids.map((id) => net.get(id).delivered.length);
  net.run(20_000);
  return { net, ids, soon };
}

test("repairs between receivers bring most of what is lost before the token does, and the token the rest", () => {
  const lateral = { every: 8, copies: 5 };
  const [without, with5] = [run(1, {}, 0.03), run(1, { lateral }, 0.03)];
  const lacking = ({ soon }: typeof without) => soon.reduce((sum, count) => sum + MESSAGES - count, 0);
  // In the order of senders one missing packet holds up those behind it.
  expect(lacking(without)).toBeGreaterThan(200);
  expect(lacking(with5)).toBeLessThan(lacking(without) / 5);
  for (const { net, ids } of [without, with5]) {
    for (const id of ids) {
      const { delivered, lost } = net.get(id);
      expect(lost).toEqual([]);
      expect(new Set(delivered.map(({ text }) => text)).size).toBe(MESSAGES);
      expect(delivered).toHaveLength(MESSAGES);
      for (const sender of ids) {
        const numbers = delivered.filter((one) => one.sender === sender).map(({ text }) => Number(text));
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      }
    }
  }
});

test("a repair is of no harm to a member that sends none, or that gets a damaged one", () => {
  const net = new NodeNet(2, { tokenRate: 20 });
  const config = { lateral: { every: 2, copies: 2 } };
  const mixed = new NodeNet(2, { tokenRate: 20, ...config });
  for (const one of [net, mixed]) {
    for (const id of [1, 2, 3]) one.add(id);
    const members = [1, 2, 3].map((id) => one.get(id).info);
    const change = firstChange({ id: { region: 100, view: 1 }, groups: [GROUP], address: 0, members });
    for (const id of [1, 2, 3]) one.apply(id, change);
  }
  // What the one net says is heard by a node of the other as well, cut and turned.
  mixed.loses = (_from, _to, channel, bytes) => {
    if (kindOf(bytes) !== NodeKind.regionRepair) return channel === "data" && mixed.random.unit() < 0.3;
    net.get(2).node.receive("repair", bytes.slice(), net.now);
    const damaged = bytes.slice();
    damaged[mixed.random.integer(20, damaged.length - 1)] = mixed.random.integer(0, 255);
    mixed.get(3).node.receive("repair", damaged, mixed.now);
    return false;
  };
  for (let i = 0; i < 60; i++) mixed.after(i, () => mixed.send(1 + (i % 3), GROUP, `${i}`, i + 1));
  mixed.run(5_000);
  for (const id of [1, 2, 3]) {
    const texts = mixed.get(id).delivered.map(({ text }) => Number(text));
    expect(texts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  }
  expect(net.get(2).delivered).toEqual([]);
});
