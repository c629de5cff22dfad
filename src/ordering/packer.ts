import { assert } from "../base/assert.ts";
import { FIRST, LAST, WHOLE, fragmentHeadBytes, writeFragmentHead } from "../wire/fragment.ts";
import type { OutgoingMessage } from "./message.ts";
import { serviceRank } from "./service.ts";

/** A fragment of a long message with less data than this is not worth its head. */
const FRAGMENT_DATA_MIN = 64;
/** Of the message that a session is at, so much counts as queued at most. */
const COUNTED_MAX = 64 * 1024;
/** Every so many packets start with the lowest priority, so that none starves. */
const FAIR_PACKETS = 8;
const FIFO = serviceRank("fifo");
/** The daemon itself. */
const OWN_SESSION = 0;

/** The messages of one session that wait to be stamped, in order. */
type SessionQueue = {
  readonly session: number;
  readonly priority: number;
  readonly messages: (OutgoingMessage | undefined)[];
  /** First message not yet taken: `messages` is compacted now and then. */
  head: number;
  /** Bytes of all that is not yet taken, the whole head message included. */
  bytes: number;
  /** Bytes of the head message that are stamped. */
  offset: number;
  /** Piece of the head message in which `offset` lies, and where that piece starts. */
  piece: number;
  pieceStart: number;
  total: number;
  /** Number of the head message, if it needs several fragments; 0 before its first. */
  long: number;
  /** Seq of the packet in which the session's last FIFO-or-stronger message ended. */
  previous: number;
  inTurn: boolean;
};

/**
 * Queues of messages per session, and the packing of them into ring packets at the moment when the token allows
 * one (protocols.md G27, G39, correction 15). Sessions of one priority take turns; within a session order is kept.
 */
export class Packer {
  readonly #sessions = new Map<number, SessionQueue>();
  /** Sessions with something to send, by priority; each in turn order. */
  readonly #turns: SessionQueue[][] = Array.from({ length: 16 }, () => []);
  /** How many of them have a priority above 0. */
  #urgent = 0;
  readonly #dependency: () => { readonly lts: number; readonly site: number };
  readonly #assigned: ((message: OutgoingMessage) => void) | undefined;
  #queuedMessages = 0;
  #queuedBytes = 0;
  #longMessages = 0;
  #packets = 0;
  #holdsSessions = false;
  #filledPriority = 0;

  /**
   * `dependency` gives the greatest stamp delivered here, for causal messages; `assigned` hears of each message
   * whose last fragment has been stamped.
   */
  constructor(
    dependency: () => { readonly lts: number; readonly site: number },
    assigned?: (message: OutgoingMessage) => void,
  ) {
    this.#dependency = dependency;
    this.#assigned = assigned;
  }

  get queuedMessages(): number {
    return this.#queuedMessages;
  }

  /**
   * Bytes that wait. A message that its session has come to counts with 64 KiB at most: it takes turns with others, so a
   * long one is no reason to let nobody else queue anything.
   */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes of the messages of one session that wait; one of which a part was stamped counts whole. */
  queuedBytesOf(session: number): number {
    return this.#sessions.get(session)?.bytes ?? 0;
  }

  /** The greatest priority of what `fill` has written last. */
  get filledPriority(): number {
    return this.#filledPriority;
  }

  /** Whether a message with a priority above 0 waits. */
  get isUrgent(): boolean {
    return !this.#holdsSessions && this.#urgent > 0;
  }

  /** Whether `fill` would write nothing. */
  get isEmpty(): boolean {
    if (!this.#holdsSessions) return this.#queuedMessages === 0;
    return this.#sessions.get(OWN_SESSION)?.inTurn !== true;
  }

  /**
   * Lets only the daemon's own messages pass, or all again: between a configuration and the end of the exchange of
   * group state no client's message may be stamped (protocols.md K31).
   */
  holdSessions(held: boolean): void {
    this.#holdsSessions = held;
  }

  enqueue(message: OutgoingMessage): void {
    let queue = this.#sessions.get(message.session);
    if (queue === undefined) {
      queue = {
        session: message.session,
        priority: Math.max(0, Math.min(15, message.priority)),
        messages: [],
        head: 0,
        bytes: 0,
        offset: 0,
        piece: 0,
        pieceStart: 0,
        total: 0,
        long: 0,
        previous: 0,
        inTurn: false,
      };
      this.#sessions.set(message.session, queue);
    }
    const length = lengthOf(message);
    queue.bytes += length;
    this.#queuedMessages++;
    this.#queuedBytes += queue.head === queue.messages.length ? Math.min(length, COUNTED_MAX) : length;
    queue.messages.push(message);
    if (!queue.inTurn) this.#takeTurn(queue);
  }

  /** Forgets a session that has ended, once nothing of it waits any more. */
  forget(session: number): void {
    const queue = this.#sessions.get(session);
    if (queue !== undefined && queue.head === queue.messages.length) this.#sessions.delete(session);
  }

  /** Fills `bytes` from `at` on with fragments for the packet `seq`; returns where they end. */
  fill(bytes: Uint8Array, at: number, seq: number): number {
    const start = at;
    this.#filledPriority = 0;
    const fair = ++this.#packets % FAIR_PACKETS === 0;
    for (;;) {
      const queue = this.#next(fair && at === start);
      if (queue === undefined) return at;
      const end = this.#fillFrom(queue, bytes, at, seq);
      // No room left for this one: it stays first, for the next packet.
      if (end === at) return at;
      at = end;
      this.#filledPriority = Math.max(this.#filledPriority, queue.priority);
      this.#endTurn(queue);
      if (queue.head < queue.messages.length) this.#takeTurn(queue);
    }
  }

  /**
   * A new configuration: a message of which only a part was stamped is sent again from its start (recovery.md,
   * "Delivery at install", 4), and stamps begin anew.
   */
  restart(): void {
    for (const queue of this.#sessions.values()) {
      this.#rewind(queue);
      queue.previous = 0;
    }
  }

  #takeTurn(queue: SessionQueue): void {
    queue.inTurn = true;
    if (queue.priority > 0) this.#urgent++;
    (this.#turns[queue.priority] as SessionQueue[]).push(queue);
  }

  #endTurn(queue: SessionQueue): void {
    queue.inTurn = false;
    if (queue.priority > 0) this.#urgent--;
    const turn = this.#turns[queue.priority] as SessionQueue[];
    if (turn[0] === queue) turn.shift();
    else turn.splice(turn.indexOf(queue), 1);
  }

