import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { BinPacket } from "./bins.ts";
import type { PendingRepair } from "./decoder.ts";

/** A packet that is known to have been sent and has not come. */
export type Missing = {
  readonly seq: number;
  readonly since: number;
  /** Repairs that wait for it. */
  readonly repairs: PendingRepair[];
  askAt: number;
  asked: number;
};

/** What is known of one packet. */
export type Presence =
  /** Here, with its bytes. */
  | "held"
  /** Sent, and not here. */
  | "missing"
  /** Not sent yet as far as is known. */
  | "unknown"
  /** It came, and its bytes are gone; or it is not for this node. */
  | "past";

/** One sender's packets in one group, as they come. */
export class Incoming {
  readonly sender: NodeId;
  readonly group: GroupNumber;
  readonly held = new Map<number, BinPacket>();
  readonly missing = new Map<number, Missing>();
  /** Nothing up to here is for this node, or it is settled. */
  #floor: number;
  #highest: number;
  #isFloorKnown = false;

  /** `first`: the number that is heard of first. What comes before it is not missing unless the sender says so. */
  constructor(sender: NodeId, group: GroupNumber, first: number) {
    this.sender = sender;
    this.group = group;
    this.#floor = first - 1;
    this.#highest = first - 1;
  }

  /** The greatest number known to have been sent. */
  get highest(): number {
    return this.#highest;
  }

  presence(seq: number): Presence {
    if (this.held.has(seq)) return "held";
    if (this.missing.has(seq)) return "missing";
    return seq > this.#highest ? "unknown" : "past";
  }

  /** Packets up to this number have been sent; returns how many of them had not been heard of. Those not here are missing. */
  announce(seq: number, now: number, askAt: number): number {
    const count = Math.max(0, seq - this.#highest);
    for (let n = this.#highest + 1; n <= seq; n++) this.#miss(n, now, askAt);
    this.#highest = Math.max(this.#highest, seq);
    return count;
  }

  /** What comes before `from` is not for this node. Returns what was missing of it. */
  begin(from: number, now: number, askAt: number): Missing[] {
    // The first packets that were heard of were not the first that were sent to this node.
    if (!this.#isFloorKnown) for (let n = from; n <= this.#floor; n++) this.#miss(n, now, askAt);
    this.#isFloorKnown = true;
    this.#floor = from - 1;
    const over: Missing[] = [];
    for (const [seq, missing] of this.missing) {
      if (seq >= from) continue;
      this.missing.delete(seq);
      over.push(missing);
    }
    if (this.#highest < from - 1) this.#highest = from - 1;
    return over;
  }

  #miss(seq: number, now: number, askAt: number): void {
    this.missing.set(seq, { seq, since: now, repairs: [], askAt, asked: 0 });
  }
}
