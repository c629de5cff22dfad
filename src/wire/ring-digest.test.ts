import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeNumbers, type NumbersItem, NumbersWriter } from "./ring-digest.ts";

const token = (n: number): Uint8Array => new Uint8Array(16).fill(n);

function written(items: readonly NumbersItem[], first = { seq: 1, lts: 1 }): Uint8Array {
  const writer = new NumbersWriter(first.seq, first.lts);
  for (const item of items) writer.add(item);
  const bytes = writer.finish();
  expect(writer.bytes).toBeGreaterThanOrEqual(bytes.length);
  return bytes;
}

const step = fc.record({
  seq: fc.nat(3),
  lts: fc.nat(5),
  origin: fc.integer({ min: 1, max: 3 }),
  session: fc.integer({ min: 1, max: 3 }),
  number: fc.oneof(fc.nat(9), fc.nat(2 ** 40)),
  ordered: fc.nat(4),
});

test("the numbers of sessions come back as they were, also those that go down", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let seq = 7;
      let lts = 70;
      const items = steps.map((one): NumbersItem => {
        seq += one.seq;
        lts += one.seq + one.lts;
        const { origin, session, number, ordered } = one;
        return { seq, lts, origin, token: token(session), number, ordered };
      });
      const bytes = written(items, { seq: 7, lts: 70 });
      expect(decodeNumbers(bytes, 0, bytes.length, 7, { seq, lts })).toEqual(items);
      // What lies outside of the digest is malformed.
      if (seq > 7) expect(decodeNumbers(bytes, 0, bytes.length, 7, { seq: seq - 1, lts })).toBeUndefined();
    }),
  );
});

test("what a session sends in packet after packet takes a few bytes", () => {
  const items = Array.from({ length: 1_000 }, (_, i): NumbersItem => {
    return { seq: 1 + i, lts: 5 + i, origin: 1, token: token(1), number: 3 * i, ordered: 3 };
  });
  expect(written(items).length).toBeLessThan(50);
});

test("anything else is refused and never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const items = decodeNumbers(bytes, 0, bytes.length, 1, { seq: 9, lts: 99 });
      for (const { seq, lts, number } of items ?? []) {
        expect([seq <= 9, lts <= 99, number >= 0]).toEqual([true, true, true]);
      }
    }),
  );
});
