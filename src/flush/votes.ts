/** Votes may come before the membership that they are for; after this many further memberships nobody asks for them. */
const AGE_MAX = 200;
/** Bounds against senders that are no members: views voted for, and voters of one view. */
const VIEWS_MAX = 1_024;
const VOTERS_MAX = 65_536;

type Ballot = { ok: Set<string>; recv: Set<string>; age: number };

/** Remembers who has voted FLUSH_OK and FLUSH_RECV for which view. */
export class Votes {
  readonly #ballots = new Map<string, Ballot>();
  #now = 0;

  /** False if it was there already or there is no room for it. */
  add(kind: "ok" | "recv", key: string, sender: string): boolean {
    const voters = this.#ballot(key)[kind];
    if (voters.has(sender) || voters.size >= VOTERS_MAX) return false;
    voters.add(sender);
    return true;
  }

  has(kind: "ok" | "recv", key: string, sender: string): boolean {
    return this.#ballots.get(key)?.[kind].has(sender) === true;
  }

  /** One more membership has come. */
  age(): void {
    this.#now++;
    for (const [key, ballot] of this.#ballots) {
      // In order of age, so the first young one ends the search.
      if (this.#now - ballot.age <= AGE_MAX) return;
      this.#ballots.delete(key);
    }
  }

  #ballot(key: string): Ballot {
    const known = this.#ballots.get(key);
    if (known) return known;
    if (this.#ballots.size >= VIEWS_MAX) {
      for (const oldest of this.#ballots.keys()) {
        this.#ballots.delete(oldest);
        break;
      }
    }
    const ballot = { ok: new Set<string>(), recv: new Set<string>(), age: this.#now };
    this.#ballots.set(key, ballot);
    return ballot;
  }
}
