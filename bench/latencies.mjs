/* How long messages took, counted in buckets of 10 us up to 10 s: what counts for each message has to cost little beside it. */

const BUCKETS_PER_MS = 100;
const BUCKETS = 10_000 * BUCKETS_PER_MS;

export class Latencies {
  #counts = new Uint32Array(BUCKETS);
  #count = 0;

  add(ms) {
    this.#counts[Math.max(0, Math.min(BUCKETS - 1, Math.floor(ms * BUCKETS_PER_MS)))] += 1;
    this.#count += 1;
  }

  reset() {
    this.#counts.fill(0);
    this.#count = 0;
  }

  /** What this share of the messages took at most, ms; 1: all. */
  atMost(share) {
    let left = Math.ceil(share * this.#count);
    let bucket = -1;
    while (left > 0) left -= this.#counts[++bucket];
    return (bucket + 1) / BUCKETS_PER_MS;
  }
}
