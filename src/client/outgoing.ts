import { assert } from "../base/assert.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import type { GroupError } from "./errors.ts";

/** What a client sends: data, or a request to join, leave or end. Kept until it is known to have been ordered. */
export class Outgoing {
  readonly kind: "data" | "join" | "leave" | "kill";
  /** Spread's type word, without byte order. */
  readonly type: number;
  readonly groups: readonly string[];
  readonly messageType: number;
  pieces: readonly Uint8Array[];
  payloadBytes: number;
  /** Given by the window, from 1. */
  number = 0;
  isAccepted = false;
  isFinished = false;
  /** It must not be delivered any more: its number is used up by a message to nobody. */
  isVoid = false;
  /** Called once when a daemon has queued it, or with what made that impossible. */
  onAccepted: (error?: GroupError) => void = ignore;
  /** Called once when it was delivered with its service's guarantee, or with what made that impossible. */
  onDelivered: (error?: GroupError) => void = ignore;

  constructor(
    kind: Outgoing["kind"],
    type: number,
    groups: readonly string[],
    messageType = 0,
    pieces: readonly Uint8Array[] = [],
  ) {
    this.kind = kind;
    this.type = type;
    this.groups = groups;
    this.messageType = messageType;
    this.pieces = pieces;
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    this.payloadBytes = bytes;
  }

  /** A message of the program's to a group; others are requests, or tell a daemon something. */
  get isMessage(): boolean {
    return this.kind === "data" && this.groups.length > 0;
  }

  /** Nothing of it is written any more. */
  empty(): void {
    this.isVoid = true;
    this.pieces = [];
    this.payloadBytes = 0;
  }

  accepted(error?: GroupError): void {
    if (this.isAccepted) return;
    this.isAccepted = true;
    this.onAccepted(error);
  }

  finished(error?: GroupError): void {
    if (this.isFinished) return;
    this.isFinished = true;
    this.accepted(error);
    this.onDelivered(error);
  }
}

/** A message to no group, which uses a number up. */
export function nobody(number: number): Outgoing {
  const outgoing = new Outgoing("data", TypeBit.reliable, []);
  outgoing.number = number;
  return outgoing;
}

/** What has been sent and not been seen ordered, by number. */
export class OutgoingWindow {
  #slots: (Outgoing | undefined)[] = [];
  #head = 0;
  #headNumber = 1;
  #acceptedUpTo = 0;
  #unacceptedBytes = 0;

  /** The number that the next message gets. */
  get next(): number {
    return this.#headNumber + this.#slots.length - this.#head;
  }

  /** Payload bytes that no daemon has accepted yet. */
  get unacceptedBytes(): number {
    return this.#unacceptedBytes;
  }

  get unacceptedCount(): number {
    return this.next - 1 - this.#acceptedUpTo;
  }

  /** The least number that may still be outstanding. */
  get first(): number {
    return this.#headNumber;
  }

  /** How many messages to groups are outstanding. */
  get messageCount(): number {
    let count = 0;
    for (const outgoing of this.outstanding()) if (outgoing.isMessage) count++;
    return count;
  }

  add(outgoing: Outgoing): void {
    outgoing.number = this.next;
    this.#slots.push(outgoing);
    this.#unacceptedBytes += outgoing.payloadBytes;
  }

  at(number: number): Outgoing | undefined {
    return number < this.#headNumber ? undefined : this.#slots[this.#head + number - this.#headNumber];
  }

  /** All that are outstanding, in order. */
  *outstanding(): Generator<Outgoing> {
    for (let i = this.#head; i < this.#slots.length; i++) {
      const outgoing = this.#slots[i];
      if (outgoing) yield outgoing;
    }
  }

  /** A daemon has queued everything up to this number. */
  acceptUpTo(number: number): void {
    const last = Math.min(number, this.next - 1);
    while (this.#acceptedUpTo < last) {
      const outgoing = this.at(++this.#acceptedUpTo);
      // One that was delivered early was accepted by that; its bytes are still counted.
      if (!outgoing) continue;
      this.#unacceptedBytes -= outgoing.payloadBytes;
      outgoing.accepted();
    }
  }

  /** Nobody wants this one any more, which no daemon has accepted: what it would take is free, but for its number. */
  withdraw(outgoing: Outgoing): void {
    this.#unacceptedBytes -= outgoing.payloadBytes;
    outgoing.empty();
  }

  /** This one has been delivered. */
  finish(number: number): void {
    const outgoing = this.at(number);
    if (!outgoing) return;
    this.acceptUpTo(number);
    assert(number <= this.#acceptedUpTo, "what is delivered has been accepted");
    this.#slots[this.#head + number - this.#headNumber] = undefined;
    outgoing.finished();
    this.#advance();
  }

  /** A daemon does not take this one. */
  refuse(number: number, error: GroupError): void {
    this.at(number)?.finished(error);
  }

  /** Accepted, and nothing more will be heard of it here. */
  release(number: number): void {
    const outgoing = this.at(number);
    if (!outgoing) return;
    this.acceptUpTo(number);
    this.#slots[this.#head + number - this.#headNumber] = undefined;
    this.#advance();
  }

  /** Everything up to this number has been ordered, as a daemon tells at a reconnection. */
  finishUpTo(number: number): void {
    const last = Math.min(number, this.next - 1);
    for (let n = this.#headNumber; n <= last; n++) this.finish(n);
  }

  /** The connection has ended: nothing of this will be known any more. */
  fail(error: GroupError): void {
    const left = [...this.outstanding()];
    this.#slots = [];
    this.#head = 0;
    this.#unacceptedBytes = 0;
    for (const outgoing of left) outgoing.finished(error);
  }

  #advance(): void {
    while (this.#head < this.#slots.length && this.#slots[this.#head] === undefined) {
      this.#head++;
      this.#headNumber++;
    }
    if (this.#head === this.#slots.length) {
      this.#slots = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#slots.length) {
      this.#slots.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

function ignore(): void {
  /* nobody waits for it */
}
