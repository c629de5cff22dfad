import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hopDefaults } from "../../src/hop/config.ts";
import type { LossModel } from "../../src/sim/loss.ts";
import { hopObjectBytesMax } from "../../src/wire/hop/data.ts";
import { Kind } from "../../src/wire/prefix.ts";
import { EAST, type End, TwoEnds, WEST } from "./two-ends.ts";

const seeds = fc.nat(1_000_000);
const uniform = (probability: number): LossModel => ({ kind: "uniform", probability });
const losses: fc.Arbitrary<LossModel> = fc.oneof(
  fc.double({ min: 0, max: 0.2, noNaN: true }).map(uniform),
  fc.record({
    kind: fc.constant("burst" as const),
    probability: fc.double({ min: 0, max: 0.01, noNaN: true }),
    length: fc.integer({ min: 2, max: 20 }),
  }),
);

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** The given share of values is not greater. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

describe("a hop", () => {
  test("brings each object exactly once, both ways, whatever is lost, repeated or overtaken (K22)", () => {
    const ways = fc.record({
      delayMs: fc.double({ min: 0.1, max: 150, noNaN: true }),
      jitterMs: fc.double({ min: 0, max: 20, noNaN: true }),
      megabits: fc.constantFrom(undefined, 1, 10, 100),
      loss: losses,
      duplicate: fc.constantFrom(0, 0.02),
      reorder: fc.constantFrom(0, 0.05),
    });
    const sizes = fc.integer({ min: 12, max: hopObjectBytesMax(hopDefaults.datagramBytes) });
    fc.assert(
      fc.property(seeds, ways, sizes, fc.integer({ min: 1, max: 600 }), (seed, way, size, count) => {
        // Bursts here are of datagrams, and two at once may take all that an idle hop says within its usual patience.
        const ends = new TwoEnds(seed, way, { silenceMs: 20_000, missingMs: 20_000 });
        // Before the hop is open, and after.
        ends.on(WEST, (end, now) => end.send(count, size, now));
        ends.run(1_000);
        ends.on(WEST, (end, now) => end.send(count, size, now));
        ends.on(EAST, (end, now) => end.send(count, size, now));
        ends.run(30_000);
        for (const [id, sent] of [
          [EAST, 2 * count],
          [WEST, count],
        ] as const) {
          const end = ends.end(id);
          expect(end.failure).toBeUndefined();
          expect(end.received.toSorted((a, b) => a - b)).toEqual(upTo(sent));
          expect(end.hop.sender?.unacknowledged).toBe(0);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("brings what a slow link with a short queue has lost, instead of losing it again at the rate of the start", () => {
    const way = { delayMs: 149.99999999982407, jitterMs: 5e-324, megabits: 1, duplicate: 0.02 };
    const loss: LossModel = { kind: "burst", probability: 5e-324, length: 2 };
    for (const [seed, size, count, reorder] of [
      [195_829, 722, 515, 0.05],
      [5, 722, 515, 0],
      [6, 764, 379, 0],
    ] as const) {
      const ends = new TwoEnds(seed, { ...way, loss, reorder });
      ends.on(WEST, (end, now) => end.send(count, size, now));
      ends.run(1_000);
      for (const id of [WEST, EAST]) ends.on(id, (end, now) => end.send(count, size, now));
      ends.run(30_000);
      expect([ends.end(WEST).failure, ends.end(EAST).failure]).toEqual([undefined, undefined]);
      expect([ends.end(WEST).received.length, ends.end(EAST).received.length]).toEqual([count, 2 * count]);
    }
  });

  test("does not keep to the rate at the start where a slow link has shown that it takes less", () => {
    const ends = new TwoEnds(1, {
      delayMs: 149.96270545675068,
      megabits: 1,
      loss: { kind: "burst", probability: Number.MIN_VALUE, length: 2 },
      duplicate: 0.02,
    });
    ends.on(WEST, (end, now) => end.send(379, 764, now));
    ends.run(1_000);
    for (const id of [WEST, EAST]) ends.on(id, (end, now) => end.send(379, 764, now));
    ends.run(20_000);
    expect([ends.end(WEST).failure, ends.end(EAST).failure]).toEqual([undefined, undefined]);
    expect([ends.end(WEST).received.length, ends.end(EAST).received.length]).toEqual([379, 758]);
  });

  test("passes on what comes behind a lost packet without waiting for it", () => {
    const ends = new TwoEnds(1, { delayMs: 35, loss: uniform(0.05) });
    ends.run(500);
    ends.on(WEST, (end, now) => end.send(500, 1_000, now));
    ends.run(5_000);
    const { received } = ends.end(EAST);
    expect(received).toHaveLength(500);
    expect(received).not.toEqual(upTo(500));
  });

  test("repairs a loss within one more round trip, for 99 of 100 objects at one per cent", () => {
    const ends = new TwoEnds(3, { delayMs: 35, jitterMs: 2, loss: uniform(0.01) });
    ends.run(500);
    for (let i = 0; i < 3_000; i++) {
      ends.on(WEST, (end, now) => end.send(1, 500, now));
      ends.run(5);
    }
    ends.run(2_000);
    const { delays } = ends.end(EAST);
    expect(delays).toHaveLength(3_000);
    expect(percentile(delays, 0.5)).toBeLessThan(38);
    expect(percentile(delays, 0.99)).toBeLessThan(38 + 70 + 15);
  });

  test("notices that the last object was lost, though nothing follows it", () => {
    const ends = new TwoEnds(9, { delayMs: 20 });
    ends.run(500);
    ends.world.cut(WEST, EAST);
    ends.on(WEST, (end, now) => end.send(1, 100, now));
    ends.run(5);
    ends.world.heal();
    ends.run(300);
    expect(ends.end(EAST).received).toEqual([1]);
  });

  test("begins with the rate that it is told to, also after it has carried little for long", () => {
    const ends = new TwoEnds(6, { delayMs: 35, megabits: 10 }, { rateStart: 125_000 });
    for (let i = 0; i < 50; i++) {
      ends.on(WEST, (end, now) => end.send(1, 100, now));
      ends.run(100);
    }
    expect(ends.end(WEST).hop.sender?.pacing).toBeGreaterThanOrEqual(125_000);
    ends.on(WEST, (end, now) => end.send(100, 1_000, now));
    ends.run(700);
    expect(ends.end(EAST).received).toHaveLength(150);
  });

  test("keeps a link busy from a host that gets to send only now and then, and does not take its lateness for the link's", () => {
    for (const [turnMs, megabits, ms] of [
      [15, 10, 4_000],
      [30, 10, 4_000],
      [12, 100, 1_000],
    ] as const) {
      const ends = new TwoEnds(2, { delayMs: 35, megabits, turnMs });
      ends.run(500);
      ends.on(WEST, (end, now) => end.flood(1_000, now));
      ends.run(ms + 1_000);
      const before = ends.end(EAST).receivedBytes;
      ends.run(ms);
      expect((ends.end(EAST).receivedBytes - before) / (megabits * 125 * ms)).toBeGreaterThan(0.85);
    }
  });

  test("outlives a flap of half a second, and loses nothing in it", () => {
    const ends = new TwoEnds(4, { delayMs: 35, megabits: 10 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.flood(1_000, now));
    ends.run(2_000);
    ends.world.split([[WEST], [EAST]]);
    ends.run(500);
    ends.world.heal();
    ends.run(1_000);
    const before = ends.end(EAST).receivedBytes;
    ends.run(2_000);
    expect(ends.end(EAST).failure).toBeUndefined();
    expect(ends.end(WEST).failure).toBeUndefined();
    // Back at the link's rate within a second.
    expect(ends.end(EAST).receivedBytes - before).toBeGreaterThan(0.85 * 10 * 125 * 2_000);
  });

  // Its queue overflows until the sender has seen that, and what it has lost takes seconds to repair at the new rate.
  test.each([
    [10, 1_500],
    [5, 0],
    [1, 0],
  ])(
    "outlives that its link falls from 100 to %d Mbit/s, %d ms after it has fallen quiet, and a flap then",
    (megabits, quietMs) => {
      for (const seed of [1, 2]) {
        const ends = new TwoEnds(seed, { delayMs: 35, megabits: 100, loss: uniform(0.01) });
        ends.run(500);
        /** As much as daemons have under way: so many messages that not all sites are known to hold. */
        const flood = (ms: number): void => {
          for (let t = 0; t < ms; t += 4) {
            ends.on(WEST, (end, now) => {
              const room = 4_096 - (end.hop.sender?.unacknowledged ?? 0) - end.waiting;
              end.send(Math.max(0, Math.min(64 - end.waiting, room)), 1_024, now);
            });
            ends.run(4);
          }
        };
        flood(2_000);
        ends.run(quietMs);
        ends.setWay(WEST, EAST, { delayMs: 35, megabits });
        flood(2_000);
        ends.world.split([[WEST], [EAST]]);
        ends.run(500);
        ends.world.heal();
        flood(6_000);
        expect([ends.end(WEST).failure, ends.end(EAST).failure]).toEqual([undefined, undefined]);
        expect(ends.end(WEST).hop.sender?.rate).toBeLessThan(1.1 * megabits * 125_000);
      }
    },
  );

  test("fails when nothing is heard of the other end for the time that is set, at both ends", () => {
    const ends = new TwoEnds(5, { delayMs: 10 }, { silenceMs: 2_000 });
    ends.run(1_000);
    ends.world.split([[WEST], [EAST]]);
    ends.run(2_600);
    expect(ends.end(WEST).failure?.kind).toBe("silence");
    expect(ends.end(EAST).failure?.kind).toBe("silence");
  });

  test("fails when packets do not come at all though other things do", () => {
    const ends = new TwoEnds(6, { delayMs: 10 }, { missingMs: 1_000 });
    ends.run(500);
    // Large datagrams do not pass: an MTU that nobody told.
    const pass = ends.end(EAST).receive.bind(ends.end(EAST));
    ends.end(EAST).receive = (channel, bytes, now) => {
      if (bytes.length < 1_000) pass(channel, bytes, now);
    };
    ends.on(WEST, (end, now) => end.send(1, 1_300, now));
    ends.run(200);
    expect(ends.end(EAST).failure).toBeUndefined();
    ends.run(1_500);
    expect(ends.end(EAST).failure).toMatchObject({ kind: "missing", seq: 1 });
  });

  test("ends at one end when the other begins anew, and a new pair starts from nothing", () => {
    const ends = new TwoEnds(7, { delayMs: 10 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.send(10, 100, now));
    ends.run(500);
    ends.world.crash(EAST);
    ends.world.restart(EAST);
    ends.run(500);
    expect(ends.end(WEST).failure?.kind).toBe("restarted");
    expect(ends.end(EAST).hop.isOpen).toBe(false);
    ends.world.crash(WEST);
    ends.world.restart(WEST);
    ends.run(500);
    ends.on(WEST, (end, now) => end.send(3, 100, now));
    ends.run(500);
    expect(ends.end(EAST).received).toEqual([1, 2, 3]);
  });

  test("takes nothing of an earlier pair that comes late, before and after the new one has sent as much", () => {
    const ends = new TwoEnds(7, { delayMs: 10 });
    ends.run(200);
    // Its data is under way for longer than both ends need to begin anew.
    ends.setWay(WEST, EAST, { delayMs: 400 });
    ends.on(WEST, (end, now) => end.send(30, 1_000, now));
    ends.run(5);
    ends.setWay(WEST, EAST, { delayMs: 10 });
    for (const id of [WEST, EAST]) {
      ends.world.crash(id);
      ends.world.restart(id);
    }
    ends.run(200);
    ends.on(WEST, (end, now) => end.send(4, 100, now));
    ends.run(400);
    expect(ends.end(EAST).hop.statistics.foreign).toBeGreaterThan(5);
    ends.on(WEST, (end, now) => end.send(60, 100, now));
    ends.run(500);
    const end = ends.end(EAST);
    expect(end.received.toSorted((a, b) => a - b)).toEqual(upTo(64));
    expect(end.receivedBytes).toBe(64 * 100);
    expect(end.failure).toBeUndefined();
  });

  test("opens though most greetings are lost", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const ends = new TwoEnds(seed, { delayMs: 50, loss: uniform(0.5) }, { silenceMs: 30_000 });
        ends.run(10_000);
        expect(ends.end(WEST).hop.isOpen && ends.end(EAST).hop.isOpen).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test("packs small objects, and lets an urgent one overtake those that wait", () => {
    const ends = new TwoEnds(8, { delayMs: 10, megabits: 1 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.send(2_000, 100, now));
    let urgentAt: number | undefined;
    const bytes = new Uint8Array(200);
    new DataView(bytes.buffer).setUint32(0, 999_999);
    ends.on(WEST, ({ hop }, now) => {
      hop.sink(0).register({
        pull: (_items, _bytes, out) => {
          out.push(bytes);
          return false;
        },
      });
      hop.flush(now);
    });
    for (let i = 0; i < 300 && urgentAt === undefined; i++) {
      ends.run(10);
      const at = ends.end(EAST).received.indexOf(999_999);
      if (at >= 0) urgentAt = at;
    }
    // What is in the slow link's queue is before it; what waits at the sender is not.
    expect(urgentAt).toBeLessThan(1_000);
    ends.run(5_000);
    expect(ends.end(EAST).received).toHaveLength(2_001);
    const { objects, sent } = ends.end(WEST).hop.statistics;
    expect(objects / sent).toBeGreaterThan(8);
  });

  test("fills its datagrams to the last byte while more waits, with objects of any length", () => {
    for (const size of [12, 100, 701, 1_024, hopObjectBytesMax(hopDefaults.datagramBytes)]) {
      const ends = new TwoEnds(14, { delayMs: 10, megabits: 10 });
      ends.run(500);
      const lengths = new Map<number, number>();
      const pass = ends.end(EAST).receive.bind(ends.end(EAST));
      ends.end(EAST).receive = (channel, bytes, now) => {
        if (bytes[3] === Kind.hopData) lengths.set(bytes.length, (lengths.get(bytes.length) ?? 0) + 1);
        pass(channel, bytes, now);
      };
      ends.on(WEST, (end, now) => end.send(1_000, size, now));
      ends.run(3_000);
      expect(ends.end(EAST).received).toHaveLength(1_000);
      // All but the last.
      expect([...lengths.keys()].filter((length) => length !== hopDefaults.datagramBytes).length).toBeLessThanOrEqual(
        1,
      );
      expect(Math.max(...lengths.keys())).toBe(hopDefaults.datagramBytes);
    }
  });

  test("sends no faster than either end is set to", () => {
    const ends = new TwoEnds(10, { delayMs: 10 }, { rateMax: 250_000 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.flood(1_000, now));
    ends.run(1_000);
    const before = ends.end(WEST).hop.statistics.sentBytes;
    ends.run(4_000);
    const rate = (ends.end(WEST).hop.statistics.sentBytes - before) / 4;
    expect(rate).toBeLessThan(1.01 * 250_000);
    expect(rate).toBeGreaterThan(0.95 * 250_000);
  });
});

describe("a hop at full speed", () => {
  const share = (end: End, ms: number, megabits: number, before: number) =>
    (end.receivedBytes - before) / (ms * megabits * 125);

  test.each([
    [10, 0.01, 0.85],
    [10, 0.03, 0.8],
    [100, 0.01, 0.85],
    [100, 0.03, 0.8],
  ])("fills %d Mbit/s of 70 ms at a loss of %d to %d with objects of 1 KB", (megabits, loss, least) => {
    const ends = new TwoEnds(11, { delayMs: 35, megabits, loss: uniform(loss) });
    ends.run(500);
    ends.on(WEST, (end, now) => end.flood(1_024, now));
    ends.run(3_000);
    const before = ends.end(EAST).receivedBytes;
    ends.run(5_000);
    expect(share(ends.end(EAST), 5_000, megabits, before)).toBeGreaterThan(least);
  });

  test("follows a link whose capacity falls and rises again", () => {
    const ends = new TwoEnds(12, { delayMs: 20, megabits: 20 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.flood(1_024, now));
    ends.run(3_000);
    for (const megabits of [5, 20]) {
      ends.setWay(WEST, EAST, { delayMs: 20, megabits });
      ends.run(3_000);
      const before = ends.end(EAST).receivedBytes;
      ends.run(3_000);
      expect(share(ends.end(EAST), 3_000, megabits, before)).toBeGreaterThan(0.85);
    }
  });

  test("keeps its rate when the way becomes longer", () => {
    const ends = new TwoEnds(13, { delayMs: 10, megabits: 10 });
    ends.run(500);
    ends.on(WEST, (end, now) => end.flood(1_024, now));
    ends.run(3_000);
    ends.setWay(WEST, EAST, { delayMs: 80, megabits: 10 });
    ends.run(10_000);
    const before = ends.end(EAST).receivedBytes;
    ends.run(5_000);
    expect(share(ends.end(EAST), 5_000, 10, before)).toBeGreaterThan(0.8);
  });
});
