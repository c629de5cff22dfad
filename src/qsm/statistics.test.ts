import { expect, test } from "vitest";
import { NO_CHANGE } from "../cms/no-change.ts";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import type { WholeRegionView } from "../cms/views.ts";
import type { NodeCounter } from "../wire/native/node-statistics.ts";

const VIEW = { region: 100, view: 1 };

/** A region of nodes 1 … count that loses one datagram in ten. */
function lossyRegion(count: number): { readonly net: NodeNet; readonly sum: (...names: NodeCounter[]) => number } {
  const net = new NodeNet(11, { tokenRate: 10, packing: false });
  const members = Array.from({ length: count }, (_, i) => net.add(i + 1).info);
  const view: WholeRegionView = { id: VIEW, groups: [1, 2], address: 0, members };
  for (const { id } of members) net.apply(id, firstChange(view));
  net.loses = () => net.random.chance(0.1);
  const sum = (...names: NodeCounter[]): number =>
    [...net.nodes.values()].reduce((all, { node }) => {
      const { figures } = node.statistics(net.now);
      return names.reduce((more, name) => more + figures[name], all);
    }, 0);
  return { net, sum };
}

test("what nodes count adds up: what was sent, repaired and delivered", () => {
  const { net, sum } = lossyRegion(20);
  for (let i = 0; i < 300; i++) net.after(i * 5, () => net.send(1 + (i % 2), 1, `m${i}`, i));
  net.run(1_000);
  const during = net.get(1).node.statistics(net.now);
  expect(during.figures.unstablePackets).toBeGreaterThan(0);
  expect(during.figures.unstableBytes).toBeGreaterThan(during.figures.unstablePackets * 40);
  expect(during.figures).toMatchObject({ upMs: 1_000, views: 1, sends: 1 });
  net.run(9_000);

  expect(sum("messagesSent")).toBe(300);
  expect(sum("messagesStable")).toBe(300);
  expect(sum("packetsSent")).toBe(300);
  expect(sum("messagesDelivered")).toBe(300 * 20);
  // All but the senders' own came once: at first, from another member, or from the sender again.
  const missed = 300 * 19 - sum("packetsReceived", "repaired");
  expect(missed).toBeGreaterThanOrEqual(0);
  expect(missed).toBeLessThanOrEqual(sum("resent") * 19);
  const forwarded = sum("pushed", "pulled", "pulledElsewhere", "forwardedLate");
  expect(sum("repaired") + sum("redundant")).toBeLessThanOrEqual(forwarded);
  expect(sum("repaired")).toBeGreaterThan(300);
  for (const kind of ["pushed", "pulled", "pulledElsewhere"] as const) expect(sum(kind)).toBeGreaterThan(0);
  expect(sum("lost")).toBe(0);
  expect(sum("dropsMalformed", "dropsForeign", "dropsCluster", "dropsUntold")).toBe(0);

  for (const [id, { node }] of net.nodes) {
    const { figures, regions } = node.statistics(net.now);
    expect(figures).toMatchObject({ queuedBytes: 0, unstableBytes: 0, keptPackets: 0, behindPackets: 0, applied: 1 });
    const isLeader = Number(id === 1);
    expect(regions).toMatchObject([{ id: VIEW, figures: { leader: isLeader, quiet: isLeader, senders: 2 } }]);
    expect(figures.tokens).toBe(regions[0]?.figures.tokens);
  }
  expect(net.get(1).node.statistics(net.now).regions[0]?.figures.roundTripUs).toBeGreaterThan(100);
});

test("what a view has counted stays with its node when the view is over", () => {
  const { net, sum } = lossyRegion(3);
  for (let i = 0; i < 100; i++) net.after(i, () => net.send(1, 1, `m${i}`, i));
  net.run(4_000);
  const before = sum("messagesDelivered", "repaired", "packetsReceived", "tokens", "rounds");
  for (const { info } of net.nodes.values()) {
    const next = { region: VIEW.region, view: 2, added: [], removed: [] };
    net.apply(info.id, { ...NO_CHANGE, seq: 2, n: 2, regionsChanged: [next] });
  }
  for (const { info } of net.nodes.values()) {
    net.apply(info.id, {
      ...NO_CHANGE,
      seq: 3,
      n: 3,
      finals: [{ id: VIEW, last: [{ sender: 1, seq: 100 }], failed: [] }],
    });
  }
  net.run(4_000);
  expect(
    net
      .get(2)
      .node.statistics(net.now)
      .regions.map(({ id }) => id.view),
  ).toEqual([2]);
  expect(sum("messagesDelivered", "repaired", "packetsReceived", "tokens", "rounds")).toBeGreaterThanOrEqual(before);
  expect(sum("messagesDelivered")).toBe(300);
});
