/*
 * The processor time of a message without any kernel: three daemons and their clients in one process, joined by memory; one client
 * sends, one at each daemon receives, agreed service. What a socket would copy is copied here too. It is steadier than anything
 * with sockets, and what changes of the code are judged by. us per delivered message, of daemons and clients.
 *
 * Options: --sizes=100,1000,10000 --ms=1500 --repetitions=5 --path=offload (or portable)
 */
import type { ByteStream, StreamListener, Transport } from "../src/client/byte-stream.ts";
import { Connection } from "../src/client/connection.ts";
import { loopbackConfig } from "../src/daemon/config/index.ts";
import { DaemonNode } from "../src/daemon/node.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";

const NAMES = ["d1", "d2", "d3"];
const CHUNK_BYTES = 64 * 1024;
/** Messages on the way to their daemon. */
const WINDOW_BYTES = 500_000;
const WARM_UP_MS = 1_500;

/** A stream's bytes in one direction, until the next turn. */
class Pipe {
  #pieces: Uint8Array[] = [];
  length = 0;

  write(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.length += bytes.length;
  }

  /** As reads of a socket bring it. */
  *read(): Generator<Uint8Array> {
    const pieces = this.#pieces;
    this.#pieces = [];
    let left = this.length;
    this.length = 0;
    let chunk = new Uint8Array(Math.min(CHUNK_BYTES, left));
    let used = 0;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(piece.length - at, chunk.length - used);
        chunk.set(count === piece.length ? piece : piece.subarray(at, at + count), used);
        used += count;
        at += count;
        if (used < chunk.length) continue;
        yield chunk;
        left -= used;
        used = 0;
        chunk = new Uint8Array(Math.min(CHUNK_BYTES, left));
      }
    }
  }
}

