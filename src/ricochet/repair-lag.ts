/** Repairs that are remembered, and after how many of them it is worked out anew. */
const SAMPLES = 64;
const SAMPLES_MIN = 16;
/** The share of repairs that are not waited for. */
const LATE = 0.05;

/**
 * How long after a packet came the repairs that name it come: as long as bins take to be filled, by whatever rates, groups and staggers there are. A packet
 * that is missing is worth asking for when hardly any repair of it can still be under way (protocols.md B18).
 */
export class RepairLag {
  readonly #ages = new Float64Array(SAMPLES);
  #count = 0;
  #lagMs: number | undefined;

  /** A repair has come; its oldest packet that is here had come so long before. */
  observe(ageMs: number): void {
    this.#ages[this.#count % SAMPLES] = ageMs;
    this.#count++;
    if (this.#count % SAMPLES_MIN !== 0) return;
    const ages = this.#ages.slice(0, Math.min(this.#count, SAMPLES)).sort();
    this.#lagMs = ages[Math.floor(ages.length * (1 - LATE))] as number;
  }

  /** All but a few repairs have come after this; undefined: too few have come at all. */
  get lagMs(): number | undefined {
    return this.#lagMs;
  }
}
