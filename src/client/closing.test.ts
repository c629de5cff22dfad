import { describe, expect, test } from "vitest";
import { FakeDaemon } from "../../test/client/fake-daemon.ts";
import { settle } from "../../test/client/fake-transport.ts";
import { type Daemons, start } from "../../test/client/one-client.ts";
import type { Connection } from "./connection.ts";
import type { Receipt } from "./send.ts";

const KILL = 0x4_0000;

/** Connected to `a`, with `b` beside it, which knows nothing of the client, and with `count` messages accepted but not ordered. */
async function withAccepted(
  count: number,
  daemons: Daemons = { "4803@a": new FakeDaemon("a"), "4804@b": elsewhere() },
) {
  const started = await start({ reconnect: { delayMs: 10 } }, daemons);
  const { connection, daemon } = started;
  daemon.automatic = daemon.ends = false;
  const sending = Array.from({ length: count }, (_, i) => connection.send("g", `m${i + 1}`));
  await settle();
  daemon.send({ kind: "accepted", number: count });
  return { ...started, daemons, receipts: await Promise.all(sending) };
}

function elsewhere(): FakeDaemon {
  const daemon = new FakeDaemon("b");
  daemon.resumption = "restarted";
  return daemon;
}

const outcomes = (receipts: readonly Receipt[]): Promise<unknown[]> =>
  Promise.all(
    receipts.map(({ delivered }) =>
      delivered.then(
        () => "delivered",
        ({ code }: { code: string }) => code,
      ),
    ),
  );

/** `close`, with what it has resolved to so far. */
function closing(connection: Connection, signal?: AbortSignal): { report: unknown; done: Promise<unknown> } {
  const state: { report: unknown; done: Promise<unknown> } = { report: undefined, done: Promise.resolve() };
  state.done = connection.close(signal && { signal }).then((report) => {
    state.report = report;
    return report;
  });
  return state;
}

