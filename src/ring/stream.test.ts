import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import type { RingPacket } from "../wire/ring-data.ts";
import { STREAM_CAPACITY, Stream } from "./stream.ts";

const NOTHING = new Uint8Array(0);

function packetOf(seq: number, lts = seq): RingPacket {
  return {
    origin: 1,
    site: 0,
    seq,
    lts,
    round: 1,
    first: seq,
    bytes: NOTHING,
    end: 0,
    numbers: undefined,
    early: undefined,
    assembled: false,
  };
}

/** The same in the plainest terms: a set of numbers, and a list of all promises ever heard. */
class Model {
  held = new Set<number>();
  discarded = 0;
  high = 0;
  promises = [{ seq: 0, lts: 0 }];

  get prefix(): number {
    let n = 0;
    while (this.held.has(n + 1)) n++;
    return n;
  }

  /** With stamps that grow by one, a packet is a promise as well. */
  get knownLts(): number {
    const newest = this.promises.reduce((a, b) => (b.seq > a.seq || (b.seq === a.seq && b.lts > a.lts) ? b : a));
    return Math.max(this.prefix, this.usable, newest.seq <= this.prefix ? newest.lts : 0);
  }

  usable = 0;
}

type Action =
  | { readonly kind: "hold"; readonly seq: number }
  | { readonly kind: "announce"; readonly seq: number; readonly more: number }
  | { readonly kind: "discard"; readonly share: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("hold" as const), seq: fc.integer({ min: 0, max: 40 }) }) },
  fc.record({
    kind: fc.constant("announce" as const),
    seq: fc.integer({ min: 0, max: 40 }),
    more: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ kind: fc.constant("discard" as const), share: fc.integer({ min: 0, max: 10 }) }),
);

test("prefix, high, holes and promises are those of a set of numbers", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const stream = new Stream(0);
      const model = new Model();
      for (const step of actions) {
        switch (step.kind) {
          case "hold": {
            const isNew = step.seq > 0 && !model.held.has(step.seq);
            expect(stream.hold(packetOf(step.seq))).toBe(isNew);
            if (step.seq > 0) model.held.add(step.seq);
            model.high = Math.max(model.high, step.seq);
            break;
          }
          case "announce": {
            const promise = { seq: step.seq, lts: step.seq + step.more };
            stream.announce(promise);
            model.promises.push(promise);
            model.high = Math.max(model.high, step.seq);
            break;
          }
          case "discard":
            model.discarded = Math.max(model.discarded, Math.floor((model.prefix * step.share) / 10));
            stream.discard(model.discarded);
        }
        model.usable = model.knownLts;
        expect(stream.prefix).toBe(model.prefix);
        expect(stream.high).toBe(model.high);
        expect(stream.known.lts).toBe(model.knownLts);
        expect(stream.unknownLts).toBe(model.knownLts + 1);
      }
      const missing = Array.from({ length: 45 }, (_, i) => i + 1).filter((seq) => !model.held.has(seq));
      expect([...stream.missing(45).numbers()]).toEqual(missing);
      for (let seq = 1; seq <= 45; seq++) {
        expect(stream.has(seq)).toBe(model.held.has(seq));
        expect(stream.get(seq)?.seq).toBe(model.held.has(seq) && seq > model.discarded ? seq : undefined);
      }
    }),
  );
});

test("what is asked for comes in as many ranges as allowed, lowest first", () => {
  const stream = new Stream(0);
  for (const seq of [1, 4, 6, 9]) stream.hold(packetOf(seq));
  expect(stream.missing(9).toString()).toBe("2-3,5,7-8");
  expect(stream.missing(9, 2).toString()).toBe("2-3,5");
  expect(stream.missing(7).toString()).toBe("2-3,5,7");
});

test("a packet too far ahead is not kept", () => {
  const stream = new Stream(0);
  expect(stream.hold(packetOf(STREAM_CAPACITY))).toBe(false);
  expect(stream.hold(packetOf(STREAM_CAPACITY - 1))).toBe(true);
  expect(stream.high).toBe(STREAM_CAPACITY - 1);
});

