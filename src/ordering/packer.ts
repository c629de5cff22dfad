import { assert } from "../base/assert.ts";
import { FIRST, LAST, WHOLE, fragmentHeadBytes, writeFragmentHead } from "../wire/fragment.ts";
import { isBefore, type Stamp } from "../ring/configuration.ts";
import { PacketFlag } from "../wire/ring-data.ts";
import { ANY_ROOM, type Room } from "../ring/room.ts";
import { EVERYBODY, type Interest } from "./interest.ts";
import type { OutgoingMessage } from "./message.ts";
import { serviceRank } from "./service.ts";

/** A fragment of a long message with less data than this is not worth its head. */
const FRAGMENT_DATA_MIN = 64;
/** Of the message that a session is at, so much counts as queued at most. */
const COUNTED_MAX = 64 * 1024;
/** Every so many packets start with the lowest priority, so that none starves. */
const FAIR_PACKETS = 8;
/** A message that takes more packets goes to all sites, whoever is there. */
const LOCAL_PACKETS_MAX = 128;
/** A message that has had its turn so often, and not room enough as others had taken some of it, goes to all: it may then be stamped in parts. */
const PASSED_OVER_MAX = 1_024;
/** So many messages of a session are looked at while the first of them has to wait. */
const LOOKAHEAD_MAX = 256;
const FIFO = serviceRank("fifo");
const CAUSAL = serviceRank("causal");
const AGREED = serviceRank("agreed");
const SAFE = serviceRank("safe");
/** The daemon itself. */
const OWN_SESSION = 0;

/** Of the packet that is filled; seq 0: it is unreliable. */
export type PacketStamp = Stamp & { readonly seq: number };

/** What the packer has to know of the order so far. */
export type Outlook = {
  /** Whether messages may be for this site alone; without that nothing but `dependency` is asked. */
  prunes(): boolean;
  /** The greatest stamp delivered here, for causal messages. */
  dependency(): Stamp;
  /** All daemons hold everything up to this LTS. */
  stable(): number;
  /** Changes when `interest` may have more to say than before. */
  knowledge(): number;
  /** Asked at least once before the message is stamped; it may be asked before its turn. */
  interest(message: OutgoingMessage): Interest;
};

/** Who has to have a message, and by what knowledge that was decided. */
type Decision = { readonly interest: Interest; readonly knowledge: number };

/** Where nothing is pruned: made once. */
const FOR_ALL: Decision = { interest: EVERYBODY, knowledge: 0 };
const NOTHING: Stamp = { lts: 0, site: 0 };

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
  /** What has to be ordered before those behind it in the session: the greatest stamp of an agreed or safe message, or that a causal one depends on. */
  barrier: Stamp;
  /** LTS of the last one (FIFO or stronger) that was for this site alone. */
  localLts: number;
  inTurn: boolean;
  /** Its head message may not be stamped yet. */
  isParked: boolean;
  /** For the head message, once it was looked at. */
  decision: Decision | undefined;
  /** How often the head message has had its turn for a packet, and there was room for others alone. */
  passedOver: number;
};

/**
 * Queues of messages per session, and the packing of them into ring packets at the moment when the token allows
 * one (protocols.md G27, G39, correction 15). Sessions of one priority take turns; within a session order is kept.
 */
export class Packer {
  readonly #sessions = new Map<number, SessionQueue>();
  /** Sessions with something to send, by priority; each in turn order. */
  readonly #turns: SessionQueue[][] = Array.from({ length: 16 }, () => []);
  #inTurn = 0;
  /** How many of them have a priority above 0. */
  #urgent = 0;
  readonly #outlook: Outlook;
  readonly #assigned: ((message: OutgoingMessage, interest: Interest) => void) | undefined;
  #queuedMessages = 0;
  #queuedBytes = 0;
  #longMessages = 0;
  #packets = 0;
  #holdsSessions = false;
  #packetBytes = 0;
  #prunes = false;
  #filledFlags = 0;
  /** Of what the packet that is filled has in it. */
  #announces = false;
  #endsSafe = false;
  readonly #parked = new Set<SessionQueue>();
  /** A message that is for this site alone has begun: the next packet goes on with it, so that it is stamped at one visit. */
  #unfinished: SessionQueue | undefined;