  #next(lowest: boolean): SessionQueue | undefined {
    if (this.#holdsSessions) {
      const own = this.#sessions.get(OWN_SESSION);
      return own?.inTurn === true ? own : undefined;
    }
    const turns = this.#turns;
    if (this.#urgent === 0) return turns[0]?.[0];
    return (lowest ? turns.find((turn) => turn.length > 0) : turns.findLast((turn) => turn.length > 0))?.[0];
  }

  /**
   * Writes fragments of one session until the packet is full or it has nothing more. The next packet is another
   * session's turn, so that a long message never blocks the others (architecture.md, decision 11).
   */
  #fillFrom(queue: SessionQueue, bytes: Uint8Array, at: number, seq: number): number {
    while (queue.head < queue.messages.length) {
      const message = queue.messages[queue.head] as OutgoingMessage;
      if (queue.offset === 0 && queue.piece === 0) queue.total = lengthOf(message);
      const end = this.#fillMessage(queue, message, bytes, at, seq);
      if (end === at) return at;
      at = end;
      if (queue.offset < queue.total) return at;
      if (message.service >= FIFO) queue.previous = seq;
      this.#advance(queue);
      queue.bytes -= queue.total;
      this.#queuedMessages--;
      this.#queuedBytes -= Math.min(queue.total, COUNTED_MAX);
      const next = queue.messages[queue.head];
      if (next !== undefined) this.#queuedBytes -= Math.max(0, lengthOf(next) - COUNTED_MAX);
      this.#assigned?.(message);
    }
    return at;
  }

  #fillMessage(queue: SessionQueue, message: OutgoingMessage, bytes: Uint8Array, at: number, seq: number): number {
    const room = bytes.length - at;
    const left = queue.total - queue.offset;
    const wholeHead = fragmentHeadBytes(message.service | WHOLE);
    const partHead = fragmentHeadBytes(message.service);
    let flags = message.service;
    let length: number;
    if (queue.offset === 0 && wholeHead + left <= room) {
      flags |= WHOLE;
      length = left;
    } else {
      length = Math.min(left, room - partHead);
      if (length < Math.min(left, FRAGMENT_DATA_MIN)) return at;
      if (queue.offset === 0) {
        flags |= FIRST;
        queue.long = ++this.#longMessages;
      }
      if (length === left) flags |= LAST;
    }
    const dependency = this.#dependency();
    const dataAt = writeFragmentHead(bytes, at, {
      flags,
      content: message.content,
      length,
      session: queue.session,
      previous: queue.previous,
      message: queue.long,
      offset: queue.offset,
      total: queue.total,
      dependencyLts: dependency.lts,
      dependencySite: dependency.site,
    });
    assert(seq === 0 || queue.previous <= seq, "a session's messages are stamped in order");
    this.#copy(queue, message, bytes, dataAt, length);
    return dataAt + length;
  }

  #copy(queue: SessionQueue, message: OutgoingMessage, bytes: Uint8Array, at: number, length: number): void {
    let left = length;
    while (left > 0) {
      const piece = message.pieces[queue.piece] as Uint8Array;
      const from = queue.offset - queue.pieceStart;
      const count = Math.min(left, piece.length - from);
      if (from === 0 && count === piece.length) bytes.set(piece, at);
      else bytes.set(piece.subarray(from, from + count), at);
      at += count;
      left -= count;
      queue.offset += count;
      if (from + count === piece.length) {
        queue.pieceStart += piece.length;
        queue.piece++;
      }
    }
  }

  #rewind(queue: SessionQueue): void {
    queue.offset = 0;
    queue.piece = 0;
    queue.pieceStart = 0;
    queue.long = 0;
  }

  #advance(queue: SessionQueue): void {
    this.#rewind(queue);
    queue.messages[queue.head] = undefined;
    queue.head++;
    if (queue.head === queue.messages.length) {
      queue.messages.length = 0;
      queue.head = 0;
    } else if (queue.head >= 1024) {
      queue.messages.splice(0, queue.head);
      queue.head = 0;
    }
  }
}

function lengthOf(message: OutgoingMessage): number {
  let length = 0;
  for (const piece of message.pieces) length += piece.length;
  return length;
}
