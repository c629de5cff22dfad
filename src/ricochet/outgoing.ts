import type { GroupNumber } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import type { StreamState } from "../wire/timely/state.ts";

/** A packet of this node's own, kept for those who ask. */
export type SentPacket = { readonly seq: number; readonly bytes: Uint8Array; readonly at: number };

/** A view of the group and the number of the first packet that was sent in it or after it. */
type Begin = { readonly view: number; readonly first: number };

/** Views that are remembered: who has joined before them and has not heard of its first packets yet takes the first of these for its first. */
const BEGINS_MAX = 1_024;

/** What this node sends to one group while it is in it. */
export class Outgoing {
  readonly group: GroupNumber;
  /** By number, the oldest first. */
  readonly kept = new Map<number, SentPacket>();
  /** The first view of this node's membership. */
  readonly joined: number;
  #last: number;
  /** Oldest first, of those with the same first packet the last one; never empty. */
  readonly #begins: Begin[];
  /** When to say how far the packets go, and how often it has been said since the last of them. */
  stateAt = NEVER;
  statesSaid = 0;

  /** `last`: no number up to this is used: the node may have sent to the group before, and its numbers never come again. */
  constructor(group: GroupNumber, joined: number, view: number, last: number) {
    this.group = group;
    this.joined = joined;
    this.#last = last;
    this.#begins = [{ view, first: last + 1 }];
  }

  get last(): number {
    return this.#last;
  }

  /** The group's present view. */
  get view(): number {
    return this.#present.view;
  }

  /** How many packets have been sent in it. */
  get inView(): number {
    return this.#last + 1 - this.#present.first;
  }

  /** What there is to tell all of it. */
  get state(): StreamState {
    return this.stateSince(this.view);
  }

  /** And one member, that asks: `since` is the first view that has both. */
  stateSince(since: number): StreamState {
    const { group, joined, last } = this;
    return { group, joined, view: since, from: this.#from, began: this.beganIn(since), last };
  }

  /** The first packet that was sent in this view or a later one. */
  beganIn(view: number): number {
    return (this.#begins.find((begin) => begin.view >= view) ?? this.#present).first;
  }

  next(): number {
    return ++this.#last;
  }

  /** The group has other members from now on. */
  viewChanged(view: number): void {
    if (this.inView === 0) this.#begins.pop();
    this.#begins.push({ view, first: this.#last + 1 });
    if (this.#begins.length > BEGINS_MAX) this.#begins.shift();
  }

  get #present(): Begin {
    return this.#begins.at(-1) as Begin;
  }

  /** Nothing before this can be had. */
  get #from(): number {
    for (const seq of this.kept.keys()) return seq;
    return this.#last + 1;
  }
}
