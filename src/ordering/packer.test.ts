import fc from "fast-check";
import { expect, test } from "vitest";
import { FragmentCursor } from "../wire/fragment.ts";
import { Assemblies } from "./assembly.ts";
import type { OutgoingMessage } from "./message.ts";
import { Packer } from "./packer.ts";

const noDependency = () => ({ lts: 0, site: 0 });

/** Fills packets until the packer has nothing more; returns the messages in them, as a receiver puts them together. */
function drain(packer: Packer, packetBytes: number, packetsMax = 10_000) {
  const assemblies = new Assemblies();
  const cursor = new FragmentCursor();
  const received: { session: number; bytes: Uint8Array; packet: number; previous: number }[] = [];
  let packet = 0;
  while (!packer.isEmpty && packet < packetsMax) {
    const bytes = new Uint8Array(packetBytes);
    const end = packer.fill(bytes, 0, ++packet);
    expect(end).toBeGreaterThan(0);
    cursor.open(bytes, 0, end);
    while (cursor.advance()) {
      if (!cursor.isWhole) assemblies.add(1, cursor);
      if (!cursor.isLast) continue;
      const payload = cursor.isWhole ? cursor.data() : assemblies.take(1, cursor.message);
      const { session, previous } = cursor;
      received.push({ session, bytes: payload as Uint8Array, packet, previous });
    }
    expect(cursor.next).toBe(end);
  }
  return received;
}

const piece = fc.uint8Array({ maxLength: 900 });
const message: fc.Arbitrary<OutgoingMessage> = fc.record({
  session: fc.integer({ min: 1, max: 4 }),
  priority: fc.constant(0),
  service: fc.constantFrom(1, 2, 3, 4, 5),
  content: fc.constantFrom(0, 1),
  pieces: fc.array(piece, { maxLength: 4 }),
});

const joined = (pieces: readonly Uint8Array[]) => Uint8Array.from(pieces.flatMap((bytes) => [...bytes]));

test("whatever is queued comes out whole, once, and in order per session", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), fc.integer({ min: 150, max: 1500 }), (messages, packetBytes) => {
      const packer = new Packer(noDependency);
      for (const one of messages) packer.enqueue(one);
      const received = drain(packer, packetBytes);
      expect(packer.queuedBytes).toBe(0);
      for (const session of [1, 2, 3, 4]) {
        const sent = messages.filter((one) => one.session === session).map((one) => joined(one.pieces));
        expect(received.filter((one) => one.session === session).map(({ bytes }) => bytes)).toEqual(sent);
      }
    }),
  );
});

test("a message names the packet in which its session's last FIFO-or-stronger message ended", () => {
  const packer = new Packer(noDependency);
  const bytes = new Uint8Array(300);
  for (const service of [2, 1, 4, 2]) packer.enqueue({ session: 1, priority: 0, service, content: 0, pieces: [bytes] });
  const received = drain(packer, 330);
  expect(received.map(({ packet, previous }) => [packet, previous])).toEqual([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 3],
  ]);
});

test("a long message gives way to other sessions packet by packet", () => {
  const packer = new Packer(noDependency);
  packer.enqueue({ session: 1, priority: 0, service: 4, content: 0, pieces: [new Uint8Array(100_000)] });
  packer.enqueue({ session: 2, priority: 0, service: 4, content: 0, pieces: [new Uint8Array(10)] });
  const received = drain(packer, 1000);
  expect(received.map(({ session }) => session)).toEqual([2, 1]);
  expect(received[0]?.packet).toBe(2);
});

test("a greater priority goes first, and a lesser one is not starved", () => {
  const packer = new Packer(noDependency);
  for (let i = 0; i < 100; i++) {
    packer.enqueue({ session: 1, priority: 0, service: 4, content: 0, pieces: [new Uint8Array(900)] });
    packer.enqueue({ session: 2, priority: 5, service: 4, content: 0, pieces: [new Uint8Array(900)] });
  }
  const order = drain(packer, 1000).map(({ session }) => session);
  const firstHalf = order.slice(0, 100).filter((session) => session === 2).length;
  expect(firstHalf).toBeGreaterThan(80);
  expect(firstHalf).toBeLessThan(100);
});

