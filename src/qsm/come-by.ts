/** The age in question is divided into so many steps. */
const STEPS = 4;

/**
 * How far a sender's packets had come some time ago. What is missing up to there has been overtaken by packets that came that long ago: it is lost, and
 * not under way, however long packets wait at their sender now.
 */
export class ComeBy {
  readonly #ageMs: number;
  /** Ascending, at least a step apart; the first one is the last that is old enough, if any is. */
  #marks: { readonly at: number; readonly seq: number }[] = [];

  constructor(ageMs: number) {
    this.#ageMs = ageMs;
  }

  /** The greatest number so far has come. */
  note(seq: number, now: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && now - last.at < this.#ageMs / STEPS) return;
    this.#forget(now);
    this.#marks.push({ at: now, seq });
  }

  /** Greatest number that had come `ageMs` ago, or a step earlier. */
  at(now: number): number {
    this.#forget(now);
    const [first] = this.#marks;
    return first !== undefined && now - first.at >= this.#ageMs ? first.seq : 0;
  }

  #forget(now: number): void {
    let old = 0;
    while (old + 1 < this.#marks.length && now - (this.#marks[old + 1]?.at ?? now) >= this.#ageMs) old++;
    if (old > 0) this.#marks = this.#marks.slice(old);
  }
}
