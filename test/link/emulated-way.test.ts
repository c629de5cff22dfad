import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/base/random.ts";
import { EmulatedWay, type WayConditions } from "./emulated-way.ts";

/** A way with what has arrived of it: numbers of datagrams, with times. */
function way(conditions: WayConditions, seed = 1) {
  const arrived: { readonly tag: number; readonly at: number }[] = [];
  let now = 0;
  const emulated = new EmulatedWay<number>(conditions, new Random(seed), (_, tag) => arrived.push({ tag, at: now }));
  const runTo = (end: number): void => {
    for (; emulated.deadline <= end; emulated.tick(now)) now = emulated.deadline;
    now = end;
  };
  const offer = (count: number, bytes: number): void => {
    for (let i = 0; i < count; i++) emulated.offer(new Uint8Array(bytes), emulated.statistics.offered, now);
  };
  return { emulated, arrived, runTo, offer };
}

describe("an emulated way", () => {
  test("takes its delay, and no more", () => {
    const { arrived, runTo, offer } = way({ delayMs: 35 });
    runTo(100);
    offer(1, 1_000);
    runTo(134.9);
    expect(arrived).toEqual([]);
    runTo(200);
    expect(arrived).toEqual([{ tag: 0, at: 135 }]);
  });

  test("lets pass what its rate says, heads of IP and UDP with it", () => {
    const { arrived, runTo, offer } = way({ delayMs: 10, megabits: 10, queueMs: 20 });
    // 1,250 bytes a millisecond: a datagram of 1,222 bytes and its heads each millisecond. Two are offered.
    for (let ms = 0; ms < 1_000; ms++) {
      offer(2, 1_222);
      runTo(ms + 1);
    }
    runTo(2_000);
    expect(arrived.length).toBeGreaterThanOrEqual(1_000);
    expect(arrived.length).toBeLessThanOrEqual(1_022);
    expect(arrived[1]?.at).toBeCloseTo(12, 6);
  });

  test("drops what its queue does not hold, and counts it", () => {
    const { emulated, arrived, runTo, offer } = way({ delayMs: 1, megabits: 10, queueMs: 20 });
    offer(100, 1_222);
    runTo(1_000);
    // Twenty milliseconds of queue: what begins to be sent within them.
    expect(arrived.map(({ tag }) => tag)).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(emulated.statistics).toMatchObject({ offered: 100, delivered: 21, overflowed: 79, lost: 0 });
  });

  test("loses the share that is asked for", () => {
    const { emulated, runTo, offer } = way({ delayMs: 1, loss: { kind: "uniform", probability: 0.03 } });
    offer(20_000, 100);
    runTo(10);
    expect(emulated.statistics.lost).toBeGreaterThan(480);
    expect(emulated.statistics.lost).toBeLessThan(720);
    expect(emulated.statistics.delivered).toBe(20_000 - emulated.statistics.lost);
  });

  test("jitters within its bound, and delivers in the order of arrival", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.double({ min: 0, max: 50, noNaN: true }), (seed, jitterMs) => {
        const { arrived, runTo, offer } = way({ delayMs: 20, jitterMs }, seed);
        offer(50, 10);
        runTo(100);
        expect(arrived).toHaveLength(50);
        for (const { at } of arrived) {
          expect(at).toBeGreaterThanOrEqual(20);
          expect(at).toBeLessThanOrEqual(20 + jitterMs);
        }
        expect(arrived.map(({ at }) => at)).toEqual(arrived.map(({ at }) => at).toSorted((a, b) => a - b));
      }),
    );
  });

  test("loses what is under way when it is cut and what comes until it is mended", () => {
    const { emulated, arrived, runTo, offer } = way({ delayMs: 10, megabits: 1 });
    offer(3, 100);
    emulated.setUp(false);
    offer(2, 100);
    runTo(50);
    emulated.setUp(true);
    offer(1, 100);
    runTo(100);
    expect(arrived.map(({ tag }) => tag)).toEqual([5]);
    expect(emulated.statistics).toMatchObject({ offered: 6, delivered: 1, cut: 5 });
  });

  test("takes other conditions while it is used", () => {
    const { emulated, arrived, runTo, offer } = way({ delayMs: 100 });
    offer(1, 10);
    emulated.set({ delayMs: 5 });
    offer(1, 10);
    runTo(200);
    expect(arrived).toEqual([
      { tag: 1, at: 5 },
      { tag: 0, at: 100 },
    ]);
  });
});
