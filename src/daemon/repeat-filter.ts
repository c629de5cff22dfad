/** Keys remembered at a time: peers that make up names must not fill the memory. */
const KEYS_MAX = 1_000;

/**
 * Lets the first of many equal events through at once, and then one per interval with the number of those held back: a
 * peer with a wrong file sends thousands of datagrams, and each says the same.
 */
export class RepeatFilter {
  readonly #intervalMs: number;
  readonly #seen = new Map<string, { toldAt: number; heldBack: number }>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** How many equal events were held back before this one; `undefined` if this one is to be held back too. */
  admit(key: string, now: number): number | undefined {
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      if (this.#seen.size >= KEYS_MAX) this.#seen.clear();
      this.#seen.set(key, { toldAt: now, heldBack: 0 });
      return 0;
    }
    // A clock that was set back says nothing of how long ago it was.
    if (now >= seen.toldAt && now - seen.toldAt < this.#intervalMs) {
      seen.heldBack++;
      return undefined;
    }
    const { heldBack } = seen;
    seen.toldAt = now;
    seen.heldBack = 0;
    return heldBack;
  }
}
