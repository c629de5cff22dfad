import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { admissionDefaults, AdmissionEstimator } from "./admission.ts";
import { maxMinShares } from "./max-min.ts";

/*
 * A fluid model of a region: senders at the rates that they were granted, receivers each with a queue of its own that is served at a
 * certain capacity, a token that visits them one after the other. Other traffic goes through the same queues.
 */

const STEP_MS = 5;
const HOP_MS = 2;

type Circumstances = {
  /** Packets per second of all kinds. */
  readonly capacity?: (t: number) => number;
  /** Packets that wait; the default is what Linux keeps of 1 KB packets in 4 MiB. */
  readonly queue?: number;
  /** Share of packets lost on the way. */
  readonly loss?: (t: number) => number;
  /** Packets per second of others, given the share of theirs that was lost just before, and how long packets wait. */
  readonly other?: (t: number, lost: number, waitMs: number) => number;
  /** Whether turns are late by what waits, as when the processor and not the network is slow. */
  readonly isLate?: boolean;
  readonly delayMs?: (t: number) => number;
};

type Chunk = { ours: number; other: number; lost: number };

class Receiver {
  readonly estimator: AdmissionEstimator;
  offered = 0;
  lost = 0;
  readonly #random: Random;
  readonly #its: Required<Circumstances>;
  readonly #chunks: Chunk[] = [];
  #waiting = 0;
  #otherLost = 0;
  #received = 0;
  #expected = 0;
  #delays: number[] = [];