test("while sessions are held only the daemon's own messages pass", () => {
  const packer = new Packer(noDependency);
  packer.enqueue({ session: 1, priority: 15, service: 4, content: 0, pieces: [new Uint8Array(10)] });
  packer.holdSessions(true);
  expect(packer.isEmpty).toBe(true);
  packer.enqueue({ session: 0, priority: 0, service: 4, content: 2, pieces: [new Uint8Array(10)] });
  expect(drain(packer, 1000).map(({ session }) => session)).toEqual([0]);
  packer.holdSessions(false);
  expect(drain(packer, 1000).map(({ session }) => session)).toEqual([1]);
});

test("a message that was stamped in part starts again in a new configuration", () => {
  const packer = new Packer(noDependency);
  const bytes = Uint8Array.from({ length: 2500 }, (_, i) => i % 251);
  packer.enqueue({ session: 1, priority: 0, service: 4, content: 0, pieces: [bytes] });
  packer.fill(new Uint8Array(1000), 0, 1);
  packer.restart();
  expect(drain(packer, 1000).map((one) => one.bytes)).toEqual([bytes]);
});

test("a long message counts little when its session has come to it, so that others are not kept out for its sake", () => {
  const packer = new Packer(noDependency);
  const counted = 64 * 1024;
  const long = (size: number): OutgoingMessage => ({
    session: 1,
    priority: 0,
    service: 4,
    content: 0,
    pieces: [new Uint8Array(size)],
  });
  packer.enqueue(long(1_000_000));
  expect(packer.queuedBytes).toBe(counted);
  packer.enqueue(long(500_000));
  packer.enqueue(long(1_000));
  expect(packer.queuedBytes).toBe(counted + 501_000);
  const packet = new Uint8Array(1_400);
  const counts = new Set<number>();
  for (let seq = 1; !packer.isEmpty; seq++) {
    counts.add(packer.queuedBytes);
    packer.fill(packet, 0, seq);
  }
  expect([...counts]).toEqual([counted + 501_000, counted + 1_000]);
  expect(packer.queuedBytes).toBe(0);
});

test("what waits of one session counts whole until its last byte is stamped", () => {
  const packer = new Packer(noDependency);
  const enqueue = (session: number, length: number): void =>
    packer.enqueue({ session, priority: 0, service: 4, content: 0, pieces: [new Uint8Array(length)] });
  enqueue(1, 200_000);
  enqueue(1, 500);
  enqueue(2, 70);
  expect([1, 2, 3].map((session) => packer.queuedBytesOf(session))).toEqual([200_500, 70, 0]);
  packer.fill(new Uint8Array(1_400), 0, 1);
  expect(packer.queuedBytesOf(1)).toBe(200_500);
  drain(packer, 1_400);
  expect([1, 2].map((session) => packer.queuedBytesOf(session))).toEqual([0, 0]);
});

test("a packet is as urgent as the most urgent session in it", () => {
  const packer = new Packer(noDependency);
  const queue = (session: number, priority: number, bytes: number): void => {
    packer.enqueue({ session, priority, service: 4, content: 0, pieces: [new Uint8Array(bytes)] });
  };
  queue(1, 0, 400);
  queue(1, 0, 400);
  expect(packer.isUrgent).toBe(false);
  queue(2, 7, 100);
  expect(packer.isUrgent).toBe(true);
  packer.holdSessions(true);
  expect(packer.isUrgent).toBe(false);
  packer.holdSessions(false);
  packer.fill(new Uint8Array(600), 0, 1);
  expect([packer.filledPriority, packer.isUrgent]).toEqual([7, false]);
  packer.fill(new Uint8Array(600), 0, 2);
  expect(packer.filledPriority).toBe(0);
});
