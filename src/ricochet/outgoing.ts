import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import type { StreamState } from "../wire/timely/state.ts";

/** A packet of this node's own, kept for those who ask. */
export type SentPacket = { readonly seq: number; readonly bytes: Uint8Array; readonly at: number };

/** What this node sends to one group. */
export class Outgoing {
  readonly group: GroupNumber;
  /** By number, the oldest first. */
  readonly kept = new Map<number, SentPacket>();
  #last: number;
  /** The first packet of the present view of the group: earlier ones are not for those who have joined since. */
  #viewFrom: number;
  readonly #first: number;
  /** From which packet on they are for a member, if not from the first. */
  readonly #since = new Map<NodeId, number>();
  /** When to say how far the packets go, and how often it has been said since the last of them. */
  stateAt = NEVER;
  statesSaid = 0;

  /** `last`: no number up to this is used: the node may have sent to the group before, and its numbers never come again. */
  constructor(group: GroupNumber, last: number) {
    this.group = group;
    this.#last = last;
    this.#viewFrom = last + 1;
    this.#first = last + 1;
  }

  get last(): number {
    return this.#last;
  }

  /** Nothing before this can be had. */
  get from(): number {
    for (const seq of this.kept.keys()) return seq;
    return this.#last + 1;
  }

  /** What there is to tell all of it. */
  get state(): StreamState {
    return { group: this.group, from: this.from, began: this.#viewFrom, last: this.#last };
  }

  /** The first packet that was sent to this member. */
  beginsFor(member: NodeId): number {
    return this.#since.get(member) ?? this.#first;
  }

  /** And one member, that asks. */
  stateFor(member: NodeId): StreamState {
    return { ...this.state, began: this.beginsFor(member) };
  }

  /** How many packets have been sent in the present view. */
  get inView(): number {
    return this.#last + 1 - this.#viewFrom;
  }

  next(): number {
    return ++this.#last;
  }

  /** The group has other members from now on. */
  viewChanged(before: readonly NodeId[], after: readonly NodeId[]): void {
    this.#viewFrom = this.#last + 1;
    const known = new Set(before);
    for (const member of after) if (!known.delete(member)) this.#since.set(member, this.#viewFrom);
    for (const member of known) this.#since.delete(member);
  }
}
