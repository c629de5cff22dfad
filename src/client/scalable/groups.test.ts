import { describe, expect, test } from "vitest";
import { FakeDaemon } from "../../../test/client/fake-daemon.ts";
import { FakeNode, FakeWorld, info, NodeDaemon } from "../../../test/client/fake-nodes.ts";
import { FakeTransport, settle } from "../../../test/client/fake-transport.ts";
import { decodeNodeTelling } from "../../cms/node-report.ts";
import { encodeSettled } from "../../cms/settled.ts";
import type { ConnectOptions } from "../config.ts";
import { Connection } from "../connection.ts";
import type { ConnectionEvent } from "../events.ts";
import type { ScalableGroup } from "./group.ts";

const GROUP = 1;
const REGION = 100;
const ME = 7;

type Setting = {
  readonly transport: FakeTransport;
  readonly world: FakeWorld;
  readonly connection: Connection;
  readonly nodes: NodeDaemon;
  readonly daemons: readonly FakeDaemon[];
};

/** A connection to the first of these fake daemons. */
async function start(options: ConnectOptions = {}, names = ["a", "b"]): Promise<Setting> {
  const transport = new FakeTransport();
  const world = new FakeWorld();
  const daemons = names.map((name) => new FakeDaemon(name));
  transport.onOpen = (stream) => {
    const daemon = daemons.find(({ name }) => stream.address === `4803@${name}`);
    if (daemon) daemon.attach(stream);
    else stream.close("connection refused");
  };
  const addresses = names.map((name) => `4803@${name}`);
  const withNodes = Object.assign(transport, { nodes: world });
  const connection = await Connection.open(withNodes, addresses, { name: "ann", ...options });
  return { transport, world, connection, nodes: new NodeDaemon(daemons[0] as FakeDaemon, ME), daemons };
}

/** The first change of a node: it is in one region of these groups, with these others. */
function first(groups: readonly string[], others: readonly number[] = []) {
  const members = [info(ME, "#ann#a"), ...others.map((id) => info(id))];
  return {
    regionsCreated: [{ id: { region: REGION, view: 1 }, address: 0, members }],
    groupsCreated: groups.map((name, i) => ({ group: GROUP + i, name, view: 1, regions: [REGION], places: [i] })),
  };
}

/** A connection that is in the group `g` with node 9. */
async function joined(options: ConnectOptions = {}): Promise<Setting & { group: ScalableGroup; node: FakeNode }> {
  const setting = await start(options);
  const joining = setting.connection.join("g", { quality: "scalable" });
  await settle();
  setting.nodes.order();
  setting.nodes.register();
  await settle();
  setting.nodes.change(first(["g"], [9]));
  const group = await joining;
  return { ...setting, group, node: setting.world.nodes[0] as FakeNode };
}

function dataOf({ nodes }: Setting, kind: "join", at: number): Record<string, unknown> {
  return JSON.parse(nodes.requests(kind)[at]?.data ?? "{}") as Record<string, unknown>;
}

async function next(stream: AsyncIterable<ConnectionEvent>, count: number): Promise<string[]> {
  const iterator = stream[Symbol.asyncIterator]();
  const out: string[] = [];
  for (let i = 0; i < count; i++) {
    const { value, done } = await iterator.next();
    out.push(done === true ? "end" : short(value as ConnectionEvent));
  }
  return out;
}

/** Adds to `told` what comes, as it comes. */
async function tellAll(stream: AsyncIterable<ConnectionEvent>, told: string[]): Promise<void> {
  for await (const event of stream) told.push(short(event));
}

function short(event: ConnectionEvent): string {
  switch (event.kind) {
    case "message":
      return `${event.sender}: ${new TextDecoder().decode(event.payload)}`;
    case "view":
      return `view ${event.members.join(" ")}`;
    case "gap":
      return `gap ${event.reason} ${event.count} ${JSON.stringify(event.senders)}`;
    case "lost":
      return `lost ${event.packets} of ${event.sender}`;
    case "suspended":
      return `suspended ${event.reason}`;
    case "commit":
    case "rollback":
      return `${event.kind} ${event.position}`;
    case "expelled":
      return `expelled ${event.unconfirmed}`;
    case "left":
      return event.reason === undefined ? "left" : `left ${event.reason}`;
    case "primary":
    case "disconnected":
    case "reconnected":
    case "transitional":
    case "flushRequest":
    case "resumed":
      return event.kind;
  }
}

