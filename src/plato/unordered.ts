import { NEVER } from "../machine/machine.ts";
import type { Message } from "./message.ts";

/**
 * Messages of the present view that have no place in the order yet, in the order of their times. Whether the sequencer will order them alike is doubtful
 * where two came within a moment of each other (protocols.md C3, C5): then neither is likely.
 */
export class Unordered {
  #messages: Message[] = [];
  #lastArrival = Number.NEGATIVE_INFINITY;
  #newest: Message | undefined;

  get messages(): readonly Message[] {
    return this.#messages;
  }

  clear(): void {
    this.#messages = [];
    this.#newest = undefined;
  }

  /** One has come. `isLate`: repairs have brought it, too late to say anything of its place or others'. */
  add(message: Message, isLate: boolean, thresholdMs: number): void {
    let at = this.#messages.length;
    while (at > 0 && (this.#messages[at - 1] as Message).at > message.at) at--;
    this.#messages.splice(at, 0, message);
    if (isLate) return;
    if (message.at - this.#lastArrival < thresholdMs) {
      message.isSuspect = true;
      if (this.#newest !== undefined) this.#newest.isSuspect = true;
    }
    this.#lastArrival = message.at;
    this.#newest = message;
  }

  /** The order has come on. */
  removeOrdered(isOrdered: (message: Message) => boolean): void {
    if (this.#messages.length > 0) this.#messages = this.#messages.filter((message) => !isOrdered(message));
  }

  /**
   * Gives out those that are likely to follow on the order in this order, the first of them in the place behind `end`. Returns when there may be
   * more without another one coming.
   */
  giveLikely(
    end: number,
    thresholdMs: number,
    now: number,
    give: (message: Message, position: number) => void,
  ): number {
    let position = end;
    for (const message of this.#messages) {
      position++;
      if (message.isShown) continue;
      if (message.isSuspect) return NEVER;
      const dueAt = message.at + thresholdMs;
      if (dueAt > now && message === this.#newest) return dueAt;
      give(message, position);
    }
    return NEVER;
  }
}
