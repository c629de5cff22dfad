import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import { RoundTrip, type RoundTripConfig } from "../base/round-trip.ts";
import { NEVER } from "../machine/machine.ts";
import { LINK_DATA_HEAD_BYTES, type LinkAck, type LinkData } from "../wire/region/link.ts";

/** Of neighbours on a local network. */
const ROUND_TRIP: RoundTripConfig = { startMs: 20, minMs: 2, maxMs: 500 };
/**
 * In silence all pieces wait longer and longer, but the last one asks that often whether the silence has ended. A token is at one node at a time, so
 * a whole region would pay for it if that is noticed late.
 */
const ASK_MS = 100;

/**
 * A message for another node: its bytes, or what makes them when they can leave, so that they say what holds then (protocols.md
 * A52). It may find that there is nothing to say any more.
 */
export type LinkMessage = Uint8Array | (() => Uint8Array | undefined);

export type LinkLimits = {
  /** Longest datagram, with all headers of ours. */
  readonly datagramBytes: number;
  /** Longest message. */
  readonly messageBytesMax: number;
  /** Messages for one node that are not acknowledged. */
  readonly messagesMax: number;
  /** Their bytes. Messages that are made late count from then on: at most one exceeds it. */
  readonly peerBytesMax: number;
  /**
   * Bytes for one node that are under way at once, apart from the first datagram of each message, which always leaves. What is more than
   * the other's socket buffer holds is lost there.
   */
  readonly windowBytes: number;
};

/** Where pieces go. */
export interface PieceSink {
  piece(data: LinkData, isRepeated: boolean): void;
}

/** A piece that is under way. */
type Piece = {
  readonly offset: number;
  readonly length: number;
  /** Last time. */
  sentAt: number;
  readonly firstWaitMs: number;
  waitMs: number;
  isRepeated: boolean;
};

type Outgoing = {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Sent at least once up to here. */
  sentBytes: number;
  /** By offset. */
  underWay: Piece[];
};

/**
 * The messages of one node to one other until they are acknowledged. Nothing waits for another message: pieces are sent again each by
 * itself, and large messages take turns.
 */
