import { type TurnLoop, type TurnVerbs } from "../machine/turn-loop.ts";

/** The longest timer that Node takes, ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The monotonic clock of this process, ms with fractions. */
export function now(): number {
  return performance.now();
}

/**
 * The scheduling verbs of a turn loop on Node: a turn runs in the check phase, right after the sockets were polled, and
 * one timer stands for all deadlines.
 */
export class TurnClock implements Omit<TurnVerbs, "flush"> {
  #loop: Pick<TurnLoop, "run"> | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #wakeAt = Number.POSITIVE_INFINITY;
  #stopped = false;
  readonly #run = (): void => {
    this.#immediate = undefined;
    if (!this.#stopped) this.#loop?.run();
  };
  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#stopped) return;
    // Through an immediate, so that packets which came during a pause are seen before the timers they refute.
    if (this.#wakeAt <= performance.now() + 0.5) this.schedule();
    else this.wakeAt(this.#wakeAt);
  };

  /** Sets the loop that is to be run; once. */
  drive(loop: Pick<TurnLoop, "run">): void {
    this.#loop = loop;
  }

  now(): number {
    return performance.now();
  }

  schedule(): void {
    if (this.#stopped) return;
    this.#immediate ??= setImmediate(this.#run);
  }

  wakeAt(timeMs: number): void {
    this.#wakeAt = timeMs;
    // A timer that fires too early only looks and is set anew: cheaper than to move it at every turn.
    if (this.#stopped || this.#timerAt <= timeMs || timeMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(timeMs - performance.now(), TIMER_MS_MAX);
    if (delayMs <= 0) return this.schedule();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timerAt = timeMs;
    this.#timer = setTimeout(this.#onTimer, delayMs);
  }

  /** Runs no further turn. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
  }
}
