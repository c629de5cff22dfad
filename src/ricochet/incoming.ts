import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
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

/** So many packets may come, or be heard of, before the one that was heard of first. */
const LOOK_BACK = 1_024;

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
  /** Of those that are held: what was rebuilt and not asked for, with when it should have come. It may come by itself yet. */
  readonly rebuilt = new Map<number, number>();
  /** What has come up to here is not to come again. */
  readonly #past: number;
  /** Of what comes before the packet that was heard of first nothing is missing, until more is known. */
  #floor: number;
  #highest: number;
  #isBeginningKnown = false;
  /** The greatest number that came by itself: what is missing before it does not wait in a socket. */
  arrived = 0;
  /** When to ask the sender for that, and how often it has been asked. */
  beginningAskAt = NEVER;
  beginningAsked = 0;
  /**
   * The sender is no member any more: what is missing may still be rebuilt until then. If it has failed nothing is taken from it
   * directly.
   */
  departure: { readonly until: number; readonly hasFailed: boolean } | undefined;

  /**
   * `first`: the number that is heard of first. What comes before it is not missing unless the sender says so. `past`: up to this number the sender
   * was heard in an earlier membership of its own, 0 if it was not.
   */
  constructor(sender: NodeId, group: GroupNumber, first: number, past: number) {
    this.#past = past;
    this.sender = sender;
    this.group = group;
    this.#floor = Math.max(first - 1, past);
    this.#highest = this.#floor;
  }

  /** Whether nothing is missing, as far as is known, and nothing is to be learned. */
  get isComplete(): boolean {
    return this.missing.size === 0 && this.#isBeginningKnown;
  }

  /** Whether it is known with which packet the stream begins for this node. */
  get isBeginningKnown(): boolean {
    return this.#isBeginningKnown;
  }

  /** Nothing comes before what is known of already, or the sender does not say. */
  settleBeginning(): void {
    this.#isBeginningKnown = true;
  }

  /** The greatest number known to have been sent. */
  get highest(): number {
    return this.#highest;
  }

  presence(seq: number): Presence {
    if (this.held.has(seq)) return "held";
    if (this.missing.has(seq)) return "missing";
    return seq > this.#highest || this.#isBefore(seq) ? "unknown" : "past";
  }

  /** Packets up to this number have been sent; returns how many of them had not been heard of. Those not here are missing. */
  announce(seq: number, now: number, askAt: number): number {
    if (this.#isBefore(seq)) {
      for (let n = seq; n <= this.#floor; n++) this.#miss(n, now, askAt);
      this.#floor = seq - 1;
      return 0;
    }
    const count = Math.max(0, seq - this.#highest);
    for (let n = this.#highest + 1; n <= seq; n++) this.#miss(n, now, askAt);
    this.#highest = Math.max(this.#highest, seq);
    return count;
  }

  /** Packets from this number on, of those before the first that was heard of, are for this node; `most`: so many may be missing. */
  reachBack(from: number, now: number, askAt: number, most: number): void {
    if (this.#isBeginningKnown) return;
    const first = Math.max(from, this.#past + 1, this.#floor + 1 - most);
    for (let n = first; n <= this.#floor; n++) this.#miss(n, now, askAt);
    this.#floor = Math.min(this.#floor, first - 1);
  }

  /** The sender says that its packets are for this node from this number on: what comes before is not missing. */
  begin(from: number, now: number, askAt: number, most: number): void {
    if (this.#isBeginningKnown) return;
    this.reachBack(from, now, askAt, most);
    for (const seq of this.missing.keys()) if (seq < from) this.missing.delete(seq);
    this.#highest = Math.max(this.#highest, from - 1);
    this.#isBeginningKnown = true;
  }

  /** What comes before `from` cannot be had any more. Returns what was missing of it. */
  trim(from: number): Missing[] {
    const over: Missing[] = [];
    for (const [seq, missing] of this.missing) {
      if (seq >= from) continue;
      this.missing.delete(seq);
      over.push(missing);
    }
    this.#highest = Math.max(this.#highest, from - 1);
    return over;
  }

  /** What was heard of first was not the first. */
  #isBefore(seq: number): boolean {
    return !this.#isBeginningKnown && seq <= this.#floor && seq > Math.max(this.#past, this.#floor - LOOK_BACK);
  }

  #miss(seq: number, now: number, askAt: number): void {
    this.missing.set(seq, { seq, since: now, repairs: [], askAt, asked: 0 });
  }
}