/** Three daemons, their clients, and all that is between them. */
class Town {
  readonly #nodes: DaemonNode[] = [];
  readonly #packets: Uint8Array[][] = NAMES.map(() => []);
  readonly #tokens: Uint8Array[][] = NAMES.map(() => []);
  /** By daemon, then by connection. */
  readonly #streams: Map<number, { toClient: Pipe; toDaemon: Pipe; listener: StreamListener }>[] = NAMES.map(
    () => new Map(),
  );
  readonly #alarms = new Set<{ at: number; callback: () => void }>();
  #connections = 0;
  daemonMs = 0;
  clientMs = 0;

  constructor(path: "offload" | "portable") {
    const site = loopbackConfig(NAMES);
    const ids = new Map(site.daemons.map(({ id }, i) => [id, i]));
    site.daemons.forEach((self, me) => {
      const to = (index: number, channel: string, bytes: Uint8Array): void => {
        (channel === "token" ? this.#tokens : this.#packets)[index]?.push(bytes);
      };
      this.#nodes.push(
        new DaemonNode(
          {
            site,
            self,
            incarnation: 1,
            clockOriginMs: 1_700_000_000_000,
            receiveBufferBytes: 4 * 1024 * 1024,
            datagrams: () => ({ path, because: "" }),
            access: [],
            dissemination: () => "multicast",
            version: "bench",
            pid: undefined,
          },
          {
            unicast: (id, channel, bytes) => to(ids.get(id) as number, channel, bytes),
            multicast: (_segment, channel, bytes) => {
              for (let i = 0; i < NAMES.length; i++) if (i !== me) to(i, channel, bytes);
            },
            write: (connection, chunks) => {
              const stream = this.#streams[me]?.get(connection);
              for (const chunk of chunks) stream?.toClient.write(chunk);
              return true;
            },
            close: () => {},
            pauseReading: () => {},
            resumeReading: () => {},
            verifyPassword: () => {},
            persist: () => {},
            randomBytes: (count) => new Uint8Array(count).fill(++this.#connections),
            report: () => {},
          },
          performance.now(),
        ),
      );
    });
  }

  connect(daemon: number, unacceptedMax = 1): Promise<Connection> {
    const transport: Transport = {
      open: (_address, listener) => this.#open(daemon, listener),
      now: () => performance.now(),
      alarm: (at, callback) => {
        const alarm = { at, callback };
        this.#alarms.add(alarm);
        return () => this.#alarms.delete(alarm);
      },
      random: () => 0.5,
    };
    return Connection.open(transport, `4803@127.0.0.${daemon + 1}`, { unacceptedMax });
  }

  /** One turn of everybody. */
  turn(): void {
    const begin = performance.now();
    this.#nodes.forEach((node, i) => this.#turnOf(node, i));
    const middle = performance.now();
    for (const alarm of this.#alarms) {
      if (alarm.at > middle) continue;
      this.#alarms.delete(alarm);
      alarm.callback();
    }
    for (const streams of this.#streams) {
      for (const { toClient, listener } of streams.values()) {
        if (toClient.length > 0) for (const chunk of toClient.read()) listener.data(chunk);
      }
    }
    this.daemonMs += middle - begin;
    this.clientMs += performance.now() - middle;
  }

  #turnOf(node: DaemonNode, i: number): void {
    const now = performance.now();
    const packets = (this.#packets[i] as Uint8Array[]).splice(0);
    const run = new Pipe();
    for (const packet of packets) run.write(packet);
    // As they come from the kernel: runs in one buffer.
    let at = 0;
    let chunks: Uint8Array[] = [];
    let chunk: Uint8Array = new Uint8Array(0);
    for (const packet of packets) {
      if (at + packet.length > chunk.length) {
        chunk = new Uint8Array(CHUNK_BYTES);
        at = 0;
      }
      chunk.set(packet, at);
      chunks.push(chunk.subarray(at, at + packet.length));
      at += packet.length;
    }
    for (const bytes of chunks) node.receive("data", bytes, now);
    chunks = [];
    for (const token of (this.#tokens[i] as Uint8Array[]).splice(0)) node.receive("token", token.slice(), now);
    if (node.deadline <= now) node.tick(now);
    for (const [connection, { toDaemon }] of this.#streams[i] as Map<number, { toDaemon: Pipe }>) {
      if (toDaemon.length > 0) for (const bytes of toDaemon.read()) node.received(connection, bytes, now);
    }
    if (node.deadline <= now) node.tick(now);
    node.endTurn(now);
  }

  #open(daemon: number, listener: StreamListener): ByteStream {
    const connection = ++this.#connections;
    const stream = { toClient: new Pipe(), toDaemon: new Pipe(), listener };
    this.#streams[daemon]?.set(connection, stream);
    setImmediate(() => {
      this.#nodes[daemon]?.connected(connection, { kind: "unix" }, performance.now());
      listener.opened();
    });
    return {
      write: (bytes) => {
        stream.toDaemon.write(bytes);
        return true;
      },
      pause: () => {},
      resume: () => {},
      end: () => {},
      destroy: () => {},
    };
  }
}

type Run = { readonly total: number; readonly daemon: number; readonly client: number };

async function measure(payloadBytes: number, ms: number, path: "offload" | "portable"): Promise<Run> {
  const town = new Town(path);
  let running = true;
  const turns = (async () => {
    while (running) {
      town.turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const received = [0, 0, 0];
  const receivers = await Promise.all(NAMES.map((_, i) => town.connect(i)));
  receivers.forEach((receiver, i) => {
    void (async () => {
      for await (const events of receiver.batches()) {
        for (const event of events) if (event.kind === "message") received[i] = (received[i] as number) + 1;
      }
    })();
  });
  await Promise.all(receivers.map((receiver) => receiver.join("bench")));
  const window = Math.max(20, Math.round(WINDOW_BYTES / (payloadBytes + 150)));
  const sender = await town.connect(0, window);
  const payload = new Uint8Array(payloadBytes).fill(0x61);
  void (async () => {
    while (running) {
      while (sender.post("bench", payload, { service: "agreed" }));
      await sender.room();
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const count = (): number => received.reduce((sum, one) => sum + one, 0);
  const before = { cpu: process.cpuUsage(), messages: count(), daemonMs: town.daemonMs, clientMs: town.clientMs };
  await new Promise((resolve) => setTimeout(resolve, ms));
  const cpu = process.cpuUsage(before.cpu);
  const messages = count() - before.messages;
  const daemonMs = town.daemonMs - before.daemonMs;
  const clientMs = town.clientMs - before.clientMs;
  running = false;
  await turns;
  const total = (cpu.user + cpu.system) / messages;
  // What the loop spends between turns belongs to the clients: their promises run there.
  const share = daemonMs / ms;
  void clientMs;
  return { total, daemon: total * share, client: total * (1 - share) };
}

const sizes = option("sizes", "100,1000,10000").split(",").map(Number);
const repetitions = Number(option("repetitions", "5"));
const ms = Number(option("ms", "1500"));
const path = option("path", "offload") === "portable" ? "portable" : "offload";
const rows: string[][] = [];
const results: unknown[] = [];
for (const payloadBytes of sizes) {
  const runs: Run[] = [];
  for (let i = 0; i < repetitions; i++) runs.push(await measure(payloadBytes, ms, path));
  const of = (value: (run: Run) => number): string => figure(median(runs.map(value)));
  rows.push([
    `${payloadBytes}`,
    of(({ total }) => total),
    of(({ daemon }) => daemon),
    of(({ client }) => client),
    runs.map(({ total }) => figure(total)).join(" "),
  ]);
  results.push({ payloadBytes, runs });
}
printTable(["bytes", "us/delivery", "daemons", "clients", "repetitions"], rows);
saveResults("hot-path", { path, results });
process.exit(0);
