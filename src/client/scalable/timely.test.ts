import { describe, expect, test } from "vitest";
import { FakeDaemon } from "../../../test/client/fake-daemon.ts";
import { type FakeNode, FakeWorld, info, NodeDaemon } from "../../../test/client/fake-nodes.ts";
import { FakeTransport, settle } from "../../../test/client/fake-transport.ts";
import { REPAIRS_DEFAULT } from "../../wire/timely/repairs.ts";
import { PlatoGroup } from "../../plato/plato-group.ts";
import { nodeDefaults } from "../../qsm/config.ts";
import { type Arrival, TimelyNode } from "../../ricochet/timely-node.ts";
import type { ConnectOptions } from "../config.ts";
import { Connection } from "../connection.ts";
import type { NodeGroupEvent } from "../events.ts";
import type { OrderedTimelyJoinOptions, TimelyJoinOptions } from "../join-options.ts";
import type { TimelyGroup } from "./timely-group.ts";

const GROUP = 1;
const ME = 7;
/** What a packet takes with the usual settings. */
const PACKET_MAX = TimelyNode.payloadBytesMax(nodeDefaults.datagramBytes, REPAIRS_DEFAULT.every);

type Setting = {
  readonly transport: FakeTransport;
  readonly connection: Connection;
  readonly nodes: NodeDaemon;
  readonly world: FakeWorld;
  readonly group: TimelyGroup<NodeGroupEvent>;
  readonly node: FakeNode;
};

/** A connection that is in the timely group `g` with node 9. */
async function joined(
  join: Partial<TimelyJoinOptions> | Omit<OrderedTimelyJoinOptions, "quality"> = {},
  options: ConnectOptions = {},
): Promise<Setting> {
  const transport = new FakeTransport();
  const world = new FakeWorld();
  const daemon = new FakeDaemon("a");
  transport.onOpen = (stream) => daemon.attach(stream);
  const withNodes = Object.assign(transport, { nodes: world });
  const connection = await Connection.open(withNodes, ["4803@a"], { name: "ann", ...options });
  const nodes = new NodeDaemon(daemon, ME);
  const joining: Promise<unknown> = connection.join("g", { quality: "timely", ...join });
  await settle();
  nodes.order();
  nodes.register();
  nodes.facts("g", join.slow, { ...REPAIRS_DEFAULT, ...join.repairs });
  await settle();
  nodes.change({
    regionsCreated: [{ id: { region: 100, view: 1 }, address: 0, members: [info(ME, "#ann#a"), info(9)] }],
    groupsCreated: [{ group: GROUP, name: "g", view: 1, regions: [100], places: [0] }],
  });
  const group = (await joining) as TimelyGroup<NodeGroupEvent>;
  return { transport, connection, nodes, world, group, node: world.nodes[0] as FakeNode };
}

function deliver(node: FakeNode, text: string, how: Arrival = "received", sender = 9): void {
  const packet = { sender, group: GROUP, seq: 1 };
  node.application?.timely.deliver(packet, new TextEncoder().encode(text), how, 0, 0);
}

async function next(group: TimelyGroup<NodeGroupEvent>, count: number): Promise<NodeGroupEvent[]> {
  const iterator = group[Symbol.asyncIterator]();
  const events: NodeGroupEvent[] = [];
  for (let i = 0; i < count; i++) events.push((await iterator.next()).value as NodeGroupEvent);
  return events;
}