  /** `assigned` hears of each message whose last fragment has been stamped, and of who has to have it. */
  constructor(outlook: Outlook, assigned?: (message: OutgoingMessage, interest: Interest) => void) {
    this.#outlook = outlook;
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

  /** `PacketFlag`s and the greatest priority of what `fill` has written last. */
  get filledFlags(): number {
    return this.#filledFlags;
  }

  /** Whether a message with a priority above 0 waits. */
  get isUrgent(): boolean {
    return !this.#holdsSessions && this.#urgent > 0;
  }

  /** Whether `fill` would write nothing. */
  get isEmpty(): boolean {
    if (!this.#holdsSessions) return this.#inTurn === 0;
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
        barrier: NOTHING,
        localLts: 0,
        inTurn: false,
        isParked: false,
        decision: undefined,
        passedOver: 0,
      };
      this.#sessions.set(message.session, queue);
    }
    const length = lengthOf(message);
    queue.bytes += length;
    this.#queuedMessages++;
    this.#queuedBytes += queue.head === queue.messages.length ? Math.min(length, COUNTED_MAX) : length;
    queue.messages.push(message);
    if (queue.isParked) this.#lookAhead(queue, queue.messages.length - 1);
    else if (!queue.inTurn) this.#takeTurn(queue);
  }

  /** Looks again at what could not be stamped yet. */
  release(): void {
    for (const queue of this.#parked) {
      queue.isParked = false;
      queue.decision = undefined;
      this.#takeTurn(queue);
    }
    this.#parked.clear();
  }

  /** Forgets a session that has ended, once nothing of it waits any more. */
  forget(session: number): void {
    const queue = this.#sessions.get(session);
    if (queue !== undefined && queue.head === queue.messages.length) this.#sessions.delete(session);
  }

