import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { parseSiteConfig, type SiteConfig } from "../../src/daemon/index.ts";
import type { NodeEvent } from "../../src/daemon/node.ts";
import { type Daemon, startDaemon } from "../../src/daemon/start.ts";
import { type Connection, connect } from "../../src/index.ts";
import { decodeMonitorStatus, encodeMonitorRequest, type MonitorRequest } from "../../src/wire/spread/monitor.ts";
import { type Ports, takePorts } from "./ports.ts";
import { until } from "./until.ts";

const NAMES = ["a", "b", "c"];
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

type Site = {
  readonly config: SiteConfig;
  readonly daemons: readonly Daemon[];
  readonly events: NodeEvent[];
};

async function start(settings: string): Promise<Site> {
  const ports: Ports = await takePorts();
  open.push(() => ports[Symbol.dispose]());
  const lines = NAMES.map((name, i) => `${name} 127.0.0.1:${ports.base + 2 * i}`).join("\n");
  const text = `Dissemination = unicast TimeoutProfile = fast ${settings}\nSpread_Segment 127.0.0.255 {\n${lines}\n}`;
  const config = parseSiteConfig(text).site;
  const events: NodeEvent[] = [];
  const daemons: Daemon[] = [];
  for (const name of NAMES) {
    const daemon = await startDaemon({
      config,
      name,
      thread: false,
      unixSocket: false,
      onEvent: (event) => events.push(event),
    });
    daemons.push(daemon);
    open.push(() => daemon.abort());
  }
  await untilMembers(daemons, NAMES);
  return { config, daemons, events };
}

async function untilMembers(daemons: readonly Daemon[], members: readonly string[]): Promise<void> {
  await until(`the daemons are ${members.join(", ")}`, async () => {
    const statuses = await Promise.all(daemons.map((daemon) => daemon.status()));
    return statuses.every(({ ready, configuration }) => ready && configuration.members.join() === members.join());
  });
}

/** A monitor that runs as daemon `a`. */
class Monitor {
  readonly answers: Buffer[] = [];
  readonly #socket: Socket;
  readonly #config: SiteConfig;

  private constructor(socket: Socket, config: SiteConfig) {
    this.#socket = socket;
    this.#config = config;
    socket.on("message", (bytes) => this.answers.push(bytes));
  }

