import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FragmentCursor } from "../wire/fragment.ts";
import { PacketFlag } from "../wire/ring-data.ts";
import { Assemblies } from "./assembly.ts";
import type { OutgoingMessage } from "./message.ts";
import { ANNOUNCEMENT, EVERYBODY, NOT_YET, OWN_SITE } from "./interest.ts";
import { type Outlook, Packer, type PacketStamp } from "./packer.ts";

const noDependency: Outlook = {
  dependency: () => ({ lts: 0, site: 0 }),
  prunes: () => false,
  stable: () => 0,
  knowledge: () => 0,
  interest: () => EVERYBODY,
};

/** The stamp of a packet of site 3. */
const stampOf = (seq: number): PacketStamp => ({ seq, lts: 10 * seq, site: 3 });

/** Fills packets until the packer has nothing more; returns the messages in them, as a receiver puts them together. */
function drain(packer: Packer, packetBytes: number, packetsMax = 10_000) {
  const assemblies = new Assemblies();
  const cursor = new FragmentCursor();
  const received: { session: number; bytes: Uint8Array; packet: number; previous: number }[] = [];
  let packet = 0;
  while (!packer.isEmpty && packet < packetsMax) {
    const bytes = new Uint8Array(packetBytes);
    const end = packer.fill(bytes, 0, stampOf(++packet));
    expect(end).toBeGreaterThan(0);
    cursor.open(bytes, 0, end);
    while (cursor.advance()) {
      if (!cursor.isWhole) assemblies.add(1, cursor);
      if (!cursor.isLast) continue;
      const assembled = cursor.isWhole ? undefined : assemblies.take(1, cursor.message);
      const payload =
        assembled === undefined ? cursor.data() : joined([assembled.head, assembled.tail ?? new Uint8Array(0)]);
      const { session, previous } = cursor;
      received.push({ session, bytes: payload, packet, previous });
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
  packer.fill(new Uint8Array(1000), 0, stampOf(1));
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
    packer.fill(packet, 0, stampOf(seq));
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
  packer.fill(new Uint8Array(1_400), 0, stampOf(1));
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
  packer.fill(new Uint8Array(600), 0, stampOf(1));
  expect([packer.filledFlags, packer.isUrgent]).toEqual([7, false]);
  packer.fill(new Uint8Array(600), 0, stampOf(2));
  expect(packer.filledFlags).toBe(0);
});

/** A packer whose messages are for the sites that their first byte says: 0 the own one, 9 all, 8 all but not yet. */
function pruning(outlook: Partial<Outlook> = {}): Packer {
  const interest = ({ pieces }: OutgoingMessage) => {
    const to = pieces[0]?.[0];
    return to === 0 ? OWN_SITE : to === 8 ? NOT_YET : to === 7 ? ANNOUNCEMENT : EVERYBODY;
  };
  return new Packer({ ...noDependency, prunes: () => true, interest, ...outlook });
}

function enqueue(packer: Packer, session: number, to: number, bytes: number, service = 4): void {
  packer.enqueue({ session, priority: 0, service, content: 0, pieces: [Uint8Array.of(to), new Uint8Array(bytes)] });
}

const sitesOf = (packer: Packer): string => ((packer.filledFlags & PacketFlag.local) === 0 ? "all" : "own");

test("messages that go to different sites are in packets of their own", () => {
  const packer = pruning();
  for (const [session, to] of [
    [1, 0],
    [2, 9],
    [3, 0],
  ] as const) {
    enqueue(packer, session, to, 50);
  }
  const filled: string[] = [];
  while (!packer.isEmpty) {
    const end = packer.fill(new Uint8Array(600), 40, stampOf(filled.length + 1));
    filled.push(`${sitesOf(packer)}: ${end - 40}`);
  }
  // Messages of 51 bytes with their heads of 12.
  expect(filled).toEqual(["own: 126", "all: 63"]);
});

test("what there is no room for lets others pass, but keeps its place in its session", () => {
  const packer = pruning();
  enqueue(packer, 1, 9, 50);
  enqueue(packer, 1, 0, 50);
  enqueue(packer, 2, 0, 50);
  const blocked = { packets: 4, packetsMax: 4, isWide: false };
  expect(packer.fill(new Uint8Array(600), 40, stampOf(1), blocked)).toBe(40 + 63);
  expect(packer.fill(new Uint8Array(600), 40, stampOf(2), blocked)).toBe(40);
  expect(packer.queuedMessages).toBe(2);
});

test("a long message for the own site is stamped at one visit, and one that is too long for that goes to all", () => {
  const packer = pruning();
  enqueue(packer, 1, 0, 2_000);
  enqueue(packer, 2, 0, 20);
  const room = (packets: number) => ({ packets, packetsMax: 5, isWide: true });
  // There is room for the short one alone.
  expect(packer.fill(new Uint8Array(600), 40, stampOf(1), room(2))).toBe(40 + 33);
  const filled: string[] = [];
  for (let left = 5; filled.length < 4; left--) {
    packer.fill(new Uint8Array(600), 40, stampOf(7 - left), room(left));
    filled.push(sitesOf(packer));
    enqueue(packer, 3, 9, 1);
  }
  expect(filled).toEqual(["own", "own", "own", "own"]);
  const other = pruning();
  enqueue(other, 1, 0, 3_000);
  other.fill(new Uint8Array(600), 40, stampOf(1), room(5));
  expect(sitesOf(other)).toBe("all");
});

test("behind a safe message that ends in a packet for the own site no long one begins: what stands for them blocks where the safe one does", () => {
  const room = { packets: 9, packetsMax: 9, isWide: true };
  const endsOf = (to: number): number[] => {
    const packer = pruning();
    enqueue(packer, 1, to, 50, 5);
    enqueue(packer, 1, to, 1_000);
    enqueue(packer, 2, to, 20);
    return [1, 2].map((seq) => packer.fill(new Uint8Array(600), 40, stampOf(seq), room));
  };
  expect(endsOf(0)).toEqual([40 + 63 + 33, 600]);
  expect(endsOf(9)).toEqual([600, 600]);
});

test("a long message for the own site goes to all when the window has become too small for it", () => {
  const packer = pruning();
  enqueue(packer, 1, 0, 2_000);
  const room = (packetsMax: number) => ({ packets: 2, packetsMax, isWide: true });
  expect(packer.fill(new Uint8Array(600), 40, stampOf(1), room(5))).toBe(40);
  expect(packer.fill(new Uint8Array(600), 40, stampOf(1), room(3))).toBeGreaterThan(40);
  expect(sitesOf(packer)).toBe("all");
});

test("a long message for the own site goes to all when others take its room again and again", () => {
  const packer = pruning();
  enqueue(packer, 1, 0, 2_500);
  const room = { packets: 4, packetsMax: 5, isWide: true };
  let packets = 0;
  for (; packets < 20_000 && packer.queuedMessages > 0; packets++) {
    packer.enqueue({
      session: 2,
      priority: 3,
      service: 4,
      content: 0,
      pieces: [Uint8Array.of(0), new Uint8Array(500)],
    });
    packer.fill(new Uint8Array(600), 40, stampOf(packets + 1), room);
    if (sitesOf(packer) === "all") break;
  }
  expect(packets).toBeLessThan(20_000);
  // While there is no room for anybody nothing is taken from it.
  const other = pruning();
  enqueue(other, 1, 0, 2_500);
  for (let i = 1; i < 20_000; i++) other.fill(new Uint8Array(600), 40, stampOf(i), { ...room, packets: 0 });
  expect(other.fill(new Uint8Array(600), 40, stampOf(1), { ...room, packets: 5 })).toBeGreaterThan(40);
  expect(sitesOf(other)).toBe("own");
});

test("what may not be stamped yet holds up its session alone, and nothing is to be sent until it is released", () => {
  let knowledge = 0;
  let isReady = false;
  const packer = pruning({
    knowledge: () => knowledge,
    interest: ({ pieces }) => (pieces[0]?.[0] === 8 && !isReady ? NOT_YET : EVERYBODY),
  });
  enqueue(packer, 1, 9, 10);
  enqueue(packer, 1, 8, 20);
  enqueue(packer, 1, 9, 30);
  enqueue(packer, 2, 8, 40);
  enqueue(packer, 3, 9, 50);
  expect(drain(packer, 600).map(({ bytes }) => bytes.length)).toEqual([11, 51]);
  expect([packer.isEmpty, packer.queuedMessages]).toEqual([true, 3]);
  enqueue(packer, 2, 9, 60);
  expect(packer.isEmpty).toBe(true);
  packer.release();
  expect(packer.isEmpty).toBe(false);
  expect(packer.fill(new Uint8Array(600), 0, stampOf(3))).toBe(0);
  expect(packer.isEmpty).toBe(true);
  knowledge++;
  isReady = true;
  packer.release();
  expect(drain(packer, 600).map(({ bytes }) => bytes.length)).toEqual([21, 31, 41, 61]);
});

test("what waits behind a message that has to wait is looked at meanwhile, so that all wait for the same time", () => {
  const asked: number[] = [];
  const packer = pruning({
    interest: ({ pieces }) => {
      asked.push(pieces[1]?.length ?? 0);
      return NOT_YET;
    },
  });
  for (const bytes of [10, 20, 30]) enqueue(packer, 1, 8, bytes);
  packer.fill(new Uint8Array(600), 0, stampOf(1));
  enqueue(packer, 1, 8, 40);
  expect(asked).toEqual([10, 20, 30, 40]);
});

test("what waits is looked at again in a new configuration, and packets tell of announcements in them", () => {
  let isReady = false;
  const packer = pruning({ interest: () => (isReady ? ANNOUNCEMENT : NOT_YET) });
  enqueue(packer, 1, 7, 10);
  expect(packer.fill(new Uint8Array(600), 0, stampOf(1))).toBe(0);
  isReady = true;
  packer.restart();
  expect(packer.fill(new Uint8Array(600), 0, stampOf(1))).toBeGreaterThan(0);
  expect(packer.filledFlags).toBe(PacketFlag.announces);
});

describe("a FIFO message behind one that was for the own site", () => {
  /** Of the last message of a session that has sent others before it, one in each packet: its service and what it depends on. */
  function lastOf(before: readonly [to: number, service: number][], stable: number, delivered = 0, to = 9): string {
    const packer = pruning({ stable: () => stable, dependency: () => ({ lts: delivered, site: 1 }) });
    const cursor = new FragmentCursor();
    const all = [...before, [to, 2] as const];
    all.forEach(([to, service], i) => {
      enqueue(packer, 1, to, 10, service);
      const bytes = new Uint8Array(600);
      cursor.open(bytes, 0, packer.fill(bytes, 0, stampOf(i + 1)));
      cursor.advance();
    });
    return cursor.service === 3
      ? `causal, after ${cursor.dependencyLts} of ${cursor.dependencySite}`
      : `${cursor.service}`;
  }

  test("waits for what its session has agreed, as others cannot tell whether that was delivered", () => {
    expect(lastOf([[0, 4]], 0)).toBe("causal, after 10 of 3");
    expect(
      lastOf(
        [
          [9, 5],
          [0, 2],
        ],
        0,
      ),
    ).toBe("causal, after 10 of 3");
    expect(
      lastOf(
        [
          [0, 3],
          [0, 2],
        ],
        0,
        7,
      ),
    ).toBe("causal, after 7 of 1");
  });

  test("waits for that alone, and one for the own site as well: others get it in recovery", () => {
    expect(lastOf([[0, 4]], 0, 30)).toBe("causal, after 10 of 3");
    expect(lastOf([[0, 4]], 0, 30, 0)).toBe("causal, after 10 of 3");
    const packer = pruning();
    enqueue(packer, 1, 0, 10);
    packer.fill(new Uint8Array(300), 40, stampOf(1));
    // With the head of a causal one it does not fit into a packet.
    enqueue(packer, 1, 0, 300 - 40 - 12 - 1, 2);
    const room = (packets: number) => ({ packets, packetsMax: 5, isWide: true });
    expect(packer.fill(new Uint8Array(300), 40, stampOf(2), room(1))).toBe(40);
    expect(packer.fill(new Uint8Array(300), 40, stampOf(2), room(2))).toBe(300);
  });

  test("need not, if all hold the other one, if nothing was agreed, or if it was for all as well", () => {
    expect(lastOf([[0, 4]], 10)).toBe("2");
    expect(
      lastOf(
        [
          [0, 2],
          [0, 1],
        ],
        0,
      ),
    ).toBe("2");
    expect(lastOf([[9, 4]], 0)).toBe("2");
  });
});