  /**
   * Fills `bytes` from `at` on for the packet with this stamp, with messages that are all for this site alone, or all for all. Returns where they end: at
   * `at` if there is nothing that there is room for.
   *
   * A message for this site alone that takes several packets is stamped at one visit, so that nobody joins in the midst of it; one
   * that is too long for that goes to all.
   */
  fill(bytes: Uint8Array, at: number, stamp: PacketStamp, room: Room = ANY_ROOM): number {
    const start = at;
    this.#filledFlags = 0;
    this.#endsSafe = false;
    this.#packetBytes = bytes.length - at;
    this.#prunes = this.#outlook.prunes();
    const fair = ++this.#packets % FAIR_PACKETS === 0;
    const parked = this.#parked.size;
    let first = this.#next(fair, bytes.length - at, room);
    // Who has to wait has said so to the others, which is to be sent as well.
    if (first === undefined && this.#parked.size > parked) first = this.#next(fair, bytes.length - at, room);
    if (first === undefined) return at;
    const { isLocal } = (first.decision as Decision).interest;
    let priority = 0;
    this.#announces = false;
    for (let queue: SessionQueue | undefined = first; queue !== undefined; ) {
      const before = at;
      at = this.#fillFrom(queue, bytes, at, stamp, room, isLocal);
      // No room left for this one: it stays first, for the next packet.
      if (at === before) break;
      priority = Math.max(priority, queue.priority);
      if (!queue.isParked) {
        this.#endTurn(queue);
        if (queue.head < queue.messages.length) this.#takeTurn(queue);
      }
      this.#unfinished = isLocal && (queue.offset > 0 || queue.piece > 0) ? queue : undefined;
      if (this.#unfinished !== undefined) break;
      queue = this.#next(false, bytes.length - at, room, isLocal);
    }
    if (at === start) return at;
    this.#filledFlags = priority | (isLocal ? PacketFlag.local : 0) | (this.#announces ? PacketFlag.announces : 0);
    return at;
  }

  /**
   * A new configuration: a message of which only a part was stamped is sent again from its start (recovery.md,
   * "Delivery at install", 4), and stamps begin anew.
   */
  restart(): void {
    this.#unfinished = undefined;
    for (const queue of this.#sessions.values()) {
      this.#rewind(queue);
      queue.previous = 0;
      queue.barrier = NOTHING;
      queue.localLts = 0;
    }
    this.release();
  }

  #takeTurn(queue: SessionQueue): void {
    queue.inTurn = true;
    this.#inTurn++;
    if (queue.priority > 0) this.#urgent++;
    (this.#turns[queue.priority] as SessionQueue[]).push(queue);
  }

  #endTurn(queue: SessionQueue): void {
    queue.inTurn = false;
    this.#inTurn--;
    if (queue.priority > 0) this.#urgent--;
    const turn = this.#turns[queue.priority] as SessionQueue[];
    if (turn[0] === queue) turn.shift();
    else turn.splice(turn.indexOf(queue), 1);
  }

  /**
   * Whose turn it is: of those whose head message there is room for in `bytes` of this packet and those after it, and that goes where the packet
   * goes, if anything is in it: `like` tells whether that is this site alone.
   */
  #next(lowest: boolean, bytes: number, room: Room, like?: boolean): SessionQueue | undefined {
    const unfinished = this.#unfinished;
    if (unfinished !== undefined) return unfinished;
    if (this.#holdsSessions) {
      const own = this.#sessions.get(OWN_SESSION);
      return own?.inTurn === true && this.#fits(own, bytes, room, like) ? own : undefined;
    }
    const turns = this.#turns;
    if (this.#urgent === 0) return this.#firstOf(turns[0] as SessionQueue[], bytes, room, like);
    for (let i = 0; i < turns.length; i++) {
      const turn = turns[lowest ? i : turns.length - 1 - i] as SessionQueue[];
      const queue = this.#firstOf(turn, bytes, room, like);
      if (queue !== undefined) return queue;
    }
    return undefined;
  }

  #firstOf(turn: readonly SessionQueue[], bytes: number, room: Room, like?: boolean): SessionQueue | undefined {
    for (let i = 0; i < turn.length; ) {
      const queue = turn[i] as SessionQueue;
      if (this.#fits(queue, bytes, room, like)) return queue;
      // One that has been parked meanwhile has left its place to the next.
      if (turn[i] === queue) i++;
    }
    return undefined;
  }

  #fits(queue: SessionQueue, bytes: number, room: Room, like: boolean | undefined): boolean {
    if (!this.#prunes) {
      queue.decision = FOR_ALL;
      return room.isWide;
    }
    // A decision for all stays right, too much at worst: it need not be made anew while there is no room for it anyway.
    if (!room.isWide && queue.decision?.interest.isLocal === false) return false;
    // What has begun goes on as it began.
    if (queue.offset > 0 || queue.piece > 0) {
      return like === undefined || (queue.decision as Decision).interest.isLocal === like;
    }
    const { isLocal, waits } = this.#decide(queue, room);
    if (waits) {
      this.#endTurn(queue);
      queue.isParked = true;
      this.#parked.add(queue);
      this.#lookAhead(queue, queue.head + 1);
      return false;
    }
    if (like !== undefined && isLocal !== like) return false;
    if (!isLocal) return room.isWide;
    const packets = this.#packetsOf(queue, queue.messages[queue.head] as OutgoingMessage, bytes);
    // A digest stands for whole messages, and ends where a safe one does.
    if (this.#endsSafe && packets > 1) return false;
    if (packets <= room.packets) return true;
    if (like === undefined && room.packets > 0) queue.passedOver++;
    return false;
  }

  /** What waits behind a message that has to wait may have to wait as well: then for the same time, not one after the other. */
  #lookAhead(queue: SessionQueue, from: number): void {
    const end = Math.min(queue.messages.length, queue.head + LOOKAHEAD_MAX);
    for (let i = from; i < end; i++) this.#outlook.interest(queue.messages[i] as OutgoingMessage);
  }

