import type { DaemonId } from "../base/ids.ts";
import { KNOWN_HEAD_BYTES } from "../wire/fragment-heads.ts";
import type { HeadReference, HeadSlot, HeadSource, HeadTable } from "../wire/site-object.ts";

/** Sessions whose heads are known at a time. */
const SESSIONS_MAX = 255;
const SLOTS_MAX = 2 * SESSIONS_MAX;
/** So many of those that have been known for longest are looked at for one that can be forgotten. */
const TRIES = 4;

/** How far the datagrams of a hop are: the greatest number sent, and up to which all have come. */
export type HopProgress = { readonly sent: number; readonly acknowledged: number };

type Slot = HeadSlot & {
  /** The last datagram that may have something in it which defines the slot or is relative to it. */
  lastIn: number;
};

/** `next` is what the other end is being told (`isTold`) or can be told next; `other` what it has, if `isKnown`. */
type Session = { next: Slot; other: Slot; isTold: boolean; isKnown: boolean };

/**
 * How the messages of sessions began that have gone over a hop: what follows is sent relative to that (wire/fragment-heads.ts). The other end has no more than what has come
 * to it, so a head is used once all that told of it is acknowledged, and its slot is given another one only once all that is relative to it is. Each session has
 * two slots, so that the one follows its messages while the other is used.
 */
export class KnownHeads implements HeadSource {
  readonly #progress: () => HopProgress;
  readonly #sessions = new Map<number, Session>();
  #slots = 0;

  constructor(progress: () => HopProgress) {
    this.#progress = progress;
  }

  /** For the next object of the hop: what a fragment of a session is to be relative to, and the slot that gets its own head. */
  refer(origin: DaemonId, session: number, isFirst: boolean): HeadReference {
    const { sent, acknowledged } = this.#progress();
    // Of the next datagram, or if it is cut there of the one behind it.
    const upTo = sent + 2;
    const found = this.#session(origin, session, isFirst, acknowledged);
    if (found === undefined) return NOTHING;
    if (found.isTold && found.next.lastIn <= acknowledged) {
      [found.next, found.other] = [found.other, found.next];
      found.isTold = false;
      found.isKnown = true;
    }
    const { next, other } = found;
    const relativeTo = found.isKnown ? other : undefined;
    if (relativeTo !== undefined) relativeTo.lastIn = upTo;
    if (!isFirst || next.lastIn > acknowledged) return { relativeTo, defines: undefined };
    found.isTold = true;
    next.lastIn = upTo;
    return { relativeTo, defines: next };
  }

  #session(origin: DaemonId, session: number, isFirst: boolean, acknowledged: number): Session | undefined {
    // Two that have the same number here would share their slots, which costs bytes and nothing else.
    const key = (origin ^ Math.imul(session, 0x9e37_79b1)) >>> 0;
    const found = this.#sessions.get(key);
    if (found !== undefined || !isFirst) return found;
    const made = this.#sessions.size < SESSIONS_MAX ? this.#fresh() : this.#forgotten(acknowledged);
    if (made !== undefined) this.#sessions.set(key, made);
    return made;
  }

  #fresh(): Session {
    return { next: this.#slot(), other: this.#slot(), isTold: false, isKnown: false };
  }

  #slot(): Slot {
    return { number: ++this.#slots, head: new Uint8Array(KNOWN_HEAD_BYTES), lastIn: 0 };
  }

  /** The slots of a session of which nothing is under way. */
  #forgotten(acknowledged: number): Session | undefined {
    let tries = TRIES;
    for (const [key, { next, other, ...rest }] of this.#sessions) {
      if (tries-- === 0) break;
      this.#sessions.delete(key);
      if (Math.max(next.lastIn, other.lastIn) <= acknowledged) return { next, other, isTold: false, isKnown: false };
      this.#sessions.set(key, { next, other, ...rest });
    }
    return undefined;
  }
}

/** The receiving end: the heads that it was told. */
export class HeardHeads implements HeadTable {
  readonly #heads: (Uint8Array | undefined)[] = [];

  head(slot: number): Uint8Array | undefined {
    return this.#heads[slot];
  }

  define(slot: number): Uint8Array | undefined {
    if (slot < 1 || slot > SLOTS_MAX) return undefined;
    return (this.#heads[slot] ??= new Uint8Array(KNOWN_HEAD_BYTES));
  }
}

const NOTHING: HeadReference = { relativeTo: undefined, defines: undefined };
