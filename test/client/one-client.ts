import { Connection } from "../../src/client/connection.ts";
import type { ConnectOptions } from "../../src/client/config.ts";
import type { ConnectionEvent } from "../../src/client/events.ts";
import { FakeDaemon } from "./fake-daemon.ts";
import { FakeTransport } from "./fake-transport.ts";

const decoder = new TextDecoder();

export type Daemons = Record<string, FakeDaemon>;

/** Connects a client to fake daemons, by address; the first is the one that it reaches. */
export async function start(
  options: ConnectOptions = {},
  daemons: Daemons = { "4803@a": new FakeDaemon("a") },
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
export async function next(stream: AsyncIterable<ConnectionEvent>, count: number): Promise<string[]> {
  const iterator = stream[Symbol.asyncIterator]();
  const out: string[] = [];
  for (let i = 0; i < count; i++) {
    const result = await iterator.next();
    out.push(result.done ? "end" : short(result.value));
  }
  return out;
}

function short(event: ConnectionEvent): string {
  switch (event.kind) {
    case "message":
      return `${event.sender}: ${decoder.decode(event.payload)}`;
    case "view":
      return `view ${event.members.join(" ")}`;
    case "gap":
      return `gap ${event.reason} ${event.count}`;
    case "reconnected":
      return `reconnected ${event.privateGroup} ${event.resumed}`;
    case "primary":
      return event.primary ? "primary" : "not primary";
    case "disconnected":
    case "transitional":
    case "flushRequest":
    case "left":
    case "resumed":
      return event.kind;
    case "suspended":
      return `suspended ${event.reason}`;
    case "lost":
      return `lost ${event.packets} of ${event.sender}`;
    case "commit":
    case "rollback":
      return `${event.kind} ${event.position}`;
    case "expelled":
      return `expelled ${event.unconfirmed}`;
  }
}
