import { expect, test } from "vitest";
import { NO_CHANGE } from "../cms/no-change.ts";
import { NodeNet } from "../../test/qsm/node-net.ts";
import type { Change, GroupView, NodeInfo, WholeRegionView } from "../cms/views.ts";

/** The groups of the regions made so far. */
const lists = new Map<number, readonly number[]>();

function region(id: number, view: number, groups: readonly number[], members: readonly NodeInfo[]): WholeRegionView {
  lists.set(id, groups);
  return { id: { region: id, view }, groups, address: id, members };
}

function group(number: number, view: number, regions: readonly number[]): GroupView {
  return { group: number, name: `g${number}`, view, regions, places: placesOf(number, regions) };
}

function placesOf(group: number, regions: readonly number[]): number[] {
  return regions.map((id) => lists.get(id)?.indexOf(group) ?? -1);
}

/** Applies changes at a node, one after the other, from `seq` on. */
function apply(net: NodeNet, node: number, seq: number, ...changes: readonly Partial<Change>[]): void {
  changes.forEach((change, i) => net.apply(node, { ...NO_CHANGE, seq: seq + i, n: seq + i, ...change }));
}

function texts(net: NodeNet, id: number): string[] {
  return net.get(id).delivered.map(({ text }) => text);
}

test("a sender that leaves a group and comes back goes on counting in views that have stayed", () => {
  const net = new NodeNet(1, { tokenRate: 10 });
  const [one, two] = [net.add(1).info, net.add(2).info];
  const alone = region(100, 1, [1], [one]);
  apply(
    net,
    1,
    1,
    { regionsCreated: [alone, region(200, 1, [1, 2], [two])], groupsCreated: [group(1, 1, [100, 200])] },
    { regionsDeleted: [200], groupsChanged: [{ group: 1, view: 2, added: [], places: [], removed: [200] }] },
    {
      regionsCreated: [region(400, 1, [1, 2], [two])],
      groupsChanged: [{ group: 1, view: 3, added: [400], places: placesOf(1, [400]), removed: [] }],
    },
  );
  apply(net, 2, 1, {
    regionsCreated: [alone, region(200, 1, [1, 2], [two])],
    groupsCreated: [group(1, 1, [100, 200]), group(2, 1, [200])],
  });
  net.send(2, 1, "before");
  net.run(500);
  const away = {
    regionsCreated: [region(300, 1, [2], [two])],
    regionsDeleted: [100, 200],
    groupsChanged: [{ group: 2, view: 2, added: [300], places: placesOf(2, [300]), removed: [200] }],
    groupsDeleted: [1],
  };
  const back = {
    regionsCreated: [alone, region(400, 1, [1, 2], [two])],
    regionsDeleted: [300],
    groupsCreated: [group(1, 3, [100, 400])],
    groupsChanged: [{ group: 2, view: 3, added: [400], places: placesOf(2, [400]), removed: [300] }],
  };
  apply(net, 2, 2, away, back);
  net.send(2, 1, "after");
  net.run(500);
  expect(texts(net, 1)).toEqual(["before", "after"]);
  const sealed = net.get(2).installed[1]?.sealed.map(({ last }) => last);
  expect(sealed).toEqual([1, 1]);
});

test("who leaves a group and comes back delivers nothing that was sent before", () => {
  const net = new NodeNet(2, { tokenRate: 10 });
  const [one, two] = [net.add(1).info, net.add(2).info];
  const first = { regionsCreated: [region(100, 1, [1], [one, two])], groupsCreated: [group(1, 1, [100])] };
  for (const id of [1, 2]) apply(net, id, 1, first);
  net.loses = (_from, to) => to === 1;
  net.send(2, 1, "missed");
  net.run(20);
  net.loses = () => false;
  apply(net, 2, 2, { regionsChanged: [{ region: 100, view: 2, added: [], removed: [1] }] });
  apply(net, 2, 3, { regionsChanged: [{ region: 100, view: 3, added: [one], removed: [] }] });
  apply(
    net,
    1,
    2,
    { regionsDeleted: [100], groupsDeleted: [1] },
    { regionsCreated: [region(100, 3, [1], [one, two])], groupsCreated: [group(1, 1, [100])] },
  );
  net.send(2, 1, "after");
  net.run(1_000);
  expect(texts(net, 1)).toEqual(["after"]);
  expect(texts(net, 2)).toEqual(["missed", "after"]);
});

test("packets that wait for an earlier view are delivered after it, though their own view has been retired", () => {
  const net = new NodeNet(3, { tokenRate: 10 });
  const [one, two] = [net.add(1).info, net.add(2).info];
  const views = [1, 2, 3].map((view) => region(100, view, [1], [one, two]));
  for (const id of [1, 2])
    apply(net, id, 1, { regionsCreated: views.slice(0, 1), groupsCreated: [group(1, 1, [100])] });
  const isFirstView = (bytes: Uint8Array): boolean => bytes.length > 40 && bytes[31] === 1;
  net.loses = (_from, to, channel, bytes) => to === 1 && channel !== "control" && isFirstView(bytes);
  net.send(2, 1, "first");
  for (const id of [1, 2]) apply(net, id, 2, { regionsChanged: [{ region: 100, view: 2, added: [], removed: [] }] });
  net.send(2, 1, "second");
  net.run(300);
  const final = { id: { region: 100, view: 2 }, last: [{ sender: 2, seq: 1 }], failed: [] };
  for (const id of [1, 2]) {
    apply(net, id, 3, { regionsChanged: [{ region: 100, view: 3, added: [], removed: [] }] }, { finals: [final] });
  }
  net.send(2, 1, "third");
  net.run(1_000);
  expect(net.get(1).retired).toEqual(["100.2"]);
  expect(texts(net, 1)).toEqual([]);
  net.loses = () => false;
  net.run(1_000);
  expect(texts(net, 1)).toEqual(["first", "second", "third"]);
});

