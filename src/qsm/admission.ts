import { assert, unreachable } from "../base/assert.ts";

export type AdmissionConfig = {
  /** Packets per second: what is admitted before anything is known, and the bounds. */
  readonly rateStart: number;
  readonly rateMin: number;
  readonly rateMax: number;
  /** Shortest stretch that is judged; otherwise it is a token round. */
  readonly windowMs: number;
  /** How long packets may wait all the time, beyond what they do at any rate, before it counts as overload. */
  readonly standingMsMax: number;
  /** Share of packets lost that counts as overload, beyond what is lost at any rate and what may be chance. */
  readonly lossMax: number;
};

export const admissionDefaults: AdmissionConfig = {
  rateStart: 2_000,
  rateMin: 10,
  rateMax: 1_000_000,
  windowMs: 150,
  standingMsMax: 25,
  lossMax: 0.002,
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
  /** How often some of them were left out: one, or many in a row. */
  readonly gaps: number;
};

/** Growth until the first overload: admitted is so many times what gets through. */
const SLOW_START_GROWTH = 2.5;
/** Share of what gets through that is admitted after losses, and after those of an overload that came with quick growth. */
const BACK_OFF = 0.9;
const FIRST_BACK_OFF = 0.7;
/** After packets had to wait: so much less that the queue is empty after this time, but not less than the share above. */
const DRAIN_MS = 1_000;
/** What gets through is the most that did in so many windows: one bad window says little of what a node can do. */
const WINDOWS = 8;
/** Receipts follow what is admitted if they reach this share of it: a sender whose turns are late does not quite send what it may. */
const FOLLOWING = 0.9;
/** Windows until it is seen what backing off has done. In the first one, senders come to know of it. */
const TRIAL_WINDOWS = 3;
/** Windows in which the ceiling is reached again after an overload. */
const RECOVERY_WINDOWS = 3;
/** Growth above the ceiling, per window, at first and at most. Where too much costs packets, it stays as it is for so many windows. */
const GROWTH_FIRST = 0.0025;
const CAUTIOUS_WINDOWS = 20;
const GROWTH_MOST = 0.07;
/** Where it only makes them wait, which is seen in time. */
const GROWTH_MOST_WAITING = 0.25;
/** Admitted is so many times what gets through, at most, and the same where too much only makes packets wait. */
const HEADROOM = 1.1;
const HEADROOM_WAITING = 1.4;
/** How often it backs off without effect, the last time to half, before the sign is taken for what is there at any rate. */
const BACK_OFFS_MAX = 3;
/** The share that is lost at any rate is that of the last windows, each counting so much less than the one after it. */
const FADING = 15 / 16;
/** No more than that is taken to be lost at any rate without having been tried. */
const UNTRIED_LOSS_MAX = 0.2;
/** Fewer gaps, in fewer windows, may be one pause of the process. */
const GAPS_MIN = 4;
/** Who loses more than that goes on backing off. */
const USUAL_LOSS_MAX = 0.9;
/** A rate is a higher one, and losses may come from that, if it is so much higher. */
const HIGHER = 1.05;
/** Standard deviations that are taken for chance. */
const CHANCE = 4;

/** Of overload: how far something is beyond what it is at any rate. 0: not significantly. */
type Signs = { readonly loss: number; readonly standingMs: number };

type Losses = { readonly expected: number; readonly lost: number; readonly gaps: number; readonly seconds: number };

type Window = Losses & {
  /** Packets per second that got through, or would have but for what is lost at any rate. */
  readonly served: number;
  readonly standingMs: number;
  /** Whether so much gets through as is admitted. If not, senders have no more, or the node can do no more: no reason to admit more. */
  readonly isFollowing: boolean;
  /** Whether senders use what is admitted at least by half. */
  readonly isUsed: boolean;
};

type Calm =
  /** No overload yet. */
  | { readonly name: "slowStart" }
  /** After an overload: back to the ceiling, quickly and then ever more slowly. */
  | ({ readonly name: "recovery"; readonly from: number } & Recovered)
  /** Above the ceiling. */
  | ({ readonly name: "probing" } & Recovered);

