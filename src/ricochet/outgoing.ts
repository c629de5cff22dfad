import type { GroupNumber } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";

/** A packet of this node's own, kept for those who ask. */
export type SentPacket = { readonly seq: number; readonly bytes: Uint8Array; readonly at: number };

/** What this node sends to one group. */
export class Outgoing {
  readonly group: GroupNumber;
  /** By number, the oldest first. */
  readonly kept = new Map<number, SentPacket>();
  #last = 0;
  /** The first packet of the present view of the group: earlier ones are not for those who have joined since. */
  #viewFrom = 1;
  /** When to say how far the packets go, and how often it has been said since the last of them. */
  stateAt = NEVER;
  statesSaid = 0;

  constructor(group: GroupNumber) {
    this.group = group;
  }

  get last(): number {
    return this.#last;
  }

  /** Nothing before this can be had. */
  get from(): number {
    for (const seq of this.kept.keys()) return Math.max(this.#viewFrom, seq);
    return Math.max(this.#viewFrom, this.#last + 1);
  }

  next(): number {
    return ++this.#last;
  }

  viewChanged(): void {
    this.#viewFrom = this.#last + 1;
  }
}