test("what is not stable in a view that was sealed takes room in the window of the next one", () => {
  const windowBytes = 4_000;
  const net = new NodeNet(5, { tokenRate: 10, windowBytes, windowResumeBytes: 2_000, packing: false });
  const [one, two] = [net.add(1).info, net.add(2).info];
  const before = region(100, 1, [1], [one, two]);
  for (const id of [1, 2]) apply(net, id, 1, { regionsCreated: [before], groupsCreated: [group(1, 1, [100])] });
  net.loses = (_from, to) => to === 1;
  const unstable = (): number => net.get(2).node.senders.reduce((sum, { unstableBytes }) => sum + unstableBytes, 0);
  for (let i = 0; i < 200; i++) net.send(2, 1, `${i} ${"x".repeat(100)}`, i);
  net.run(500);
  expect(unstable()).toBeGreaterThan(windowBytes / 2);
  for (const id of [1, 2]) apply(net, id, 2, { regionsChanged: [{ region: 100, view: 2, added: [], removed: [] }] });
  net.run(500);
  expect(unstable()).toBeLessThan(windowBytes + 1_000);
  net.loses = () => false;
  net.run(10_000);
  expect(texts(net, 1)).toEqual(texts(net, 2));
  expect(texts(net, 1)).toHaveLength(200);
});

test("a view of several partitions is forgotten by all, also if its leader fails while it is being retired", () => {
  for (const failed of [undefined, 1]) {
    const net = new NodeNet(4, { tokenRate: 10, tokenLossMs: 300, replication: 2 });
    const members = [1, 2, 3, 4, 5, 6].map((id) => net.add(id).info);
    const before = region(100, 1, [1], members);
    for (const { id } of members) apply(net, id, 1, { regionsCreated: [before], groupsCreated: [group(1, 1, [100])] });
    net.send(2, 1, "something");
    net.run(1_000);
    const next = { regionsChanged: [{ region: 100, view: 2, added: [], removed: [] }] };
    const final = { finals: [{ id: before.id, last: [{ sender: 2, seq: 1 }], failed: [] }] };
    // The token has been everywhere, and its leader, which waits for it, is gone.
    if (failed !== undefined) net.loses = (_from, to, channel) => to === failed && channel === "control";
    for (const { id } of members) apply(net, id, 2, next, final);
    net.run(200);
    if (failed !== undefined) {
      net.kill(failed);
      const failure = { failed: [failed], viewsFailed: [{ id: before.id, nodes: [failed] }] };
      for (const { id } of members) if (id !== failed) apply(net, id, 4, failure);
    }
    net.run(2_000);
    const views = members.filter(({ id }) => id !== failed).flatMap(({ id }) => [...net.get(id).node.regions]);
    expect(views.every(({ id }) => id.view === 2)).toBe(true);
    expect([...net.nodes.values()].flatMap(({ retired }) => retired)).toContain("100.1");
    const { control } = net.sent;
    net.run(5_000);
    expect(net.sent.control).toBe(control);
  }
});

test("what only members were to keep that have failed is asked of its sender", () => {
  const net = new NodeNet(5, { tokenRate: 10, plan: "byRingCap", ringMax: 2, replication: 1, transitMs: 10 });
  const members = [1, 2, 3, 4].map((id) => net.add(id).info);
  const view = region(100, 1, [1], members);
  for (const { id } of members) apply(net, id, 1, { regionsCreated: [view], groupsCreated: [group(1, 1, [100])] });
  const sent = Array.from({ length: 12 }, (_, i) => `m${i}`);
  net.loses = (_from, to) => to === 4;
  for (const text of sent) {
    net.send(2, 1, text);
    net.run(1);
  }
  net.run(100);
  net.kill(3);
  net.loses = () => false;
  for (const id of [1, 2, 4]) apply(net, id, 2, { failed: [3], viewsFailed: [{ id: view.id, nodes: [3] }] });
  net.run(3_000);
  expect(texts(net, 4)).toEqual(sent);
  expect(net.get(2).node.senders[0]?.stable).toBe(12);
});

test("failures that a change names one by one are one failure of the view", () => {
  const net = new NodeNet(6, { tokenRate: 10 });
  const members = [1, 2, 3, 4].map((id) => net.add(id).info);
  const view = region(100, 1, [1], members);
  for (const { id } of members) apply(net, id, 1, { regionsCreated: [view], groupsCreated: [group(1, 1, [100])] });
  const viewsFailed = [2, 3].map((node) => ({ id: view.id, nodes: [node] }));
  apply(net, 1, 2, { failed: [2, 3], viewsFailed });
  // One token has left.
  expect(net.sent.control).toBe(1);
});
