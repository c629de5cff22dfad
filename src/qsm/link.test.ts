import fc from "fast-check";
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { NEVER } from "../machine/machine.ts";
import { kindOf, NodeKind } from "../wire/region/head.ts";
import { decodeLinkData } from "../wire/region/link.ts";
import { type LinkConfig, linkDefaults, Links } from "./link.ts";

type Faults = {
  /** Share of datagrams that are lost, and that come twice. */
  readonly loss: number;
  readonly duplication: number;
  /** One way; each datagram takes its own time between them, so that they overtake each other. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
};

const FAST: Faults = { loss: 0, duplication: 0, latencyMinMs: 0.5, latencyMaxMs: 0.5 };

type Flight = { readonly at: number; readonly to: number; readonly datagram: Uint8Array };
type Delivery = { readonly at: number; readonly to: number; readonly message: Uint8Array };

/** Two nodes, 1 and 2, and a network between them. A node flushes once after all that came at a time. */
class Pair {
  readonly nodes: ReadonlyMap<number, Links>;
  readonly delivered: Delivery[] = [];
  /** Whether a datagram is to be dropped, whatever the chance. */
  drop: (datagram: Uint8Array, to: number) => boolean = () => false;
  sentDatagrams = 0;
  now = 0;
  faults: Faults;
  readonly #random: Random;
  #flights: Flight[] = [];

  constructor(faults: Faults, seed = 1, config: Partial<LinkConfig> = {}) {
    this.faults = faults;
    this.#random = new Random(seed);
    const links = (me: number) =>
      new Links(
        { ...linkDefaults, ...config, me, cluster: 7 },
        { transmit: (to, datagram) => this.#transmit(to, datagram) },
      );
    this.nodes = new Map([1, 2].map((me) => [me, links(me)]));
  }

  node(id: number): Links {
    return this.nodes.get(id) as Links;
  }

  /** Until this time, or until nothing is left to do. Returns false if it took longer. */
  run(until: number): boolean {
    for (;;) {
      const deadlines = [...this.nodes.values()].map((links) => links.deadline);
      const next = Math.max(this.now, Math.min(...deadlines, ...this.#flights.map(({ at }) => at)));
      if (next === NEVER) return true;
      if (next > until) return false;
      this.now = next;
      const due = this.#flights.filter(({ at }) => at <= next);
      this.#flights = this.#flights.filter(({ at }) => at > next);
      for (const { to, datagram } of due) {
        const message = this.node(to).receive(datagram, next);
        if (message !== undefined) this.delivered.push({ at: next, to, message });
      }
      for (const links of this.nodes.values()) links.flush(next);
    }
  }

  #transmit(to: number, datagram: Uint8Array): void {
    expect(datagram.length).toBeLessThanOrEqual(linkDefaults.datagramBytes);
    this.sentDatagrams += 1;
    const { loss, duplication, latencyMinMs, latencyMaxMs } = this.faults;
    const copies = this.#random.chance(duplication) ? 2 : 1;
    if (this.drop(datagram, to)) return;
    for (let i = 0; i < copies; i++) {
      if (this.#random.chance(loss)) continue;
      const at = this.now + latencyMinMs + this.#random.unit() * (latencyMaxMs - latencyMinMs);
      this.#flights.push({ at, to, datagram });
    }
  }
}

/** Bytes that are the same only for the same number and length. */
function content(number: number, length: number): Uint8Array {
  const random = new Random(number * 0x1_0000 + length);
  return Uint8Array.from({ length }, () => random.uint32() & 0xff);
}

const faults = fc.record({
  loss: fc.constantFrom(0, 0.01, 0.1, 0.4),
  duplication: fc.constantFrom(0, 0.2),
  latencyMinMs: fc.constantFrom(0, 0.2, 20),
  latencyMaxMs: fc.constantFrom(20, 60),
});
const messages = fc.array(
  fc.record({
    from: fc.constantFrom(1, 2),
    afterMs: fc.integer({ min: 0, max: 30 }),
    length: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: 4_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 50_000, max: 200_000 }) },
    ),
    isLate: fc.boolean(),
  }),
  { minLength: 1, maxLength: 25 },
);

