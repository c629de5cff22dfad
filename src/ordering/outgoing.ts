import { assert } from "../base/assert.ts";
import { type OutgoingMessage, wholePayload } from "./message.ts";
import type { Interest } from "./interest.ts";
import type { Room } from "../ring/room.ts";
import { type Outlook, Packer, type PacketStamp } from "./packer.ts";
import { SERVICES, serviceRank } from "./service.ts";
import type { Delivery } from "./upcall.ts";

const UNRELIABLE = serviceRank("unreliable");
const UNSTAMPED: PacketStamp = { seq: 0, lts: 0, site: 0 };

/** All messages that wait for the token: those that are ordered, and apart from them the unreliable ones. */
export class Outgoing {
  readonly #ordered: Packer;
  readonly #unreliable: Packer;

  /**
   * `assigned` hears of each ordered message whose last fragment has been stamped, and of who has to have it; `deliver` takes own unreliable messages once they are on their way.
   */
  constructor(
    outlook: Outlook,
    assigned: ((message: OutgoingMessage, interest: Interest) => void) | undefined,
    deliver: (delivery: Omit<Delivery, "sender">) => void,
  ) {
    this.#ordered = new Packer(outlook, assigned);
    this.#unreliable = new Packer(outlook, (message) => {
      const { session, content } = message;
      deliver({ session, service: "unreliable", content, head: wholePayload(message), tail: undefined });
    });
  }

  enqueue(message: OutgoingMessage): void {
    assert(message.service >= 0 && message.service < SERVICES.length, "a message has one of the six services");
    (message.service === UNRELIABLE ? this.#unreliable : this.#ordered).enqueue(message);
  }

  /** Whether an ordered message with a priority above 0 waits. */
  get isUrgent(): boolean {
    return this.#ordered.isUrgent;
  }

  /** `Packer.filledFlags`. */
  get filledFlags(): number {
    return this.#ordered.filledFlags;
  }

  get isEmpty(): boolean {
    return this.#ordered.isEmpty && this.#unreliable.isEmpty;
  }

  get queuedMessages(): number {
    return this.#ordered.queuedMessages + this.#unreliable.queuedMessages;
  }

  get queuedBytes(): number {
    return this.#ordered.queuedBytes + this.#unreliable.queuedBytes;
  }

  /** `Packer.queuedBytesOf`. */
  queuedBytesOf(session: number): number {
    return this.#ordered.queuedBytesOf(session) + this.#unreliable.queuedBytesOf(session);
  }

  /** `Packer.holdSessions`. */
  holdSessions(held: boolean): void {
    this.#ordered.holdSessions(held);
    this.#unreliable.holdSessions(held);
  }

  forget(session: number): void {
    this.#ordered.forget(session);
    this.#unreliable.forget(session);
  }

  /** `Packer.release`. */
  release(): void {
    this.#ordered.release();
    this.#unreliable.release();
  }

  /** `Packer.restart`: a new configuration. */
  restart(): void {
    this.#ordered.restart();
    this.#unreliable.restart();
  }

  /** `Packer.fill`, with ordered messages for the packet with this stamp. */
  fill(bytes: Uint8Array, at: number, stamp: PacketStamp, room: Room): number {
    return this.#ordered.fill(bytes, at, stamp, room);
  }

  fillUnreliable(bytes: Uint8Array, at: number, room: Room): number {
    return this.#unreliable.fill(bytes, at, UNSTAMPED, room);
  }

  /** `PacketFlag`s of what `fillUnreliable` has written last. */
  get unreliableFlags(): number {
    return this.#unreliable.filledFlags;
  }
}
