import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteBucket } from "./byte-bucket.ts";

const KIB = 1024;

/** What leaves in each of some turns if there is always more to send: times of turns, ms, and datagrams of 1,400 bytes. */
function sendAll(rate: number, waits: readonly number[]): { readonly at: number; readonly bytes: number }[] {
  const bucket = new ByteBucket(rate, 0);
  let now = 0;
  return waits.map((wait) => {
    now += wait;
    let bytes = 0;
    while (bucket.isOpen(now)) {
      bucket.pay(1_400);
      bytes += 1_400;
    }
    return { at: now, bytes };
  });
}

test("no more leaves in any time than the rate, or twice the rate and a burst", () => {
  const rates = fc.integer({ min: 8_000, max: 125_000_000 });
  const waits = fc.array(fc.double({ min: 0.1, max: 100, noNaN: true }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(rates, waits, (rate, turns) => {
      const sent = sendAll(rate, turns);
      const perMs = rate / 1_000;
      const saved = Math.max(6_000, 40 * perMs);
      const burst = Math.max(6_000, 5 * perMs, Math.min(64 * KIB, 30 * perMs));
      for (const [i, first] of sent.entries()) {
        let bytes = 0;
        for (const { at, bytes: more } of sent.slice(i)) {
          bytes += more;
          const ms = at - first.at;
          expect(bytes).toBeLessThanOrEqual(ms * perMs + saved + 1_400 + 1e-3);
          expect(bytes).toBeLessThanOrEqual(2 * ms * perMs + burst + 1_400 + 1e-3);
        }
      }
    }),
  );
});

test("a host that comes 25 ms late now and then reaches the rate of 100 Mbit/s all the same", () => {
  const rate = 12_500_000;
  const waits = Array.from({ length: 2_000 }, (_, i) => (i % 50 === 49 ? 25 : 1));
  const sent = sendAll(rate, waits);
  const total = sent.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total / ((sent.at(-1)?.at as number) / 1_000) / rate).toBeGreaterThan(0.98);
});

test("says that credits were lost only when they were, and once", () => {
  const bucket = new ByteBucket(1_000_000, 0);
  expect(bucket.takeLost(39)).toBe(false);
  expect(bucket.takeLost(41)).toBe(true);
  expect(bucket.takeLost(41)).toBe(false);
});

test("says when there is credit again", () => {
  const bucket = new ByteBucket(1_000_000, 0);
  bucket.pay(3_000);
  expect(bucket.isOpen(bucket.deadline - 0.01)).toBe(false);
  expect(bucket.isOpen(bucket.deadline)).toBe(true);
});