/** `isLossy`: packets were lost in the overload, and did not only wait. */
type Recovered = { readonly ceiling: number; readonly isLossy: boolean; readonly windows: number };

/** At a lower rate because of these signs, to see whether they go. */
type Trial = {
  readonly name: "trial";
  readonly before: { readonly rate: number; readonly phase: Calm };
  readonly ceiling: number;
  readonly signs: Signs;
  readonly backOffs: number;
  readonly windows: readonly Window[];
};

/**
 * How many packets per second of its region a node can take (protocols.md A43). The papers leave open how to find it; what is
 * chosen here, what it does in simulations and what did worse is in docs/adr/0005-admissible-rate.md.
 *
 * Signs of overload are packets that wait all the time, and packets that are lost. What gets through meanwhile *is* what the node can
 * take: it backs off to a little less than that, not to half. It recovers in a few windows, then probes so slowly that overshooting
 * costs little; and it never admits much more than what it has received. If backing off changes nothing, not even to half, then the rate is
 * not the cause: the sign is taken for what is there at any rate, and the rate for what it was.
 */
export class AdmissionEstimator {
  readonly #config: AdmissionConfig;
  #rate: number;
  #isInformed = false;
  #phase: Calm | Trial = { name: "slowStart" };
  /** The rate before this one, which senders may have had for a part of the window. */
  #rateBefore: number;
  /** Of packets expected, fading; of these lost. */
  #usual: Losses = NOTHING;
  #usualMs = 0;
  /** The last ones, or those since it backed off. */
  #windows: Window[] = [];
  #windowAt: number;
  #last: Reception = { received: 0, expected: 0, gaps: 0 };

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

