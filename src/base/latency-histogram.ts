/** Upper bounds of the buckets, ms; what took longer is in one more. */
export const LATENCY_BOUNDS_MS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** How long something took, as counts in buckets of about equal ratios. */
export class LatencyHistogram {
  readonly #counts = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);
  #sumMs = 0;

  add(ms: number): void {
    let bucket = 0;
    while (bucket < LATENCY_BOUNDS_MS.length && ms > (LATENCY_BOUNDS_MS[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumMs += ms;
  }

  /** By bucket, the last one of what exceeds all bounds. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  get sumMs(): number {
    return this.#sumMs;
  }
}