test("every message is delivered whole and once, with loss up to 40 %, repetition and reordering", () => {
  fc.assert(
    fc.property(fc.nat(), faults, messages, (seed, mix, sent) => {
      const pair = new Pair(mix, seed);
      const expected: string[] = [];
      let now = 0;
      for (const [i, { from, afterMs, length, isLate }] of sent.entries()) {
        now += afterMs;
        pair.run(now);
        pair.now = now;
        const bytes = content(i, length);
        const to = 3 - from;
        expect(pair.node(from).send(to, isLate ? () => bytes : bytes)).toBe(true);
        expected.push(`${to} ${Buffer.from(bytes).toString("base64")}`);
      }
      expect(pair.run(now + 60_000)).toBe(true);
      const delivered = pair.delivered.map(({ to, message }) => `${to} ${Buffer.from(message).toString("base64")}`);
      expect(delivered.sort()).toEqual(expected.sort());
      for (const [id, links] of pair.nodes) {
        expect(links.unacknowledgedBytes(3 - id)).toBe(0);
        expect(links.deadline).toBe(NEVER);
      }
    }),
    { numRuns: 60 },
  );
});

test("a message of 1 MB comes through 40 % loss within two seconds", () => {
  const pair = new Pair({ loss: 0.4, duplication: 0, latencyMinMs: 0.2, latencyMaxMs: 0.6 }, 3);
  const bytes = content(1, 1024 * 1024);
  pair.node(1).send(2, bytes);
  expect(pair.run(2_000)).toBe(true);
  expect(Buffer.compare(pair.delivered[0]?.message as Uint8Array, bytes)).toBe(0);
});

/** A pair that knows its round trip of 1 ms. */
function acquainted(): Pair {
  const pair = new Pair(FAST);
  for (let i = 0; i < 30; i++) {
    pair.node(1).send(2, content(i, 100));
    pair.run(pair.now + 10);
  }
  pair.delivered.length = 0;
  return pair;
}

test("a lost datagram is sent again after the round trip and a little, and nothing waits for it", () => {
  const pair = acquainted();
  const start = pair.now;
  let lost = 0;
  pair.drop = (_, to) => to === 2 && lost++ === 0;
  pair.node(1).send(2, content(1, 500));
  pair.node(1).send(2, content(2, 500));
  pair.run(start + 100);
  expect(pair.delivered.map(({ message, at }) => [message[0] === content(2, 500)[0], at - start <= 0.5])).toEqual([
    [true, true],
    [false, false],
  ]);
  expect((pair.delivered[1]?.at as number) - start).toBeLessThanOrEqual(3.5);
});

test("a small message does not wait for a large one before it", () => {
  const pair = acquainted();
  const start = pair.now;
  pair.node(1).send(2, content(1, 1024 * 1024));
  pair.node(1).send(2, content(2, 300));
  pair.run(start + 1_000);
  expect(pair.delivered.map(({ message }) => message.length)).toEqual([300, 1024 * 1024]);
  expect((pair.delivered[0]?.at as number) - start).toBeLessThanOrEqual(0.5);
});

test("the wait adapts to a long and constant round trip: in the end nothing is sent twice", () => {
  const pair = new Pair({ ...FAST, latencyMinMs: 40, latencyMaxMs: 40 });
  const repeated: number[] = [];
  for (let i = 0; i < 20; i++) {
    pair.node(1).send(2, content(i, 10_000));
    pair.run(pair.now + 1_000);
    repeated.push(pair.node(1).statistics.piecesRepeated);
  }
  expect(repeated[0]).toBeGreaterThan(0);
  expect(repeated.at(-1)).toBe(repeated[3]);
});

test("what comes at one time is acknowledged together", () => {
  const pair = acquainted();
  const before = pair.node(2).statistics.acksSent;
  for (let i = 0; i < 10; i++) pair.node(1).send(2, content(i, 3_000));
  pair.run(pair.now + 100);
  expect(pair.delivered).toHaveLength(10);
  expect(pair.node(2).statistics.acksSent - before).toBe(1);
  expect(pair.node(1).statistics.piecesRepeated).toBe(0);
});

test("with a silent node, memory and datagrams stay bounded, and what is too much is refused", () => {
  const pair = new Pair({ ...FAST, loss: 1 });
  const links = pair.node(1);
  const large = content(0, 1024 * 1024);
  const accepted = Array.from({ length: 10 }, () => links.send(2, large));
  expect(accepted.filter(Boolean)).toHaveLength(4);
  let made = 0;
  const maker = () => {
    made += 1;
    return large;
  };
  let late = 0;
  while (links.send(2, maker)) late += 1;
  expect(late).toBe(linkDefaults.messagesMax - 4);
  links.flush(0);
  expect(made).toBe(1);
  expect(links.unacknowledgedBytes(2)).toBeLessThanOrEqual(linkDefaults.peerBytesMax + linkDefaults.messageBytesMax);
  // At most the window and the first datagrams of five messages, not twice a second once the wait has grown; and one that asks ten times a second.
  pair.run(10_000);
  const before = pair.sentDatagrams;
  pair.run(20_000);
  expect((pair.sentDatagrams - before) / 10).toBeLessThanOrEqual(2.2 * ((64 * 1024) / 1300 + 5) + 10);

  links.forget(2);
  expect(links.deadline).toBe(NEVER);
  expect(links.unacknowledgedBytes(2)).toBe(0);
});

