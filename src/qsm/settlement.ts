import { RangeSet } from "../base/range-set.ts";

/**
 * What the leader of a region view knows of a sender that has failed, until all that it sent is either everywhere or given up
 * (region-views.md, rule 7). One round finds the greatest number that anybody has; in each later one, what a whole partition
 * lacks is an orphan, asked for on the next token: whoever holds it forwards it. What nobody on that round held is lost, and
 * announced.
 */
export class Settlement {
  /** Greatest number that any member has seen, once all have been asked. */
  #last: number | undefined;
  /** Asked for on the next token. */
  #candidates = new RangeSet();
  /** Announced on the next token. */
  #lost = new RangeSet();
  /** The service has been told what came of it. */
  isReported = false;

  get last(): number | undefined {
    return this.#last;
  }

  get candidates(): RangeSet {
    return this.#candidates;
  }

  get lost(): RangeSet {
    return this.#lost;
  }

  /**
   * A round has come back. `unclaimed`: the candidates that nobody held; `orphans`: what whole partitions lack; `givenUp`: what
   * some member had given up before, perhaps told by a leader that has failed since.
   */
  completed(maximumSeen: number, unclaimed: RangeSet, orphans: RangeSet, givenUp: RangeSet): void {
    const announced = this.#lost;
    const lost = givenUp.clone();
    lost.removeAll(announced);
    if (this.#last === undefined) {
      this.#last = maximumSeen;
      this.#lost = lost;
      return;
    }
    lost.addAll(unclaimed);
    const candidates = orphans.clone();
    candidates.removeAll(lost);
    candidates.removeAll(announced);
    this.#candidates = candidates;
    this.#lost = lost;
  }

  /** Everything up to the end is everywhere, or is known to be lost everywhere. */
  isSettled(maxContiguous: number): boolean {
    return this.#last !== undefined && this.#lost.isEmpty && maxContiguous >= this.#last;
  }
}
