/** A native session as all daemons remember it, whether it is connected or not. */
export type NumberedSession = {
  /** Its 16 bytes as 16 characters of code 0 … 255. */
  readonly token: string;
  /** All its messages up to this number have been ordered. */
  readonly number: number;
  /** Messages above `number` that weaker services have let overtake, ascending. */
  readonly overtaken: readonly number[];
  /** The table's count of ordered messages when this session last had one; 0 if it has had none. */
  readonly used: number;
};

/**
 * The replicated table of numbered sessions: each daemon delivers a numbered message once, whichever daemons it was
 * sent through (docs/protocols/native-session.md).
 *
 * Messages below the agreed service may overtake others of their session, differently at each daemon. They are kept
 * beside the prefix until an ordered message passes them: then nothing below it can still come.
 *
 * The table is bounded. Once it is full the sessions least recently used are forgotten, by the count of ordered messages
 * alone, and so the same at all daemons at each position of the agreed order. Sessions that have sent only weaker
 * messages are kept apart, where the first that came is forgotten first.
 */
export class NumberedSessions {
  readonly #capacity: number;
  readonly #sessions = new Map<string, Entry>();
  readonly #unordered = new Map<string, Entry>();
  #clock = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#sessions.size + this.#unordered.size;
  }

  get clock(): number {
    return this.#clock;
  }

  /** The greatest number up to which everything has been ordered; 0 for a session that is not known. */
  numberOf(token: string): number {
    return this.#entry(token)?.number ?? 0;
  }

  /** Notes the delivery of a message; false if it has been delivered before. `ordered`: it is agreed or safe. */
  accept(token: string, number: number, ordered: boolean): boolean {
    const entry = this.#entry(token) ?? { number: 0, overtaken: [], used: 0 };
    const fresh = number > entry.number && !entry.overtaken.includes(number);
    if (!ordered) {
      if (fresh) overtake(entry, number);
      if (entry.used === 0) this.#keepUnordered(token, entry);
      return fresh;
    }
    if (entry.used === 0) {
      this.#unordered.delete(token);
      this.#sessions.set(token, entry);
    }
    entry.used = ++this.#clock;
    if (number > entry.number) {
      entry.number = number;
      absorb(entry);
    }
    if (this.#sessions.size > this.#capacity) this.#forgetOldest();
    return fresh;
  }

  /**
   * Messages of a session, the last of which has this number and so many of which are agreed or safe, have been ordered, and were not for this daemon's site. They count
   * as where they were delivered; none below can still come, as everything of the session is told in its order.
   */
  pass(token: string, number: number, ordered: number): void {
    if (ordered > 0) {
      this.#clock += ordered - 1;
      this.accept(token, number, true);
      return;
    }
    const entry = this.#entry(token) ?? { number: 0, overtaken: [], used: 0 };
    if (number > entry.number) {
      entry.number = number;
      absorb(entry);
    }
    if (entry.used === 0) this.#keepUnordered(token, entry);
  }

  /** Forgets a session, at a position of the agreed order that all daemons share. */
  forget(token: string): void {
    this.#sessions.delete(token);
    this.#unordered.delete(token);
  }

  /** In the order of tokens. */
  export(): NumberedSession[] {
    const all: NumberedSession[] = [];
    for (const [token, entry] of [...this.#sessions, ...this.#unordered]) {
      all.push({ token, number: entry.number, overtaken: entry.overtaken.slice(), used: entry.used });
    }
    return all.sort((a, b) => (a.token < b.token ? -1 : 1));
  }

  /** Adds what others know. The result does not depend on the order in which others are merged. */
  merge(sessions: readonly NumberedSession[], clock: number): void {
    for (const other of sessions) {
      const entry = this.#entry(other.token) ?? { number: 0, overtaken: [], used: 0 };
      entry.number = Math.max(entry.number, other.number);
      entry.used = Math.max(entry.used, other.used);
      if (entry.used === 0) this.#keepUnordered(other.token, entry);
      else {
        this.#unordered.delete(other.token);
        this.#sessions.set(other.token, entry);
      }
      const overtaken = [...new Set([...entry.overtaken, ...other.overtaken])].sort((a, b) => a - b);
      const surplus = overtaken.length - OVERTAKEN_MAX;
      if (surplus > 0) entry.number = Math.max(entry.number, overtaken[surplus - 1] as number);
      entry.overtaken = overtaken;
      absorb(entry);
    }
    this.#clock = Math.max(this.#clock, clock);
  }

  /** To be called when all that is to be merged has been: what is forgotten then is the same everywhere. */
  trim(): void {
    if (this.#sessions.size > this.#capacity) this.#forgetOldest();
  }

  #entry(token: string): Entry | undefined {
    return this.#sessions.get(token) ?? this.#unordered.get(token);
  }

  #keepUnordered(token: string, entry: Entry): void {
    this.#unordered.set(token, entry);
    if (this.#unordered.size <= this.#capacity) return;
    for (const oldest of this.#unordered.keys()) {
      this.#unordered.delete(oldest);
      return;
    }
  }

  /** Down to three quarters of the capacity, so that it is rare. Ties are broken by token. */
  #forgetOldest(): void {
    const byAge = [...this.#sessions].sort(([a, x], [b, y]) => x.used - y.used || (a < b ? -1 : 1));
    const surplus = this.#sessions.size - Math.floor((this.#capacity * 3) / 4);
    for (let i = 0; i < surplus; i++) this.#sessions.delete((byAge[i] as [string, Entry])[0]);
  }
}

/** How many numbers a session may have overtaken at most: with more, the lowest is taken as if all below had come. */
export const OVERTAKEN_MAX = 256;

type Entry = { number: number; overtaken: number[]; used: number };

function overtake(entry: Entry, number: number): void {
  let at = entry.overtaken.length;
  while (at > 0 && (entry.overtaken[at - 1] as number) > number) at--;
  entry.overtaken.splice(at, 0, number);
  if (entry.overtaken.length > OVERTAKEN_MAX) entry.number = entry.overtaken[0] as number;
  absorb(entry);
}

/** Restores: overtaken numbers are greater than `number + 1`. */
function absorb(entry: Entry): void {
  const { overtaken } = entry;
  let gone = 0;
  while (gone < overtaken.length && (overtaken[gone] as number) <= entry.number + 1) {
    entry.number = Math.max(entry.number, overtaken[gone] as number);
    gone++;
  }
  if (gone > 0) overtaken.splice(0, gone);
}