  constructor(circumstances: Circumstances, random: Random) {
    this.#its = {
      capacity: () => 1e6,
      queue: 1_800,
      loss: () => 0,
      other: () => 0,
      isLate: false,
      delayMs: () => 0,
      ...circumstances,
    };
    this.#random = random;
    this.estimator = new AdmissionEstimator(admissionDefaults, 0);
  }

  step(t: number, rate: number): void {
    const { queue, isLate } = this.#its;
    const budget = (this.#its.capacity(t) * STEP_MS) / 1000;
    const ours = this.#noisy((rate * STEP_MS) / 1000);
    const lostOnTheWay = Math.min(ours, this.#noisy(ours * this.#its.loss(t)));
    const waitMs = (this.#waiting / budget) * STEP_MS;
    const other = (this.#its.other(t, this.#otherLost, waitMs) * STEP_MS) / 1000;
    const wanted = ours - lostOnTheWay + other;
    const room = Math.max(0, queue + budget - this.#waiting);
    const fits = wanted > room ? room / wanted : 1;
    this.#otherLost = 1 - fits;
    const entering = (ours - lostOnTheWay) * fits;
    this.offered += ours;
    this.lost += ours - entering;
    this.#chunks.push({ ours: entering, other: other * fits, lost: ours - entering });
    this.#waiting += entering + other * fits;
    const served = this.#serve(budget);
    const delayMs = Math.min(40, (this.#waiting / budget) * STEP_MS) + (served / budget) * 3;
    this.#delays.push(this.#its.delayMs(t) + (isLate ? delayMs : 0));
  }

  visit(t: number): number {
    const delays = this.#delays.sort((a, b) => a - b);
    const loopDelayMs = delays[delays.length >> 1] ?? 0;
    this.#delays = [];
    const reception = { received: Math.round(this.#received), expected: Math.round(this.#expected), loopDelayMs };
    this.estimator.observe(reception, t);
    return this.estimator.rate;
  }

  /** First in, first out: a loss is seen only when the packets behind it are. Returns how much was served. */
  #serve(budget: number): number {
    let left = budget;
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return budget - left;
      const size = chunk.ours + chunk.other;
      const part = size <= left ? 1 : left / size;
      this.#received += chunk.ours * part;
      this.#expected += (chunk.ours + chunk.lost) * part;
      this.#waiting -= size * part;
      left -= size * part;
      if (part === 1) {
        this.#chunks.shift();
        continue;
      }
      chunk.ours *= 1 - part;
      chunk.other *= 1 - part;
      chunk.lost *= 1 - part;
      return budget;
    }
  }

  #noisy(mean: number): number {
    const sum = this.#random.unit() + this.#random.unit() + this.#random.unit() - 1.5;
    return Math.max(0, mean + sum * Math.sqrt(Math.max(0, mean)));
  }
}

type Round = { readonly second: number; readonly rate: number; readonly rates: readonly number[] };

type Options = {
  readonly seconds?: number;
  readonly demands?: (t: number) => number[];
  /** A round begins early when so many packets have come: config.ts, roundBytes. */
  readonly roundPackets?: number;
  readonly seed?: number;
};

class Region {
  readonly rounds: Round[] = [];
  readonly receivers: readonly Receiver[];
  /** Share of packets that the worst receiver lost in the second half of the time, and in all. */
  readonly lossLate: number;
  readonly loss: number;

  constructor(receivers: readonly Circumstances[], options: Options = {}) {
    const random = new Random(options.seed ?? 11);
    this.receivers = receivers.map((circumstances) => new Receiver(circumstances, random.fork()));
    const { seconds = 120, demands = () => [1e6], roundPackets = Number.POSITIVE_INFINITY } = options;
    let grants = maxMinShares(admissionDefaults.rateStart, demands(0));
    let visited = -1;
    let hopAt = 0;
    let roundAt = 0;
    let least = 0;
    let packets = 0;
    let half: { offered: number; lost: number }[] = [];
    for (let t = 0; t < seconds * 1000; t += STEP_MS) {
      const rates = grants.map((grant, i) => Math.min(grant, demands(t)[i] as number));
      const rate = rates.reduce((a, b) => a + b, 0);
      for (const receiver of this.receivers) receiver.step(t, rate);
      packets += (rate * STEP_MS) / 1000;
      if (visited < 0 && (t >= roundAt + 1000 || packets >= roundPackets)) {
        [visited, hopAt, roundAt, least, packets] = [0, t, t, Number.POSITIVE_INFINITY, 0];
      }
      while (visited >= 0 && hopAt <= t) {
        if (visited === this.receivers.length) {
          grants = maxMinShares(least, demands(t));
          this.rounds.push({ second: t / 1000, rate, rates });
          visited = -1;
        } else {
          least = Math.min(least, (this.receivers[visited] as Receiver).visit(t));
          visited += 1;
          hopAt += HOP_MS;
        }
      }
      if (t === seconds * 500) half = this.receivers.map(({ offered, lost }) => ({ offered, lost }));
    }
    const shares = this.receivers.map(({ offered, lost }, i) => {
      const before = half[i] ?? { offered: 0, lost: 0 };
      return { late: (lost - before.lost) / (offered - before.offered), all: lost / offered };
    });
    this.lossLate = Math.max(...shares.map(({ late }) => late));
    this.loss = Math.max(...shares.map(({ all }) => all));
  }

  /** Rounds, from a time on, until the rate is within a tenth of this and stays there for the next four rounds. */
  roundsTo(rate: number, from = 0): number {
    const rounds = this.rounds.filter(({ second }) => second >= from);
    const isNear = (round: Round) => Math.abs(round.rate / rate - 1) <= 0.1 + 1e-3;
    return rounds.findIndex((_, i) => i + 5 <= rounds.length && rounds.slice(i, i + 5).every(isNear));
  }

  /** Least, mean and greatest rate of a time. */
  rates(from: number, to = Number.POSITIVE_INFINITY): { least: number; mean: number; greatest: number } {
    const rates = this.rounds.filter(({ second }) => second >= from && second < to).map(({ rate }) => rate);
    const mean = rates.reduce((a, b) => a + b, 0) / rates.length;
    return { least: Math.min(...rates), mean, greatest: Math.max(...rates) };
  }
}

const constant = (value: number) => () => value;

describe.each([
  { name: "losses alone", isLate: false },
  { name: "losses and late turns", isLate: true },
])("by $name", ({ isLate }) => {
  // The first two are below the rate to begin with. At 1,000 a full queue is 1.8 s long: longer than a round, so losses are seen late.
  test.each([
    { capacity: 1_000, lossMax: 0.01 },
    { capacity: 3_000, lossMax: 0.005 },
    { capacity: 10_000, lossMax: 0.005 },
    { capacity: 50_000, lossMax: 0.005 },
  ])("a capacity of $capacity packets/s is found to a tenth and kept", ({ capacity, lossMax }) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const region = new Region([{ capacity: constant(capacity), isLate }], { seed });
      expect(region.roundsTo(capacity)).toBeGreaterThanOrEqual(0);
      expect(region.roundsTo(capacity)).toBeLessThanOrEqual(15);
      const { least, mean, greatest } = region.rates(60);
      expect(mean / capacity).toBeGreaterThan(0.95);
      expect(mean / capacity).toBeLessThan(1.02);
      expect(least / capacity).toBeGreaterThan(0.85);
      expect(greatest / capacity).toBeLessThanOrEqual(1.1);
      expect(region.lossLate).toBeLessThan(lossMax);
    }
  });

  test("a rate that is far too high comes down to a tenth within twelve rounds", () => {
    const region = new Region([{ capacity: (t) => (t < 30_000 ? 50_000 : 5_000), isLate }]);
    expect(region.rates(25, 30).mean).toBeGreaterThan(45_000);
    expect(region.roundsTo(5_000, 30)).toBeGreaterThanOrEqual(0);
    expect(region.roundsTo(5_000, 30)).toBeLessThanOrEqual(12);
    expect(Math.abs(region.rates(60).mean / 5_000 - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("of twenty receivers, the slowest decides", () => {
    const slow = 5_000;
    const others = Array.from({ length: 19 }, (_, i) => ({ capacity: constant(8_000 + 2_000 * i), isLate }));
    const region = new Region([...others, { capacity: constant(slow), isLate }]);
    expect(region.roundsTo(slow)).toBeGreaterThanOrEqual(0);
    expect(region.roundsTo(slow)).toBeLessThanOrEqual(8);
    expect(Math.abs(region.rates(60).mean / slow - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("rounds that begin early at a high rate make it quicker, and nothing worse", () => {
    const region = new Region([{ capacity: constant(50_000), isLate }], { roundPackets: 4_000 });
    const reached = region.rounds[region.roundsTo(50_000)];
    expect(reached?.second).toBeLessThan(6);
    expect(Math.abs(region.rates(60).mean / 50_000 - 1)).toBeLessThan(0.1);
    expect(region.lossLate).toBeLessThan(0.005);
  });

  test("two senders get their max-min shares", () => {
    const demands = (t: number) => (t < 60_000 ? [1e6, 3_000] : [1e6, 1e6]);
    const region = new Region([{ capacity: constant(20_000), isLate }], { demands });
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
    const region = new Region([{ capacity: constant(20_000), other, isLate }], { seconds: 200 });
    expect(Math.abs(region.rates(25, 40).mean / 20_000 - 1)).toBeLessThan(0.1);
    expect(Math.abs(region.rates(55, 100).mean / 10_000 - 1)).toBeLessThan(0.1);
    expect(Math.abs(region.rates(150).mean / 20_000 - 1)).toBeLessThan(0.1);
    expect(region.loss).toBeLessThan(0.02);
  });

  test("what is lost at any rate does not hold it up", () => {
    for (const share of [0.01, 0.05, 0.2]) {
      const region = new Region([{ capacity: constant(20_000), loss: constant(share), isLate }]);
      const { mean, least } = region.rates(60);
      // What is lost on the way needs no capacity.
      expect(Math.abs((mean * (1 - share)) / 20_000 - 1)).toBeLessThan(0.1);
      expect((least * (1 - share)) / 20_000).toBeGreaterThan(0.4);
      expect(region.lossLate - share).toBeLessThan(0.005);
      expect(region.receivers[0]?.estimator.ambientLoss).toBeGreaterThan(share / 2);
    }
  });

  test("a receiver that drops everything for 10 ms in each second does not hold it up either", () => {
    const loss = (t: number) => (t % 1_000 < 10 ? 1 : 0);
    const region = new Region([{ capacity: constant(10_000), loss, isLate }]);
    expect(region.rates(60).mean).toBeGreaterThan(0.85 * 10_000);
  });

  test("turns that are late whatever the rate are not answered", () => {
    const region = new Region([{ capacity: constant(20_000), delayMs: constant(100), isLate }]);
    expect(Math.abs(region.rates(60).mean / 20_000 - 1)).toBeLessThan(0.1);
  });
});

test("competitors that halve their rate on loss, as TCP does, keep a fair part", () => {
  const fair = (roundTripMs: number, flows: number): { ours: number; theirs: number; region: Region } => {
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
    const region = new Region([{ capacity: constant(20_000), other }], { seconds: 200 });
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
  const region = new Region([{ capacity: constant(20_000) }], { demands });
  expect(region.rates(45, 80).greatest).toBe(500);
  // At once, not by another ramp.
  expect(Math.abs(region.rates(81, 90).mean / 20_000 - 1)).toBeLessThan(0.1);
  expect(region.lossLate).toBeLessThan(0.005);
});

test("who has received nothing yet does not say anything; who joins a busy region does not hold it up", () => {
  const estimator = new AdmissionEstimator(admissionDefaults, 0);
  estimator.observe({ received: 0, expected: 0, loopDelayMs: 0 }, 1_000);
  expect(estimator.isInformed).toBe(false);
  // Packets began to come at some time of this window.
  estimator.observe({ received: 10_000, expected: 10_000, loopDelayMs: 0 }, 2_000);
  expect(estimator.isInformed).toBe(false);
  estimator.observe({ received: 60_000, expected: 60_000, loopDelayMs: 0 }, 3_000);
  expect(estimator.isInformed).toBe(true);
  expect(estimator.rate).toBe(2.5 * 50_000);
});

test("the rate stays within its bounds", () => {
  const collapsing = new Region([{ capacity: constant(1), queue: 10 }], { seconds: 200 });
  expect(collapsing.rates(100).least).toBeGreaterThanOrEqual(admissionDefaults.rateMin);
  expect(collapsing.rates(100).mean).toBeLessThan(3 * admissionDefaults.rateMin);
  const unlimited = new Region([{ capacity: constant(1e9), queue: 1e9 }], { seconds: 30, demands: () => [1e9] });
  expect(unlimited.rates(20).greatest).toBe(admissionDefaults.rateMax);
});