test("however long a silence was, it costs no more than a tenth of a second when it has ended", () => {
  const pair = new Pair({ ...FAST, loss: 1 });
  for (let i = 0; i < 20; i++) pair.node(1).send(2, content(i, 500));
  pair.run(5_000);
  pair.faults = FAST;
  expect(pair.run(5_000 + 110)).toBe(true);
  expect(pair.delivered).toHaveLength(20);
});

test("the receiver of pieces that are never completed keeps no more than its limits", () => {
  const pair = new Pair(FAST, 1, { peerBytesMax: 200_000, messageBytesMax: 100_000 });
  // A sender with wider limits, which never gets anything through but the beginnings.
  const wide = new Pair(FAST);
  const beginnings: Uint8Array[] = [];
  wide.drop = (datagram) => decodeLinkData(datagram)?.offset === 0 && beginnings.push(datagram) > 0;
  for (let i = 0; i < 40; i++) wide.node(1).send(2, content(i, 90_000));
  wide.node(1).flush(0);
  for (const datagram of beginnings) expect(pair.node(2).receive(datagram, 0)).toBeUndefined();
  // 300,000 bytes are three messages.
  expect(pair.node(2).statistics.refused).toBe(beginnings.length - 3);
});

test("a late message is made when it leaves, and may have nothing to say any more", () => {
  const pair = acquainted();
  let state = "early";
  pair.node(1).send(2, () => new TextEncoder().encode(state));
  pair.node(1).send(2, () => undefined);
  state = "fresh";
  pair.run(pair.now + 100);
  expect(pair.delivered.map(({ message }) => new TextDecoder().decode(message))).toEqual(["fresh"]);
  expect(pair.node(1).deadline).toBe(NEVER);
});

test("a sender that was frozen before it read the acknowledgement repeats, and is heard once", () => {
  const pair = acquainted();
  const acks: Uint8Array[] = [];
  pair.drop = (datagram, to) => to === 1 && kindOf(datagram) === NodeKind.linkAck && acks.push(datagram) > 0;
  pair.node(1).send(2, content(1, 100));
  pair.run(pair.now + 1);
  // Thawed after a day: timers first, then the socket.
  pair.now += 24 * 3_600_000;
  pair.run(pair.now + 2);
  expect(pair.node(2).statistics.duplicates).toBeGreaterThan(0);
  for (const ack of acks) pair.node(1).receive(ack, pair.now);
  expect(pair.run(pair.now + 100)).toBe(true);
  expect(pair.delivered).toHaveLength(1);
});

test("messages for an earlier life of the node are not delivered", () => {
  const pair = new Pair(FAST);
  const datagrams: Uint8Array[] = [];
  pair.drop = (datagram) => datagrams.push(datagram) > 0;
  pair.node(1).send(3, content(1, 100));
  pair.node(1).flush(0);
  expect(pair.node(2).receive(datagrams[0] as Uint8Array, 0)).toBeUndefined();
  expect(pair.node(2).statistics.refused).toBe(1);
  expect(pair.node(2).deadline).toBe(NEVER);
});

test("damaged datagrams never throw and never complete a message that was not sent", () => {
  const source = new Pair(FAST);
  const originals: Uint8Array[] = [];
  source.drop = (datagram) => originals.push(datagram) > 0;
  source.node(1).send(2, content(1, 3_000));
  source.node(1).flush(0);
  const damage = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), damage), { maxLength: 12 }), (sent) => {
      const pair = new Pair(FAST);
      pair.node(2).send(1, content(1, 10));
      pair.node(2).flush(0);
      for (const [i, changes] of sent) {
        const datagram = (originals[i] as Uint8Array).slice();
        for (const [at, value] of changes) datagram[at] = value;
        const message = pair.node(2).receive(datagram, 0);
        if (message !== undefined) expect(message.length).toBeGreaterThan(0);
        pair.node(2).flush(0);
      }
    }),
  );
});
