import { RangeSet } from "../base/range-set.ts";

/** Numbers that were named lately: for at least a time, and for less than three times as long. */
export class Recent {
  readonly #ms: number;
  #since = Number.NEGATIVE_INFINITY;
  #current = new RangeSet();
  #before = new RangeSet();

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Names a number; false if that was done lately. */
  add(n: number, now: number): boolean {
    this.#turn(now);
    if (this.#current.has(n) || this.#before.has(n)) return false;
    this.#current.add(n);
    return true;
  }

  #turn(now: number): void {
    const age = now - this.#since;
    if (age < this.#ms) return;
    this.#before = age < 2 * this.#ms ? this.#current : new RangeSet();
    this.#current = new RangeSet();
    this.#since = now;
  }
}
