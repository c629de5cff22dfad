/*
 * What a daemon keeps in memory, in bytes: for an idle session, an empty name of a group, a membership, a message that waits for a
 * client; and whether that stays within its bounds when clients read nothing. One daemon without sockets, in a time of its own.
 *
 * Options: --sessions=900 --groups=10000
 */
import { localConfig } from "../src/daemon/config/index.ts";
import { DaemonNode } from "../src/daemon/node.ts";
import type { Channel } from "../src/machine/network.ts";
import { DEFAULT_SESSION_OPTIONS } from "../src/session/options.ts";
import { NATIVE_VERSION, PREFACE, TICKET_BYTES } from "../src/wire/native/envelope.ts";
import { encodeNative } from "../src/wire/native/messages.ts";
import { TypeBit } from "../src/wire/spread/codes.ts";
import { encodeFrame } from "../src/wire/spread/frame.ts";
import { option } from "./options.ts";
import { figure, printTable, saveResults } from "./report.ts";

const START_MS = 60_000;
const SETTLE_MS = 50;
const NOTHING = new Uint8Array(0);
const MEGABYTE = 1024 * 1024;

/** A daemon that is alone; what it writes to its clients is counted and forgotten. */
class Daemon {
  readonly #node: DaemonNode;
  readonly #datagrams: { channel: Channel; bytes: Uint8Array }[] = [];
  readonly #numbers: number[] = [];
  #now = 0;
  #randoms = 0;
  ended = 0;

  constructor() {
    const site = localConfig({ name: "localhost" });
    const [self] = site.daemons;
    if (self === undefined) throw new Error("a local site has one daemon");
    this.#node = new DaemonNode(
      {
        site,
        self,
        incarnation: 1,
        clockOriginMs: 1_700_000_000_000,
        receiveBufferBytes: 8 * MEGABYTE,
        access: [],
        dissemination: () => "unicast",
        version: "bench",
        pid: undefined,
      },
      {
        unicast: (to, channel, bytes) => {
          if (to === self.id) this.#datagrams.push({ channel, bytes });
        },
        multicast: () => {},
        write: () => true,
        close: () => this.ended++,
        pauseReading: () => {},
        resumeReading: () => {},
        verifyPassword: () => {},
        persist: () => {},
        randomBytes: (count) => {
          const bytes = new Uint8Array(count);
          new DataView(bytes.buffer).setUint32(0, ++this.#randoms);
          return bytes;
        },
        report: () => {},
      },
      0,
    );
    this.advance(START_MS);
  }

  /** A client, by its number from 1 on. */
  connect(): number {
    const client = this.#numbers.push(0);
    this.#node.connected(client, { kind: "unix" }, this.#now);
    const hello = encodeNative({
      kind: "hello",
      version: NATIVE_VERSION,
      membership: false,
      priority: 0,
      user: `c${client}`,
      ticket: new Uint8Array(TICKET_BYTES),
      lastDelivered: 0,
      method: "NULL",
      credentials: NOTHING,
    });
    const bytes = new Uint8Array(PREFACE.length + hello.length);
    bytes.set(PREFACE);
    bytes.set(hello, PREFACE.length);
    this.#node.received(client, bytes, this.#now);
    this.advance(SETTLE_MS);
    return client;
  }

  join(client: number, group: string): void {
    this.#send(client, TypeBit.join, group, NOTHING);
  }

  multicast(client: number, group: string, payload: Uint8Array): void {
    this.#send(client, TypeBit.agreed, group, payload);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      this.#node.endTurn(this.#now);
      const datagram = this.#datagrams.shift();
      if (datagram !== undefined) this.#node.receive(datagram.channel, datagram.bytes, this.#now);
      else if (this.#node.deadline > end) break;
      else {
        this.#now = Math.max(this.#now, this.#node.deadline);
        this.#node.tick(this.#now);
      }
    }
    this.#now = end;
  }

