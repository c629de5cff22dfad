import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { Incoming } from "./incoming.ts";

/** Streams that are over and remembered. */
const STREAMS_MAX = 16_384;

/** How far streams went that are over: their senders may come back, and go on behind that. */
export class FormerStreams {
  readonly #highest = new Map<string, number>();

  remember({ group, sender, highest }: Incoming): void {
    const key = keyOf(group, sender);
    this.#highest.delete(key);
    this.#highest.set(key, highest);
    if (this.#highest.size <= STREAMS_MAX) return;
    for (const oldest of this.#highest.keys()) {
      this.#highest.delete(oldest);
      return;
    }
  }

  /** The greatest number that the sender had used in the group, 0 if none is known. */
  highestOf(group: GroupNumber, sender: NodeId): number {
    return this.#highest.get(keyOf(group, sender)) ?? 0;
  }
}

function keyOf(group: GroupNumber, sender: NodeId): string {
  return `${group} ${sender}`;
}