  /** Share of packets that is lost at any rate. */
  get usualLoss(): number {
    return share(this.#usual);
  }

  /** Whether enough time has passed since the last `observe`. */
  isDue(now: number): boolean {
    return now - this.#windowAt >= this.#config.windowMs;
  }

  /**
   * To be called when the token visits the node: what it says of the rate then takes effect before the next visit but one. `standingMs`: how
   * long packets have waited all the time since the last call.
   */
  observe(reception: Reception, standingMs: number, now: number): void {
    if (!this.isDue(now)) return;
    const seconds = (now - this.#windowAt) / 1_000;
    const { received, expected, gaps } = this.#last;
    const came = reception.received - received;
    // A packet that was overtaken may come in the window after the one in which it was expected.
    const due = Math.max(came, reception.expected - expected);
    assert(came >= 0, "counts of received packets grow");
    this.#windowAt = now;
    this.#last = reception;
    // Nothing is known of when the first packets began to come.
    if (due === 0 || received === 0) return;

    const served = came / seconds / (1 - Math.min(USUAL_LOSS_MAX, this.usualLoss));
    const inForce = Math.min(this.#rate, this.#rateBefore);
    this.#isInformed = true;
    this.#rateBefore = this.#rate;
    this.#judge({
      lost: due - came,
      expected: due,
      gaps: reception.gaps - gaps,
      seconds,
      served,
      standingMs,
      isFollowing: served >= FOLLOWING * inForce,
      isUsed: due / seconds >= inForce / 2,
    });
    this.#rate = Math.min(this.#config.rateMax, Math.max(this.#config.rateMin, this.#rate));
  }

  #judge(window: Window): void {
    const phase = this.#phase;
    if (phase.name === "trial") return this.#try(phase, window);
    this.#windows.push(window);
    const signs = this.#overload(window);
    if (signs !== undefined) {
      this.#backOff(signs, { rate: this.#rate, phase }, 1, this.#windows);
      // What got through before counts no longer, if what does now is too much already.
      for (const other of this.#windows) if (isLower(other, window)) this.#getUsedTo(other);
      this.#windows = [];
      return;
    }
    // Nothing has come of them in all that time: what was lost, and waited, does so at any rate.
    while (this.#windows.length > WINDOWS) this.#getUsedTo(this.#windows.shift() as Window);
    this.#usualMs = Math.min(this.#usualMs, window.standingMs + (this.#usualMs - window.standingMs) * FADING);
    this.#grow(phase, window);
  }

  /** The signs that are reasons to back off. */
  #overload(window: Window): Signs | undefined {
    const { standingMsMax } = this.#config;
    const loss = this.#excessLoss(window);
    const standingMs = window.standingMs > standingMsMax + this.#usualMs ? window.standingMs : 0;
    return loss > 0 || standingMs > 0 ? { loss, standingMs } : undefined;
  }

  /** Share of packets that is lost now beyond what was at lower rates, if that is more than chance. */
  #excessLoss(window: Window): number {
    const usual = sum([this.#usual, ...this.#windows.filter((other) => isLower(other, window))]);
    const like = this.#windows.filter((other) => !isLower(other, window));
    return Math.max(this.#excess([window], usual), this.#excess(like, usual));
  }

  #excess(windows: readonly Window[], usual: Losses): number {
    const now = sum(windows);
    const excess = share(now) - share(usual);
    if (excess > UNTRIED_LOSS_MAX && (now.gaps >= GAPS_MIN || windows.length >= GAPS_MIN)) return excess;
    if (usual.expected === 0) return 0;
    // Gaps come by chance, and their lengths vary as much as they are long.
    const length = lengthOfGaps(add(now, usual));
    const usualAtMost = (usual.lost + 2 * length) / usual.expected;
    const deviation = Math.sqrt(2 * length * usualAtMost * (1 / now.expected + 1 / usual.expected));
    return excess > this.#config.lossMax + CHANCE * deviation + (2 * length) / now.expected ? excess : 0;
  }

  #backOff(signs: Signs, before: Trial["before"], backOffs: number, windows: readonly Window[]): void {
    // While queues drain, more gets through than is admitted, and perhaps more than would go on. And if little is sent, what gets through is
    // not all that could.
    const known = Math.max(before.rate, before.phase.name === "slowStart" ? 0 : before.phase.ceiling);
    const most = Math.min(
      known,
      signs.loss > 0 ? Math.max(...windows.map(({ served }) => served)) : drainedIn(windows),
    );
    const ceiling = windows.at(-1)?.isUsed === true ? most : Math.max(most, this.#rate / 2);
    const least = before.phase.name === "slowStart" ? FIRST_BACK_OFF : BACK_OFF;
    const part = signs.loss > 0 ? least : Math.max(least, 1 - signs.standingMs / DRAIN_MS);
    this.#rate = Math.min(this.#rate, backOffs < BACK_OFFS_MAX ? part * ceiling : ceiling / 2);
    this.#phase = { name: "trial", before, ceiling, signs, backOffs, windows: [] };
  }

  /** Sees what the lower rate does. */
  #try(trial: Trial, window: Window): void {
    const windows = [...trial.windows, window];
    const { signs, before, ceiling, backOffs } = trial;
    const seen = windows.slice(1);
    const loss = share(sum(seen)) - this.usualLoss;
    const standingMs = window.standingMs - this.#usualMs;
    const hasLost = loss >= signs.loss / 2;
    const hasWaited = standingMs >= Math.max(this.#config.standingMsMax, signs.standingMs / 2);
    // A queue takes its time to get shorter, which may be many rounds.
    const isDraining = signs.standingMs > 0 && hasWaited && sum(seen).seconds < DRAIN_MS / 1_000;
    if (windows.length < TRIAL_WINDOWS || isDraining) {
      this.#phase = { ...trial, windows };
      return;
    }
    if ((signs.loss > 0 && !hasLost) || (signs.standingMs > 0 && !hasWaited)) {
      this.#phase = { name: "recovery", ceiling, isLossy: signs.loss > 0, from: this.#rate, windows: 0 };
      for (const each of seen) this.#getUsedTo(each);
      return;
    }
    // Too much by less than it has backed off would have shown.
    const isSmall = signs.standingMs === 0 && Math.max(signs.loss, loss) < 1 - BACK_OFF;
    const isTried = (backOffs >= BACK_OFFS_MAX || isSmall) && share(sum(seen)) <= USUAL_LOSS_MAX;
    if (!isTried) {
      const still = { loss: signs.loss > 0 ? Math.max(0, loss) : 0, standingMs: signs.standingMs > 0 ? standingMs : 0 };
      return this.#backOff(still, before, backOffs + 1, seen);
    }
    if (signs.loss > 0) this.#usual = sum(seen);
    if (signs.standingMs > 0) this.#usualMs += Math.max(0, standingMs);
    this.#rate = before.rate;
    this.#phase = before.phase;
  }

  #getUsedTo(window: Window): void {
    const { expected, lost, gaps, seconds } = this.#usual;
    const faded = { expected: expected * FADING, lost: lost * FADING, gaps: gaps * FADING, seconds: seconds * FADING };
    this.#usual = add(window, faded);
  }

  #grow(phase: Calm, { served, isFollowing }: Window): void {
    switch (phase.name) {
      case "slowStart":
        // No rate grows that nobody uses.
        this.#rate = Math.max(this.#rate, SLOW_START_GROWTH * served);
        return;
      case "recovery": {
        const { ceiling, isLossy, from } = phase;
        const windows = phase.windows + 1;
        this.#rate = ceiling - (ceiling - from) * (1 - windows / RECOVERY_WINDOWS) ** 3;
        if (windows < RECOVERY_WINDOWS) this.#phase = { ...phase, windows };
        else this.#phase = { name: "probing", ceiling, isLossy, windows: 0 };
        return;
      }
      case "probing": {
        if (!isFollowing) {
          this.#rate = Math.min(this.#rate, phase.ceiling);
          this.#phase = { ...phase, windows: 0 };
          return;
        }
        const windows = phase.windows + 1;
        const isCautious = phase.isLossy && windows <= CAUTIOUS_WINDOWS;
        const most = phase.isLossy ? GROWTH_MOST : GROWTH_MOST_WAITING;
        const growth = isCautious ? GROWTH_FIRST : Math.min(most, GROWTH_FIRST * 2 ** windows);
        const headroom = phase.isLossy ? HEADROOM : HEADROOM_WAITING;
        this.#rate = Math.max(this.#rate, Math.min(this.#rate * (1 + growth), headroom * served));
        // Nothing has gone wrong for so long: this much can be taken.
        const ceiling = growth === most ? Math.max(phase.ceiling, served) : phase.ceiling;
        this.#phase = { ...phase, ceiling, windows };
        return;
      }
      default:
        return unreachable(phase);
    }
  }
}

