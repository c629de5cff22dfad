/** Numbers beyond the run without a hole that are remembered: an unreliable message that is lost leaves a hole for ever. */
const EARLY_MAX = 4_096;

/**
 * Which of a native client's messages have been ordered. Weak services may overtake others, so the greatest number does not say it: there is a
 * run without a hole, and some beyond it.
 */
export class OrderedNumbers {
  #upTo: number;
  readonly #early = new Set<number>();

  /** All numbers up to this one count as ordered. */
  constructor(upTo: number) {
    this.#upTo = upTo;
  }

  /** Everything up to here has been ordered, or was given up. */
  get upTo(): number {
    return this.#upTo;
  }

  has(number: number): boolean {
    return number <= this.#upTo || this.#early.has(number);
  }

  /** The client begins with this number: what is before it is no concern of this session. */
  begin(number: number): void {
    this.#upTo = Math.max(this.#upTo, number - 1);
    this.#close();
  }

  add(number: number): void {
    if (number <= this.#upTo) return;
    if (number > this.#upTo + 1) {
      this.#early.add(number);
      if (this.#early.size <= EARLY_MAX) return;
      // The hole is not going to be filled.
      this.#upTo = Math.min(...this.#early) - 1;
    } else this.#upTo = number;
    this.#close();
  }

  #close(): void {
    if (this.#early.size === 0) return;
    while (this.#early.delete(this.#upTo + 1)) this.#upTo++;
  }
}
