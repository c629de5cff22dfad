import { assert } from "./assert.ts";

/** A closed interval of integers. */
export type Range = readonly [low: number, high: number];

/**
 * A set of unsigned integers kept as sorted, disjoint, closed intervals that do not touch: small when the numbers
 * come in runs, as missing sequence numbers do.
 */
export class RangeSet {
  /** low0, high0, low1, high1, … strictly growing, with a gap of at least one number between intervals. */
  #bounds: number[] = [];

  static of(...ranges: readonly Range[]): RangeSet {
    const set = new RangeSet();
    for (const [low, high] of ranges) set.add(low, high);
    return set;
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  /** How many intervals. */
  get rangeCount(): number {
    return this.#bounds.length / 2;
  }

  /** How many numbers. */
  get size(): number {
    let size = 0;
    for (const [low, high] of this.ranges()) size += high - low + 1;
    return size;
  }

  *ranges(): Generator<Range> {
    for (let i = 0; i < this.#bounds.length; i += 2) {
      yield [this.#bounds[i] as number, this.#bounds[i + 1] as number];
    }
  }

  *numbers(): Generator<number> {
    for (const [low, high] of this.ranges()) for (let n = low; n <= high; n++) yield n;
  }

  has(n: number): boolean {
    const i = this.#firstEndingAtOrAfter(n);
    return i < this.#bounds.length && (this.#bounds[i] as number) <= n;
  }

  /** Adds low … high; nothing when high < low. */
  add(low: number, high = low): void {
    if (high < low) return;
    const bounds = this.#bounds;
    const from = this.#firstEndingAtOrAfter(low - 1);
    let to = from;
    while (to < bounds.length && (bounds[to] as number) <= high + 1) to += 2;
    if (to > from) {
      low = Math.min(low, bounds[from] as number);
      high = Math.max(high, bounds[to - 1] as number);
    }
    bounds.splice(from, to - from, low, high);
  }

  /** Removes low … high; nothing when high < low. */
  remove(low: number, high = low): void {
    if (high < low) return;
    const bounds = this.#bounds;
    const from = this.#firstEndingAtOrAfter(low);
    let to = from;
    while (to < bounds.length && (bounds[to] as number) <= high) to += 2;
    if (to === from) return;
    const rest: number[] = [];
    const first = bounds[from] as number;
    const last = bounds[to - 1] as number;
    if (first < low) rest.push(first, low - 1);
    if (last > high) rest.push(high + 1, last);
    bounds.splice(from, to - from, ...rest);
  }

  addAll(other: RangeSet): void {
    for (const [low, high] of other.ranges()) this.add(low, high);
  }

  removeAll(other: RangeSet): void {
    for (const [low, high] of other.ranges()) this.remove(low, high);
  }

  /** The numbers in both. */
  intersection(other: RangeSet): RangeSet {
    const result = new RangeSet();
    const a = this.#bounds;
    const b = other.#bounds;
    let i = 0;
    let j = 0;
    while (i < a.length && j < b.length) {
      const low = Math.max(a[i] as number, b[j] as number);
      const high = Math.min(a[i + 1] as number, b[j + 1] as number);
      if (low <= high) result.#bounds.push(low, high);
      if ((a[i + 1] as number) < (b[j + 1] as number)) i += 2;
      else j += 2;
    }
    return result;
  }

  /** So many of the numbers, the lowest ones; all if there are no more. */
  lowest(count: number): RangeSet {
    const result = new RangeSet();
    for (const [low, high] of this.ranges()) {
      if (count <= 0) break;
      const last = Math.min(high, low + count - 1);
      result.#bounds.push(low, last);
      count -= last - low + 1;
    }
    return result;
  }

  clone(): RangeSet {
    const copy = new RangeSet();
    copy.#bounds = this.#bounds.slice();
    return copy;
  }

  equals(other: RangeSet): boolean {
    return this.#bounds.length === other.#bounds.length && this.#bounds.every((n, i) => n === other.#bounds[i]);
  }

  toString(): string {
    return [...this.ranges()].map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(",");
  }

  /** Index of the first interval that ends at or after `n`. */
  #firstEndingAtOrAfter(n: number): number {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bounds[2 * middle + 1] as number) < n) low = middle + 1;
      else high = middle;
    }
    assert(low * 2 <= bounds.length, "search stays inside the set");
    return low * 2;
  }
}