const NOTHING: Losses = { expected: 0, lost: 0, gaps: 0, seconds: 0 };

/**
 * What a queue that never was empty has let through: in the last window, or in two that follow each other, since what a pause keeps back in one
 * comes in the next. The most of many single ones would be what came in a burst behind a pause, and the queue would not get shorter.
 */
function drainedIn(windows: readonly Window[]): number {
  let most = windows.at(-1)?.served ?? 0;
  for (const [i, { served, seconds }] of windows.slice(1).entries()) {
    const before = windows[i] as Window;
    most = Math.max(most, (served * seconds + before.served * before.seconds) / (seconds + before.seconds));
  }
  return most;
}

function sum(windows: readonly Losses[]): Losses {
  return windows.reduce(add, NOTHING);
}

function add(a: Losses, b: Losses): Losses {
  return {
    expected: a.expected + b.expected,
    lost: a.lost + b.lost,
    gaps: a.gaps + b.gaps,
    seconds: a.seconds + b.seconds,
  };
}

/** Whether so much less should have come than in the other one that its losses say what is lost at lower rates. */
function isLower(a: Losses, b: Losses): boolean {
  return (HIGHER * a.expected) / a.seconds < b.expected / b.seconds;
}

function share({ lost, expected }: Losses): number {
  return expected > 0 ? lost / expected : 0;
}

function lengthOfGaps({ lost, gaps }: Losses): number {
  return lost / Math.max(1, gaps);
}
