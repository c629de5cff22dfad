import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Ports, takePorts } from "../../test/e2e/ports.ts";
import type { Connection, ConnectOptions, GroupEvent } from "../index.ts";
import { loopbackConfig } from "./config/index.ts";
import { type Daemon, startDaemon } from "./start.ts";

let ports: Ports;
const daemons: Daemon[] = [];
const connections: Connection[] = [];

async function start(names: readonly string[]): Promise<readonly Daemon[]> {
  const site = loopbackConfig(names, { port: ports.base });
  for (const name of names) {
    daemons.push(await startDaemon({ config: site, name, thread: false, unixSocket: false }));
  }
  const all = daemons.slice(-names.length);
  for (;;) {
    const statuses = await Promise.all(all.map((daemon) => daemon.status()));
    if (statuses.every((one) => one.ready && one.configuration.members.length === names.length)) return all;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function client(daemon: Daemon, options: ConnectOptions): Promise<Connection> {
  const connection = await daemon.connect(options);
  connections.push(connection);
  return connection;
}

/** The first so many messages of a group, and the other events between them. */
async function messages(group: AsyncIterable<GroupEvent>, count: number): Promise<GroupEvent[]> {
  const events: GroupEvent[] = [];
  let left = count;
  for await (const event of group) {
    events.push(event);
    if (event.kind === "message") left--;
    if (event.kind === "gap") left -= event.count ?? 0;
    if (left <= 0) return events;
  }
  throw new Error("the group ended early");
}

function payloads(events: readonly GroupEvent[]): Uint8Array[] {
  return events.flatMap((event) => (event.kind === "message" ? [event.payload] : []));
}

beforeEach(async () => {
  ports = await takePorts();
});

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
  await Promise.all(daemons.splice(0).map((daemon) => daemon.abort()));
  ports[Symbol.dispose]();
});

describe("Daemon.connect", () => {
  it("connects clients in the daemon's thread to each other, without a socket", async () => {
    const [a, b] = (await start(["a", "b"])) as [Daemon, Daemon];
    const [one, two] = [await client(a, { name: "one" }), await client(b, { name: "two" })];
    expect(one.privateGroup).toBe("#one#a");
    expect(one.address).toBe(a.address);
    const [left, right] = [await one.join("g"), await two.join("g")];
    await Promise.all(["x", "y", "z"].map((text) => left.send(text)));
    const got = payloads(await messages(right, 3)).map((payload) => new TextDecoder().decode(payload));
    expect(got).toEqual(["x", "y", "z"]);
    const { sessions } = await a.status();
    expect(sessions.count).toBe(1);
  });

  it("gives payloads away for good, whatever comes after them", async () => {
    const [daemon] = (await start(["solo"])) as [Daemon];
    const connection = await client(daemon, { name: "one" });
    const group = await connection.join("g");
    const count = 20_000;
    void (async () => {
      for (let i = 0; i < count; ) {
        if (connection.post("g", new Uint8Array(1_000).fill(i % 251))) i++;
        else await connection.room();
      }
    })();
    const got = payloads(await messages(group, count));
    expect(got).toHaveLength(count);
    const wrong = got.findIndex((payload, i) => payload.length !== 1_000 || !payload.every((byte) => byte === i % 251));
    expect(wrong).toBe(-1);
  });

  it("lets no more than a window wait in a client that does not read", async () => {
    const [daemon] = (await start(["solo"])) as [Daemon];
    const [reader, sender] = [await client(daemon, { name: "r" }), await client(daemon, { name: "s" })];
    const group = await reader.join("g", { slow: "drop" });
    const count = 4_000;
    const payload = new Uint8Array(10_000);
    for (let i = 0; i < count; ) {
      if (sender.post("g", payload)) i++;
      else await sender.room();
    }
    await (await sender.send("elsewhere", "behind them all")).delivered;
    const status = await daemon.status();
    const waiting = status.sessions.slowest.find(({ name }) => name === reader.privateGroup);
    expect(waiting?.address).toBe("process");
    expect(waiting?.dropped).toBeGreaterThan(0);
    const events = await messages(group, count);
    const missed = events.reduce((sum, event) => sum + (event.kind === "gap" ? (event.count ?? 0) : 0), 0);
    expect(missed).toBe(waiting?.dropped);
    expect(payloads(events)).toHaveLength(count - missed);
  });

  it("goes on at another daemon when its own stops", async () => {
    const [a, b] = (await start(["a", "b"])) as [Daemon, Daemon];
    const [one, two] = [await client(a, { name: "one" }), await client(b, { name: "two" })];
    const events = one[Symbol.asyncIterator]();
    await one.join("g");
    const others = await two.join("g");
    await a.stop();
    for (;;) {
      const { value, done } = await events.next();
      if (done === true) throw new Error("the connection has ended");
      if (value.kind === "reconnected") {
        expect(value).toMatchObject({ address: b.address, resumed: false });
        break;
      }
    }
    await one.send("g", "from there");
    const [payload] = payloads(await messages(others, 1));
    expect(new TextDecoder().decode(payload)).toBe("from there");
  });

  it("ends with the daemon if it is not to come back", async () => {
    const [daemon] = (await start(["solo"])) as [Daemon];
    const connection = await client(daemon, { name: "one", reconnect: false });
    await daemon.abort();
    expect(await connection.closed).toMatchObject({ code: "DISCONNECTED" });
    await expect(daemon.connect({ name: "two" })).rejects.toMatchObject({ code: "UNREACHABLE" });
  });

  it("lets go of the session when the client closes", async () => {
    const [daemon] = (await start(["solo"])) as [Daemon];
    const connection = await daemon.connect({ name: "one" });
    await connection.send("g", "last");
    await connection.close();
    const again = await client(daemon, { name: "one" });
    expect(again.privateGroup).toBe("#one#solo");
  });
});
