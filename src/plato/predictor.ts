import type { Threshold } from "./config.ts";

/** When a message came here and at the sequencer, each on its own clock, ms. */
export type Sighting = { readonly mine: number; readonly theirs: number };

/** Differences until the threshold is believed, and that are remembered; it is worked out anew each few. */
const SAMPLES_MIN = 24;
const SAMPLES_MAX = 256;
const SAMPLES_EACH = 16;
/**
 * The difference that so many of them do not exceed counts. Not the greatest: what waits while a process does not run comes all at once, which makes
 * great differences, and no disorder.
 */
const QUANTILE = 0.9;
/** Between messages that are farther apart clocks may drift. */
const APART_MS_MAX = 1_000;

/**
 * Which messages are likely to keep their place (protocols.md C3, C5). The sequencer sees two messages in the same order as this node if they came here
 * farther apart than the two nodes see the same gap differently. How differently that is is learned from each two messages that the sequencer
 * has ordered one after the other: it tells when it has had them.
 */
export class GapPredictor {
  readonly #settings: number | Threshold;
  #previous: Sighting | undefined;
  readonly #differences = new Float64Array(SAMPLES_MAX);
  #samples = 0;
  #learned: number | undefined;

  constructor(settings: number | Threshold) {
    this.#settings = settings;
  }

  /** A gap below this, ms, makes the order of two messages doubtful. */
  get thresholdMs(): number {
    const settings = this.#settings;
    if (typeof settings === "number") return settings;
    if (this.#learned === undefined) return settings.startMs;
    return Math.min(settings.maxMs, Math.max(settings.minMs, settings.margin * this.#learned));
  }

  /** The next message of the order; undefined: it came late here or there, by a repair, and says nothing about gaps. */
  learn(sighting: Sighting | undefined): void {
    const previous = this.#previous;
    this.#previous = sighting;
    if (previous === undefined || sighting === undefined) return;
    const mine = sighting.mine - previous.mine;
    if (Math.abs(mine) > APART_MS_MAX) return;
    this.#differences[this.#samples % SAMPLES_MAX] = Math.abs(mine - (sighting.theirs - previous.theirs));
    this.#samples++;
    if (this.#samples < SAMPLES_MIN || this.#samples % SAMPLES_EACH !== 0) return;
    const known = this.#differences.slice(0, Math.min(this.#samples, SAMPLES_MAX)).sort();
    this.#learned = known[Math.floor(QUANTILE * known.length)];
  }

  /** Another sequencer: what it sees has to be learned anew. */
  reset(): void {
    this.#previous = undefined;
    this.#samples = 0;
    this.#learned = undefined;
  }
}