describe("joining", () => {
  test("makes a node, registers where it is reached, and resolves with the first view", async () => {
    const setting = await joined();
    const { group, node, world, nodes } = setting;
    expect(dataOf(setting, "join", 0)).toEqual({
      quality: "scalable",
      node: { host: "10.0.0.1", control: 100, repair: 101, data: 102 },
    });
    expect(world.nodes).toHaveLength(1);
    expect(node.config).toMatchObject({ me: ME, cluster: 77, delivery: "fifo" });
    expect(group.view).toMatchObject({ members: ["#ann#a", "#n9#d"], index: 0, cause: "join", primary: true });
    await settle();
    expect(nodes.reports.map((report) => decodeNodeTelling(report))).toMatchObject([{ n: 1, sealed: [] }]);
  });

  test("a thousand groups at once share the node, and are asked for in one go", async () => {
    const { connection, nodes, world } = await start();
    const names = Array.from({ length: 1_000 }, (_, i) => `g${i}`);
    const joining = Promise.all(names.map((name) => connection.join(name, { quality: "scalable" })));
    await settle();
    expect(nodes.requests("join").map(({ groups }) => groups[0])).toEqual(names);
    expect(world.nodes).toHaveLength(1);
    nodes.order();
    nodes.register();
    await settle();
    nodes.change(first(names));
    const groups = await joining;
    expect(groups.map(({ name, view }) => [name, view?.members])).toEqual(names.map((name) => [name, ["#ann#a"]]));
  });

  test("where no node can be made it says why, and the next join tries again", async () => {
    const { connection, world } = await start();
    world.fault = new Error("ports 4900 to 4902 are taken");
    await expect(connection.join("g", { quality: "scalable" })).rejects.toThrow("4900 to 4902");
    world.fault = undefined;
    void connection.join("g", { quality: "scalable" }).catch(() => {});
    await settle();
    expect(world.nodes).toHaveLength(1);
  });

  test("a group of another quality is refused, and says which it has", async () => {
    const { connection, nodes } = await start();
    const joining = connection.join("g", { quality: "scalable" });
    await settle();
    const number = nodes.requests("join")[0]?.number ?? 0;
    nodes.daemon.send({ kind: "groupRefused", number, group: "g", text: `the group's quality is "ordered"` });
    await expect(joining).rejects.toMatchObject({
      code: "GROUP_REFUSED",
      message: expect.stringContaining('"ordered"'),
    });
    void connection.join("g").catch(() => {});
    await settle();
    expect(nodes.requests("join")).toHaveLength(2);
  });

  test("one that is given up is left as soon as it has begun", async () => {
    const { connection, nodes } = await start();
    const abort = new AbortController();
    const events = connection[Symbol.asyncIterator]();
    const joining = connection.join("g", { quality: "scalable", signal: abort.signal });
    await settle();
    abort.abort(new Error("enough"));
    await expect(joining).rejects.toThrow("enough");
    expect(nodes.requests("leave")).toEqual([]);
    nodes.order();
    nodes.register();
    await settle();
    nodes.change(first(["g"]));
    await settle();
    expect(nodes.requests("leave").map(({ groups }) => groups)).toEqual([["g"]]);
    // Joined again, it waits for that.
    const again = connection.join("g", { quality: "scalable" });
    nodes.change({ regionsDeleted: [REGION], groupsDeleted: [GROUP] });
    await settle();
    expect(nodes.requests("join")).toHaveLength(2);
    nodes.change(first(["g"]));
    await again;
    // Of the first one the connection's stream has told nothing.
    expect(short((await events.next()).value as ConnectionEvent)).toBe("view #ann#a");
  });
});

