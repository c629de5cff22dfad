import { assert } from "../base/assert.ts";
import type { Stamp } from "../ring/configuration.ts";
import { type OutgoingMessage, wholePayload } from "./message.ts";
import { Packer } from "./packer.ts";
import { SERVICES, serviceRank } from "./service.ts";
import type { Delivery } from "./upcall.ts";

const UNRELIABLE = serviceRank("unreliable");

/** All messages that wait for the token: those that are ordered, and apart from them the unreliable ones. */
export class Outgoing {
  readonly #ordered: Packer;
  readonly #unreliable: Packer;

  /**
   * `delivered` gives the greatest stamp delivered here; `assigned` hears of each ordered message whose last fragment has been
   * stamped; `deliver` takes own unreliable messages once they are on their way.
   */
  constructor(
    delivered: () => Stamp,
    assigned: ((message: OutgoingMessage) => void) | undefined,
    deliver: (delivery: Omit<Delivery, "sender">) => void,
  ) {
    this.#ordered = new Packer(delivered, assigned);
    this.#unreliable = new Packer(delivered, (message) => {
      const { session, content } = message;
      deliver({ session, service: "unreliable", content, payload: wholePayload(message) });
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

  /** The greatest priority of what `fill` has written last. */
  get filledPriority(): number {
    return this.#ordered.filledPriority;
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

  /** `Packer.restart`: a new configuration. */
  restart(): void {
    this.#ordered.restart();
    this.#unreliable.restart();
  }

  /** `Packer.fill`, with ordered messages for the packet of this seq. */
  fill(bytes: Uint8Array, at: number, seq: number): number {
    return this.#ordered.fill(bytes, at, seq);
  }

  fillUnreliable(bytes: Uint8Array, at: number): number {
    return this.#unreliable.fill(bytes, at, 0);
  }
}
