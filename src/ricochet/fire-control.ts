import { LossMeter } from "./loss-meter.ts";
import { BURST_MAX, COPIES_MAX, COPIES_MIN, failureOf, RATE_START, type RateOfFire } from "./rate-of-fire.ts";

/** Numbers of packets in a repair that are considered. */
const EVERY = [2, 3, 4, 6, 8, 12, 16, 24, 32];
/** Nothing is changed before so many packets have told something. */
const PACKETS_MIN = 256;
/** What is lost should have the first of its repairs in this time, ms. What a millisecond more is worth for each loss, in repairs. */
const WAIT_MS = 10;
const LATE_COST = 3;
/** Bins that take longer, ms, cost the more the longer: the slowest of them come when packets are already asked for. */
const FILL_MS = 60;
/** So many times that is too long to keep it until the next change is due: bins take as long as all members want, which one cannot foretell. */
const SLOW = 1.5;
/** What it costs, in repairs, that a packet is in one repair more: it is looked up there. Measured (bench/timely.ts). */
const COPY_COST = 0.03;
/** What is chosen fails by so much less than it may, and is kept until it fails by so much more: what is measured wavers. */
const SPARE = 0.75;
const TOLERATED = 1.3;
/** What is cheaper is taken if it is that much cheaper, and not too soon after the last change. */
const CHEAPER = 0.85;
const CHANGE_MS = 5_000;
/** A burst is another one if it is so much longer or shorter. */
const LONGER = 1.25;
const SHORTER = 0.6;
/** Failures that the model is trusted with before any were seen: as if so many had been expected, and had come. */
const TRUSTED = 2;
/** However much is repaired, so much is asked for before: it tells nothing of the model. */
const OTHERWISE = 0.001;
/** Losses that are remembered. */
const LOSSES = 2_000;
/** What fails together has one cause, such as a pause of the node, and is no matter of repairs: so many count at once. */
const FAILURES_AT_ONCE = 2;
/** Standard errors above what was seen that failures are taken to be: in 95 of 100 cases they are fewer. */
const CAUTION = 1.645;
/** How far off the model may be. */
const FACTOR_MAX = 16;
/** Repairs after which it is believed how fast bins are filled; one counts as so many times what is thought at most: what waited in a socket came at once. */
const FILLS = 64;
const FILL_TIMES_MAX = 4;
/** No bin is filled faster, for each packet of a repair. */
const PACKET_MS_MIN = 0.01;

/** How many others repair a receiver, and whether most of them in aligned bins. */
export type Repairers = { readonly others: number; readonly isAligned: boolean };

/**
 * Chooses how a receiver is to be repaired: so that repairs bring a given share of what it loses, at the least cost. It measures what is lost and
 * in what bursts, knows roughly what (r, c) make of that (rate-of-fire.ts), and compares how much of it failed with how much should have: failures
 * are as many times what is expected as their number so far makes certain, so it begins with care, and saves as it learns. More is asked for at once,
 * less only after a while and with something to spare, so it does not swing.
 */
export class FireControl {
  readonly #budget: number;
  readonly #meter = new LossMeter();
  #rate: RateOfFire;
  /** Losses since the last update that repairs did not bring, and that they did. */
  #failures = 0;
  #successes = 0;
  /** Failures among the losses that are remembered, and how many the model expected. */
  #failed = 0;
  #expected = 0;
  /** Packets that bins get per ms, with the present rate; undefined: not known. */
  #packetsPerMs: number | undefined;
  #changedAt = Number.NEGATIVE_INFINITY;

  /** `recovery`: the share of losses that repairs shall bring, below 1. */
  constructor(recovery: number, start: RateOfFire = RATE_START) {
    this.#budget = 1 - recovery;
    this.#rate = start;
  }

  get rate(): RateOfFire {
    return this.#rate;
  }

  get loss(): number {
    return this.#meter.loss;
  }

  /** A packet came by itself. */
  came(now: number): void {
    this.#meter.came(now);
  }

  /** One that should have come then did not, and repairs have brought it, or not. */
  missed(since: number, isRebuilt: boolean): void {
    this.#meter.missed(since);
    if (isRebuilt) this.#successes++;
    else this.#failures++;
  }

  /** It did, but repairs were sooner. */
  cameAfterAll(since: number): void {
    this.#meter.cameAfterAll(since);
    this.#successes = Math.max(0, this.#successes - 1);
  }

