import type { Threshold } from "./config.ts";

/** When a message came here and at the sequencer, each on its own clock, ms. */
export type Sighting = { readonly mine: number; readonly theirs: number };

/** Differences until the threshold is believed, and in each half of what is remembered. */
const SAMPLES_MIN = 24;
const SAMPLES_HALF = 500;
/** Between messages that are farther apart clocks may drift. */
const APART_MS_MAX = 1_000;

/**
 * Which messages are likely to keep their place (protocols.md C3, C5). The sequencer sees two messages in the same order as this node if they came here
 * farther apart than the two nodes ever see the same gap differently. How differently that is is learned from each two messages that the sequencer
 * has ordered one after the other: it tells when it has had them.
 */
export class GapPredictor {
  readonly #settings: number | Threshold;
  #previous: Sighting | undefined;
  #samples = 0;
  #greatest = 0;
  #greatestBefore = 0;
  #isKnown = false;

  constructor(settings: number | Threshold) {
    this.#settings = settings;
  }

  /** A gap below this, ms, makes the order of two messages doubtful. */
  get thresholdMs(): number {
    const settings = this.#settings;
    if (typeof settings === "number") return settings;
    if (!this.#isKnown) return settings.startMs;
    const learned = settings.margin * Math.max(this.#greatest, this.#greatestBefore);
    return Math.min(settings.maxMs, Math.max(settings.minMs, learned));
  }

  /** The next message of the order; undefined: it came late here or there, by a repair, and says nothing about gaps. */
  learn(sighting: Sighting | undefined): void {
    const previous = this.#previous;
    this.#previous = sighting;
    if (previous === undefined || sighting === undefined) return;
    const mine = sighting.mine - previous.mine;
    if (Math.abs(mine) > APART_MS_MAX) return;
    this.#greatest = Math.max(this.#greatest, Math.abs(mine - (sighting.theirs - previous.theirs)));
    this.#samples++;
    if (this.#samples >= SAMPLES_MIN) this.#isKnown = true;
    if (this.#samples < SAMPLES_HALF) return;
    this.#greatestBefore = this.#greatest;
    this.#greatest = 0;
    this.#samples = 0;
  }

  /** Another sequencer: what it sees has to be learned anew. */
  reset(): void {
    this.#previous = undefined;
    this.#samples = 0;
    this.#greatest = 0;
    this.#greatestBefore = 0;
    this.#isKnown = false;
  }
}