describe("a timely group", () => {
  test("tells its node which share of losses repairs shall bring", async () => {
    const { node, group } = await joined({ repairs: { recovery: 0.99 } });
    expect(group.repairs).toEqual({ every: 8, copies: 5, targets: "auto", recovery: 0.99 });
    expect(node.timely.get(GROUP)).toEqual(group.repairs);
  });

  test("is joined as what it is, and the node is told how its members repair each other", async () => {
    const { nodes, node, group } = await joined({ repairs: { copies: 3 } }, { node: { burstPackets: 4 } });
    expect(JSON.parse(nodes.requests("join")[0]?.data ?? "")).toEqual({
      quality: "timely",
      repairs: { every: 8, copies: 3, targets: "auto" },
      node: { host: "10.0.0.1", control: 100, repair: 101, data: 102 },
    });
    expect(group.quality).toBe("timely");
    expect(group.repairs).toEqual({ every: 8, copies: 3, targets: "auto" });
    expect(node.timely.get(GROUP)).toEqual(group.repairs);
    expect(node.timelyConfig).toMatchObject({ burstPackets: 4, datagramBytes: 1_400 });
    nodes.facts("g", undefined, { every: 4, copies: 1, targets: "random" });
    await settle();
    expect(node.timely.get(GROUP)).toEqual({ every: 4, copies: 1, targets: "random" });
  });

  test("tells messages with how they came, and what is lost", async () => {
    const { node, group } = await joined();
    deliver(node, "one");
    deliver(node, "two", "rebuilt");
    node.application?.timely.lost({ sender: 9, group: GROUP, seq: 3 }, 0, 2);
    deliver(node, "mine", "sent", ME);
    const [view, one, two, lost, mine] = await next(group, 5);
    expect(view).toMatchObject({ kind: "view", members: ["#ann#a", "#n9#d"] });
    expect(one).toMatchObject({ sender: "#n9#d", service: "reliable", own: false, arrival: "received" });
    expect(two).toMatchObject({ arrival: "rebuilt" });
    expect(lost).toEqual({ kind: "lost", group: "g", sender: "#n9#d", packets: 2 });
    expect(mine).toMatchObject({ sender: "#ann#a", own: true });
    expect(mine).not.toHaveProperty("arrival");
  });

  test("takes messages of one packet, and nobody says whether they have come", async () => {
    const { node, group, connection } = await joined();
    await group.send("hello");
    await expect(group.send(new Uint8Array(PACKET_MAX + 1))).rejects.toMatchObject({ code: "TOO_LARGE" });
    await group.send(new Uint8Array(PACKET_MAX));
    const { delivered } = await connection.send("g", "again");
    await expect(delivered).rejects.toMatchObject({ code: "NOT_TOLD" });
    expect(node.sent.map(({ text }) => text.length)).toEqual([5, PACKET_MAX, 5]);
    await expect(connection.send(["g", "h"], "both")).rejects.toMatchObject({ code: "GROUP_REFUSED" });
  });

  test("makes who sends wait while the network takes nothing", async () => {
    const { node, group } = await joined();
    node.takes = false;
    await group.send("one");
    let isSent = false;
    const sending = group.send("two").then(() => {
      isSent = true;
    });
    await settle();
    expect(isSent).toBe(false);
    node.application?.writable();
    await sending;
    expect(node.sent.map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("drops what a program does not read, and says how much of whom", async () => {
    const { node, group } = await joined({}, { node: { waitingMax: 2 } });
    for (let i = 0; i < 7; i++) deliver(node, `${i}`);
    const events = await next(group, 5);
    expect(events.slice(1, 4).map((event) => event.kind)).toEqual(["message", "message", "message"]);
    expect(events[4]).toMatchObject({ kind: "gap", reason: "slow", count: 4, senders: { "#n9#d": 4 } });
  });

  test("is left half a second after the last message, which others may have to ask for", async () => {
    const { transport, group, nodes } = await joined();
    await group.send("bye");
    void group.leave();
    await transport.advance(400);
    expect(nodes.requests("leave")).toHaveLength(0);
    await transport.advance(200);
    expect(nodes.requests("leave")).toHaveLength(1);
    nodes.change({ regionsDeleted: [100], groupsDeleted: [GROUP] });
    await group.left;
    await expect(group.send("too late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("keeps a connection that is being closed for as long", async () => {
    const { transport, connection, group, node } = await joined();
    await group.send("bye");
    void connection.close();
    await transport.advance(400);
    expect(node.isClosed).toBe(false);
    await transport.advance(200);
    await settle();
    expect(node.isClosed).toBe(true);
  });

  test("in one order tells likely messages, what stays, and what is taken back", async () => {
    const { node, nodes, group } = await joined({ order: "total", optimistic: false });
    expect(JSON.parse(nodes.requests("join")[0]?.data ?? "")).toMatchObject({ quality: "timely", order: "total" });
    expect(group.order).toBe("total");
    expect([...node.ordered]).toEqual([[GROUP, false]]);
    const ordered = node.application?.ordered;
    const message = (sender: number, position: number) => {
      const payload = new TextEncoder().encode(`${position}`);
      ordered?.deliver(GROUP, { sender, seq: 1, payload, position, isOrdered: false });
    };
    message(9, 1);
    ordered?.commit(GROUP, 1);
    message(ME, 2);
    ordered?.rollback(GROUP, 1);
    const [, one, commit, two, rollback] = await next(group, 5);
    expect(one).toMatchObject({ kind: "message", sender: "#n9#d", position: 1, service: "agreed", own: false });
    expect(commit).toEqual({ kind: "commit", group: "g", position: 1 });
    expect(two).toMatchObject({ own: true, position: 2 });
    expect(rollback).toEqual({ kind: "rollback", group: "g", position: 1 });
    const most = PlatoGroup.payloadBytesMax(PACKET_MAX);
    await expect(group.send(new Uint8Array(most + 1))).rejects.toMatchObject({ code: "TOO_LARGE" });
    await group.send(new Uint8Array(most));
  });

  test("refuses options that it cannot have, by name", async () => {
    const { connection } = await joined();
    const join = (options: object) => connection.join("h", { quality: "timely", ...options } as TimelyJoinOptions);
    await expect(join({ slow: "wait" })).rejects.toThrow('slow: "wait"');
    await expect(join({ order: "some" })).rejects.toThrow('order: "some"');
    await expect(join({ order: "total", slow: "drop" })).rejects.toThrow('slow: "drop"');
    await expect(join({ optimistic: true })).rejects.toThrow("optimistic");
    await expect(join({ repairs: { every: 1 } })).rejects.toThrow('"repairs.every"');
    await expect(join({ repairs: { recovery: 2 } })).rejects.toThrow('"repairs.recovery"');
    await expect(join({ repairs: { recovery: 0.99, copies: 2 } })).rejects.toThrow('"repairs.copies"');
    await expect(connection.join("h", { quality: "hasty" } as never)).rejects.toThrow(
      '"ordered", "scalable", "timely"',
    );
    await expect(join({ flush: true })).rejects.toThrow("flush: only for groups of the quality ordered");
    const other = (options: object) => connection.join("h", options as TimelyJoinOptions);
    await expect(other({ order: "total" })).rejects.toThrow("order: only for groups of the quality timely");
    await expect(other({ sendOnly: true })).rejects.toThrow(
      "sendOnly: only for groups of the quality scalable or timely",
    );
    await expect(other({ quality: "scalable", repairs: {} })).rejects.toThrow("repairs: only");
    await expect(other({ quality: "scalable", flush: undefined, signal: AbortSignal.abort() })).rejects.toThrow(
      "aborted",
    );
  });
});
