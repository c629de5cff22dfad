import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 10;

/** How late this thread's event loop is: what a timer that is due has to wait. Milliseconds. */
export class LoopDelay {
  readonly #histogram: IntervalHistogram;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** Since the last call. */
  take(): { readonly medianMs: number; readonly meanMs: number; readonly maxMs: number } {
    const { mean, max, count } = this.#histogram;
    const median = this.#histogram.percentile(50);
    this.#histogram.reset();
    // Intervals between the probe's timers were measured, which begin with their own length.
    const late = (ns: number): number => (count === 0 ? 0 : Math.max(0, ns / 1e6 - RESOLUTION_MS));
    return { medianMs: late(median), meanMs: late(mean), maxMs: late(max) };
  }

  stop(): void {
    this.#histogram.disable();
  }
}