describe("a daemon that answers a good-bye", () => {
  test("tells behind it what becomes of what was sent, and close waits for that", async () => {
    const { connection, daemon, receipts } = await withAccepted(2);
    const close = closing(connection);
    await settle();
    expect(daemon.sent.map(({ data, type }) => data || type)).toEqual(["m1", "m2", KILL]);
    for (const number of [1, 2, 3]) daemon.send({ kind: "delivered", number });
    await settle();
    expect(close.report).toBeUndefined();
    daemon.stream?.close();
    expect(await close.done).toEqual({ unconfirmed: 0 });
    expect(await outcomes(receipts)).toEqual(["delivered", "delivered"]);
    expect(await connection.closed).toBeUndefined();
  });

  test("may be lost before it does: what it did not confirm goes to the next daemon, and a new good-bye behind it", async () => {
    const { transport, connection, daemon, daemons, receipts } = await withAccepted(3);
    const close = closing(connection);
    await settle();
    daemon.send({ kind: "delivered", number: 1 });
    delete daemons["4803@a"];
    daemon.stream?.close("reset");
    await transport.advance(200);
    const next = daemons["4804@b"] as FakeDaemon;
    expect(next.sent.map(({ number, data, type, groups }) => [number, data || type & ~0x80, groups.length])).toEqual([
      [2, "m2", 1],
      [3, "m3", 1],
      [4, 0x10, 0],
      [5, KILL, 1],
    ]);
    expect(await close.done).toEqual({ unconfirmed: 0 });
    expect(await outcomes(receipts)).toEqual(["delivered", "delivered", "delivered"]);
  });

  test("a good-bye that was ordered without an answer is known to be from the next daemon, which gets one of its own", async () => {
    const { transport, connection, daemon, daemons, receipts } = await withAccepted(1);
    const close = closing(connection);
    await settle();
    const next = daemons["4804@b"] as FakeDaemon;
    next.lastOrdered = 2;
    delete daemons["4803@a"];
    daemon.stream?.close("reset");
    await transport.advance(200);
    expect(next.sent.map(({ number, type }) => [number, type])).toEqual([[3, KILL]]);
    expect(await close.done).toEqual({ unconfirmed: 0 });
    expect(await outcomes(receipts)).toEqual(["delivered"]);
  });

  test("and no other comes in its place: after a bound what is not confirmed is counted, and its receipts reject", async () => {
    const { transport, connection, daemon, daemons, receipts } = await withAccepted(3);
    connection.post("g", "posted");
    await settle();
    daemon.send({ kind: "accepted", number: 4 });
    const close = closing(connection);
    await transport.advance(4_000);
    daemon.send({ kind: "delivered", number: 1 });
    for (const address of Object.keys(daemons)) delete daemons[address];
    daemon.stream?.close("reset");
    await transport.advance(5_900);
    expect(close.report).toBeUndefined();
    await transport.advance(200);
    expect(await close.done).toEqual({ unconfirmed: 3 });
    expect(await outcomes(receipts)).toEqual(["delivered", "DISCONNECTED", "DISCONNECTED"]);
    await expect(receipts[1]?.delivered).rejects.toThrow("the daemon was lost before it confirmed the message (reset)");
    expect(await connection.closed).toBeUndefined();
    await transport.advance(60_000);
    expect(transport.streams.every(({ isClosed }) => isClosed)).toBe(true);
  });

  test("and orders nothing: after a bound it is given up", async () => {
    const { transport, connection, daemon, receipts } = await withAccepted(2);
    const close = closing(connection);
    await transport.advance(5_900);
    expect(close.report).toBeUndefined();
    await transport.advance(200);
    expect(await close.done).toEqual({ unconfirmed: 2 });
    expect(await outcomes(receipts)).toEqual(["CLOSED", "CLOSED"]);
    expect(daemon.stream?.isClosed).toBe(true);
  });

  test("is waited for no longer when a signal says so", async () => {
    const { connection, daemon, receipts } = await withAccepted(2);
    const controller = new AbortController();
    const close = closing(connection, controller.signal);
    await settle();
    daemon.send({ kind: "delivered", number: 1 });
    controller.abort();
    expect(await close.done).toEqual({ unconfirmed: 1 });
    expect(await outcomes(receipts)).toEqual(["delivered", "CLOSED"]);
    expect(daemon.stream?.isClosed).toBe(true);
  });

  test("nobody waits with a signal that has said so before, and the good-bye is said all the same", async () => {
    const { connection, daemon } = await withAccepted(1);
    const waiting = expect(connection.send("g", "not accepted")).rejects.toMatchObject({ code: "CLOSED" });
    await settle();
    expect(await connection.close({ signal: AbortSignal.abort() })).toEqual({ unconfirmed: 2 });
    await waiting;
    await settle();
    expect(daemon.sent.at(-1)?.type).toBe(KILL);
  });

  test("is left by `await using`, which throws if something is not known to have been delivered", async () => {
    const { transport, connection, daemon, daemons } = await withAccepted(1, { "4803@a": new FakeDaemon("a") });
    delete daemons["4803@a"];
    const left = expect(connection[Symbol.asyncDispose]()).rejects.toMatchObject({
      code: "DISCONNECTED",
      message: "a message is not known to have been delivered before the connection was closed",
    });
    await settle();
    daemon.stream?.close("reset");
    await transport.advance(6_100);
    await left;
    const { connection: other } = await start();
    await other.send("g", "x");
    await expect(other[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  test("hears nothing behind the good-bye, so that its answer is not lost with a connection that it resets", async () => {
    const { transport, connection, daemon } = await withAccepted(1);
    const close = closing(connection);
    await settle();
    const stream = daemon.stream;
    let heard = 0;
    if (stream) stream.onData = () => heard++;
    daemon.deliver(daemon.message("#bob#a", "g", "late"));
    daemon.send({ kind: "ping", opaque: new Uint8Array(8) });
    await transport.advance(5_000);
    expect(heard).toBe(0);
    daemon.stream?.close();
    await transport.advance(7_000);
    await close.done;
  });
});

test("an earlier daemon that does not answer just closes: what was under way is not told", async () => {
  const daemon = new FakeDaemon("a");
  daemon.answersKill = false;
  const { connection, receipts } = await withAccepted(1, { "4803@a": daemon });
  const close = closing(connection);
  await settle();
  daemon.stream?.close();
  expect(await close.done).toEqual({ unconfirmed: undefined });
  expect(await outcomes(receipts)).toEqual(["CLOSED"]);
  expect(daemon.hellos).toHaveLength(1);
});
