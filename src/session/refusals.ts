/** A join, or a message to a scalable group, that was refused, and what the client is told. */
export type Refusal = {
  readonly number: number;
  readonly group: string;
  readonly text: string;
  /** The first delivery number behind it on the connection; none: it was not told yet. */
  toldBefore: number | undefined;
};

/** Nothing acknowledges a refusal by itself: of so many the last ones are remembered. */
const REFUSALS_MAX = 32;

/** Refusals that the client may not have read: they are told again over its next connection. */
export class Refusals {
  readonly #byNumber = new Map<number, Refusal>();

  add(refusal: Refusal): void {
    this.#byNumber.set(refusal.number, refusal);
    if (this.#byNumber.size <= REFUSALS_MAX) return;
    const [oldest] = this.#byNumber.keys();
    if (oldest !== undefined) this.#byNumber.delete(oldest);
  }

  of(number: number): Refusal | undefined {
    return this.#byNumber.get(number);
  }

  all(): readonly Refusal[] {
    return [...this.#byNumber.values()];
  }

  /** The client has consumed this delivery: what was written before it has been read. */
  acknowledge(delivery: number): void {
    if (this.#byNumber.size === 0) return;
    for (const { number, toldBefore } of this.#byNumber.values()) {
      if (toldBefore !== undefined && toldBefore <= delivery) this.#byNumber.delete(number);
    }
  }
}