export class LinkSender {
  readonly #to: NodeId;
  readonly #limits: LinkLimits;
  readonly #pieceBytes: number;
  readonly #roundTrip = new RoundTrip(ROUND_TRIP);
  /** Not begun yet, without a number. */
  #waiting: LinkMessage[] = [];
  /** Begun and not acknowledged, by number. */
  #begun: Outgoing[] = [];
  /** Those of them that have not been sent to their end, in turn. */
  #unfinished: Outgoing[] = [];
  #next = 1;
  #bytes = 0;
  /** Bytes under way, without those that messages begin with. */
  #windowUsed = 0;
  #deadline = NEVER;
  /** When the oldest message that is not acknowledged began, at the latest. */
  #askedAt = Number.NEGATIVE_INFINITY;
  /** When the last acknowledgement came. */
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(to: NodeId, limits: LinkLimits) {
    this.#to = to;
    this.#limits = limits;
    this.#pieceBytes = limits.datagramBytes - LINK_DATA_HEAD_BYTES;
    assert(this.#pieceBytes > 0, "a datagram has room for a piece of a message");
  }

  /** Bytes that are not acknowledged; without those of messages that are yet to be made. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that are not acknowledged, or wait. */
  get messages(): number {
    return this.#waiting.length + this.#begun.length;
  }

  get deadline(): number {
    return this.#deadline;
  }

  /** Since when an acknowledgement is waited for; `NEVER`: nothing is. */
  get silentSince(): number {
    return this.#begun.length === 0 ? NEVER : Math.max(this.#askedAt, this.#heardAt);
  }

  /** Takes a message; `false` when there is too much already. */
  offer(message: LinkMessage): boolean {
    const { messagesMax, messageBytesMax, peerBytesMax } = this.#limits;
    if (this.messages >= messagesMax) return false;
    if (typeof message !== "function") {
      assert(
        message.length > 0 && message.length <= messageBytesMax,
        "a message between nodes is 1 … messageBytesMax long",
      );
      if (this.#bytes + message.length > peerBytesMax) return false;
      this.#bytes += message.length;
    }
    this.#waiting.push(message);
    this.#deadline = Number.NEGATIVE_INFINITY;
    return true;
  }

  /** Sends what can be sent: what is overdue, then the beginnings of new messages, then the rest of large ones. */
  flush(now: number, sink: PieceSink): void {
    for (const outgoing of this.#begun) {
      for (const piece of outgoing.underWay) if (dueAt(piece) <= now) this.#repeat(outgoing, piece, now, sink);
    }
    this.#begin(now, sink);
    while (this.#unfinished.length > 0 && this.#windowUsed + this.#pieceBytes <= this.#limits.windowBytes) {
      const outgoing = this.#unfinished.shift() as Outgoing;
      this.#sendNext(outgoing, now, sink);
      if (outgoing.sentBytes < outgoing.bytes.length) this.#unfinished.push(outgoing);
    }
    // Emptied arrays keep the room that they had: idle nodes are many.
    if (this.#waiting.length === 0) this.#waiting = [];
    if (this.#unfinished.length === 0) this.#unfinished = [];
    this.#deadline = NEVER;
    for (const { underWay } of this.#begun) {
      for (const piece of underWay) this.#deadline = Math.min(this.#deadline, dueAt(piece));
    }
  }

  onAck({ upTo, parts }: LinkAck, now: number): void {
    // Of what was sent last: what came before it may have waited at the receiver for the same acknowledgement.
    let sentAt = Number.NEGATIVE_INFINITY;
    let firstWaitMs = 0;
    let part = 0;
    const isAcknowledged = (outgoing: Outgoing): boolean => {
      const { number, bytes } = outgoing;
      while (part < parts.length && (parts[part]?.message as number) < number) part++;
      const received = parts[part]?.message === number ? parts[part]?.received : undefined;
      if (number > upTo && received === undefined) return false;
      outgoing.underWay = outgoing.underWay.filter((piece) => {
        const { offset, length } = piece;
        if (number > upTo && !covers(received, offset, offset + length - 1)) return true;
        firstWaitMs = Math.max(firstWaitMs, piece.firstWaitMs);
        if (!piece.isRepeated && piece.sentAt > sentAt) sentAt = piece.sentAt;
        if (offset > 0) this.#windowUsed -= length;
        return false;
      });
      if (outgoing.underWay.length > 0 || outgoing.sentBytes < bytes.length) return false;
      this.#bytes -= bytes.length;
      return true;
    };
    if (upTo >= this.#next) return;
    const wasSilent = this.silentSince <= now - ASK_MS;
    this.#heardAt = now;
    this.#begun = this.#begun.filter((outgoing) => !isAcknowledged(outgoing));
    if (sentAt > Number.NEGATIVE_INFINITY) this.#roundTrip.measured(now - sentAt);
    else if (firstWaitMs > 0) this.#roundTrip.unmeasured(firstWaitMs);
    if (wasSilent) this.#endSilence();
    // There may be room for more; and if not, `flush` finds the next deadline.
    const isIdle = this.#begun.length + this.#waiting.length === 0;
    this.#deadline = isIdle ? NEVER : Number.NEGATIVE_INFINITY;
  }

  /** Gives numbers to messages that wait. The lowest unacknowledged one and the highest are less than `messagesMax` apart. */
  #begin(now: number, sink: PieceSink): void {
    const { messagesMax, messageBytesMax, peerBytesMax } = this.#limits;
    while (this.#waiting.length > 0 && this.#next - (this.#begun[0]?.number ?? this.#next) < messagesMax) {
      const isLate = typeof this.#waiting[0] === "function";
      if (isLate && this.#bytes > peerBytesMax) return;
      const message = this.#waiting.shift() as LinkMessage;
      const bytes = typeof message === "function" ? message() : message;
      if (bytes === undefined) continue;
      assert(
        bytes.length > 0 && bytes.length <= messageBytesMax,
        "a message between nodes is 1 … messageBytesMax long",
      );
      if (isLate) this.#bytes += bytes.length;
      const outgoing: Outgoing = { number: this.#next, bytes, sentBytes: 0, underWay: [] };
      this.#next += 1;
      if (this.#begun.length === 0) this.#askedAt = now;
      this.#begun.push(outgoing);
      this.#sendNext(outgoing, now, sink);
      if (outgoing.sentBytes < bytes.length) this.#unfinished.push(outgoing);
    }
  }

  #sendNext(outgoing: Outgoing, now: number, sink: PieceSink): void {
    const offset = outgoing.sentBytes;
    const length = Math.min(this.#pieceBytes, outgoing.bytes.length - offset);
    const { waitMs } = this.#roundTrip;
    const piece = { offset, length, sentAt: now, firstWaitMs: waitMs, waitMs, isRepeated: false };
    outgoing.underWay.push(piece);
    outgoing.sentBytes += length;
    if (offset > 0) this.#windowUsed += length;
    this.#send(outgoing, piece, sink);
  }

  /** The other one is there: what waits longer than usual waits no more. */
  #endSilence(): void {
    const { waitMs } = this.#roundTrip;
    for (const { underWay } of this.#begun) for (const piece of underWay) piece.waitMs = Math.min(piece.waitMs, waitMs);
  }

  /** Waits grow only in silence: while acknowledgements come, what is not named in them was lost by itself. */
  #repeat(outgoing: Outgoing, piece: Piece, now: number, sink: PieceSink): void {
    const isSilent = this.#heardAt < piece.sentAt;
    const isLast = outgoing === this.#begun.at(-1) && piece === outgoing.underWay.at(-1);
    const most = isLast ? ASK_MS : ROUND_TRIP.maxMs;
    piece.waitMs = isSilent ? this.#roundTrip.afterSilence(piece.waitMs, most) : this.#roundTrip.waitMs;
    piece.sentAt = now;
    piece.isRepeated = true;
    this.#send(outgoing, piece, sink);
  }

  #send({ number, bytes }: Outgoing, { offset, length, isRepeated }: Piece, sink: PieceSink): void {
    const data = {
      receiver: this.#to,
      message: number,
      offset,
      total: bytes.length,
      bytes: bytes.subarray(offset, offset + length),
    };
    sink.piece(data, isRepeated);
  }
}

function dueAt({ sentAt, waitMs }: Piece): number {
  return sentAt + waitMs;
}

/** Whether low … high are all in the set. */
function covers(set: RangeSet | undefined, low: number, high: number): boolean {
  if (set === undefined) return false;
  for (const [first, last] of set.ranges()) if (first <= low && high <= last) return true;
  return false;
}