test("a join that is given up before anything was asked for leaves nothing behind", async () => {
  const { connection, nodes } = await start();
  const abort = new AbortController();
  const joining = connection.join("g", { quality: "scalable", signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(joining).rejects.toThrow("enough");
  await settle();
  expect(nodes.requests("join")).toEqual([]);
  void connection.join("g", { quality: "scalable" }).catch(() => {});
  await settle();
  expect(nodes.requests("join")).toHaveLength(1);
});

test("a daemon that tells a change which does not fit ends the connection, and throws nothing", async () => {
  const { connection, group, node, nodes } = await joined();
  nodes.change({ regionsDeleted: [999] });
  await expect(connection.closed).resolves.toMatchObject({
    code: "DISCONNECTED",
    message: expect.stringContaining("does not keep to"),
  });
  await expect(next(group, 9)).rejects.toMatchObject({ code: "DISCONNECTED" });
  expect(node.isClosed).toBe(true);
});

describe("a group", () => {
  test("shows views, messages and what is lost, with members by name, also when a region has grown", async () => {
    const { group, node, nodes } = await joined();
    nodes.change({ regionsChanged: [{ region: REGION, view: 2, added: [info(8)], removed: [] }] });
    await settle();
    node.deliver(GROUP, 8, "hello");
    node.deliver(GROUP, ME, "mine");
    nodes.change({ failed: [9], regionsChanged: [{ region: REGION, view: 3, added: [], removed: [9] }] });
    await settle();
    node.deliver(GROUP, 9, "its last");
    node.application?.lost([GROUP], 9, 2);
    expect(await next(group, 7)).toEqual([
      "view #ann#a #n9#d",
      "view #ann#a #n8#d #n9#d",
      "#n8#d: hello",
      "#ann#a: mine",
      "view #ann#a #n8#d",
      "#n9#d: its last",
      "lost 2 of #n9#d",
    ]);
    expect(group.view).toMatchObject({ cause: "disconnect", left: ["#n9#d"], joined: [], id: { index: 3 } });
  });

  test("is in the connection's stream too", async () => {
    const { connection, node, nodes } = await joined();
    const events = connection[Symbol.asyncIterator]();
    nodes.change({ regionsChanged: [{ region: REGION, view: 2, added: [info(8)], removed: [] }] });
    await settle();
    node.deliver(GROUP, 8, "hello");
    expect([(await events.next()).value, (await events.next()).value].map(short)).toEqual([
      "view #ann#a #n8#d #n9#d",
      "#n8#d: hello",
    ]);
  });

  test("tells events one by one, or all that wait at a time", async () => {
    const { group, node } = await joined();
    for (const text of ["one", "two"]) node.deliver(GROUP, 9, text);
    for await (const batch of group.batches()) {
      expect(batch.map(short)).toEqual(["view #ann#a #n9#d", "#n9#d: one", "#n9#d: two"]);
      break;
    }
    node.deliver(GROUP, 9, "three");
    expect(await next(group, 1)).toEqual(["#n9#d: three"]);
  });

  test("of which a member only wants to send delivers no messages to it, but tells of views", async () => {
    const { connection, nodes, world } = await start();
    const joining = connection.join("g", { quality: "scalable", sendOnly: true });
    await settle();
    nodes.order();
    nodes.register();
    await settle();
    nodes.change(first(["g"], [9]));
    const group = await joining;
    world.nodes[0]?.deliver(GROUP, 9, "hello");
    await group.send("out");
    world.nodes[0]?.application?.lost([GROUP], 9, 2);
    nodes.change({ regionsChanged: [{ region: REGION, view: 2, added: [info(8)], removed: [] }] });
    nodes.change({ regionsChanged: [{ region: REGION, view: 3, added: [], removed: [9] }] });
    await settle();
    // It need not read: so nothing waits but the last view, which is the first one that it sees.
    expect(await next(group, 1)).toEqual(["view #ann#a #n8#d"]);
    expect(group.view).toMatchObject({ joined: ["#ann#a", "#n8#d"], left: [], cause: "join" });
    nodes.change({ regionsChanged: [{ region: REGION, view: 4, added: [info(6)], removed: [] }] });
    nodes.change({ regionsChanged: [{ region: REGION, view: 5, added: [], removed: [8] }] });
    await settle();
    expect(await next(group, 2)).toEqual(["view #n6#d #ann#a #n8#d", "view #n6#d #ann#a"]);
    expect(group.view).toMatchObject({ joined: [], left: ["#n8#d"], cause: "leave" });
    expect(world.nodes[0]?.sent).toHaveLength(1);
  });

  test("is left behind what was sent to it", async () => {
    const { connection, group, node, nodes } = await joined();
    await group.send("last words");
    const leaving = group.leave();
    await settle();
    expect(nodes.requests("leave")).toEqual([]);
    // What is sent from now on would keep it for as long as there is more.
    await expect(group.send("too late")).rejects.toMatchObject({ code: "CLOSED" });
    await expect(connection.send("g", "too late")).rejects.toMatchObject({ code: "CLOSED" });
    // It can be joined again at once: that waits for the end.
    const again = connection.join("g", { quality: "scalable" });
    for (const { number } of node.sent) node.application?.stable(number);
    await settle();
    expect(nodes.requests("leave")).toHaveLength(1);
    expect(node.sent.map(({ text }) => text)).toEqual(["last words"]);
    nodes.change({ regionsDeleted: [REGION], groupsDeleted: [GROUP] });
    await leaving;
    expect(group.view).toBeUndefined();
    await settle();
    expect(nodes.requests("join")).toHaveLength(2);
    const ended = expect(again).rejects.toMatchObject({ code: "CLOSED" });
    await connection.close();
    await ended;
    expect(await next(group, 3)).toEqual(["view #ann#a #n9#d", "left", "end"]);
  });

  test("that was left stays left, though the connection is in it again", async () => {
    const { connection, world, nodes, group: former } = await joined();
    const leaving = former.leave();
    await settle();
    nodes.change({ regionsDeleted: [REGION], groupsDeleted: [GROUP] });
    await leaving;
    const joining = connection.join("g", { quality: "scalable" });
    await settle();
    const region = { id: { region: 300, view: 1 }, address: 2, members: [info(ME, "#ann#a")] };
    nodes.change({
      regionsCreated: [region],
      groupsCreated: [{ group: 2, name: "g", view: 1, regions: [300], places: [0] }],
    });
    const group = await joining;
    await expect(former.send("x")).rejects.toMatchObject({ code: "CLOSED" });
    await former.leave();
    await group.send("still here");
    expect(world.nodes[0]?.sent.map(({ text }) => text)).toEqual(["still here"]);
  });
});

describe("sending", () => {
  test("resolves when the node takes the message, and delivered when it is stable", async () => {
    const { group, node } = await joined();
    const receipt = await group.send("hello");
    expect(node.sent).toEqual([{ group: GROUP, text: "hello", number: 1 }]);
    let isDelivered = false;
    void receipt.delivered.then(() => {
      isDelivered = true;
    });
    await settle();
    expect(isDelivered).toBe(false);
    node.application?.stable(1);
    await settle();
    expect(isDelivered).toBe(true);
  });

  test("waits while a window is not stable, in order, and can be given up", async () => {
    const { group, node } = await joined({ node: { windowBytesMax: 1_000 } });
    const abort = new AbortController();
    const one = group.send("x".repeat(600));
    const two = group.send("y".repeat(600), { signal: abort.signal });
    const three = group.send("z");
    await one;
    await settle();
    expect(node.sent).toHaveLength(1);
    abort.abort(new Error("no more"));
    await expect(two).rejects.toThrow("no more");
    await three;
    expect(node.sent.map(({ text }) => text[0])).toEqual(["x", "z"]);
    // Longer than the window: alone.
    const four = group.send("w".repeat(5_000));
    node.application?.stable(1);
    await settle();
    expect(node.sent).toHaveLength(2);
    node.application?.stable(2);
    await four;
    expect(node.sent).toHaveLength(3);
  });

  test("waits when the node says so, and is refused when too much waits", async () => {
    const { group, node } = await joined({ unacceptedMax: 2 });
    node.takes = false;
    await group.send("a");
    const waiting = [group.send("b"), group.send("c")];
    await expect(group.send("d")).rejects.toMatchObject({ code: "BUSY" });
    node.takes = true;
    node.application?.writable();
    await Promise.all(waiting);
    expect(node.sent.map(({ text }) => text)).toEqual(["a", "b", "c"]);
  });

  test("what is too long, goes to several groups or has a service is refused", async () => {
    const { connection, group } = await joined();
    await expect(group.send(new Uint8Array(1_000_001))).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(connection.send(["g", "h"], "x")).rejects.toMatchObject({ code: "GROUP_REFUSED" });
    await expect(connection.send("g", "x", { service: "safe" })).rejects.toThrow(RangeError);
    // As a program without types may have it.
    const unfit = { alsoTo: ["h"] } as object;
    await expect(group.send("x", unfit)).rejects.toThrow("alsoTo: not in a scalable or timely group such as g");
    await expect(connection.send("g", "x")).resolves.toBeDefined();
  });

  test("to a scalable group that one is not in, the daemon refuses", async () => {
    const { connection, nodes } = await start();
    const sending = connection.send("g", "hello");
    await settle();
    const number = nodes.daemon.sent[0]?.number ?? 0;
    nodes.daemon.send({ kind: "groupRefused", number, group: "g", text: 'The group\'s quality is "scalable"' });
    nodes.daemon.send({ kind: "accepted", number });
    await expect(sending).rejects.toMatchObject({
      code: "GROUP_REFUSED",
      message: expect.stringContaining("scalable"),
    });
  });
});

describe("a member that reads too slowly", () => {
  const limits = { node: { waitingMax: 4 } };

  test("waits: holds its senders until half is read", async () => {
    const { group, node, nodes } = await joined(limits);
    nodes.facts("g", "wait");
    await settle();
    for (let i = 0; i < 6; i++) node.deliver(GROUP, 9, `${i}`);
    expect(node.isHeld).toBe(true);
    expect(await next(group, 4)).toEqual(["view #ann#a #n9#d", "#n9#d: 0", "#n9#d: 1", "#n9#d: 2"]);
    expect(node.isHeld).toBe(true);
    expect(await next(group, 1)).toEqual(["#n9#d: 3"]);
    expect(node.isHeld).toBe(false);
  });

  test("drops: a gap in their place says how many messages of whom", async () => {
    const { group, node, nodes } = await joined(limits);
    nodes.facts("g", "drop");
    await settle();
    for (let i = 0; i < 8; i++) node.deliver(GROUP, 9, `${i}`);
    node.deliver(GROUP, ME, "mine");
    expect(await next(group, 4)).toEqual(["view #ann#a #n9#d", "#n9#d: 0", "#n9#d: 1", "#n9#d: 2"]);
    node.deliver(GROUP, 9, "8");
    expect(await next(group, 3)).toEqual(["#n9#d: 3", "#n9#d: 4", 'gap slow 4 {"#n9#d":3,"#ann#a":1}']);
    expect(await next(group, 1)).toEqual(["#n9#d: 8"]);
  });

  test("is out, unless a join has said otherwise: it is told so, and left, and may come again", async () => {
    const { connection, group, node, nodes } = await joined(limits);
    for (let i = 0; i < 9; i++) node.deliver(GROUP, 9, `${i}`);
    await settle();
    expect(nodes.requests("leave")).toHaveLength(1);
    expect((await next(group, 7)).slice(-2)).toEqual(["#n9#d: 4", "left slow"]);
    await expect(group.send("x")).rejects.toMatchObject({ code: "EXPELLED", message: expect.stringContaining("read") });
    await expect(next(group, 1)).rejects.toMatchObject({ code: "EXPELLED" });
    const again = connection.join("g", { quality: "scalable" });
    nodes.change({ regionsDeleted: [REGION], groupsDeleted: [GROUP] });
    await settle();
    nodes.change(first(["g"]));
    expect((await again).view?.members).toEqual(["#ann#a"]);
  });

  test("what waits in the connection's stream counts as well", async () => {
    const { connection, node, nodes } = await joined(limits);
    nodes.facts("g", "wait");
    await settle();
    const events = connection[Symbol.asyncIterator]();
    for (let i = 0; i < 6; i++) node.deliver(GROUP, 9, `${i}`);
    expect(node.isHeld).toBe(true);
    for (let i = 0; i < 4; i++) await events.next();
    expect(node.isHeld).toBe(false);
  });
});

describe("when the daemon is lost", () => {
  test("the node goes on elsewhere with its place, is in all its groups first, and repeats its reports", async () => {
    const setting = await joined();
    const { connection, transport, daemons, nodes, group, node } = setting;
    void connection.join("h", { quality: "scalable" }).catch(() => {});
    await settle();
    nodes.change({
      ...first(["g", "h"], [9]),
      regionsCreated: [{ id: { region: 200, view: 1 }, address: 1, members: [info(ME, "#ann#a"), info(9)] }],
      groupsCreated: [{ group: 2, name: "h", view: 1, regions: [200], places: [1] }],
      groupsChanged: [{ group: GROUP, view: 2, added: [200], places: [0], removed: [REGION] }],
      regionsDeleted: [REGION],
    });
    await group.send("under way");
    await settle();
    const [a, b] = daemons as [FakeDaemon, FakeDaemon];
    a.stream?.close("gone");
    transport.onOpen = (stream) => (stream.address === "4803@b" ? b.attach(stream) : stream.close("refused"));
    b.resumption = "restarted";
    const there = new NodeDaemon(b, ME);
    await transport.advance(2_000);
    const joins = there.requests("join").map(({ data }) => JSON.parse(data).node);
    expect(joins.map(({ place, more }) => [place, more])).toEqual([
      [{ node: ME, seq: 2 }, true],
      [{ node: ME, seq: 2 }, undefined],
    ]);
    const telling = decodeNodeTelling(there.reports.at(-1) as Uint8Array);
    expect(telling).toMatchObject({ n: 2, sealed: [{ id: { region: REGION, view: 1 }, last: 5 }] });
    // Told again what it has, and then what is new: each change counts once.
    there.register();
    there.change({ failed: [9] });
    there.change({ failed: [9] });
    there.change({ regionsChanged: [{ region: 200, view: 2, added: [], removed: [9] }] });
    await settle();
    expect(node.views.seq).toBe(3);
    expect(group.view?.members).toEqual(["#ann#a"]);
    node.application?.stable(1);
    // What is acknowledged is not told again.
    there.acknowledge();
    await settle();
    expect(node.isClosed).toBe(false);
  });

  test("in the same session with deliveries missed, one join takes the node up again, and what was left is left", async () => {
    const { connection, transport, daemons, nodes, group, node } = await joined();
    const other = connection.join("h", { quality: "scalable" });
    await settle();
    nodes.order();
    nodes.change({
      regionsCreated: [{ id: { region: 200, view: 1 }, address: 1, members: [info(ME, "#ann#a"), info(9)] }],
      groupsCreated: [{ group: 2, name: "h", view: 1, regions: [200], places: [1] }],
      groupsChanged: [{ group: GROUP, view: 2, added: [200], places: [0], removed: [REGION] }],
      regionsDeleted: [REGION],
    });
    const h = await other;
    void h.leave();
    await settle();
    const [a] = daemons as [FakeDaemon];
    const before = a.sent.length;
    a.stream?.close("gone");
    a.resumption = "interrupted";
    await transport.advance(2_000);
    const again = a.sent.slice(before);
    expect(nodes.requests("leave").length).toBe(2);
    const joins = again.filter(({ groups, data }) => groups.length === 1 && data !== "");
    expect(
      joins.map(({ groups, data }) => [groups[0], JSON.parse(data).node.place, JSON.parse(data).node.more]),
    ).toEqual([["g", { node: ME, seq: 2 }, undefined]]);
    nodes.news({});
    nodes.change({
      regionsCreated: [{ id: { region: 300, view: 1 }, address: 1, members: [info(ME, "#ann#a"), info(9)] }],
      groupsChanged: [{ group: GROUP, view: 3, added: [300], places: [0], removed: [200] }],
      groupsDeleted: [2],
      regionsDeleted: [200],
    });
    await h.left;
    expect(group.view?.members).toEqual(["#ann#a", "#n9#d"]);
    expect(node.views.seq).toBe(3);
  });

  test("suspended is told when that lasts, or in a minority, and when it is over", async () => {
    const { transport, daemons, nodes, group } = await joined();
    const [a] = daemons as [FakeDaemon];
    const told: string[] = [];
    void tellAll(group, told);
    nodes.news({ suspended: true });
    await settle();
    expect(group.view?.primary).toBe(false);
    nodes.news({});
    await settle();
    expect(group.view?.primary).toBe(true);
    expect(told).toEqual(["view #ann#a #n9#d", "suspended minority", "resumed"]);
    a.stream?.close("gone");
    transport.onOpen = (stream) => stream.close("refused");
    await transport.advance(2_500);
    expect(group.view?.primary).toBe(true);
    await transport.advance(1_000);
    transport.onOpen = (stream) => (stream.address === "4803@a" ? a.attach(stream) : stream.close("refused"));
    a.resumption = "resumed";
    await transport.advance(10_000);
    nodes.news({});
    await settle();
    expect(told.slice(3)).toEqual(["suspended disconnected", "resumed"]);
  });

  test("who does not read is told only how it stands in the end, however often memberships are suspended", async () => {
    const { nodes, group } = await joined();
    for (let i = 0; i < 10; i++) {
      nodes.news({ suspended: true });
      await settle();
      nodes.news({});
      await settle();
    }
    nodes.news({ suspended: true });
    await settle();
    expect(await next(group, 2)).toEqual(["view #ann#a #n9#d", "suspended minority"]);
    nodes.news({});
    await settle();
    expect(await next(group, 1)).toEqual(["resumed"]);
  });

  test("a group can be left while memberships are suspended; to be joined again it has to be over", async () => {
    const { connection, nodes, group } = await joined();
    nodes.news({ suspended: true });
    await settle();
    await group.leave();
    expect(await next(group, 4)).toEqual(["view #ann#a #n9#d", "suspended minority", "left", "end"]);
    expect(nodes.requests("leave")).toHaveLength(1);
    void connection.join("g", { quality: "scalable" }).catch(() => {});
    await settle();
    expect(nodes.requests("join")).toHaveLength(1);
    nodes.news({});
    nodes.change({ regionsDeleted: [REGION], groupsDeleted: [GROUP] });
    await settle();
    expect(nodes.requests("join")).toHaveLength(2);
  });

  test("who is leaving a group when memberships are suspended need not wait until that is over", async () => {
    const { nodes, group } = await joined();
    const leaving = group.leave();
    await settle();
    nodes.news({ suspended: true });
    await leaving;
    expect(await next(group, 3)).toEqual(["view #ann#a #n9#d", "left", "end"]);
  });

  test("expelled: what was sent is not known to be anywhere, and a new node comes back to the groups", async () => {
    const setting = await joined({ node: { windowBytesMax: 100 } });
    const { world, nodes, group, node } = setting;
    const first_ = await group.send("may have got there");
    const waiting = group.send("x".repeat(90));
    nodes.news({ expelled: true });
    await expect(first_.delivered).rejects.toMatchObject({ code: "EXPELLED" });
    await settle();
    expect(node.isClosed).toBe(true);
    expect(dataOf(setting, "join", 1)).toMatchObject({ node: { control: 200 } });
    expect(dataOf(setting, "join", 1)["node"]).not.toHaveProperty("place");
    // Late callbacks of the former node count for nothing.
    node.deliver(GROUP, 9, "late");
    nodes.node = 11;
    nodes.register();
    await settle();
    nodes.change({
      regionsCreated: [{ id: { region: 300, view: 1 }, address: 2, members: [info(9), info(11, "#ann#a")] }],
      groupsCreated: [{ group: GROUP, name: "g", view: 5, regions: [300], places: [0] }],
    });
    await waiting;
    expect(world.nodes[1]?.sent).toMatchObject([{ group: GROUP }]);
    expect(await next(group, 3)).toEqual(["view #ann#a #n9#d", "expelled 1", "view #n9#d #ann#a"]);
    expect(group.view).toMatchObject({ index: 1, cause: "join" });
  });

  test("expelled: if there can be no other node the groups are left, and both streams tell it", async () => {
    const { connection, world, nodes, group } = await joined();
    expect(await next(group, 1)).toEqual(["view #ann#a #n9#d"]);
    const events = connection[Symbol.asyncIterator]();
    world.fault = new Error("ports 4900 to 4902 are taken");
    nodes.news({ expelled: true });
    await group.left;
    expect([(await events.next()).value, (await events.next()).value].map(short)).toEqual(["expelled 0", "left"]);
    expect(await next(group, 2)).toEqual(["expelled 0", "left"]);
    await expect(next(group, 1)).rejects.toThrow("ports 4900 to 4902 are taken");
    await expect(group.send("x")).rejects.toMatchObject({ code: "EXPELLED" });
  });

  test("expelled: what the others have accepted is delivered after all", async () => {
    const { nodes, group, node } = await joined();
    const [accepted, refused] = [await group.send("accepted"), await group.send("not accepted")];
    node.accepted = [node.sent[0]?.number as number];
    const settled = { id: { region: 200, view: 1 }, sender: nodes.node, seq: 1, lost: [] };
    nodes.news({ expelled: true, change: encodeSettled([settled]) });
    await accepted.delivered;
    await expect(refused.delivered).rejects.toMatchObject({ code: "EXPELLED" });
    expect(node.settled).toEqual([settled]);
  });

  test("for good: groups end with the error, sends reject, and the node is closed", async () => {
    const { transport, daemons, group, node } = await joined({ reconnect: { giveUpMs: 1_000 } });
    const receipt = await group.send("hello");
    daemons[0]?.stream?.close("gone");
    transport.onOpen = (stream) => stream.close("refused");
    await transport.advance(20_000);
    await expect(receipt.delivered).rejects.toMatchObject({ code: "DISCONNECTED" });
    await expect(next(group, 9)).rejects.toMatchObject({ code: "DISCONNECTED" });
    expect(node.isClosed).toBe(true);
  });
});

test("closing waits until what was sent is everywhere, says good-bye, and ends the node", async () => {
  const { connection, group, node, nodes } = await joined();
  await group.send("last words");
  const closing = connection.close();
  await settle();
  expect(nodes.daemon.sent.some(({ groups }) => groups[0] === "#ann#a")).toBe(false);
  await expect(group.send("too late")).rejects.toMatchObject({ code: "CLOSED" });
  node.application?.stable(1);
  await closing;
  expect(node.isClosed).toBe(true);
  expect(await next(group, 2)).toEqual(["view #ann#a #n9#d", "end"]);
});

/** A connection for whose node a place is found only when `found` is called. */
async function seeking(): Promise<Setting & { found: () => void }> {
  const setting = await start();
  let found = (): void => {};
  setting.world.after = new Promise((resolve) => {
    found = resolve;
  });
  return { ...setting, found };
}

test("that ends while a place for the node is looked for keeps none", async () => {
  const { connection, world, found } = await seeking();
  const joining = expect(connection.join("g", { quality: "scalable" })).rejects.toMatchObject({ code: "CLOSED" });
  await settle();
  await connection.close();
  await settle();
  found();
  await joining;
  await settle();
  expect(world.nodes.map(({ isClosed }) => isClosed)).toEqual([true]);
});

test("whose join is given up while a place for the node is looked for rejects at once", async () => {
  const { connection, nodes, found } = await seeking();
  const controller = new AbortController();
  const joining = connection.join("g", { quality: "scalable", signal: controller.signal });
  const rejected = expect(joining).rejects.toThrow("enough");
  await settle();
  controller.abort(new Error("enough"));
  await rejected;
  await settle();
  found();
  await settle();
  expect(nodes.requests("join")).toEqual([]);
});

test("that ends while a group is being left ends the join that waits for that", async () => {
  const { connection, group, nodes } = await joined();
  const leaving = group.leave();
  await settle();
  expect(nodes.requests("leave")).toHaveLength(1);
  const again = expect(connection.join("g", { quality: "scalable" })).rejects.toMatchObject({ code: "CLOSED" });
  await settle();
  await connection.close();
  await Promise.all([leaving, again]);
});