  /** Decides anew for a message of which nothing was stamped when more is known: somebody may be interested by now. */
  #decide(queue: SessionQueue, room: Room): Interest {
    const knowledge = this.#outlook.knowledge();
    const message = queue.messages[queue.head] as OutgoingMessage;
    const known = queue.decision;
    const interest = known?.knowledge === knowledge ? known.interest : this.#outlook.interest(message);
    // What the window admits may have become less since.
    const packetsMax = queue.passedOver > PASSED_OVER_MAX ? 1 : Math.min(LOCAL_PACKETS_MAX, room.packetsMax);
    const isTooLong = interest.isLocal && this.#packetsOf(queue, message, this.#packetBytes) > packetsMax;
    if (isTooLong) queue.decision = { interest: EVERYBODY, knowledge };
    else if (known?.interest !== interest || known.knowledge !== knowledge) queue.decision = { interest, knowledge };
    return (queue.decision as Decision).interest;
  }

  /** How many packets a message for this site alone takes that begins with `bytes` left in one; ∞ if it cannot begin there. */
  #packetsOf(queue: SessionQueue, message: OutgoingMessage, bytes: number): number {
    const length = lengthOf(message);
    const service = this.#serviceOf(queue, message);
    if (fragmentHeadBytes(service | WHOLE) + length <= bytes) return 1;
    const partHead = fragmentHeadBytes(service);
    const here = bytes - partHead;
    if (here < Math.min(length, FRAGMENT_DATA_MIN)) return Number.POSITIVE_INFINITY;
    return 1 + Math.ceil((length - here) / (this.#packetBytes - partHead));
  }

  /**
   * Writes fragments of one session until the packet is full or it has nothing more that goes the same way. The next packet is another
   * session's turn, so that a long message never blocks the others (architecture.md, decision 11).
   */
  #fillFrom(queue: SessionQueue, bytes: Uint8Array, at: number, stamp: PacketStamp, room: Room, like: boolean): number {
    for (let isFirst = true; queue.head < queue.messages.length; isFirst = false) {
      if (!isFirst && !this.#fits(queue, bytes.length - at, room, like)) return at;
      const message = queue.messages[queue.head] as OutgoingMessage;
      const { interest } = queue.decision as Decision;
      if (queue.offset === 0 && queue.piece === 0) queue.total = lengthOf(message);
      const end = this.#fillMessage(queue, message, bytes, at, stamp.seq);
      if (end === at) return at;
      at = end;
      this.#announces ||= interest.announces;
      if (queue.offset < queue.total) return at;
      this.#endsSafe ||= message.service === SAFE;
      if (message.service >= FIFO) this.#follow(queue, message.service, stamp, interest);
      this.#advance(queue);
      queue.bytes -= queue.total;
      this.#queuedMessages--;
      this.#queuedBytes -= Math.min(queue.total, COUNTED_MAX);
      const next = queue.messages[queue.head];
      if (next !== undefined) this.#queuedBytes -= Math.max(0, lengthOf(next) - COUNTED_MAX);
      this.#assigned?.(message, interest);
    }
    return at;
  }

  /** What the session has stamped last, and what those behind it have to wait for. */
  #follow(queue: SessionQueue, service: number, { seq, lts, site }: PacketStamp, { isLocal }: Interest): void {
    queue.previous = seq;
    if (!this.#prunes) return;
    if (isLocal) queue.localLts = lts;
    if (service >= AGREED) queue.barrier = { lts, site };
    else if (service === CAUSAL) queue.barrier = later(queue.barrier, this.#outlook.dependency());
  }

  /**
   * The service with which a message is stamped. Where a message before it in its session was for this site alone, and need not be known to all, other sites cannot tell
   * by themselves whether a FIFO one may be delivered: then it depends on all that the session has to wait for, as a causal one. That holds for those that are for this site
   * alone as well: in recovery others get them too.
   */
  #serviceOf(queue: SessionQueue, { service }: OutgoingMessage): number {
    return service === FIFO && this.#hasBarrier(queue) ? CAUSAL : service;
  }

  #hasBarrier({ barrier, localLts }: SessionQueue): boolean {
    return this.#prunes && barrier.lts > 0 && localLts > this.#outlook.stable();
  }

  /** What a message that is stamped as causal depends on. */
  #dependencyOf(queue: SessionQueue, { service }: OutgoingMessage): Stamp {
    if (service === FIFO) return queue.barrier;
    const delivered = this.#outlook.dependency();
    return this.#hasBarrier(queue) ? later(delivered, queue.barrier) : delivered;
  }

  #fillMessage(queue: SessionQueue, message: OutgoingMessage, bytes: Uint8Array, at: number, seq: number): number {
    const room = bytes.length - at;
    const left = queue.total - queue.offset;
    const service = this.#serviceOf(queue, message);
    const wholeHead = fragmentHeadBytes(service | WHOLE);
    const partHead = fragmentHeadBytes(service);
    let flags = service;
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
    const dependency = service === CAUSAL ? this.#dependencyOf(queue, message) : NOTHING;
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
    queue.decision = undefined;
    queue.passedOver = 0;
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

function later(a: Stamp, b: Stamp): Stamp {
  return isBefore(a.lts, a.site, b.lts, b.site) ? b : a;
}

function lengthOf(message: OutgoingMessage): number {
  let length = 0;
  for (const piece of message.pieces) length += piece.length;
  return length;
}
