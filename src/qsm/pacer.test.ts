import fc from "fast-check";
import { expect, test } from "vitest";
import { NEVER } from "../machine/machine.ts";
import { Pacer, pacerDefaults } from "./pacer.ts";

const step = fc.record({
  ms: fc.double({ min: 0, max: 400, noNaN: true }),
  take: fc.integer({ min: 0, max: 700 }),
  rate: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined, freq: 4 }),
});

test("over no stretch of time does more leave than rate · t + burst, however the rate changes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), fc.array(step, { maxLength: 40 }), (rate, steps) => {
      const pacer = new Pacer({ rate, ...pacerDefaults }, 0);
      let now = 0;
      let earned = 0;
      let sent = 0;
      // For each earlier moment: what had been earned and sent by then. Every later one is compared with each of them.
      const moments = [{ earned: 0, sent: 0 }];
      for (const { ms, take, rate: changed } of steps) {
        now += ms;
        earned += (ms * pacer.rate) / 1000;
        if (changed !== undefined) pacer.setRate(changed, now);
        sent += pacer.take(take, now);
        for (const from of moments) {
          expect(sent - from.sent).toBeLessThanOrEqual(earned - from.earned + pacerDefaults.burstMax + 1e-3);
        }
        moments.push({ earned, sent });
      }
    }),
  );
});

test("who comes at each deadline sends at the full rate, in steps of at least a millisecond", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1e9, noNaN: true }), (rate, start) => {
      const pacer = new Pacer({ rate, ...pacerDefaults }, start);
      pacer.take(pacerDefaults.burstMax, start);
      let now = start;
      let sent = 0;
      let wakes = 0;
      for (; wakes < 60; wakes++) {
        const next = pacer.deadline;
        expect(next).toBeGreaterThan(now + (rate > 2_000 ? 0.49 : 0));
        now = next;
        const taken = pacer.take(1_000, now);
        expect(taken).toBeGreaterThan(0);
        sent += taken;
      }
      expect(sent).toBeGreaterThanOrEqual(Math.floor(((now - start) * rate) / 1000) - 1);
    }),
  );
});

test("credits that are left make the deadline due, and a rate of 0 puts it off for ever", () => {
  const pacer = new Pacer({ rate: 250, ...pacerDefaults }, 100);
  expect(pacer.deadline).toBeLessThanOrEqual(100);
  expect(pacer.take(5, 100)).toBe(5);
  expect(pacer.deadline).toBeLessThanOrEqual(100);
  expect(pacer.take(100, 100)).toBe(5);
  pacer.setRate(0, 100);
  expect(pacer.deadline).toBe(NEVER);
  expect(pacer.take(1, 100_000)).toBe(0);
  pacer.setRate(10, 100_000);
  expect(pacer.deadline).toBe(100_100);
});

test("a lower rate takes saved credits back, and a clock that stands still earns nothing", () => {
  const pacer = new Pacer({ rate: 50_000, ...pacerDefaults }, 0);
  pacer.setRate(100, 0);
  expect(pacer.take(1_000, 0)).toBe(pacerDefaults.burstMin);
  expect(pacer.take(1, 0)).toBe(0);
});
