import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import {
  LINK_ACK_MESSAGES_MAX,
  LINK_ACK_RANGES_MAX,
  type LinkAck,
  type LinkData,
  type LinkPart,
} from "../wire/region/link.ts";
import type { LinkLimits } from "./link-sender.ts";

/** A message of which pieces have come. */
type Assembly = { readonly bytes: Uint8Array; readonly received: RangeSet };

/** What became of a piece: the message that it completes, or why it changes nothing. */
export type PieceOutcome = Uint8Array | "partial" | "duplicate" | "refused";

/**
 * The messages of one other node to this one: puts them together and lets each through once.
 *
 * Why the numbers of delivered messages are kept for as long as the other node lives, though nothing comes from it for days: a node
 * that has been frozen since it sent a message takes up its timers before it reads our acknowledgement, and sends again. No time
 * that we could wait for is longer than all freezes. The sender keeps its next number for the same reason. Everything else of an
 * idle pair is empty.
 */
export class LinkReceiver {
  readonly #from: NodeId;
  readonly #limits: LinkLimits;
  /** All messages up to here have been delivered. */
  #upTo = 0;
  /** Later ones that have been delivered. */
  readonly #beyond = new RangeSet();
  #assemblies: Map<number, Assembly> | undefined;
  #assemblyBytes = 0;
  /** What has come since the last acknowledgement, by message. Undefined: none is due. */
  #news: Map<number, RangeSet> | undefined;

  constructor(from: NodeId, limits: LinkLimits) {
    this.#from = from;
    this.#limits = limits;
  }

  get isAckDue(): boolean {
    return this.#news !== undefined;
  }

  /** Bytes of messages that are not complete. */
  get bytes(): number {
    return this.#assemblyBytes;
  }

  /** A message that comes in one piece is delivered as that view of the datagram. */
  onData({ message, offset, total, bytes }: LinkData): PieceOutcome {
    const { messagesMax, messageBytesMax, peerBytesMax } = this.#limits;
    // No sender is further ahead of what it knows to have come than that.
    if (message > this.#upTo + messagesMax || total > messageBytesMax) return "refused";
    if (message <= this.#upTo || this.#beyond.has(message)) {
      this.#report(message, 0, total);
      return "duplicate";
    }
    if (bytes.length === total) return this.#complete(message, bytes);

    let assembly = this.#assemblies?.get(message);
    if (assembly === undefined) {
      if (this.#assemblyBytes + total > peerBytesMax + messageBytesMax) return "refused";
      assembly = { bytes: new Uint8Array(total), received: new RangeSet() };
      this.#assemblies ??= new Map();
      this.#assemblies.set(message, assembly);
      this.#assemblyBytes += total;
    }
    if (assembly.bytes.length !== total) return "refused";
    const { received } = assembly;
    const before = received.size;
    assembly.bytes.set(bytes, offset);
    received.add(offset, offset + bytes.length - 1);
    if (received.size === total) return this.#complete(message, assembly.bytes);
    this.#report(message, offset, bytes.length);
    return received.size === before ? "duplicate" : "partial";
  }

  /**
   * What has come since the last call; several when more messages are concerned than one names. An acknowledgement that is lost needs
   * no repetition: what it named is sent again, and reported again.
   */
  takeAcks(): LinkAck[] {
    const parts: LinkPart[] = [];
    for (const [message, news] of this.#news ?? []) {
      if (message <= this.#upTo) continue;
      const received = this.#assemblies?.get(message)?.received ?? news;
      parts.push({
        message,
        received: received.rangeCount > LINK_ACK_RANGES_MAX ? selected(received, news) : received,
      });
    }
    this.#news = undefined;
    parts.sort((a, b) => a.message - b.message);
    const acks: LinkAck[] = [];
    for (let i = 0; i === 0 || i < parts.length; i += LINK_ACK_MESSAGES_MAX) {
      acks.push({ receiver: this.#from, upTo: this.#upTo, parts: parts.slice(i, i + LINK_ACK_MESSAGES_MAX) });
    }
    return acks;
  }

  #complete(message: number, bytes: Uint8Array): Uint8Array {
    const assembly = this.#assemblies?.get(message);
    if (assembly !== undefined) {
      this.#assemblies?.delete(message);
      if (this.#assemblies?.size === 0) this.#assemblies = undefined;
      this.#assemblyBytes -= assembly.bytes.length;
    }
    this.#beyond.add(message);
    for (const [low, high] of this.#beyond.ranges()) {
      if (low === this.#upTo + 1) this.#upTo = high;
      break;
    }
    this.#beyond.remove(0, this.#upTo);
    this.#report(message, 0, bytes.length);
    return bytes;
  }

  #report(message: number, offset: number, length: number): void {
    this.#news ??= new Map();
    let news = this.#news.get(message);
    if (news === undefined) {
      news = new RangeSet();
      this.#news.set(message, news);
    }
    news.add(offset, offset + length - 1);
  }
}

/** As many ranges as an acknowledgement names: those that have grown, then the first ones, in case that others were lost. */
function selected(received: RangeSet, news: RangeSet): RangeSet {
  const chosen = new RangeSet();
  const fresh = [...received.ranges()].filter(([low, high]) => !news.intersection(RangeSet.of([low, high])).isEmpty);
  for (const [low, high] of [...fresh, ...received.ranges()]) {
    if (chosen.rangeCount < LINK_ACK_RANGES_MAX) chosen.add(low, high);
  }
  return chosen;
}