  #send(client: number, type: number, group: string, payload: Uint8Array): void {
    const number = (this.#numbers[client - 1] as number) + 1;
    this.#numbers[client - 1] = number;
    const frame = encodeFrame(type, `#c${client}#localhost`, [group], 0, payload);
    this.#node.received(client, encodeNative({ kind: "send", number, frame }), this.#now);
  }
}

/** Bytes in use when all garbage is gone. */
function used(): number {
  if (global.gc === undefined) throw new Error("run this with node --expose-gc");
  global.gc();
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What a step adds, per unit. */
function added(units: number, step: () => void): number {
  const before = used();
  step();
  return (used() - before) / units;
}

const sessions = Number(option("sessions", "900"));
const groups = Number(option("groups", "10000"));
const rows: string[][] = [];
const results: Record<string, number> = {};
const note = (what: string, bytes: number, bound: string): void => {
  results[what] = Math.round(bytes);
  rows.push([what, figure(bytes), bound]);
};

// Everything once, so that what is made only once does not count.
const first = new Daemon();
first.join(first.connect(), "warm");
first.advance(1_000);

const daemon = new Daemon();
note(
  "idle session",
  added(sessions, () => {
    for (let i = 0; i < sessions; i++) daemon.connect();
  }),
  `${DEFAULT_SESSION_OPTIONS.sessionsMax} sessions`,
);
note(
  "group with its first member",
  added(groups, () => {
    for (let i = 0; i < groups; i++) {
      daemon.join(1 + (i % sessions), `group${i}`);
      if (i % 100 === 0) daemon.advance(SETTLE_MS);
    }
    daemon.advance(1_000);
  }),
  "",
);
note(
  "further membership",
  added(9 * groups, () => {
    for (let i = 0; i < 9 * groups; i++) {
      daemon.join(1 + ((i + Math.floor(i / groups) + 1) % sessions), `group${i % groups}`);
      if (i % 100 === 0) daemon.advance(SETTLE_MS);
    }
    daemon.advance(1_000);
  }),
  "",
);

for (const payloadBytes of [100, 1_000, 10_000]) {
  const one = new Daemon();
  const reader = one.connect();
  const writer = one.connect();
  one.join(reader, "slow");
  one.advance(SETTLE_MS);
  const messages = Math.floor((2 * MEGABYTE) / payloadBytes);
  const payload = new Uint8Array(payloadBytes);
  const each = added(messages, () => {
    for (let i = 0; i < messages; i++) {
      one.multicast(writer, "slow", payload);
      if (i % 20 === 0) one.advance(1);
    }
    one.advance(1_000);
  });
  note(`message of ${payloadBytes} B that waits, besides its payload`, each - payloadBytes, "");
}

for (const readers of [1, 10]) {
  const one = new Daemon();
  const slow = Array.from({ length: readers }, () => one.connect());
  const writer = one.connect();
  for (const reader of slow) one.join(reader, "slow");
  one.advance(SETTLE_MS);
  const payload = new Uint8Array(1_000);
  let most = 0;
  const before = used();
  for (let i = 0; i < 200_000; i++) {
    one.multicast(writer, "slow", payload);
    if (i % 20 === 0) one.advance(1);
    if (i % 10_000 === 0) most = Math.max(most, used() - before);
  }
  // Waiting deliveries up to their bound for each, and what is kept of those that were written, in all.
  const bound = readers * DEFAULT_SESSION_OPTIONS.queueBytesMax + DEFAULT_SESSION_OPTIONS.retentionTotalBytesMax;
  note(`200 MB to ${readers} who read nothing, at most`, most, `${figure(bound)} (${one.ended} of ${readers} ended)`);
  if (most > bound) throw new Error(`${figure(most)} bytes are kept for ${readers} clients that read nothing`);
}
printTable(["what", "bytes", "bound"], rows);
saveResults("memory", results);
