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
  /** It was not known to be for this node when it fell due; and when it first did so after that was known. */
  isDoubtful?: boolean;
  certainSince?: number;
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

/** A sender is no member any more. */
export type Departure = {
  /** What is missing may still be rebuilt until then. */
  readonly until: number;
  /** Nothing is taken from it directly. */
  readonly hasFailed: boolean;
};

/** One sender's packets in one group, as they come. */
export class Incoming {
  readonly sender: NodeId;
  readonly group: GroupNumber;
  /** The first view that has both: what was sent in earlier ones is not for this node (common-views.ts). */
  since: number;
  readonly held = new Map<number, BinPacket>();
  readonly missing = new Map<number, Missing>();
  /** Of those that are held: what was rebuilt and not asked for, with when it should have come. It may come by itself yet. */
  readonly rebuilt = new Map<number, number>();
  /** Up to here packets are not for this node, or are told as lost. */
  #past = 0;
  /** How far it had come in an earlier membership of this node. */
  #formerTo = 0;
  /** Of what comes before the packet that was heard of first nothing is missing, until more is known. */
  #floor: number;
  #highest: number;
  /** From here up to there packets are known to be of this membership of the sender and for this node; of others it only has heard. */
  #mineFrom = Number.POSITIVE_INFINITY;
  #mineTo = 0;
  #isBeginningKnown = false;
  /** The greatest number that came by itself: what is missing before it does not wait in a socket. */
  arrived = 0;
  /** When to ask the sender for that, and how often it has been asked. */
  beginningAskAt = NEVER;
  beginningAsked = 0;
  #departure: Departure | undefined;

  /** `first`: the number that is heard of first. What comes before it is missing when it is known to be for this node. */
  constructor(sender: NodeId, group: GroupNumber, since: number, first: number) {
    this.sender = sender;
    this.group = group;
    this.since = since;
    this.#floor = first - 1;
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

  /** The greatest number known to have been sent. */
  get highest(): number {
    return this.#highest;
  }

  get departure(): Departure | undefined {
    return this.#departure;
  }

  /** The sender is no member any more. Unless it has failed it may come back: what was only heard of is perhaps of then. */
  depart(departure: Departure): void {
    this.#departure = departure;
    if (departure.hasFailed) this.#mineTo = Number.POSITIVE_INFINITY;
  }

  /** It is a member again, and goes on with its numbers: what of them is not to be had any more it says when it is asked. */
  comeBack(since: number): void {
    this.#departure = undefined;
    this.since = since;
  }

  /** This node is a member again. What has come, or was told as lost, is over; of the rest it is not known whether it is for it. */
  rejoin(since: number): void {
    this.since = since;
    this.#departure = undefined;
    this.#mineFrom = Number.POSITIVE_INFINITY;
    this.#mineTo = 0;
    this.#isBeginningKnown = false;
    this.#formerTo = this.#highest;
    this.beginningAsked = 0;
  }

  /** Whether a packet with this number is known to be for this node. */
  isMine(seq: number): boolean {
    return seq >= this.#mineFrom && seq <= this.#mineTo;
  }

  /** This packet, or news of it, is of this membership of the sender; so are those that came before it in that. */
  sentTo(seq: number): void {
    this.#mineTo = Math.max(this.#mineTo, seq);
  }

  presence(seq: number): Presence {
    if (this.held.has(seq)) return "held";
    if (this.missing.has(seq)) return "missing";
    return seq > this.#highest || this.#isBefore(seq) ? "unknown" : "past";
  }

  /** Packets up to this number have been sent. Those that are not here are missing. */
  announce(seq: number, now: number, askAt: number): void {
    if (this.#isBefore(seq)) {
      for (let n = seq; n <= this.#floor; n++) this.#miss(n, now, askAt);
      this.#floor = seq - 1;
    }
    for (let n = this.#highest + 1; n <= seq; n++) this.#miss(n, now, askAt);
    this.#highest = Math.max(this.#highest, seq);
  }

  /**
   * Packets from this number on are for this node; what is not here of those before the first that was heard of is missing. `most`: so many may be; returns
   * how many more there are, the first ones, which are given up.
   */
  reachBack(from: number, now: number, askAt: number, most: number): number {
    if (this.#isBeginningKnown || from >= this.#mineFrom) return 0;
    this.#mineFrom = Math.max(from, this.#past + 1);
    const first = Math.max(this.#mineFrom, this.#floor + 1 - most);
    for (let n = first; n <= this.#floor; n++) this.#miss(n, now, askAt);
    this.#floor = Math.min(this.#floor, first - 1);
    const skipped = first - this.#mineFrom;
    if (skipped > 0) this.#past = first - 1;
    return skipped;
  }

  /** The stream begins with this number for this node, after `reachBack` to it: what comes before is not missing, unless it was for this node earlier. */
  begin(from: number): void {
    if (this.#isBeginningKnown) return;
    this.#dropOthers(from - 1);
    this.#isBeginningKnown = true;
  }

  /** Packets up to this number are not for this node, as far as it is not known better. */
  beginBehind(seq: number): void {
    if (!this.#isBeginningKnown) this.#dropOthers(seq);
  }

  /** The sender has run on so far without this node, before it was known whether that was for it, that nothing before `from` is looked for. */
  restart(from: number): void {
    this.missing.clear();
    this.#past = Math.max(this.#past, this.#formerTo);
    this.#floor = this.#highest = from - 1;
  }

  /** What comes before `from` cannot be had any more. Returns what was missing of it and is known to be for this node. */
  trim(from: number): Missing[] {
    const over: Missing[] = [];
    for (const [seq, missing] of this.missing) {
      if (seq >= from || !this.isMine(seq)) continue;
      this.missing.delete(seq);
      over.push(missing);
    }
    this.#highest = Math.max(this.#highest, from - 1);
    return over;
  }

  #dropOthers(upTo: number): void {
    for (const seq of this.missing.keys()) if (seq <= upTo && !this.isMine(seq)) this.missing.delete(seq);
    this.#past = Math.max(this.#past, Math.min(upTo, this.#mineFrom - 1));
    this.#floor = Math.max(this.#floor, this.#past);
    this.#highest = Math.max(this.#highest, this.#past);
  }

  /** What was heard of first was not the first. */
  #isBefore(seq: number): boolean {
    return !this.#isBeginningKnown && seq <= this.#floor && seq > Math.max(this.#past, this.#floor - LOOK_BACK);
  }

  #miss(seq: number, now: number, askAt: number): void {
    this.missing.set(seq, { seq, since: now, repairs: [], askAt, asked: 0 });
  }
}
