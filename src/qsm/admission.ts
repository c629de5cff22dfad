import { assert, unreachable } from "../base/assert.ts";

export type AdmissionConfig = {
  /** Packets per second: what is admitted before anything is known, and the bounds. */
  readonly rateStart: number;
  readonly rateMin: number;
  readonly rateMax: number;
  /**
   * Shortest stretch that is judged; otherwise it is a token round. It had better exceed the time that packets wait in a full socket
   * buffer, since losses are seen only behind them: if not, the rate overshoots by about a tenth before it is seen.
   */
  readonly windowMs: number;
  /** Share of packets lost, beyond what is lost at any rate, that counts as overload. */
  readonly lossMax: number;
  /** Lateness of the host's turns that counts as overload. */
  readonly loopDelayMsMax: number;
};

export const admissionDefaults: AdmissionConfig = {
  rateStart: 2_000,
  rateMin: 10,
  rateMax: 1_000_000,
  windowMs: 250,
  lossMax: 0.002,
  loopDelayMsMax: 25,
};

/** What a node has had to do with the packets of its region, in all. The counts only grow. */
export type Reception = {
  /**
   * Packets that came from their senders for the first time of sending, and those that the node sent itself: a sender would otherwise
   * never learn what it can take. Neither repairs nor what was sent again: those use capacity that is then not there for these.
   */
  readonly received: number;
  /** Packets that were sent, as far as is known: what the greatest sequence numbers seen have grown by. */
  readonly expected: number;
  /** How late turns of the host's loop are: the median of late, so that one pause of the garbage collector does not count. */
  readonly loopDelayMs: number;
};

/** Growth until the first overload: admitted is so many times what gets through. */
const SLOW_START_GROWTH = 2.5;
/** Share of what gets through that is admitted after an overload, and after the first one: the rest drains the queues. */
const BACK_OFF = 0.9;
const FIRST_BACK_OFF = 0.7;
/** What gets through is the most that did in so many windows: one bad window says little of what a node can do. */
const SERVED_WINDOWS = 8;
/** Receipts follow what is admitted if they reach this share of it: senders are never quite exact. */
const FOLLOWING = 0.95;
/** Windows in which the ceiling is reached again after an overload, and after which growth above it becomes quick. */
const RECOVERY_WINDOWS = 3;
const CAUTIOUS_WINDOWS = 20;
/** Growth above the ceiling: per window, as a share of it; later, admitted is so many times what gets through. */
const CAUTIOUS_GROWTH = 0.0025;
const QUICK_GROWTH = 1.07;
/** How often it backs off without effect, and in all, before it tries half the rate. */
const VAIN_BACK_OFFS = 2;
const BACK_OFFS = 4;
/** Windows for which half the rate is tried, to see whether it makes a difference. */
const HALVED_WINDOWS = 4;
/** By how much of its distance the loss that is there at any rate falls, per window with less. */
const AMBIENT_DECAY = 1 / 16;
const AMBIENT_LOSS_MAX = 0.9;

/** Of overload. Beyond what is there at any rate. */
type Signs = { readonly loss: number; readonly delayMs: number };

type Window = {
  /** Packets per second that were offered to the node and got through, or would have but for what is lost at any rate. */
  readonly served: number;
  /** Packets that should have come. */
  readonly expected: number;
  readonly signs: Signs;
  /** Whether so much gets through as is admitted. If not, senders have no more, or the node can do no more: no reason to admit more. */
  readonly isFollowing: boolean;
  /** Whether senders use what is admitted at least by half. */
  readonly isUsed: boolean;
};

type Phase =
  /** No overload yet. */
  | { readonly name: "slowStart" }
  /** After an overload: back to the ceiling, quickly and then ever more slowly. */
  | { readonly name: "recovery"; readonly ceiling: number; readonly from: number; readonly windows: number }
  /** Above the ceiling. */
  | { readonly name: "probing"; readonly ceiling: number; readonly windows: number };

/** From the first sign of an overload until the rate has recovered from it. */
type Trial = {
  readonly before: { readonly rate: number; readonly phase: Phase };
  /** Those that called for it, and those of the last time that it backed off; 0 for what was no reason. */
  readonly signs: Signs;
  readonly last: Signs;
  readonly backOffs: number;
  readonly isHalved: boolean;
  /** Since the rate was changed. */
  windows: number;
  /** At half the rate. */
  sum: Signs;
  peak: Signs;
};

