import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { Incoming } from "./incoming.ts";

/** Streams that are remembered. */
const STREAMS_MAX = 16_384;

/**
 * Streams of groups that this node has left. It may be in them again, and may have been for some senders before it heard of either: what has come of that
 * is not to come again.
 */
export class FormerStreams {
  readonly #streams = new Map<string, Incoming>();

  remember(stream: Incoming): void {
    this.#streams.set(keyOf(stream.group, stream.sender), stream);
    if (this.#streams.size <= STREAMS_MAX) return;
    for (const oldest of this.#streams.keys()) {
      this.#streams.delete(oldest);
      return;
    }
  }

  /** The stream, if it is known: it is not a former one any more. */
  take(group: GroupNumber, sender: NodeId): Incoming | undefined {
    const key = keyOf(group, sender);
    const stream = this.#streams.get(key);
    this.#streams.delete(key);
    return stream;
  }
}

function keyOf(group: GroupNumber, sender: NodeId): string {
  return `${group} ${sender}`;
}
