import { describe, expect, test } from "vitest";
import { settle } from "../../test/client/fake-transport.ts";
import { next, start } from "../../test/client/one-client.ts";
import { encodeFrame, messageTypeOf } from "../wire/spread/frame.ts";
import type { ConnectOptions } from "./config.ts";

/** Joins a group in automatic flush mode, and begins a view that nobody has agreed to but this member. */
async function betweenViews(options: ConnectOptions = {}) {
  const started = await start(options);
  const { connection, daemon } = started;
  const group = await connection.join("g", { flush: true, autoFlush: true });
  await next(group, 1);
  daemon.automatic = false;
  daemon.view("g", "join", ["#ann#a", "#bob#b"], "#bob#b");
  await settle();
  const vote = daemon.sent.at(-1) as (typeof daemon.sent)[number];
  const agree = (...senders: string[]): void => {
    const body = vote.frame.slice(-12);
    for (const sender of senders) {
      daemon.deliver(encodeFrame(vote.type & ~0x8000_0080, sender, ["g"], messageTypeOf(vote.frame, 0), body));
    }
  };
  const texts = (): string[] => daemon.sent.map(({ data }) => data).filter((data) => data.startsWith("text"));
  return { ...started, group, agree, texts };
}

describe("groups in flush mode", () => {
  test("in automatic flush mode sends wait for the next view, and go out in it in their order", async () => {
    const { connection, daemon, group, agree, texts } = await betweenViews();
    const sends = [group.send("text 1"), connection.send("g", "text 2")];
    await settle();
    expect(texts()).toEqual([]);
    agree("#ann#a", "#bob#b");
    // Asked for last, though the others have not gone on yet.
    sends.push(group.send("text 3"));
    await settle();
    expect(await next(group, 1)).toEqual(["view #ann#a #bob#b"]);
    expect(texts()).toEqual(["text 1", "text 2", "text 3"]);
    daemon.send({ kind: "accepted", number: daemon.sent.length });
    await Promise.all(sends);
  });

  test("what waits for the next view has a bound", async () => {
    const { daemon, group, agree, texts } = await betweenViews({ unacceptedMax: 2 });
    const held = Promise.all([group.send("text 1"), group.send("text 2")]);
    await expect(group.send("text 3")).rejects.toMatchObject({ code: "BUSY" });
    agree("#ann#a", "#bob#b");
    await expect(group.send("text 4")).rejects.toMatchObject({ code: "BUSY" });
    await settle();
    expect(texts()).toEqual(["text 1", "text 2"]);
    daemon.send({ kind: "accepted", number: daemon.sent.length });
    await held;
  });

  test("close waits for the next view as well", async () => {
    const { transport, connection, daemon, group, agree, texts } = await betweenViews();
    const sending = group.send("text");
    const closing = connection.close();
    await transport.advance(1_000);
    agree("#ann#a", "#bob#b");
    await settle();
    expect(texts()).toEqual(["text"]);
    daemon.send({ kind: "accepted", number: daemon.sent.length });
    await sending;
    await closing;
  });

  test("leaving ends what waits for the next view, and so does a daemon elsewhere that refuses the group", async () => {
    const leaving = await betweenViews();
    const left = expect(leaving.group.send("text")).rejects.toMatchObject({ code: "CLOSED" });
    void leaving.group.leave();
    await left;

    const { transport, daemon, group } = await betweenViews();
    const refused = expect(group.send("text")).rejects.toMatchObject({ code: "CLOSED" });
    daemon.resumption = "restarted";
    daemon.stream?.close("reset");
    await transport.advance(100);
    const join = daemon.sent.findLast(({ type }) => (type & 0x1_0000) !== 0);
    daemon.send({ kind: "groupRefused", number: join?.number ?? 0, group: "g", text: "it is another now" });
    await refused;
  });

  test("a group in flush mode is sent to alone, and to its members by their private groups", async () => {
    const { connection } = await start();
    const group = await connection.join("vs", { flush: true, autoFlush: true });
    const plain = await connection.join("g");
    await expect(connection.send(["vs", "g"], "x")).rejects.toThrow("vs is in flush mode");
    await expect(plain.send("x", { alsoTo: ["vs"] })).rejects.toThrow("vs is in flush mode");
    expect(() => connection.post("vs", "x")).toThrow("vs is in flush mode");
    await expect(group.send("x", { alsoTo: ["g"] })).rejects.toThrow("alsoTo");
    await expect(group.send("x", { onlyTo: ["g"] })).rejects.toThrow('"g" is no member');
  });

  test("in automatic flush mode a send that waits for the next view fails when the connection ends", async () => {
    const { transport, connection, daemon } = await start({ reconnect: false });
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.view("g", "join", ["#ann#a", "#bob#b"], "#bob#b");
    const sending = group.send("in the next view");
    const ended = expect(sending).rejects.toMatchObject({ code: "DISCONNECTED" });
    await settle();
    daemon.stream?.close("reset");
    await transport.advance(10);
    await ended;
  });

  test("in automatic flush mode a send that waits for the next view is given up by its signal, and those behind it go on", async () => {
    const { daemon, group, agree, texts } = await betweenViews({ unacceptedMax: 2 });
    const stop = new AbortController();
    const reason = new Error("enough");
    const first = expect(group.send("text 1", { signal: stop.signal })).rejects.toBe(reason);
    const rest = [group.send("text 2")];
    stop.abort(reason);
    await first;
    // In its place.
    rest.push(group.send("text 3"));
    await expect(group.send("text 4", { signal: stop.signal })).rejects.toBe(reason);
    agree("#ann#a", "#bob#b");
    await settle();
    expect(texts()).toEqual(["text 2", "text 3"]);
    daemon.send({ kind: "accepted", number: daemon.sent.length });
    await Promise.all(rest);
  });

  test("a group that is left and joined again after a gap is so once more if the new view is lost in another gap", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.automatic = false;
    daemon.resumption = "interrupted";
    const loseView = async (first: number, last: number): Promise<void> => {
      daemon.stream?.close("reset");
      await transport.advance(100);
      daemon.send({ kind: "gap", group: "", reason: "window", count: last - first + 1, first, last });
      await settle();
      daemon.lastOrdered = daemon.sent.at(-1)?.number ?? 0;
    };
    await loseView(4, 5);
    await loseView(6, 8);
    const requests = daemon.sent.map(({ type }) => type).filter((type) => (type & 0x3_0000) !== 0);
    expect(requests).toEqual([0x1_0000, 0x2_0000, 0x1_0000, 0x2_0000, 0x1_0000]);
    daemon.deliveries = 8;
    daemon.automatic = true;
    daemon.view("g", "join", ["#ann#a"], "#ann#a");
    expect(await next(group, 2)).toEqual(["gap window 3", "view #ann#a"]);
  });

  test("elsewhere nothing of the old view is sent again, whether to all members or to some", async () => {
    const { transport, connection, daemon } = await start();
    const group = await connection.join("g", { flush: true, autoFlush: true });
    await next(group, 1);
    daemon.automatic = false;
    const before = daemon.sent.length;
    const sends = [group.send("text to all"), group.send("text to some", { onlyTo: ["#bob#b"] })];
    const ended = Promise.all(sends.map((send) => expect(send).rejects.toMatchObject({ code: "VIEW_ENDED" })));
    await settle();
    daemon.resumption = "restarted";
    daemon.lastOrdered = before;
    daemon.stream?.close("reset");
    await transport.advance(100);
    await ended;
    expect(daemon.sent.slice(before).map(({ data }) => data.startsWith("text"))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
