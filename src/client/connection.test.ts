import { describe, expect, test } from "vitest";
import { FakeDaemon } from "../../test/client/fake-daemon.ts";
import { FakeTransport } from "../../test/client/fake-transport.ts";
import type { ConnectOptions } from "./config.ts";
import { Connection } from "./connection.ts";
import type { GroupEvent } from "./events.ts";

const decoder = new TextDecoder();

/** Connects a client to a fake daemon, or to several by address. */
async function start(
  options: ConnectOptions = {},
  daemons: Record<string, FakeDaemon> = { "4803@a": new FakeDaemon("a") },
): Promise<{ transport: FakeTransport; connection: Connection; daemon: FakeDaemon }> {
  const transport = new FakeTransport();
  transport.onOpen = (stream) => {
    const daemon = daemons[stream.address];
    if (daemon) daemon.attach(stream);
    else stream.close("connection refused");
  };
  const connection = await Connection.open(transport, Object.keys(daemons), { name: "ann", ...options });
  return { transport, connection, daemon: Object.values(daemons)[0] as FakeDaemon };
}

/** The next events of a stream, in short. */
async function next(stream: AsyncIterable<GroupEvent>, count: number): Promise<string[]> {
  const iterator = stream[Symbol.asyncIterator]();
  const out: string[] = [];
  for (let i = 0; i < count; i++) {
    const result = await iterator.next();
    out.push(result.done ? "end" : short(result.value));
  }
  return out;
}

function short(event: GroupEvent): string {
  switch (event.kind) {
    case "message":
      return `${event.sender}: ${decoder.decode(event.payload)}`;
    case "view":
      return `view ${event.members.join(" ")}`;
    case "gap":
      return `gap ${event.reason} ${event.count}`;
    case "transitional":
    case "flushRequest":
    case "left":
      return event.kind;
  }
}

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

  test("sends a payload in pieces as one message", async () => {
    const { connection, daemon } = await start();
    await connection.send(["g1", "#bob#b"], [new TextEncoder().encode("one "), new TextEncoder().encode("two")], {
      type: -5,
    });
    expect(daemon.sent.map(({ number, groups, data }) => [number, groups, data])).toEqual([
      [1, ["g1", "#bob#b"], "one two"],
    ]);
  });
});
