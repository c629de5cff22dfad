import type { Random } from "../../src/base/random.ts";
import { Random as Chance } from "../../src/base/random.ts";
import { admissionDefaults, AdmissionEstimator } from "../../src/qsm/admission.ts";
import { maxMinShares } from "../../src/qsm/max-min.ts";

/*
 * A fluid model of a region: senders at the rates that they were granted, receivers each with a queue of its own that is served at a
 * certain capacity, a token that visits them one after the other. Other traffic goes through the same queues.
 */

/** Of the model's time. */
export const STEP_MS = 5;
const HOP_MS = 2;

export type Circumstances = {
  /** Packets per second of all kinds. */
  readonly capacity?: (t: number) => number;
  /** Packets that wait; the default is what Linux keeps of 1 KB packets in 4 MiB. */
  readonly queue?: number;
  /** Share of packets lost on the way, and how many in a row. */
  readonly loss?: (t: number) => number;
  readonly burst?: number;
  /** Packets per second of others, given the share of theirs that was lost just before, and how long packets wait. */
  readonly other?: (t: number, lost: number, waitMs: number) => number;
  /** Whether packets say when they were made. */
  readonly isStamped?: boolean;
};

type Chunk = { readonly at: number; ours: number; other: number; lost: number; gaps: number };

export class FluidReceiver {
  readonly estimator: AdmissionEstimator;
  offered = 0;
  lost = 0;
  readonly #random: Random;
  readonly #its: Required<Circumstances>;
  readonly #chunks: Chunk[] = [];
  #waiting = 0;
  #isFull = false;
  #otherLost = 0;
  #received = 0;
  #expected = 0;
  #gaps = 0;
  #standingMs = Number.POSITIVE_INFINITY;

  constructor(circumstances: Circumstances, random: Random) {
    this.#its = {
      capacity: () => 1e6,
      queue: 1_800,
      loss: () => 0,
      burst: 1,
      other: () => 0,
      isStamped: true,
      ...circumstances,
    };
    this.#random = random;
    this.estimator = new AdmissionEstimator(admissionDefaults, 0);
  }

  step(t: number, rate: number): void {
    const { queue, burst } = this.#its;
    const budget = (this.#its.capacity(t) * STEP_MS) / 1000;
    const ours = this.#noisy((rate * STEP_MS) / 1000);
    const bursts = this.#events((ours * this.#its.loss(t)) / burst);
    const lostOnTheWay = Math.min(ours, bursts * burst);
    const waitMs = (this.#waiting / Math.max(1e-9, budget)) * STEP_MS;
    const other = (this.#its.other(t, this.#otherLost, waitMs) * STEP_MS) / 1000;
    const wanted = ours - lostOnTheWay + other;
    const room = Math.max(0, queue + budget - this.#waiting);
    const fits = wanted > room ? room / wanted : 1;
    this.#otherLost = 1 - fits;
    const entering = (ours - lostOnTheWay) * fits;
    const overflown = ours - lostOnTheWay - entering;
    const lost = ours - entering;
    this.offered += ours;
    this.lost += lost;
    // Of a full queue, each packet that is served lets one in; while none is, those lost are in a row.
    const gaps = bursts + (overflown > 0 ? Math.min(overflown, Math.max(this.#isFull ? 0 : 1, budget)) : 0);
    this.#isFull = overflown > 0;
    this.#chunks.push({ at: t, ours: entering, other: other * fits, lost, gaps });
    this.#waiting += entering + other * fits;
    this.#serve(budget, t);
  }

  visit(t: number): number {
    if (this.estimator.isDue(t)) {
      const [received, expected, gaps] = [this.#received, this.#expected, this.#gaps].map(Math.round);
      const isKnown = this.#its.isStamped && Number.isFinite(this.#standingMs);
      const reception = { received: received as number, expected: expected as number, gaps: gaps as number };
      this.estimator.observe(reception, isKnown ? this.#standingMs : 0, t);
      this.#standingMs = Number.POSITIVE_INFINITY;
    }
    return this.estimator.rate;
  }

  /** First in, first out: a loss is seen only when the packets behind it are. */
  #serve(budget: number, t: number): void {
    let left = budget;
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return;
      const size = chunk.ours + chunk.other;
      const part = size <= left ? 1 : left / size;
      if (part > 0) this.#standingMs = Math.min(this.#standingMs, t - chunk.at);
      this.#received += chunk.ours * part;
      this.#expected += (chunk.ours + chunk.lost) * part;
      this.#gaps += chunk.gaps * part;
      this.#waiting -= size * part;
      left -= size * part;
      if (part === 1) {
        this.#chunks.shift();
        continue;
      }
      for (const key of ["ours", "other", "lost", "gaps"] as const) chunk[key] *= 1 - part;
      return;
    }
  }

  #noisy(mean: number): number {
    const total = this.#random.unit() + this.#random.unit() + this.#random.unit() - 1.5;
    return Math.max(0, mean + total * Math.sqrt(Math.max(0, mean)));
  }

  /** Poisson's. */
  #events(mean: number): number {
    if (mean > 30) return Math.round(this.#noisy(mean));
    const least = Math.exp(-mean);
    let count = 0;
    for (let product = this.#random.unit(); product > least; product *= this.#random.unit()) count++;
    return count;
  }
}

export type Round = { readonly second: number; readonly rate: number; readonly rates: readonly number[] };

export type FluidOptions = {
  readonly seconds?: number;
  readonly demands?: (t: number) => number[];
  /** A round begins so long after the last, or early when so many packets have come: config.ts, tokenRate and roundBytes. */
  readonly roundMs?: number;
  readonly roundPackets?: number;
  readonly seed?: number;
};

export class FluidRegion {
  readonly rounds: Round[] = [];
  readonly receivers: readonly FluidReceiver[];
  /** Share of packets that the worst receiver lost in the second half of the time, and in all. */
  readonly lossLate: number;
  readonly loss: number;

  constructor(receivers: readonly Circumstances[], options: FluidOptions = {}) {
    const random = new Chance(options.seed ?? 11);
    this.receivers = receivers.map((circumstances) => new FluidReceiver(circumstances, random.fork()));
    const { seconds = 120, demands = () => [1e6], roundMs = 1_000 } = options;
    const { roundPackets = Number.POSITIVE_INFINITY } = options;
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
      if (visited < 0 && (t >= roundAt + roundMs || packets >= roundPackets)) {
        [visited, hopAt, roundAt, least, packets] = [0, t, t, Number.POSITIVE_INFINITY, 0];
      }
      while (visited >= 0 && hopAt <= t) {
        if (visited === this.receivers.length) {
          grants = maxMinShares(least, demands(t));
          this.rounds.push({ second: t / 1000, rate, rates });
          visited = -1;
        } else {
          least = Math.min(least, (this.receivers[visited] as FluidReceiver).visit(t));
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
