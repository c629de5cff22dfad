/** Round trips that never vary still do by what a host's turns take. */
const VARIATION_MIN_MS = 1;

export type RoundTripConfig = {
  /** The wait before the first measurement: a busy peer has answered by then. */
  readonly startMs: number;
  /** Bounds of the wait. */
  readonly minMs: number;
  readonly maxMs: number;
};

/**
 * How long to wait for an acknowledgement before sending again: the smoothed round trip plus four times its mean deviation (Jacobson's
 * estimator), within bounds.
 *
 * What was sent twice says nothing about the round trip, since its acknowledgement may answer either (Karn). If all of it were
 * sent twice because the wait is too short, it would stay too short: so when nothing can be learnt from an acknowledgement, the next
 * wait is twice that which ran out first, until something that was sent once is acknowledged.
 */
export class RoundTrip {
  readonly #config: RoundTripConfig;
  #smoothedMs = 0;
  #variationMs = 0;
  #waitMs: number;

  constructor(config: RoundTripConfig) {
    this.#config = config;
    this.#waitMs = config.startMs;
  }

  /** 0 before the first measurement. */
  get smoothedMs(): number {
    return this.#smoothedMs;
  }

  get waitMs(): number {
    return this.#waitMs;
  }

  /** Something that was sent once has been acknowledged after this time. */
  measured(ms: number): void {
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
    } else {
      this.#variationMs += (Math.abs(ms - this.#smoothedMs) - this.#variationMs) / 4;
      this.#smoothedMs += (ms - this.#smoothedMs) / 8;
    }
    this.#waitMs = this.#bounded(this.#smoothedMs + Math.max(VARIATION_MIN_MS, 4 * this.#variationMs));
  }

  /** Nothing of what has been acknowledged was sent only once. The longest first wait of these things ran out. */
  unmeasured(waitedMs: number): void {
    this.#waitMs = Math.max(this.#waitMs, this.#bounded(2 * waitedMs));
  }

  /**
   * How long to wait once more for what has been waited for so long, when nothing at all came from the other side meanwhile. `mostMs`: doubling
   * ends there, or at what is usual, if that is more.
   */
  afterSilence(waitedMs: number, mostMs: number = this.#config.maxMs): number {
    return Math.max(this.#waitMs, Math.min(mostMs, this.#bounded(2 * waitedMs)));
  }

  #bounded(ms: number): number {
    return Math.min(this.#config.maxMs, Math.max(this.#config.minMs, ms));
  }
}
