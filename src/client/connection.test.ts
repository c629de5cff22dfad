import { describe, expect, test } from "vitest";
import { FakeDaemon } from "../../test/client/fake-daemon.ts";
import { type FakeStream, FakeTransport, settle } from "../../test/client/fake-transport.ts";
import { type Daemons, next, start } from "../../test/client/one-client.ts";
import { encodeFrame, messageTypeOf } from "../wire/spread/frame.ts";
import { encodeSelfLeave } from "../wire/spread/membership.ts";
import { Connection } from "./connection.ts";

describe("a connection to a native daemon", () => {
  test("joins, sends, receives its own message and leaves", async () => {
    const { connection } = await start();
    const group = await connection.join("quotes");
    const receipt = await group.send("hello", { service: "safe" });
    await receipt.delivered;
    expect(await next(group, 2)).toEqual(["view #ann#a", "#ann#a: hello"]);
    await group.leave();
    expect(await next(group, 2)).toEqual(["left", "end"]);
    await connection.close();
    expect(await connection.closed).toBeUndefined();
  });

  test("sends a payload in pieces as one message, to groups and private groups", async () => {
    const { connection, daemon } = await start();
    const pieces = [new TextEncoder().encode("one "), new TextEncoder().encode("two")];
    await connection.send(["g1", "#bob#b"], pieces, { type: -5 });
    expect(daemon.sent.map(({ number, groups, data }) => [number, groups, data])).toEqual([
      [1, ["g1", "#bob#b"], "one two"],
    ]);
  });

  test("a large payload goes out behind its head without being joined", async () => {
    const { connection, daemon } = await start();
    await connection.send("g1", "x".repeat(100_000));
    expect(daemon.sent[0]?.data).toBe("x".repeat(100_000));
  });

  test("a view tells who came and went, from where, and whether it is primary", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g");
    const [ann, bob] = ["#ann#a", "#bob#a"];
    daemon.view("g", "join", [ann, bob], bob);
    expect(group.view).toMatchObject({
      joined: [bob],
      left: [],
      sets: [[ann], [bob]],
      ownSet: [ann],
      index: 0,
      primary: true,
    });
    daemon.view("g", "disconnect", [ann], bob);
    expect(group.view).toMatchObject({ joined: [], left: [bob], sets: [[ann]], cause: "disconnect" });
  });

  test("the connection's stream has everything, private messages too", async () => {
    const { connection, daemon } = await start();
    const events = connection[Symbol.asyncIterator]();
    const group = await connection.join("g");
    daemon.deliver(daemon.message("#bob#b", connection.privateGroup, "psst"));
    daemon.deliver(daemon.message("#bob#b", "g", "all"));
    expect(await next(events, 3)).toEqual(["view #ann#a", "#bob#b: psst", "#bob#b: all"]);
    expect(group.view?.members).toEqual(["#ann#a"]);
  });

  test("a daemon that becomes primary, or is no longer, is told where no view tells it", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g");
    const flushed = await connection.join("vs", { flush: true, autoFlush: true });
    const configured = (primary: boolean): void =>
      daemon.send({ kind: "configuration", deliveryNumber: ++daemon.deliveries, primary, daemons: 2 });
    expect(connection.primary).toBe(true);
    expect(await next(group, 1)).toEqual(["view #ann#a"]);
    configured(true);
    configured(false);
    daemon.deliver(daemon.message("#bob#b", "g", "here"));
    expect([connection.primary, group.view?.primary, flushed.view?.primary]).toEqual([false, false, false]);
    expect(await next(group, 2)).toEqual(["not primary", "#bob#b: here"]);
    configured(true);
    expect(await next(group, 1)).toEqual(["primary"]);
    expect(await next(flushed, 3)).toEqual(["view #ann#a", "not primary", "primary"]);
    const events = connection[Symbol.asyncIterator]();
    configured(true);
    configured(false);
    daemon.deliver(daemon.message("#bob#b", "g", "last"));
    expect(await next(events, 2)).toEqual(["not primary", "#bob#b: last"]);
  });

  test("what a view of the flush layer says is as new as the daemon's last word", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("vs", { flush: true, autoFlush: false });
    daemon.automatic = false;
    await next(group, 1);
    daemon.view("vs", "join", ["#ann#a", "#bob#b"], "#bob#b");
    daemon.send({ kind: "configuration", deliveryNumber: ++daemon.deliveries, primary: false, daemons: 1 });
    expect(await next(group, 2)).toEqual(["flushRequest", "not primary"]);
    const vote = daemon.sent.length;
    group.flush();
    await settle();
    const own = daemon.sent[vote] as (typeof daemon.sent)[number];
    for (const sender of ["#ann#a", "#bob#b"]) {
      const body = own.frame.slice(-12);
      daemon.deliver(encodeFrame(own.type & ~0x8000_0080, sender, ["vs"], messageTypeOf(own.frame, 0), body));
    }
    expect(await next(group, 1)).toEqual(["view #ann#a #bob#b"]);
    expect(group.view?.primary).toBe(false);
  });

  test("a refused join says why and leaves nothing behind", async () => {
    const { connection, daemon } = await start();
    daemon.automatic = false;
    const joining = connection.join("g", { slow: "drop" });
    const refused = expect(joining).rejects.toMatchObject({ code: "GROUP_REFUSED" });
    await settle();
    expect(daemon.sent[0]?.data).toBe('{"slow":"drop"}');
    daemon.send({ kind: "accepted", number: 1 });
    daemon.send({ kind: "groupRefused", number: 1, group: "g", text: "its members wait" });
    await refused;
    daemon.automatic = true;
    expect((await connection.join("g")).name).toBe("g");
  });

  test("wrong names, sizes and options are told at once", async () => {
    const { connection } = await start();
    await expect(connection.join("no blanks")).rejects.toMatchObject({ code: "ILLEGAL_NAME" });
    await expect(connection.send([], "x")).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(connection.send("g", "x".repeat(1_000_001))).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(connection.send("g", "x", { type: 40_000 })).rejects.toBeInstanceOf(RangeError);
    await expect(Connection.open(new FakeTransport(), "4803@a", { name: "no#" })).rejects.toBeInstanceOf(RangeError);
    await expect(Connection.open(new FakeTransport(), "host:4803")).rejects.toBeInstanceOf(RangeError);
    const nothing = undefined as unknown as string;
    await expect(Connection.open(new FakeTransport(), nothing)).rejects.toThrow("addresses: at least one");
    await expect(Connection.open(new FakeTransport(), [])).rejects.toThrow("addresses: at least one");
    const misspelt = { protocol: "natve" as "native" };
    await expect(Connection.open(new FakeTransport(), "4803@a", misspelt)).rejects.toThrow('protocol: "natve"');
    await expect(connection.join("g", { autoFlush: true })).rejects.toThrow("autoFlush: only in flush mode");
    await connection.join("g");
    await expect(connection.join("g")).rejects.toMatchObject({ code: "ALREADY_JOINED" });
    await connection.close();
    await expect(connection.send("g", "x")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("close waits until all that was sent has been accepted", async () => {
    const { transport, connection, daemon } = await start();
    daemon.automatic = false;
    const sending = connection.send("g", "last");
    const closing = connection.close();
    await settle();
    expect(daemon.sent.map(({ data }) => data)).toEqual(["last"]);
    daemon.send({ kind: "accepted", number: 1 });
    await sending;
    await transport.advance(10);
    await closing;
    expect(daemon.sent.map(({ type }) => type)).toEqual([0x10, 0x4_0000]);
  });

  test("close resolves when the daemon has closed the connection, or after a bound", async () => {
    const { transport, connection, daemon } = await start();
    daemon.ends = false;
    let over = false;
    const closing = connection.close().then(() => {
      over = true;
    });
    await transport.advance(5_900);
    expect([over, daemon.stream?.isEnded]).toEqual([false, false]);
    await transport.advance(200);
    await closing;
    expect(daemon.stream?.isClosed).toBe(true);
  });

  test("who is saying good-bye does not come back to say it again, whatever the daemon says", async () => {
    const { transport, connection, daemon } = await start();
    daemon.ends = false;
    daemon.daemons = ["4803@b"];
    daemon.resumption = "restarted";
    const closing = connection.close();
    await settle();
    daemon.send({ kind: "goAway", text: "restart" });
    await transport.advance(100);
    expect(daemon.stream?.isClosed).toBe(false);
    daemon.stream?.send(Uint8Array.of(0, 0, 0, 1, 2, 3, 4, 5));
    await closing;
    expect(await connection.closed).toBeUndefined();
    await transport.advance(1_000);
    expect(daemon.hellos).toHaveLength(1);
  });

  test("close gives up what no daemon accepts, and says good-bye behind it", async () => {
    const { transport, connection, daemon } = await start();
    daemon.automatic = daemon.ends = false;
    const stream = daemon.stream as FakeStream;
    const sending = expect(connection.send("g", "written")).rejects.toMatchObject({ code: "CLOSED" });
    await settle();
    stream.takes = false;
    const last = expect(connection.send("g", "taken by the stream")).rejects.toMatchObject({ code: "CLOSED" });
    await settle();
    const never = expect(connection.send("g", "never written")).rejects.toMatchObject({ code: "CLOSED" });
    await settle();
    const closing = connection.close();
    await transport.advance(4_900);
    expect(daemon.sent).toHaveLength(2);
    await transport.advance(200);
    await Promise.all([closing, sending, last, never]);
    await settle();
    expect(daemon.sent.map(({ number, type, groups }) => [number, type & ~0x80, groups.length])).toEqual([
      [1, 0x10, 1],
      [2, 0x10, 1],
      [3, 0x10, 0],
      [4, 0x4_0000, 1],
    ]);
    expect(stream.isEnded).toBe(true);
  });

  test("a signal ends a connection at once, and the daemon is told that nobody comes back", async () => {
    const controller = new AbortController();
    const { connection, daemon } = await start({ signal: controller.signal });
    const group = await connection.join("g");
    daemon.automatic = false;
    const sending = expect(group.send("x")).rejects.toMatchObject({ code: "CLOSED" });
    controller.abort();
    expect(await connection.closed).toMatchObject({ code: "CLOSED", message: "the signal ended the connection" });
    await sending;
    await settle();
    expect(daemon.sent.map(({ type }) => type)).toEqual([0x1_0000, 0x10, 0x4_0000]);
    await next(group, 1);
    await expect(next(group, 1)).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a signal ends a join, which is then taken back", async () => {
    const { connection, daemon } = await start();
    daemon.automatic = false;
    const controller = new AbortController();
    const joining = connection.join("g", { signal: controller.signal });
    const ended = expect(joining).rejects.toThrow("enough");
    await settle();
    controller.abort(new Error("enough"));
    await ended;
    await settle();
    expect(daemon.sent.map(({ type }) => type)).toEqual([0x1_0000, 0x2_0000]);
  });

  test("a group whose join was ended, or that is being left, can be joined again at once", async () => {
    const { connection, daemon } = await start();
    daemon.automatic = false;
    const controller = new AbortController();
    const joining = connection.join("g", { signal: controller.signal });
    const ended = expect(joining).rejects.toThrow("enough");
    await settle();
    controller.abort(new Error("enough"));
    const again = connection.join("g");
    const givenUp = expect(connection.join("g", { signal: AbortSignal.abort(new Error("at once")) })).rejects.toThrow(
      "at once",
    );
    await ended;
    await settle();
    expect(daemon.sent.map(({ type }) => type)).toEqual([0x1_0000, 0x2_0000]);
    daemon.automatic = true;
    daemon.view("g", "join", ["#ann#a"], "#ann#a");
    daemon.deliver(encodeSelfLeave("g"));
    const group = await again;
    await givenUp;
    expect(await next(group, 1)).toEqual(["view #ann#a"]);
    void group.leave();
    expect(await next(await connection.join("g"), 1)).toEqual(["view #ann#a"]);
    await expect(connection.join("g")).rejects.toMatchObject({ code: "ALREADY_JOINED" });
  });

  test("a group that was left stays left, though the connection is in it again", async () => {
    const { connection, daemon } = await start();
    const former = await connection.join("g");
    await former.leave();
    const group = await connection.join("g");
    await former.leave();
    await expect(former.send("x")).rejects.toMatchObject({ code: "CLOSED" });
    expect([former.view, group.view?.members]).toEqual([undefined, ["#ann#a"]]);
    await group.send("still here");
    expect(daemon.groups.has("g")).toBe(true);
  });

  test("too much that no daemon has accepted is refused as BUSY", async () => {
    const { connection, daemon } = await start({ unacceptedMax: 2 });
    daemon.automatic = false;
    const sends = [connection.send("g", "1"), connection.send("g", "2")];
    await expect(connection.send("g", "3")).rejects.toMatchObject({ code: "BUSY" });
    await settle();
    daemon.send({ kind: "accepted", number: 2 });
    await Promise.all(sends);
  });

  test("who posts is told when there is no room, and when there is again", async () => {
    const { connection, daemon } = await start({ unacceptedMax: 4 });
    daemon.automatic = false;
    const posted = ["1", "2", "3", "4", "5"].map((text) => connection.post("g", text));
    expect(posted).toEqual([true, true, true, true, false]);
    let hasRoom = false;
    const room = connection.room().then(() => {
      hasRoom = true;
    });
    await settle();
    expect(daemon.sent.map(({ data }) => data)).toEqual(["1", "2", "3", "4"]);
    daemon.send({ kind: "accepted", number: 1 });
    await settle();
    expect(hasRoom).toBe(false);
    daemon.send({ kind: "accepted", number: 2 });
    await room;
    expect(connection.post("g", "5")).toBe(true);
    await settle();
    expect(daemon.sent.at(-1)?.data).toBe("5");
  });

  test("who waits for room goes on whatever was accepted: what was sent otherwise takes room as well", async () => {
    const { connection, daemon } = await start({ unacceptedMax: 4 });
    daemon.automatic = false;
    connection.post("g", "1");
    const sends = ["2", "3"].map((text) => connection.send("g", text));
    const joining = connection.join("h");
    await settle();
    expect(connection.post("g", "5")).toBe(false);
    const room = connection.room();
    daemon.send({ kind: "accepted", number: 4 });
    await room;
    await Promise.all(sends);
    expect(connection.post("g", "5")).toBe(true);
    daemon.view("h", "join", ["#ann#a"], "#ann#a");
    await joining;
  });

  test("room is for the message that was not taken, though half of all is free before", async () => {
    const { connection, daemon } = await start({ unacceptedBytesMax: 1_000 });
    daemon.automatic = false;
    expect(connection.post("g", "x".repeat(400))).toBe(true);
    expect(connection.post("g", "x".repeat(700))).toBe(false);
    let hasRoom = false;
    const room = connection.room().then(() => {
      hasRoom = true;
    });
    await settle();
    expect(hasRoom).toBe(false);
    daemon.send({ kind: "accepted", number: 1 });
    await room;
    expect(connection.post("g", "x".repeat(700))).toBe(true);
  });

  test("a post that cannot be sent at all throws, and whoever waits for room when the connection ends goes on", async () => {
    const { connection, daemon, transport } = await start({ unacceptedMax: 1, reconnect: false });
    daemon.automatic = false;
    expect(() => connection.post("no name", "1")).toThrow(expect.objectContaining({ code: "ILLEGAL_NAME" }));
    expect(connection.post("g", "1")).toBe(true);
    const room = connection.room();
    transport.streams.at(-1)?.close("reset");
    await room;
    expect(() => connection.post("g", "2")).toThrow(expect.objectContaining({ code: "DISCONNECTED" }));
  });

  test("a send that its signal gives up is not sent unless it was written, nor again, and makes room", async () => {
    const { connection, daemon, transport } = await start({ unacceptedMax: 3 });
    daemon.automatic = false;
    const stop = new AbortController();
    const reason = new Error("enough");
    const options = { signal: stop.signal };
    const written = expect(connection.send("g", "written", options)).rejects.toBe(reason);
    await settle();
    expect(daemon.sent.map(({ data }) => data)).toEqual(["written"]);
    // While there is no connection nothing is written.
    transport.streams.at(-1)?.close("reset");
    const waiting = expect(connection.send("g", "waiting", options)).rejects.toBe(reason);
    const kept = connection.send("g", "kept");
    stop.abort(reason);
    await Promise.all([written, waiting]);
    await expect(connection.send("g", "too late", options)).rejects.toBe(reason);
    daemon.automatic = true;
    daemon.resumption = "resumed";
    await transport.advance(1_000);
    await (await kept).delivered;
    expect(daemon.sent.slice(1).map(({ groups, data }) => [...groups, data])).toEqual([[""], [""], ["g", "kept"]]);
    // Accepted before: it has nothing left to give up.
    const later = new AbortController();
    const receipt = await connection.send("g", "accepted", { signal: later.signal });
    later.abort(reason);
    await receipt.delivered;
    await connection.close();
    expect(await connection.closed).toBeUndefined();
  });

  test("what has been posted is waited for by close", async () => {
    const { connection, daemon } = await start();
    daemon.automatic = false;
    connection.post("g", "1");
    const closed = connection.close();
    await settle();
    expect(daemon.sent.map(({ data }) => data)).toEqual(["1"]);
    daemon.send({ kind: "accepted", number: 1 });
    daemon.automatic = true;
    await closed;
    expect(await connection.closed).toBeUndefined();
  });

  test("what cannot be reached or is refused rejects with a code", async () => {
    const transport = new FakeTransport();
    transport.onOpen = (stream) => stream.close("connection refused");
    await expect(Connection.open(transport, ["4803@a", "4804@b"])).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect(transport.streams.map(({ address }) => address)).toEqual(["4803@a", "4804@b"]);
  });

  test("a handshake that takes too long is given up", async () => {
    const transport = new FakeTransport();
    const opening = Connection.open(transport, "4803@a", { handshakeMs: 100 });
    const failed = expect(opening).rejects.toMatchObject({ code: "UNREACHABLE" });
    await transport.advance(101);
    await failed;
  });
});

describe("consumption", () => {
  test("is acknowledged lazily, up to the oldest event that has not been read", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g");
    for (let i = 0; i < 3; i++) daemon.deliver(daemon.message("#bob#b", "g", `${i}`));
    await next(group, 2);
    await transport.advance(200);
    expect(daemon.acks).toEqual([2]);
    await next(group, 2);
    await transport.advance(200);
    expect(daemon.acks).toEqual([2, 4]);
  });

  test("whatever waits, reading goes on: it is the daemon that stops", async () => {
    const { transport, connection, daemon } = await start({ eventsMax: 4 });
    const group = await connection.join("g");
    for (let i = 0; i < 8; i++) daemon.deliver(daemon.message("#bob#b", "g", `${i}`));
    await transport.advance(200);
    expect(daemon.stream?.isPaused).toBe(false);
    expect(daemon.acks).toEqual([]);
    const receipt = await group.send("answer");
    await receipt.delivered;
    await transport.advance(200);
    expect(daemon.acks).toEqual([]);
    expect((await next(group, 10)).at(-1)).toBe("#ann#a: answer");
    await transport.advance(200);
    expect(daemon.acks).toEqual([10]);
  });

  test("is acknowledged at once after 64 KiB, in one queue or without any", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g");
    const text = "x".repeat(20_000);
    for (let i = 0; i < 8; i++) daemon.deliver(daemon.message("#bob#b", "g", text));
    await next(group, 5);
    expect(daemon.acks).toEqual([5]);
    await next(group, 4);
    // Private messages that nobody reads.
    for (let i = 0; i < 4; i++) daemon.deliver(daemon.message("#bob#b", connection.privateGroup, text));
    await settle();
    expect(daemon.acks.at(-1)).toBe(13);
  });

  test("a program that waits for a view is sent what is before it", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g");
    daemon.automatic = false;
    for (let i = 0; i < 8; i++) daemon.deliver(daemon.message("#bob#b", "g", `${i}`));
    await transport.advance(200);
    expect(daemon.acks).toEqual([]);
    const joining = connection.join("h");
    await settle();
    expect(daemon.acks).toEqual([9]);
    daemon.view("h", "join", ["#ann#a"], "#ann#a");
    const h = await joining;
    await transport.advance(200);
    expect(daemon.acks).toEqual([9]);
    await next(group, 9);
    await next(h, 1);
    await transport.advance(200);
    expect(daemon.acks).toEqual([9, 10]);
  });

  test("a program whose message is not accepted for a second counts as if it consumed", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g");
    daemon.automatic = false;
    for (let i = 0; i < 8; i++) daemon.deliver(daemon.message("#bob#b", "g", `${i}`));
    const sending = group.send("answer");
    await transport.advance(900);
    expect(daemon.acks).toEqual([]);
    await transport.advance(200);
    expect(daemon.acks).toEqual([9]);
    daemon.send({ kind: "accepted", number: 2 });
    await sending;
    daemon.deliver(daemon.message("#bob#b", "g", "more"));
    await transport.advance(2_000);
    expect(daemon.acks).toEqual([9]);
  });

  test("a group that nobody iterates over keeps nothing while the connection is iterated over", async () => {
    const { connection, daemon } = await start({ eventsMax: 4 });
    const events = connection[Symbol.asyncIterator]();
    await connection.join("g");
    await next(events, 1);
    for (let i = 0; i < 20; i++) {
      daemon.deliver(daemon.message("#bob#b", "g", `${i}`));
      await next(events, 1);
    }
    expect(daemon.stream?.isPaused).toBe(false);
  });
});

