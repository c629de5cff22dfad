import { describe, expect, test } from "vitest";
import { FluidRegion, STEP_MS } from "../../test/qsm/fluid-region.ts";
import { admissionDefaults, AdmissionEstimator } from "./admission.ts";

const constant = (value: number) => () => value;

describe.each([
  { name: "losses alone", isStamped: false },
  { name: "what waits, and losses", isStamped: true },
])("by $name", ({ isStamped }) => {
  // The first two are below the rate to begin with. At 1,000 a full queue is 1.8 s long: longer than a round, so losses are seen late.
  test.each([
    { capacity: 1_000, lossMax: 0.02 },
    { capacity: 3_000, lossMax: 0.005 },
    { capacity: 10_000, lossMax: 0.005 },
    { capacity: 50_000, lossMax: 0.005 },
  ])("a capacity of $capacity packets/s is found to a tenth and kept", ({ capacity, lossMax }) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const region = new FluidRegion([{ capacity: constant(capacity), isStamped }], { seed });
      expect(region.roundsTo(capacity)).toBeGreaterThanOrEqual(0);
      expect(region.roundsTo(capacity)).toBeLessThanOrEqual(15);
      const { least, mean, greatest } = region.rates(60);
      expect(mean / capacity).toBeGreaterThan(0.95);
      expect(mean / capacity).toBeLessThan(1.05);
      expect(least / capacity).toBeGreaterThan(0.85);
      expect(greatest / capacity).toBeLessThan(1.2);
      expect(region.lossLate).toBeLessThan(lossMax);
    }
  });

  test("a rate that is far too high comes down to a tenth within twelve rounds", () => {
    const region = new FluidRegion([{ capacity: (t) => (t < 30_000 ? 50_000 : 5_000), isStamped }]);
    expect(region.rates(25, 30).mean).toBeGreaterThan(45_000);
    expect(region.roundsTo(5_000, 30)).toBeGreaterThanOrEqual(0);
    expect(region.roundsTo(5_000, 30)).toBeLessThanOrEqual(12);
    expect(Math.abs(region.rates(60).mean / 5_000 - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("of twenty receivers, the slowest decides", () => {
    const slow = 5_000;
    const others = Array.from({ length: 19 }, (_, i) => ({ capacity: constant(8_000 + 2_000 * i), isStamped }));
    const region = new FluidRegion([...others, { capacity: constant(slow), isStamped }]);
    expect(region.roundsTo(slow)).toBeGreaterThanOrEqual(0);
    expect(region.roundsTo(slow)).toBeLessThanOrEqual(8);
    expect(Math.abs(region.rates(60).mean / slow - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("rounds that begin early at a high rate make it quicker, and nothing worse", () => {
    const region = new FluidRegion([{ capacity: constant(50_000), isStamped }], { roundPackets: 4_000 });
    const reached = region.rounds[region.roundsTo(50_000)];
    expect(reached?.second).toBeLessThan(6);
    expect(Math.abs(region.rates(60).mean / 50_000 - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("two senders get their max-min shares", () => {
    const demands = (t: number) => (t < 60_000 ? [1e6, 3_000] : [1e6, 1e6]);
    const region = new FluidRegion([{ capacity: constant(20_000), isStamped }], { demands });
    const shares = (from: number, to: number) =>
      [0, 1].map((i) => {
        const rounds = region.rounds.filter(({ second }) => second >= from && second < to);
        return rounds.reduce((sum, { rates }) => sum + (rates[i] as number), 0) / rounds.length;
      });
    const [large, small] = shares(30, 60);
    expect(Math.abs((large as number) / 17_000 - 1)).toBeLessThan(0.1);
    expect(small).toBe(3_000);
    for (const share of shares(90, 120)) expect(Math.abs(share / 10_000 - 1)).toBeLessThan(0.1);
  });

  test("to traffic that comes it yields, and what becomes free it takes", () => {
    const other = (t: number) => (t >= 40_000 && t < 100_000 ? 10_000 : 0);
    const region = new FluidRegion([{ capacity: constant(20_000), other, isStamped }], { seconds: 200 });
    expect(Math.abs(region.rates(25, 40).mean / 20_000 - 1)).toBeLessThan(0.1);
    expect(Math.abs(region.rates(55, 100).mean / 10_000 - 1)).toBeLessThan(0.1);
    expect(Math.abs(region.rates(150).mean / 20_000 - 1)).toBeLessThan(0.1);
    expect(region.loss).toBeLessThan(0.02);
  });

  test("what is lost at any rate does not hold it up", () => {
    for (const share of [0.01, 0.05, 0.2]) {
      const region = new FluidRegion([{ capacity: constant(20_000), loss: constant(share), isStamped }]);
      const { mean, least } = region.rates(60);
      // What is lost on the way needs no capacity.
      expect(Math.abs((mean * (1 - share)) / 20_000 - 1)).toBeLessThan(0.1);
      expect((least * (1 - share)) / 20_000).toBeGreaterThan(0.4);
      expect(region.lossLate - share).toBeLessThan(0.005);
      expect(region.receivers[0]?.estimator.usualLoss).toBeGreaterThan(share / 2);
    }
  });

  test("a receiver that drops everything for 10 ms in each second does not hold it up either", () => {
    const loss = (t: number) => (t % 1_000 < 10 ? 1 : 0);
    const region = new FluidRegion([{ capacity: constant(10_000), loss, isStamped }]);
    expect(region.rates(60).mean).toBeGreaterThan(0.85 * 10_000);
  });

  test("pauses of a process that keeps up otherwise are not answered", () => {
    const capacity = (t: number) => (t % 60 < 50 ? 0 : 60_000);
    const region = new FluidRegion([{ capacity, isStamped }]);
    expect(Math.abs(region.rates(60).mean / 10_000 - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.01);
  });

  test("what twenty receivers lose in bursts, each by itself, does not hold the region up", () => {
    for (const share of [0.01, 0.05]) {
      const its = { capacity: constant(20_000), loss: constant(share), burst: 10, isStamped };
      const region = new FluidRegion(
        Array.from({ length: 20 }, () => its),
        { roundMs: 200, seconds: 60 },
      );
      expect((region.rates(20).mean * (1 - share)) / 20_000).toBeGreaterThan(0.95);
      // Half the rate was tried, at worst.
      expect((region.rates(20).least * (1 - share)) / 20_000).toBeGreaterThan(0.4);
      expect(region.lossLate - share).toBeLessThan(0.01);
    }
  });

  test("losses that begin at full rate hold it up for a moment only", () => {
    const loss = (t: number) => (t < 20_000 ? 0 : 0.05);
    const its = { capacity: constant(20_000), loss, burst: 10, isStamped };
    const region = new FluidRegion(
      Array.from({ length: 20 }, () => its),
      { roundMs: 200, seconds: 60 },
    );
    expect((region.rates(20, 30).mean * 0.95) / 20_000).toBeGreaterThan(0.85);
    expect((region.rates(30).mean * 0.95) / 20_000).toBeGreaterThan(0.95);
  });

  test("a queue of a few packets, which only losses tell of, is found as well", () => {
    const region = new FluidRegion([{ capacity: constant(10_000), queue: 30, isStamped }]);
    expect(region.rates(60).mean / 10_000).toBeGreaterThan(0.9);
    expect(region.rates(60).greatest / 10_000).toBeLessThan(1.05);
    expect(region.lossLate).toBeLessThan(0.005);
  });
});

test("competitors that halve their rate on loss, as TCP does, keep a fair part", () => {
  const fair = (roundTripMs: number, flows: number): { ours: number; theirs: number; region: FluidRegion } => {
    let rate = 10_000;
    let heldUntil = 0;
    let sent = 0;
    const other = (t: number, lost: number, waitMs: number): number => {
      const tripMs = roundTripMs + waitMs;
      if (lost > 0 && t >= heldUntil) {
        rate *= 1 - 0.5 / flows;
        heldUntil = t + tripMs;
      }
      // Each flow has one packet more under way after each round trip.
      rate = Math.min(20_000, rate + flows * (1000 / tripMs) ** 2 * (STEP_MS / 1000));
      if (t >= 100_000) sent += (rate * STEP_MS) / 1000;
      return rate;
    };
    const region = new FluidRegion([{ capacity: constant(20_000), other }], { seconds: 200 });
    return { ours: region.rates(100).mean, theirs: sent / 100, region };
  };
  // One flow of the local network; ten from afar.
  for (const { ours, theirs } of [fair(2, 1), fair(50, 10)]) {
    expect(ours).toBeGreaterThan(0.2 * 20_000);
    expect(theirs).toBeGreaterThan(0.2 * 20_000);
  }
});

test("without demand nothing grows without bound, and nothing is forgotten", () => {
  const demands = (t: number) => [t < 40_000 || t >= 80_000 ? 1e6 : 500];
  const region = new FluidRegion([{ capacity: constant(20_000) }], { demands });
  expect(region.rates(45, 80).greatest).toBe(500);
  // At once, not by another ramp.
  expect(Math.abs(region.rates(81, 90).mean / 20_000 - 1)).toBeLessThan(0.1);
  expect(region.lossLate).toBeLessThan(0.005);
});

test("who has received nothing yet does not say anything; who joins a busy region does not hold it up", () => {
  const estimator = new AdmissionEstimator(admissionDefaults, 0);
  estimator.observe({ received: 0, expected: 0, gaps: 0 }, 0, 1_000);
  expect(estimator.isInformed).toBe(false);
  // Packets began to come at some time of this window.
  estimator.observe({ received: 10_000, expected: 10_000, gaps: 0 }, 0, 2_000);
  expect(estimator.isInformed).toBe(false);
  estimator.observe({ received: 60_000, expected: 60_000, gaps: 0 }, 0, 3_000);
  expect(estimator.isInformed).toBe(true);
  expect(estimator.rate).toBe(2.5 * 50_000);
});

test("the rate stays within its bounds", () => {
  const collapsing = new FluidRegion([{ capacity: constant(1), queue: 10 }], { seconds: 200 });
  expect(collapsing.rates(100).least).toBeGreaterThanOrEqual(admissionDefaults.rateMin);
  expect(collapsing.rates(100).mean).toBeLessThan(3 * admissionDefaults.rateMin);
  const unlimited = new FluidRegion([{ capacity: constant(1e9), queue: 1e9 }], { seconds: 30, demands: () => [1e9] });
  expect(unlimited.rates(20).greatest).toBe(admissionDefaults.rateMax);
});
