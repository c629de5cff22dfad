/*
 * The session layer alone in one process: chunks as they come from a socket, through parsing, submission, delivery and the
 * one write of a turn. Neither sockets nor ring: what is left of a core here is what they may use.
 *
 *     node --import tsx bench/session.bench.ts
 */
import { bench, do_not_optimize, run } from "mitata";
import type { SessionsKnowledge, SessionsOutbox } from "../src/session/outbox.ts";
import type { OrderedTransport, Submission } from "../src/session/ordered.ts";
import { Sessions } from "../src/session/sessions.ts";
import { getU64, setU64 } from "../src/wire/bytes.ts";
import { PREFACE } from "../src/wire/native/envelope.ts";
import { encodeNative } from "../src/wire/native/messages.ts";
import { TypeBit } from "../src/wire/spread/codes.ts";
import { encodeFrame } from "../src/wire/spread/frame.ts";
import { encodeChoice, encodeHello } from "../src/wire/spread/handshake.ts";

const CHUNK_BYTES = 64 * 1024;

/** A daemon whose every client is in the one group, and whose sockets take everything. */
class Loopback implements SessionsOutbox, SessionsKnowledge, OrderedTransport {
  readonly sessions = new Sessions({ daemon: "bench", queueMessagesMax: 1_000 }, this, this, this);

  isCongested(): boolean {
    return false;
  }

  queuedBytesOf(): number {
    return 0;
  }
  pending: Submission[] = [];
  members: number[] = [];
  written = 0;

  write(_connection: number, chunks: readonly Uint8Array[]): boolean {
    this.written += chunks.length;
    do_not_optimize(chunks);
    return true;
  }
  close(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
  attach(session: { number: number }): void {
    this.members.push(session.number);
  }
  interrupted(): void {}
  resumed(): void {}
  detach(): void {}
  nodeStatistics(): void {}
  verifyPassword(): void {}
  holdGroup(): void {}
  releaseGroup(): void {}
  report(): void {}
  hasScalable(): boolean {
    return false;
  }
  nodeOptionsOf(): undefined {
    return undefined;
  }
  isMember(): boolean {
    return false;
  }
  policyOf(): "expel" {
    return "expel";
  }
  lastOrdered(): number {
    return 0;
  }
  randomBytes(count: number): Uint8Array {
    return new Uint8Array(count).fill(1);
  }
  daemons(): readonly string[] {
    return [];
  }
  status(): string {
    return "{}";
  }
  submit(submission: Submission): void {
    this.pending.push(submission);
  }

  /** One turn: a chunk in, everything delivered, everything written. */
  turn(chunk: Uint8Array): void {
    this.sessions.received(1, chunk, 0);
    const { pending } = this;
    this.pending = [];
    for (const { session, pieces } of pending) {
      if (pieces.length === 2) this.sessions.ordered(session, getU64(pieces[0] as Uint8Array, 16), false);
      this.sessions.deliver(this.members, pieces[pieces.length - 1] as Uint8Array, undefined);
    }
    this.sessions.endTurn(0);
  }
}

const PEER = { kind: "unix" } as const;

/** Chunks of whole frames, then a chunk's tail of a frame that the next begins with: as sockets have it. */
function stream(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frame.length * Math.ceil((CHUNK_BYTES * 16) / frame.length));
  for (let at = 0; at < bytes.length; at += frame.length) bytes.set(frame, at);
  return bytes;
}

function spread(receivers: number, dataBytes: number): { turns: () => void; frames: number } {
  const daemon = new Loopback();
  for (let n = 1; n <= receivers; n++) {
    daemon.sessions.connected(n, PEER, 0);
    daemon.sessions.received(n, encodeHello(`c${n}`, false, 0), 0);
    daemon.sessions.received(n, encodeChoice(["NULL"]), 0);
  }
  const frame = encodeFrame(TypeBit.agreed, "#c1#bench", ["group"], 0, new Uint8Array(dataBytes));
  const bytes = stream(frame);
  const turns = (): void => {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) daemon.turn(bytes.slice(at, at + CHUNK_BYTES));
  };
  const frames = bytes.length / frame.length;
  check(daemon, turns, frames * receivers);
  return { turns, frames };
}

function native(dataBytes: number): { turns: () => void; frames: number } {
  const daemon = new Loopback();
  const hello = encodeNative({
    kind: "hello",
    version: 1,
    membership: false,
    priority: 0,
    user: "nat",
    ticket: new Uint8Array(24),
    lastDelivered: 0,
    method: "NULL",
    credentials: new Uint8Array(0),
  });
  daemon.sessions.connected(1, PEER, 0);
  daemon.sessions.received(1, PREFACE.slice(), 0);
  daemon.sessions.received(1, hello, 0);
  const frame = encodeFrame(TypeBit.agreed, "", ["group"], 0, new Uint8Array(dataBytes));
  const send = encodeNative({ kind: "send", number: 1, frame });
  const bytes = stream(send);
  const frames = bytes.length / send.length;
  let number = 0;
  const turns = (): void => {
    for (let at = 8; at < bytes.length; at += send.length) setU64(bytes, at, ++number);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) daemon.turn(bytes.slice(at, at + CHUNK_BYTES));
    daemon.sessions.received(1, encodeNative({ kind: "ack", deliveryNumber: number }), 0);
  };
  // Head, frame and DELIVERED each, and one ACCEPTED a turn.
  check(daemon, turns, frames * 3 + Math.ceil(bytes.length / CHUNK_BYTES));
  return { turns, frames };
}

/** Every frame comes out again: a session that had been ended would be fast. */
function check(daemon: Loopback, turns: () => void, writes: number): void {
  const before = daemon.written;
  turns();
  if (daemon.written - before !== writes)
    throw new Error(`${daemon.written - before} of ${writes} chunks were written`);
}

const cases = [
  { name: "spread, 1000 bytes, to itself", ...spread(1, 1_000) },
  { name: "spread, 1000 bytes, to 10 clients", ...spread(10, 1_000) },
  { name: "spread, 100 bytes, to itself", ...spread(1, 100) },
  { name: "native, 1000 bytes, to itself", ...native(1_000) },
];
for (const { name, turns } of cases) bench(name, turns);
const { benchmarks } = await run({ format: "quiet" });
for (const [n, { name, frames }] of cases.entries()) {
  const nanoseconds = benchmarks[n]?.runs[0]?.stats?.p50;
  if (nanoseconds === undefined) throw new Error(`${name} was not measured`);
  console.log(`${name.padEnd(36)} ${Math.round((frames * 1e9) / nanoseconds).toLocaleString("en")} frames/s`);
}