describe("a connection that is lost", () => {
  test("goes on where it was: nothing twice, nothing lost", async () => {
    const { transport, connection, daemon } = await start();
    const events = connection[Symbol.asyncIterator]();
    await connection.join("g");
    daemon.automatic = false;
    const receipts = [connection.send("g", "a"), connection.send("g", "b"), connection.send("g", "c")];
    await settle();
    daemon.send({ kind: "accepted", number: 3 });
    daemon.deliver(daemon.sent[1]?.frame as Uint8Array, 2);
    daemon.resumption = "resumed";
    daemon.lastOrdered = 2;
    daemon.stream?.close("reset");
    await transport.advance(60);
    expect(daemon.hellos[1]).toMatchObject({ lastDelivered: 0, ticket: daemon.ticket });
    expect(daemon.sent.map(({ number }) => number)).toEqual([1, 2, 3, 4, 3, 4]);
    // A copy that this client has had already, then the rest.
    daemon.deliveries = 1;
    daemon.deliver(daemon.sent[1]?.frame as Uint8Array, 2);
    daemon.deliver(daemon.sent[2]?.frame as Uint8Array, 3);
    daemon.deliver(daemon.sent[3]?.frame as Uint8Array, 4);
    await Promise.all((await Promise.all(receipts)).map(({ delivered }) => delivered));
    expect(await next(events, 6)).toEqual([
      "view #ann#a",
      "#ann#a: a",
      "disconnected",
      "reconnected #ann#a true",
      "#ann#a: b",
      "#ann#a: c",
    ]);
  });

  test("what was delivered out of turn is replaced by nothing when the rest is sent again", async () => {
    const { transport, connection, daemon } = await start();
    daemon.automatic = false;
    const sends = [connection.send("g", "a"), connection.send("g", "b"), connection.send("g", "c")];
    await settle();
    daemon.send({ kind: "accepted", number: 3 });
    daemon.send({ kind: "delivered", number: 2 });
    daemon.resumption = "resumed";
    daemon.stream?.close("reset");
    await transport.advance(60);
    expect(daemon.sent.slice(3).map(({ number, groups }) => [number, groups])).toEqual([
      [1, ["g"]],
      [2, []],
      [3, ["g"]],
    ]);
    await Promise.all(sends);
  });

  test("elsewhere, every group shows a gap before its new view, and what was not ordered is sent again", async () => {
    const [a, b] = [new FakeDaemon("a"), new FakeDaemon("b")];
    const daemons: Daemons = { "4803@a": a, "4803@b": b };
    const { transport, connection } = await start({}, daemons);
    const group = await connection.join("g");
    await next(group, 1);
    a.automatic = false;
    const sending = connection.send("g", "again");
    await settle();
    b.resumption = "restarted";
    b.lastOrdered = 1;
    delete daemons["4803@a"];
    a.stream?.close("reset");
    await transport.advance(1_000);
    expect(connection.privateGroup).toBe("#ann#b");
    await sending;
    expect(b.sent.map(({ number, sender, type }) => [number, sender, type])).toEqual([
      [2, "#ann#b", 0x10],
      [3, "#ann#b", 0x1_0000],
    ]);
    b.deliver(b.message("#bob#b", "g", "on"));
    expect(await next(group, 3)).toEqual(["gap reconnected undefined", "view #ann#b", "#bob#b: on"]);
  });

  test("elsewhere, a group that cannot be joined again is left, and its stream says why", async () => {
    const { transport, connection, daemon } = await start();
    const events = connection[Symbol.asyncIterator]();
    const group = await connection.join("g");
    await next(events, 1);
    daemon.automatic = false;
    daemon.resumption = "restarted";
    daemon.lastOrdered = 1;
    daemon.stream?.close("reset");
    await transport.advance(100);
    daemon.send({ kind: "groupRefused", number: 2, group: "g", text: "its members wait" });
    await group.left;
    expect(await next(events, 3)).toEqual(["disconnected", "reconnected #ann#a false", "left"]);
    await expect(next(group, 1)).rejects.toMatchObject({ code: "GROUP_REFUSED" });
    await expect(group.send("x")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("where a daemon kept the session but lost deliveries, they show as a gap and the group is joined anew", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g");
    for (const text of ["2", "3"]) daemon.deliver(daemon.message("#bob#b", "g", text));
    daemon.automatic = false;
    daemon.resumption = "interrupted";
    daemon.stream?.close("reset");
    await transport.advance(60);
    // Of what is gone this client had two, which it had not consumed.
    daemon.send({ kind: "gap", group: "", reason: "window", count: 5, first: 2, last: 6 });
    daemon.send({ kind: "gap", group: "", reason: "window", count: 5, first: 2, last: 6 });
    daemon.deliveries = 6;
    daemon.deliver(daemon.message("#bob#b", "g", "7"));
    expect(daemon.sent.map(({ number, type }) => [number, type])).toEqual([
      [1, 0x1_0000],
      [2, 0x2_0000],
      [3, 0x1_0000],
    ]);
    daemon.deliver(encodeSelfLeave("g"));
    daemon.view("g", "join", ["#ann#a", "#bob#b"], "#ann#a");
    daemon.automatic = true;
    daemon.groups.add("g");
    expect(await next(group, 7)).toEqual([
      "view #ann#a",
      "#bob#b: 2",
      "#bob#b: 3",
      "gap window 3",
      "#bob#b: 7",
      "gap window undefined",
      "view #ann#a #bob#b",
    ]);
    await group.leave();
    expect(await next(group, 2)).toEqual(["left", "end"]);
    await transport.advance(200);
    expect(daemon.acks.at(-1)).toBe(10);
  });

  test("a flush group begins again where deliveries were lost, and a join that was under way is made again", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.automatic = false;
    const joining = [connection.join("h"), connection.join("i", { flush: true })];
    await settle();
    daemon.lastOrdered = 3;
    daemon.resumption = "interrupted";
    daemon.stream?.close("reset");
    await transport.advance(60);
    daemon.send({ kind: "gap", group: "", reason: "window", count: 7, first: daemon.deliveries + 1, last: 20 });
    daemon.deliveries = 20;
    await settle();
    daemon.automatic = true;
    for (const name of ["g", "h", "i"]) daemon.groups.add(name);
    // The view of one join was not lost.
    daemon.view("i", "join", ["#ann#a"], "#ann#a");
    for (const name of ["g", "h", "i"]) {
      daemon.deliver(encodeSelfLeave(name));
      daemon.view(name, "join", ["#ann#a"], "#ann#a");
    }
    expect((await Promise.all(joining)).map(({ name }) => name)).toEqual(["h", "i"]);
    expect(await next(group, 2)).toEqual(["gap window 7", "view #ann#a"]);
  });

  test("who closes it with messages under way waits for it to be restored, so that they are still delivered", async () => {
    const { transport, connection, daemon } = await start({ reconnect: { delayMs: 2_000 } });
    daemon.automatic = false;
    const sending = connection.send("g", "accepted");
    await settle();
    daemon.send({ kind: "accepted", number: 1 });
    const receipt = await sending;
    daemon.resumption = "resumed";
    daemon.stream?.close("reset");
    connection.post("g", "posted");
    const closing = connection.close();
    await transport.advance(2_000);
    expect(daemon.sent.slice(1).map(({ data }) => data)).toEqual(["accepted", "posted"]);
    daemon.send({ kind: "accepted", number: 2 });
    daemon.send({ kind: "delivered", number: 1 });
    await receipt.delivered;
    await closing;
    expect(daemon.sent.at(-1)?.type).toBe(0x4_0000);
  });

  test("who closes it gives up what waits for it to be restored after a bound, and at once if nothing does", async () => {
    const daemons: Daemons = { "4803@a": new FakeDaemon("a") };
    const { transport, connection, daemon } = await start({}, daemons);
    delete daemons["4803@a"];
    daemon.stream?.close("reset");
    const sending = expect(connection.send("g", "lost")).rejects.toMatchObject({ code: "CLOSED" });
    let over = false;
    const closing = connection.close().then(() => {
      over = true;
    });
    await transport.advance(4_900);
    expect(over).toBe(false);
    await transport.advance(200);
    await Promise.all([closing, sending]);

    const idle = await start();
    idle.daemon.stream?.close("reset");
    await idle.connection.close();
    expect(await idle.connection.closed).toBeUndefined();
  });

  test("a group that is left while its deliveries were lost can be joined again, though the end of the former membership comes late", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g");
    daemon.automatic = false;
    const leaving = group.leave();
    await settle();
    daemon.resumption = "interrupted";
    daemon.lastOrdered = 1;
    daemon.stream?.close("reset");
    await transport.advance(60);
    await leaving;
    const joining = connection.join("g");
    await settle();
    expect(daemon.sent.slice(1).map(({ number, type }) => [number, type])).toEqual([
      [2, 0x2_0000],
      [2, 0x2_0000],
      [3, 0x1_0000],
    ]);
    daemon.send({ kind: "gap", group: "", reason: "window", count: 3, first: 2, last: 4 });
    daemon.deliveries = 4;
    daemon.deliver(encodeSelfLeave("g"));
    daemon.view("g", "join", ["#ann#a"], "#ann#a");
    expect(await next(await joining, 1)).toEqual(["view #ann#a"]);
  });

  test("a flush group that is left while it begins again can be joined at once: what comes of it in between ends nothing", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.automatic = false;
    daemon.send({ kind: "gap", group: "g", reason: "slow", count: 2, first: 9, last: 10 });
    daemon.deliveries = 10;
    const leaving = group.leave();
    daemon.deliver(encodeSelfLeave("g"));
    await leaving;
    const joining = connection.join("g");
    await settle();
    expect(daemon.sent.map(({ type }) => type & 0xf_0000).filter((type) => type !== 0)).toEqual([
      0x1_0000, 0x2_0000, 0x1_0000, 0x2_0000, 0x1_0000,
    ]);
    // Of the join in between, and its end; then of the last one.
    daemon.view("g", "join", ["#ann#a"], "#ann#a");
    const events = next(await joining, 4);
    daemon.deliver(encodeSelfLeave("g"));
    daemon.view("g", "join", ["#ann#a"], "#ann#a");
    daemon.deliver(daemon.message("#ann#a", "g", "here"));
    expect(await events).toEqual(["view #ann#a", "gap window undefined", "view #ann#a", "#ann#a: here"]);
  });

  test("a join that was refused may be told so twice, and that does not end a later one", async () => {
    const { connection, daemon } = await start();
    daemon.automatic = false;
    const refused = expect(connection.join("g", { slow: "drop" })).rejects.toMatchObject({ code: "GROUP_REFUSED" });
    await settle();
    const refusal = { kind: "groupRefused", number: 1, group: "g", text: "its members wait" } as const;
    daemon.send({ kind: "delivered", number: 1 });
    daemon.send(refusal);
    await refused;
    daemon.automatic = true;
    const group = await connection.join("g");
    daemon.send(refusal);
    await group.send("still here");
    expect(await next(group, 2)).toEqual(["view #ann#a", "#ann#a: still here"]);
  });

  test("a gap of a slow receiver is told in its place", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g");
    daemon.deliver(daemon.message("#bob#b", "g", "1"));
    daemon.send({ kind: "gap", group: "g", reason: "slow", count: 3, first: 3, last: 5 });
    daemon.deliveries = 5;
    daemon.deliver(daemon.message("#bob#b", "g", "5"));
    expect(await next(group, 4)).toEqual(["view #ann#a", "#bob#b: 1", "gap slow 3", "#bob#b: 5"]);
  });

  test("a flush group with a gap begins again with a new membership", async () => {
    const { connection, daemon } = await start();
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.send({ kind: "gap", group: "g", reason: "slow", count: 2, first: 9, last: 10 });
    daemon.deliveries = 10;
    expect(await next(group, 2)).toEqual(["gap slow 2", "view #ann#a"]);
    await group.send("on");
    expect(await next(group, 1)).toEqual(["#ann#a: on"]);
  });

  test("who has not consumed what came before acknowledges nothing of the next session either", async () => {
    const { transport, connection, daemon } = await start();
    const events = connection[Symbol.asyncIterator]();
    await connection.join("g");
    daemon.deliver(daemon.message("#bob#b", "g", "before"));
    await transport.advance(200);
    daemon.acks.length = 0;
    daemon.resumption = "restarted";
    daemon.lastOrdered = 1;
    daemon.deliveries = 0;
    daemon.groups.clear();
    daemon.stream?.close("reset");
    await transport.advance(60);
    for (let i = 0; i < 30; i++) daemon.deliver(daemon.message("#bob#b", "g", "x".repeat(10_000)));
    await transport.advance(300);
    expect(daemon.acks).toEqual([]);
    expect(await next(events, 6)).toEqual([
      "view #ann#a",
      "#bob#b: before",
      "disconnected",
      "reconnected #ann#a false",
      "gap reconnected undefined",
      "view #ann#a",
    ]);
    await transport.advance(200);
    expect(daemon.acks).toEqual([1]);
  });

  test("a daemon that is about to stop is left for another", async () => {
    const [a, b] = [new FakeDaemon("a"), new FakeDaemon("b")];
    a.daemons = ["4803@b"];
    b.resumption = "restarted";
    const daemons: Daemons = { "4803@a": a };
    const { transport, connection } = await start({}, daemons);
    daemons["4803@b"] = b;
    a.send({ kind: "goAway", text: "restart" });
    await transport.advance(100);
    expect(connection.address).toBe("4803@b");
  });

  test("a process in which nothing else happens goes on while it is being restored", async () => {
    const daemons: Daemons = { "4803@a": new FakeDaemon("a") };
    const { transport, connection, daemon } = await start({ reconnect: { giveUpMs: 1_000 } }, daemons);
    await connection.join("g");
    expect(transport.isAwaited).toBe(false);
    delete daemons["4803@a"];
    daemon.stream?.close("reset");
    for (let waited = 0; waited < 1_000; waited += 100) {
      expect(transport.isAwaited).toBe(true);
      await transport.advance(100);
    }
    await transport.advance(1_000);
    await connection.closed;
    expect(transport.isAwaited).toBe(false);
  });

  test("a daemon that refuses it does not end it as long as another may take it", async () => {
    const [a, b] = [new FakeDaemon("a"), new FakeDaemon("b")];
    const daemons: Daemons = { "4803@a": a, "4803@b": b };
    const { transport, connection } = await start({}, daemons);
    const refusal = { code: -9, text: "The user or the password is wrong." };
    b.refusal = refusal;
    delete daemons["4803@a"];
    a.stream?.close("reset");
    await transport.advance(5_000);
    expect(b.hellos.length).toBeGreaterThan(0);
    a.resumption = "resumed";
    daemons["4803@a"] = a;
    await transport.advance(5_000);
    expect([connection.connected, connection.address]).toEqual([true, "4803@a"]);
    // When all refuse, nobody has to wait.
    a.refusal = refusal;
    a.stream?.close("reset");
    await transport.advance(1_000);
    expect(await connection.closed).toMatchObject({ code: "REFUSED", message: `4803@b: ${refusal.text}` });
  });

  test("a daemon that says nothing is asked, and given up", async () => {
    const { transport, connection, daemon } = await start({ silenceMs: 1_000 });
    daemon.resumption = "resumed";
    await transport.advance(5_000);
    expect(daemon.hellos).toHaveLength(1);
    (daemon.stream as { onData: () => void }).onData = () => {};
    await transport.advance(4_500);
    expect(daemon.hellos).toHaveLength(2);
    expect(connection.connected).toBe(true);
  });

  test("delays grow, and the connection ends when nothing helps", async () => {
    const daemons: Daemons = { "4803@a": new FakeDaemon("a") };
    const { transport, connection, daemon } = await start({ reconnect: { giveUpMs: 1_000 } }, daemons);
    const group = await connection.join("g");
    delete daemons["4803@a"];
    daemon.stream?.close("reset");
    const sending = expect(connection.send("g", "lost")).rejects.toMatchObject({ code: "DISCONNECTED" });
    await transport.advance(5_000);
    await sending;
    expect(transport.streams.length).toBeLessThan(12);
    expect(await connection.closed).toMatchObject({ code: "DISCONNECTED" });
    const events = group[Symbol.asyncIterator]();
    await events.next();
    await expect(events.next()).rejects.toMatchObject({ code: "DISCONNECTED" });
    expect((await events.next()).done).toBe(true);
  });

  test("the promise of a delivery may be ignored, and rejects for who asks", async () => {
    const { connection, daemon } = await start({ reconnect: false });
    daemon.automatic = false;
    const sending = connection.send("g", "x");
    await settle();
    daemon.send({ kind: "accepted", number: 1 });
    const receipt = await sending;
    daemon.stream?.close("reset");
    await settle();
    await expect(receipt.delivered).rejects.toMatchObject({ code: "DISCONNECTED" });
  });
});