  /** A repair of so many packets came, of which the last had come so long after the first. */
  filled(packets: number, fillMs: number): void {
    if (packets < 2) return;
    const sample = (packets - 1) / Math.max(fillMs, PACKET_MS_MIN * (packets - 1));
    const known = this.#packetsPerMs ?? sample;
    // The mean of how fast, not of how long: the first repair of a loss is mostly one of the fastest.
    this.#packetsPerMs = known + (Math.min(sample, FILL_TIMES_MAX * known) - known) / FILLS;
  }

  /** To be called a few times per second. `by`: who can repair this receiver. Returns whether the rate is another one. */
  update(now: number, by: Repairers): boolean {
    if (this.#meter.packets < PACKETS_MIN || by.others === 0) return false;
    this.#learn(by);
    const rate = this.#choose(now, by);
    if (rate === undefined) return false;
    // What bins took is known for the rate of before.
    if (this.#packetsPerMs !== undefined) this.#packetsPerMs /= this.#slowness(rate);
    this.#rate = rate;
    this.#changedAt = now;
    return true;
  }

  #learn({ isAligned }: Repairers): void {
    const losses = this.#failures + this.#successes;
    const kept = (1 - 1 / LOSSES) ** losses;
    this.#failed = this.#failed * kept + Math.min(this.#failures, FAILURES_AT_ONCE);
    this.#expected = this.#expected * kept + losses * (OTHERWISE + failureOf(this.loss, this.#rate, isAligned));
    this.#failures = 0;
    this.#successes = 0;
  }

  /** How many times what the model expects fails, at most: a bound for the mean of a Poisson distribution of which so many were seen. */
  get #factor(): number {
    const seen = TRUSTED + this.#failed;
    const factor = (seen * (1 + CAUTION / Math.sqrt(seen))) / (TRUSTED + this.#expected);
    return Math.max(1 / FACTOR_MAX, Math.min(FACTOR_MAX, factor));
  }

  #choose(now: number, { others, isAligned }: Repairers): RateOfFire | undefined {
    const { loss } = this.#meter;
    const burst = this.#burst();
    const factor = this.#factor;
    const failure = (rate: RateOfFire): number => failureOf(loss, rate, isAligned) * factor;
    const current = { ...this.#rate, copies: Math.min(this.#rate.copies, others) };
    const isEnough = burst <= current.burst && failure(current) <= TOLERATED * this.#budget;
    const isNew = now < this.#changedAt + CHANGE_MS;
    if (isEnough && isNew && waitMs(this.#fillMs(current), current.copies) <= SLOW * WAIT_MS) return undefined;
    const limit = SPARE * this.#budget;
    let best: RateOfFire | undefined;
    let leastCost = isEnough && burst === current.burst ? CHEAPER * this.#cost(current) : Number.POSITIVE_INFINITY;
    // What fails least, if nothing is good enough.
    let safest = current;
    for (const every of EVERY) {
      for (let copies = Math.min(others, COPIES_MIN); copies <= Math.min(others, COPIES_MAX); copies++) {
        const rate = { every, copies, burst };
        if (failure(rate) < failure(safest)) safest = rate;
        if (failure(rate) > limit || this.#cost(rate) >= leastCost) continue;
        best = rate;
        leastCost = this.#cost(rate);
      }
    }
    if (best !== undefined) return best;
    if (isEnough) return undefined;
    const isSame =
      safest.every === this.#rate.every && safest.copies === this.#rate.copies && burst === this.#rate.burst;
    return isSame ? undefined : { ...safest, burst };
  }

  /** The burst that is provided for: the present one, unless what is seen differs clearly. */
  #burst(): number {
    const present = this.#rate.burst;
    const seen = this.#meter.burst;
    return seen > LONGER * present || seen < SHORTER * present ? Math.min(BURST_MAX, Math.ceil(seen)) : present;
  }

  /** How much longer a bin takes for a packet. */
  #slowness({ copies, burst }: RateOfFire): number {
    return (burst / this.#rate.burst) * Math.max(1, this.#rate.copies / copies);
  }

  /** In repairs per packet. */
  #cost(rate: RateOfFire): number {
    const { every, copies } = rate;
    const fillMs = this.#fillMs(rate);
    const lateMs = Math.max(0, waitMs(fillMs, copies) - WAIT_MS);
    return (
      (copies / every + COPY_COST * copies) * Math.max(1, fillMs / FILL_MS) + LATE_COST * this.#meter.loss * lateMs
    );
  }

  #fillMs(rate: RateOfFire): number {
    return this.#packetsPerMs === undefined ? 0 : (rate.every * this.#slowness(rate)) / this.#packetsPerMs;
  }
}

/** From a loss to the first of its repairs: it lies anywhere in each of them. */
function waitMs(fillMs: number, copies: number): number {
  return fillMs / (copies + 1);
}