const NONE: Signs = { loss: 0, delayMs: 0 };

/**
 * How many packets per second of its region a node can take (protocols.md A43). The papers leave open how to find it; what is
 * chosen here, what it does in simulations and what did worse is in docs/adr/0005-admissible-rate.md.
 *
 * Signs of overload are lost packets and late turns. What gets through meanwhile *is* what the node can take: it backs off to a little
 * less than that, not to half. It recovers in a few windows, then probes so slowly that overshooting loses little; and it never
 * admits much more than what it has received. If backing off changes nothing, not even to half, then the rate is not the cause:
 * the sign is taken for what is there at any rate, and the rate for what it was.
 */
export class AdmissionEstimator {
  readonly #config: AdmissionConfig;
  #rate: number;
  #isInformed = false;
  #phase: Phase = { name: "slowStart" };
  #trial: Trial | undefined;
  /** The rate before this one, which senders may have had for a part of the window. */
  #rateBefore: number;
  #ambient: Signs = NONE;
  /** Of the last windows, or of those since the last overload. */
  #served: number[] = [];
  #windowAt: number;
  #received = 0;
  #expected = 0;

  constructor(config: AdmissionConfig, now: number) {
    this.#config = config;
    this.#rate = config.rateStart;
    this.#rateBefore = config.rateStart;
    this.#windowAt = now;
  }

  /** Packets per second. */
  get rate(): number {
    return this.#rate;
  }

  /** Whether the node has seen enough to say anything. Who has just joined a busy region must not hold it up. */
  get isInformed(): boolean {
    return this.#isInformed;
  }

  /** Share of packets that is lost at any rate; for people. */
  get ambientLoss(): number {
    return this.#ambient.loss;
  }