  static async open(config: SiteConfig): Promise<Monitor> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
    open.push(() => socket.close());
    return new Monitor(socket, config);
  }

  /** Sends to every daemon, twice as spmonitor does. */
  tell(request: Partial<MonitorRequest> & Pick<MonitorRequest, "kind">): void {
    const header = {
      transmitter: this.#config.daemons[0]?.id ?? 0,
      target: this.#config.daemons[0]?.id ?? 0,
      replyPort: this.#socket.address().port,
      configHash: this.#config.spreadHash,
    };
    const bytes = encodeMonitorRequest({ ...header, ...request } as MonitorRequest);
    for (const { port } of [...this.#config.daemons, ...this.#config.daemons])
      this.#socket.send(bytes, port, "127.0.0.1");
  }
}

function places(values: readonly number[], rest: number): Int16Array {
  return Int16Array.from({ length: 128 }, (_, i) => values[i] ?? rest);
}

async function member(daemon: Daemon | undefined, name: string): Promise<Connection> {
  const connection = await connect(daemon?.address ?? "", { name, reconnect: false });
  open.push(() => connection.close());
  return connection;
}

describe("a monitor", () => {
  it("splits the network and heals it, where the file allows that", async () => {
    const { config, daemons, events } = await start("DangerousMonitor = true PrimaryPolicy = all");
    const [a, b, c] = daemons as [Daemon, Daemon, Daemon];
    const monitor = await Monitor.open(config);
    monitor.tell({ kind: "partition", components: places([0, 0, 1], 0) });
    await untilMembers([a, b], ["a", "b"]);
    await untilMembers([c], ["c"]);
    // Every side is primary under this policy.
    for (const daemon of daemons) expect((await daemon.status()).configuration.primary).toBe(true);
    const [change] = (await a.status()).changes;
    expect(change).toMatchObject({ left: ["c"] });
    // Whichever of the two notices first; the other hears of it.
    expect(["tokenLoss", "memberLost"]).toContain(change?.cause.kind);
    expect(change?.outageMs).toBeGreaterThanOrEqual((change?.changeMs ?? 0) + (change?.cause.lateMs ?? 0) - 1);
    monitor.tell({ kind: "partition", components: places([], 0) });
    await untilMembers(daemons, NAMES);
    const told = events.flatMap((event) => (event.kind === "monitor" ? [event.message] : []));
    expect(told.filter((message) => message.includes("cuts off c for 60 s"))).toHaveLength(2);
    expect(told.filter((message) => message.includes("ends its split"))).toHaveLength(3);
  });

  it("ends one daemon", async () => {
    const { config, daemons } = await start("DangerousMonitor = true");
    const [a, b, c] = daemons as [Daemon, Daemon, Daemon];
    const monitor = await Monitor.open(config);
    monitor.tell({ kind: "partition", components: places([0, 0, -1], 0) });
    await c.closed;
    await untilMembers([a, b], ["a", "b"]);
  });

  it("sets the windows of the running ring, and the normal ring", async () => {
    const { config, daemons } = await start("DangerousMonitor = true");
    const monitor = await Monitor.open(config);
    const [a] = daemons as [Daemon, Daemon, Daemon];
    expect((await a.status()).ring).toMatchObject({ strategy: "accelerated", acceleratedPackets: 15 });
    monitor.tell({ kind: "flowControl", personal: places([3, 4, 5, 20], -1), accelerated: places([0, 0, 0], -1) });
    const rings = async () => Promise.all(daemons.map(async (daemon) => (await daemon.status()).ring));
    await until("the windows change", async () => (await rings()).every(({ windowPackets }) => windowPackets === 20));
    // Less than a third of the window: otherwise who has to share it shows less.
    expect(await rings()).toMatchObject([
      { personalWindowPackets: 3, strategy: "original", acceleratedPackets: 0 },
      { personalWindowPackets: 4 },
      { personalWindowPackets: 5 },
    ]);
    // It still carries what is sent, and keeps within the bound.
    const ann = await member(a, "ann");
    const group = await ann.join("room");
    const receipts = await Promise.all(Array.from({ length: 200 }, () => group.send(new Uint8Array(1_000))));
    await Promise.all(receipts.map(({ delivered }) => delivered));
    expect((await a.status()).ring.windowPackets).toBeLessThanOrEqual(20);
    // What is not named stays.
    monitor.tell({ kind: "flowControl", personal: places([], -1), accelerated: places([15, 15, 15], -1) });
    await until("the strategy changes", async () =>
      (await rings()).every(({ strategy }) => strategy === "accelerated"),
    );
    for (const { windowPackets } of await rings()) expect(windowPackets).toBeLessThanOrEqual(20);
  });

  it("is told in the log what is not allowed and what is not supported", async () => {
    const { config, daemons, events } = await start("");
    const monitor = await Monitor.open(config);
    monitor.tell({ kind: "partition", components: places([0, 0, 1], 0) });
    monitor.tell({ kind: "flowControl", personal: places([1, 1, 1, 1], -1), accelerated: places([], -1) });
    monitor.tell({ kind: "reload" });
    const told = () =>
      events.flatMap((event) => (event.kind === "monitor" ? [`${event.request}: ${event.message}`] : []));
    await until("all three daemons say so of all three", () => told().length === 9);
    expect(told().toSorted()).toEqual(
      [
        "ignored: a monitor asked for a split; DangerousMonitor is not set",
        "ignored: a monitor asked for other windows; DangerousMonitor is not set",
        "reload: a monitor at 127.0.0.1 asks to read the configuration again: use amalgam reload as the user whom a daemon runs as; it does that for all daemons at once",
      ].flatMap((line) => [line, line, line]),
    );
    await untilMembers(daemons, NAMES);
    expect((await daemons[0]?.status())?.ring.windowPackets).toBeGreaterThan(1);
  });

  it("gets a status of every daemon while messages flow", async () => {
    const { config, daemons } = await start("");
    const monitor = await Monitor.open(config);
    const ann = await member(daemons[0], "ann");
    const group = await ann.join("room");
    let isDone = false;
    const load = (async () => {
      while (!isDone) await Promise.all(Array.from({ length: 50 }, () => group.send(new Uint8Array(500))));
    })();
    for (let i = 1; i <= 20; i++) {
      monitor.tell({ kind: "status" });
      await until("six answers", () => monitor.answers.length === 6 * i);
    }
    isDone = true;
    await load;
    const statuses = monitor.answers.map((bytes) => decodeMonitorStatus(bytes)?.status);
    expect(new Set(statuses.map((status) => status?.myId))).toEqual(new Set(config.daemons.map(({ id }) => id)));
    const delivered = statuses.filter((status) => status?.myId === config.daemons[0]?.id);
    expect(delivered.at(-1)?.messagesDelivered).toBeGreaterThan(delivered[0]?.messagesDelivered ?? 0);
    expect(delivered.at(-1)).toMatchObject({ state: 1, groupsState: 1, daemons: 3, sessions: 1, groups: 1 });
  });
});
