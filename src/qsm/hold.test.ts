import { expect, test } from "vitest";
import { NO_CHANGE } from "../cms/no-change.ts";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";

const REGION = 100;

/** Three nodes in one region, whose sender has a window of about forty packets. */
function threeNodes(): NodeNet {
  const net = new NodeNet(1, { tokenRate: 10, windowBytes: 4_000, windowResumeBytes: 2_000, packing: false });
  const members = [1, 2, 3].map((id) => net.add(id).info);
  for (const { id } of members) {
    net.apply(id, firstChange({ id: { region: REGION, view: 1 }, groups: [1], address: 0, members }));
  }
  return net;
}

test("a member that is held stops its senders at their windows, without any repair, until it is released", () => {
  const net = threeNodes();
  net.get(3).node.hold(true);
  for (let i = 1; i <= 200; i++) net.send(1, 1, `${i} ${"x".repeat(50)}`, i);
  net.run(5_000);
  const [sender] = net.get(1).node.senders;
  const last = sender?.last ?? 0;
  expect(last).toBeGreaterThan(20);
  expect(last).toBeLessThan(60);
  expect(net.get(1).stable).toEqual([]);
  // What was sent has been delivered everywhere, here too: only that it counts is put off.
  for (const id of [1, 2, 3]) expect(net.get(id).delivered).toHaveLength(last);
  expect(net.sent.repair).toBe(0);

  net.get(3).node.hold(false);
  net.run(5_000);
  for (const id of [1, 2, 3]) expect(net.get(id).delivered).toHaveLength(200);
  expect(net.get(1).stable).toHaveLength(200);
});

test("views that come while a member is held are held too, and end when it is released", () => {
  const net = threeNodes();
  const holder = net.get(3).node;
  holder.hold(true);
  net.send(1, 1, "before", 1);
  net.run(1_000);
  const next = {
    ...NO_CHANGE,
    seq: 2,
    n: 2,
    regionsChanged: [{ region: REGION, view: 2, added: [], removed: [2] }],
  };
  for (const id of [1, 3]) net.apply(id, next);
  net.send(1, 1, "after", 2);
  net.run(1_000);
  const final = { id: { region: REGION, view: 1 }, last: [{ sender: 1, seq: 1 }], failed: [] };
  for (const id of [1, 3]) net.apply(id, { ...NO_CHANGE, seq: 3, n: 3, finals: [final] });
  net.apply(2, { ...NO_CHANGE, seq: 2, n: 3, regionsDeleted: [REGION], groupsDeleted: [1], finals: [final] });
  net.run(2_000);
  expect(net.get(1).stable).toEqual([]);
  expect([...holder.regions].map(({ id }) => id.view)).toEqual([1, 2]);

  holder.hold(false);
  net.run(2_000);
  expect(net.get(1).stable.toSorted((a, b) => a - b)).toEqual([1, 2]);
  expect([...holder.regions].map(({ id }) => id.view)).toEqual([2]);
});