  /** To be called when the token visits the node: what it says of the rate then takes effect before the next visit but one. */
  observe({ received, expected, loopDelayMs }: Reception, now: number): void {
    const seconds = (now - this.#windowAt) / 1000;
    if (seconds * 1000 < this.#config.windowMs) return;
    const came = received - this.#received;
    // A packet that was overtaken may come in the window after the one in which it was expected.
    const due = Math.max(came, expected - this.#expected);
    assert(came >= 0, "counts of received packets grow");
    const isFirst = this.#received === 0;
    this.#windowAt = now;
    this.#received = received;
    this.#expected = expected;
    // Nothing is known of when the first packets began to come.
    if (due === 0 || isFirst) return;

    const served = came / seconds / (1 - this.#ambient.loss);
    const inForce = Math.min(this.#rate, this.#rateBefore);
    this.#isInformed = true;
    this.#rateBefore = this.#rate;
    this.#judge({
      served,
      expected: due,
      signs: { loss: 1 - came / due - this.#ambient.loss, delayMs: loopDelayMs - this.#ambient.delayMs },
      isFollowing: served >= FOLLOWING * inForce,
      isUsed: due / seconds >= inForce / 2,
    });
    this.#rate = Math.min(this.#config.rateMax, Math.max(this.#config.rateMin, this.#rate));
  }

  #judge(window: Window): void {
    if (this.#served.push(window.served) > SERVED_WINDOWS) this.#served.shift();
    const trial = this.#trial;
    if (trial !== undefined) {
      trial.windows += 1;
      // Senders have come to know of the rate in the course of it: it says nothing.
      if (trial.windows === 1) return;
      if (trial.isHalved && !this.#hasHalvingHelped(trial, window.signs)) return;
    }
    const signs = this.#overload(window);
    if (signs !== undefined) {
      this.#backOff(signs, window);
    } else {
      const { loss, delayMs } = window.signs;
      this.#ambient = {
        loss: this.#ambient.loss + AMBIENT_DECAY * Math.min(0, loss),
        delayMs: this.#ambient.delayMs + AMBIENT_DECAY * Math.min(0, delayMs),
      };
      this.#grow(window);
    }
  }

  /** The signs that are reasons to back off: losses only if they are more than chance. */
  #overload({ signs, expected }: Window): Signs | undefined {
    const { lossMax, loopDelayMsMax } = this.#config;
    const chance = 3 * Math.sqrt((this.#ambient.loss + lossMax) * expected) + 2;
    const loss = signs.loss * expected > lossMax * expected + chance ? signs.loss : 0;
    const delayMs = signs.delayMs > loopDelayMsMax ? signs.delayMs : 0;
    return loss > 0 || delayMs > 0 ? { loss, delayMs } : undefined;
  }

  #backOff(signs: Signs, { served, isUsed }: Window): void {
    const trial = this.#trial;
    const backOffs = (trial?.backOffs ?? 0) + 1;
    const isVain = trial !== undefined && backOffs > VAIN_BACK_OFFS && !hasFallen(trial.last, signs);
    const isHalved = (isVain || backOffs > BACK_OFFS) && this.#rate >= 2 * this.#config.rateMin;
    const before = trial?.before ?? { rate: this.#rate, phase: this.#phase };
    const first = trial?.signs ?? signs;
    this.#trial = { before, signs: first, last: signs, backOffs, isHalved, windows: 0, sum: NONE, peak: NONE };

    // While queues drain, more gets through than is admitted. And if little is sent, what gets through is not all that could.
    const most = Math.min(before.rate, Math.max(...this.#served));
    const ceiling = isUsed ? most : Math.max(most, this.#rate / 2);
    const share = this.#phase.name === "slowStart" ? FIRST_BACK_OFF : BACK_OFF;
    this.#rate = Math.min(this.#rate, isHalved ? Math.min(ceiling, served) / 2 : share * ceiling);
    this.#phase = { name: "recovery", ceiling, from: this.#rate, windows: 0 };
    // What got through before counts no longer, if what does now is too much already.
    this.#served = [];
  }

  /** Collects what half the rate does. False: it is not decided yet, or it has not helped, and the rate is as before the trial. */
  #hasHalvingHelped(trial: Trial, { loss, delayMs }: Signs): boolean {
    const { signs, before, sum, peak } = trial;
    trial.sum = { loss: sum.loss + loss, delayMs: sum.delayMs + delayMs };
    trial.peak = { loss: Math.max(peak.loss, loss), delayMs: Math.max(peak.delayMs, delayMs) };
    const windows = trial.windows - 1;
    if (windows < HALVED_WINDOWS) return false;
    this.#trial = undefined;
    if (hasFallen(signs, { loss: trial.sum.loss / windows, delayMs: trial.sum.delayMs / windows })) return true;
    this.#ambient = {
      loss: Math.min(AMBIENT_LOSS_MAX, this.#ambient.loss + (signs.loss > 0 ? trial.peak.loss : 0)),
      delayMs: this.#ambient.delayMs + (signs.delayMs > 0 ? trial.peak.delayMs : 0),
    };
    this.#rate = before.rate;
    this.#phase = before.phase;
    return false;
  }

  #grow({ served, isFollowing }: Window): void {
    const phase = this.#phase;
    switch (phase.name) {
      case "slowStart":
        if (isFollowing) this.#rate = Math.max(this.#rate, SLOW_START_GROWTH * served);
        return;
      case "recovery": {
        if (!isFollowing) return;
        const { ceiling, from } = phase;
        const windows = phase.windows + 1;
        this.#rate = ceiling - (ceiling - from) * (1 - windows / RECOVERY_WINDOWS) ** 3;
        this.#phase = { ...phase, windows };
        if (windows === RECOVERY_WINDOWS) {
          this.#phase = { name: "probing", ceiling, windows: 0 };
          this.#trial = undefined;
        }
        return;
      }
      case "probing": {
        const windows = phase.windows + 1;
        if (!isFollowing) {
          this.#rate = Math.min(this.#rate, phase.ceiling);
          this.#phase = { ...phase, windows: 0 };
        } else if (windows <= CAUTIOUS_WINDOWS) {
          this.#rate = phase.ceiling * (1 + CAUTIOUS_GROWTH * windows);
          this.#phase = { ...phase, windows };
        } else {
          this.#rate = Math.max(this.#rate, QUICK_GROWTH * served);
          this.#phase = { ...phase, windows, ceiling: Math.max(phase.ceiling, served) };
        }
        return;
      }
      default:
        return unreachable(phase);
    }
  }
}

/** Whether one of the signs that were there has fallen to half. */
function hasFallen(before: Signs, after: Signs): boolean {
  const isLess = (a: number, b: number): boolean => b > 0 && a < b / 2;
  return isLess(after.loss, before.loss) || isLess(after.delayMs, before.delayMs);
}
