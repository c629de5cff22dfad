/** Before the first measurement: a busy neighbour on a local network has answered by then. */
const START_MS = 20;
const MIN_MS = 2;
const MAX_MS = 500;
/** Round trips that never vary still do by what a host's turns take. */
const VARIATION_MIN_MS = 1;

/**
 * How long to wait for an acknowledgement before sending again: the smoothed round trip plus four times its mean deviation (Jacobson's
 * estimator), 2 … 500 ms.
 *
 * What was sent twice says nothing about the round trip, since its acknowledgement may answer either (Karn). If all of it were
 * sent twice because the wait is too short, it would stay too short: so when nothing can be learnt from an acknowledgement, the next
 * wait is twice that which ran out first, until something that was sent once is acknowledged.
 */
export class RoundTrip {
  #smoothedMs = 0;
  #variationMs = 0;
  #waitMs = START_MS;

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
    this.#waitMs = bounded(this.#smoothedMs + Math.max(VARIATION_MIN_MS, 4 * this.#variationMs));
  }

  /** Nothing of what has been acknowledged was sent only once. The longest first wait of these things ran out. */
  unmeasured(waitedMs: number): void {
    this.#waitMs = Math.max(this.#waitMs, bounded(2 * waitedMs));
  }

  /** How long to wait once more for what has been waited for so long, when nothing at all came from the other side meanwhile. */
  afterSilence(waitedMs: number): number {
    return Math.max(this.#waitMs, bounded(2 * waitedMs));
  }
}

function bounded(ms: number): number {
  return Math.min(MAX_MS, Math.max(MIN_MS, ms));
}
