import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Ports, takePorts } from "../../test/e2e/ports.ts";
import { connect, type Connection, type ConnectionEvent } from "../index.ts";
import { encodeMonitorRequest } from "../wire/spread/monitor.ts";
import { localConfig, loopbackConfig, parseSiteConfig } from "./config/index.ts";
import type { NodeEvent } from "./node.ts";
import { type Daemon, startDaemon } from "./start.ts";

let ports: Ports;
const daemons: Daemon[] = [];
const connections: Connection[] = [];

async function start(names: readonly string[]): Promise<readonly Daemon[]> {
  const site = loopbackConfig(names, { port: ports.base });
  const started: Daemon[] = [];
  for (const name of names) {
    started.push(await startDaemon({ config: site, name, thread: false, unixSocket: false }));
  }
  daemons.push(...started);
  return started;
}

async function client(address: string, name: string): Promise<Connection> {
  const connection = await connect(address, { name, reconnect: false });
  connections.push(connection);
  return connection;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function inOneConfiguration(all: readonly Daemon[]): Promise<boolean> {
  const statuses = await Promise.all(all.map((daemon) => daemon.status()));
  return statuses.every((status) => status.ready && status.configuration.members.length === all.length);
}

async function next<K extends ConnectionEvent["kind"]>(
  events: AsyncIterator<ConnectionEvent>,
  kind: K,
): Promise<Extract<ConnectionEvent, { kind: K }>> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) throw new Error(`the connection ended before a ${kind}`);
    if (value.kind === kind) return value as Extract<ConnectionEvent, { kind: K }>;
  }
}

beforeEach(async () => {
  ports = await takePorts();
});

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
  await Promise.all(daemons.splice(0).map((daemon) => daemon.abort()));
  ports[Symbol.dispose]();
});

