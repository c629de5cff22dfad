import fc from "fast-check";
import { expect, test } from "vitest";
import { RoundTrip } from "./round-trip.ts";

test("the wait exceeds a steady round trip, and by little", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.05, max: 400, noNaN: true }), (ms) => {
      const roundTrip = new RoundTrip({ startMs: 20, minMs: 2, maxMs: 500 });
      for (let i = 0; i < 40; i++) roundTrip.measured(ms);
      expect(roundTrip.waitMs).toBeGreaterThan(ms);
      expect(roundTrip.waitMs).toBeLessThanOrEqual(Math.max(2, ms + 1.001));
    }),
  );
});

test("the wait is 2 … 500 ms whatever happens", () => {
  const event = fc.tuple(fc.constantFrom("measured", "unmeasured"), fc.double({ min: 0, max: 5_000, noNaN: true }));
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const roundTrip = new RoundTrip({ startMs: 20, minMs: 2, maxMs: 500 });
      for (const [what, ms] of events) {
        if (what === "measured") roundTrip.measured(ms);
        else roundTrip.unmeasured(ms);
        expect(roundTrip.waitMs).toBeGreaterThanOrEqual(2);
        expect(roundTrip.waitMs).toBeLessThanOrEqual(500);
      }
    }),
  );
});

test("a round trip that has become longer than the wait is found, though everything is sent twice at first", () => {
  const roundTrip = new RoundTrip({ startMs: 20, minMs: 2, maxMs: 500 });
  for (let i = 0; i < 20; i++) roundTrip.measured(1);
  const trip = 150;
  let trips = 0;
  for (; roundTrip.waitMs <= trip; trips++) roundTrip.unmeasured(roundTrip.waitMs);
  expect(trips).toBeLessThanOrEqual(7);
  roundTrip.measured(trip);
  expect(roundTrip.waitMs).toBeGreaterThan(trip);
});

test("waits for the same thing double in silence, up to the longest", () => {
  const roundTrip = new RoundTrip({ startMs: 20, minMs: 2, maxMs: 500 });
  for (let i = 0; i < 20; i++) roundTrip.measured(0.5);
  const waits = [roundTrip.waitMs];
  for (let i = 0; i < 9; i++) waits.push(roundTrip.afterSilence(waits.at(-1) as number));
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 500, 500]);
  expect(roundTrip.afterSilence(64, 100)).toBe(100);
  for (let i = 0; i < 20; i++) roundTrip.measured(300);
  expect(roundTrip.afterSilence(100, 100)).toBe(roundTrip.waitMs);
});