test("a form's holes, and all above its high, are forgotten", () => {
  const stream = new Stream(0);
  for (const seq of [1, 2, 3, 5, 6, 8]) stream.hold(packetOf(seq));
  const forgotten: number[] = [];
  stream.forget(RangeSet.of([3, 4]), 6, ({ seq }) => forgotten.push(seq));
  expect(forgotten).toEqual([3, 8]);
  expect([stream.prefix, stream.high]).toEqual([2, 6]);
  expect(stream.missing(6).toString()).toBe("3-4");
});

test("a closed stream has no unseen packets, and a promise counts once all before it is held", () => {
  const stream = new Stream(0);
  stream.hold(packetOf(1, 10));
  stream.announce({ seq: 2, lts: 30 });
  expect(stream.unknownLts).toBe(11);
  stream.hold(packetOf(2, 20));
  expect(stream.unknownLts).toBe(31);
  stream.adopt({ seq: 2, lts: 40 }, { seq: 2, lts: 30 }, false);
  expect(stream.unknownLts).toBe(41);
  stream.adopt({ seq: 0, lts: 0 }, { seq: 0, lts: 0 }, true);
  expect(stream.unknownLts).toBe(Number.POSITIVE_INFINITY);
});

/** Stands for packets `first` to `seq`. */
function digestOf(first: number, seq: number, lts = seq): RingPacket {
  return { ...packetOf(seq, lts), first, numbers: [] };
}

test("a digest is held for all that it stands for, but what is held already", () => {
  const stream = new Stream(0);
  expect(stream.hold(packetOf(4, 40))).toBe(true);
  expect(stream.hold(digestOf(1, 6, 60))).toBe(true);
  expect([stream.prefix, stream.high, stream.known.lts, stream.ltsHeld]).toEqual([6, 6, 60, 60]);
  expect([1, 3, 4, 5, 6].map((seq) => stream.get(seq)?.lts)).toEqual([39, 39, 40, 60, 60]);
  expect(stream.hold(digestOf(5, 6, 60))).toBe(false);
  expect(stream.hold(packetOf(5, 50))).toBe(false);
  expect(stream.hold(digestOf(6, 8, 80))).toBe(true);
  expect([stream.prefix, stream.get(7)?.first]).toEqual([8, 7]);
});

test("of a digest that is held in parts, each has the numbers of its own packets", () => {
  const stream = new Stream(0);
  stream.hold(packetOf(3, 30));
  const numbers = [1, 2, 4, 5].map((seq) => {
    return { seq, lts: 10 * seq, origin: 1, token: NOTHING, number: seq, ordered: 1 };
  });
  stream.hold({ ...digestOf(1, 5, 50), numbers });
  expect([1, 4].map((seq) => stream.get(seq)?.numbers?.map(({ number }) => number))).toEqual([
    [1, 2],
    [4, 5],
  ]);
});

test("packets that are for others are counted while they are not stable, those for the own site and digests are not", () => {
  const stream = new Stream(0);
  const local = new Uint8Array(40);
  local[26] = 0x80;
  for (const seq of [1, 3, 4])
    stream.hold({ ...packetOf(seq, 10 * seq), bytes: seq === 3 ? local : new Uint8Array(40) });
  stream.hold(digestOf(2, 2, 20));
  expect(stream.unstableWide).toBe(2);
  expect([stream.seqUpTo(30), stream.unstableWide]).toEqual([3, 1]);
  expect([stream.seqUpTo(40), stream.unstableWide]).toEqual([4, 0]);
});

test("a digest that came after all that the form counts is forgotten as a whole", () => {
  const stream = new Stream(0);
  stream.hold(packetOf(1, 10));
  stream.hold(digestOf(2, 80, 800));
  stream.forget(new RangeSet(), 3, () => undefined);
  expect([stream.prefix, stream.high, stream.has(2)]).toEqual([1, 3, false]);
  expect(stream.missing(3).toString()).toBe("2-3");
});