describe("startDaemon", () => {
  it("serves clients with a single daemon, without any configuration", async () => {
    const events: NodeEvent[] = [];
    const daemon = await startDaemon({
      config: localConfig({ name: "solo", port: ports.base }),
      thread: false,
      unixSocket: false,
      onEvent: (event) => events.push(event),
    });
    daemons.push(daemon);
    expect(daemon.address).toBe(`${ports.base}@127.0.0.1`);
    const connection = await client(daemon.address, "me");
    const stream = connection[Symbol.asyncIterator]();
    const group = await connection.join("room");
    expect((await next(stream, "view")).members).toEqual(["#me#solo"]);
    const receipt = await group.send("hello", { service: "safe" });
    const message = await next(stream, "message");
    expect(new TextDecoder().decode(message.payload)).toBe("hello");
    await receipt.delivered;
    const status = await daemon.status();
    expect(status).toMatchObject({ name: "solo", ready: true, groups: { count: 1, memberships: 1 } });
    expect(events.map(({ kind }) => kind)).toContain("configuration");
  });

  it("orders messages of clients of three daemons alike, over real sockets", async () => {
    const all = await start(["a", "b", "c"]);
    await until(() => inOneConfiguration(all));
    const clients = await Promise.all(all.map(({ address }, i) => client(address, `u${i}`)));
    const streams = clients.map((connection) => connection[Symbol.asyncIterator]());
    for (const connection of clients) await connection.join("room");
    for (let i = 0; i < 20; i++) {
      await Promise.all(clients.map((connection, c) => connection.send("room", `${c}.${i}`)));
    }
    const orders = await Promise.all(
      streams.map(async (stream) => {
        const order: string[] = [];
        while (order.length < 60) order.push(new TextDecoder().decode((await next(stream, "message")).payload));
        return order;
      }),
    );
    expect(orders[1]).toEqual(orders[0]);
    expect(orders[2]).toEqual(orders[0]);
    expect(orders[0]?.filter((text) => text.startsWith("1."))).toEqual(Array.from({ length: 20 }, (_, i) => `1.${i}`));
  });

  it("leaves gracefully: the others go on without having missed it first", async () => {
    const all = await start(["a", "b"]);
    const [a, b] = all as [Daemon, Daemon];
    await until(() => inOneConfiguration(all));
    await b.stop();
    await b.closed;
    await expect(b.status()).rejects.toThrow("the daemon has ended");
    await expect(b.reload("")).rejects.toThrow("the daemon has ended");
    await until(() => inOneConfiguration([a]));
    const { changes } = await a.status();
    expect(changes[0]).toMatchObject({ left: ["b"], cause: { kind: "leave", daemon: "b" } });
  });

  it("leaves once, though it is asked to by several at a time", async () => {
    const all = await start(["a", "b"]);
    const [, b] = all as [Daemon, Daemon];
    await until(() => inOneConfiguration(all));
    let settled = 0;
    for (let i = 0; i < 3; i++) void b.stop().then(() => settled++);
    await b.closed;
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(3);
  });

  it("is not disturbed by a monitor that asks while it starts", async () => {
    const config = loopbackConfig(["a"], { port: ports.base });
    const [a] = config.daemons;
    const monitor = createSocket("udp4");
    await new Promise<void>((resolve) => monitor.bind(0, "127.0.0.1", resolve));
    const id = a?.id ?? 0;
    const head = { transmitter: id, target: id, replyPort: monitor.address().port, configHash: config.spreadHash };
    const request = encodeMonitorRequest({ kind: "status", ...head });
    const asking = setInterval(() => monitor.send(request, ports.base, "127.0.0.1"));
    const answered = new Promise((resolve) => monitor.once("message", resolve));
    try {
      daemons.push(await startDaemon({ config, thread: false, unixSocket: false }));
      await answered;
    } finally {
      clearInterval(asking);
      await new Promise<void>((resolve) => monitor.close(() => resolve()));
    }
  });

  it("says what is wrong: an unknown name, a name to be chosen, a port that is taken", async () => {
    const site = loopbackConfig(["a", "b"], { port: ports.base });
    await expect(startDaemon({ config: site, name: "z" })).rejects.toThrow('there is no daemon "z"');
    await expect(startDaemon({ config: site })).rejects.toThrow("say which daemon to start");
    daemons.push(await startDaemon({ config: site, name: "a", thread: false, unixSocket: false }));
    await expect(startDaemon({ config: site, name: "a", thread: false, unixSocket: false })).rejects.toThrow(
      "EADDRINUSE",
    );
    await expect(startDaemon({ port: 0 })).rejects.toThrow("port is a whole number from 1 to 65534, not 0");
  });

  it("begins without a daemon whose host's name leads nowhere, and finds it when the name is known", async () => {
    const port = ports.base;
    const text = `Dissemination = unicast
      Spread_Segment 127.0.0.255 { a 127.0.0.1:${port}  b Host = localhost:${port + 10} }`;
    const options = { thread: false, unixSocket: false };
    const config = parseSiteConfig(text, "spread.conf", () => undefined).site;
    await expect(startDaemon({ ...options, config, name: "b" })).rejects.toThrow("leads nowhere now");
    const a = await startDaemon({ ...options, config, name: "a" });
    daemons.push(a);
    await until(() => inOneConfiguration([a]));
    const known = parseSiteConfig(text, "spread.conf", () => ["127.0.0.1"]).site;
    const b = await startDaemon({ ...options, config: known, name: "b" });
    daemons.push(b);
    await until(() => inOneConfiguration([a, b]));
  });

  it("says which file it cannot use: a state directory, the folder of its Unix socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "amalgam-start-"));
    const file = join(folder, "file");
    writeFileSync(file, "");
    const options = { port: ports.base, thread: false } as const;
    await expect(startDaemon({ ...options, unixSocket: false, stateDirectory: join(file, "state") })).rejects.toThrow(
      `the state directory ${join(file, "state")} cannot be used`,
    );
    const site = parseSiteConfig(`Spread_Segment 127.0.0.255:${ports.base} { a 127.0.0.1 }
      UnixSocketDir = ${join(folder, "missing")}`);
    await expect(startDaemon({ ...options, config: site.site })).rejects.toThrow(
      `${join(folder, "missing")}, which UnixSocketDir names, has to exist and to be writable`,
    );
    rmSync(folder, { recursive: true });
  });
});
