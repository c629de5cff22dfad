import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import type { GroupNumber, NodeId, RegionViewId } from "../base/ids.ts";
import type { Range } from "../base/range-set.ts";
import { RangeSet } from "../base/range-set.ts";
import { Slab } from "../base/slab.ts";
import type { RegionView } from "../cms/views.ts";
import { NEVER } from "../machine/machine.ts";
import { asResent, dataHeadBytes, type SealedView, writeDataHead } from "../wire/region/data.ts";
import { kindOf, NodeKind, setPacketEnd } from "../wire/region/head.ts";
import { asResentHybrid, hybridCountOf, hybridRegionOf } from "../wire/region/hybrid.ts";
import { itemBytesMax, itemHeadBytes, writeItemHead } from "../wire/region/items.ts";
import { encodeLast } from "../wire/region/last.ts";
import { PacketStore } from "./packet-store.ts";

/** A message on its way to the regions of its group. */
export class RegionMessage {
  readonly group: GroupNumber;
  /** Never changed. */
  readonly payload: Uint8Array;
  /** The application's number for it. */
  readonly number: number;
  /** A number of it has been assigned in some region: it stays in the views of that moment (section 0 b). */
  isPinned = false;
  /** Regions in which it is not stable yet. */
  regionsLeft = 0;

  constructor(group: GroupNumber, payload: Uint8Array, number: number) {
    this.group = group;
    this.payload = payload;
    this.number = number;
  }
}

export type SenderSettings = {
  readonly cluster: number;
  readonly me: NodeId;
  readonly datagramBytes: number;
  /** Whether several short messages may share a packet. */
  readonly packing: boolean;
  readonly windowBytes: number;
  readonly windowResumeBytes: number;
  /** How long the end of a stream may go unmentioned while it is not stable. */
  readonly lastMs: number;
  /** Of all senders of the node together: bytes that wait for a number. */
  readonly backlog: { bytes: number };
};

/** Packets say when they were made no more often than that: receivers judge by several of them. */
const STAMP_MS = 10;
/** Less room at the end of a packet is not worth a piece of the next message. */
const PIECE_BYTES_MIN = 256;

/**
 * A sender's side of one region view (protocols.md A.3, A34, A39): numbers packets, keeps them until they are stable in the region,
 * sends again what a whole partition lacks, and says how far it has come when nothing else does.
 */
export class RegionSender {
  readonly view: RegionView;
  readonly #settings: SenderSettings;
  /** Messages wait here; offset: how much of the first one is in packets already. */
  #queue: RegionMessage[] = [];
  #queueHead = 0;
  #offset = 0;
  #queuedBytes = 0;
  /** Of groups with messages for this view: how packets name them. */
  readonly #places = new Map<GroupNumber, number>();
  readonly #slab = new Slab();
  readonly #unstable = new PacketStore();
  /** Numbered, and not sent yet: of messages that had to get their numbers at once. */
  readonly #unsent = new RangeSet();
  readonly #resend = new RangeSet();
  /** The messages whose last packets are not stable, in order, with those packets' numbers. */
  #ends: { readonly seq: number; readonly message: RegionMessage }[] = [];
  #endsHead = 0;
  #last = 0;
  #stable = 0;
  #sealed = 0;
  #isStopped = false;
  #after: readonly SealedView[];
  /** Of those views. Receivers keep what comes here until they have all of theirs: their packets take room in this window, too. */
  #before: readonly RegionSender[];
  /** When this region was told last how far the sender has come. */
  #toldAt = Number.NEGATIVE_INFINITY;
  /** When a packet was stamped last. */
  #stampedAt = Number.NEGATIVE_INFINITY;
  #resent = 0;

  /**
   * `before`: of views that were sealed for this one, where not everything is stable. `last`: greatest number that this node has assigned in the view before; all of that is stable.
   */
  constructor(view: RegionView, before: readonly RegionSender[], settings: SenderSettings, last = 0) {
    this.view = view;
    this.#before = before;
    this.#after = before.map(({ id, last: end }) => ({ id, last: end }));
    this.#settings = settings;
    this.#last = this.#stable = last;
    this.#unstable.dropUpTo(last);
  }

  get id(): RegionViewId {
    return this.view.id;
  }

  /** Greatest number that was assigned. */
  get last(): number {
    return this.#last;
  }

  /** Everything up to here is stable. */
  get stable(): number {
    return this.#stable;
  }

  /** The change with which it was sealed; 0: it is current. */
  get sealed(): number {
    return this.#sealed;
  }

  get isSealed(): boolean {
    return this.#sealed > 0;
  }

  /** Sealed, and everything is stable: there is nothing left to do. */
  get isDone(): boolean {
    return this.isSealed && this.#stable >= this.#last;
  }

  get unstableBytes(): number {
    return this.#unstable.bytes;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Packets that were sent again. */
  get resentCount(): number {
    return this.#resent;
  }

  /** Nothing is to be sent, or said, or waited for. */
  get isIdle(): boolean {
    return !this.#hasQueued && this.#resend.isEmpty && this.#unsent.isEmpty && this.#last <= this.#stable;
  }

  /** Something could be sent, if rate and window allow. */
  get wantsToSend(): boolean {
    return !this.#resend.isEmpty || !this.#unsent.isEmpty || (this.#hasQueued && !this.isWindowFull);
  }

  /** When the region should be told how far the stream has come. */
  get deadline(): number {
    return this.#last > this.#stable ? this.#toldAt + this.#settings.lastMs : NEVER;
  }

  /** `place`: of the message's group in the region's list. */
  enqueue(message: RegionMessage, place: number): void {
    assert(!this.isSealed, "nothing is sent in a view that is superseded");
    this.#places.set(message.group, place);
    this.#queue.push(message);
    this.#addQueued(message.payload.length);
  }

  /**
   * The next packet to send, if there is one: first what has to be sent again, then what has a number, then new packets as
   * far as the window allows. Given away. `isRelayed`: new packets say that receivers are to pass them on.
   */
  next(now: number, isRelayed: boolean): Uint8Array | undefined {
    const again = this.#takeFirst(this.#resend);
    if (again !== undefined) {
      cover("regions repair resent");
      this.#resent++;
      return this.#again(again);
    }
    const packet =
      this.#takeFirst(this.#unsent) ?? (this.isWindowFull ? undefined : this.#make(this.#stamp(now), isRelayed));
    if (packet !== undefined) this.#toldAt = now;
    return packet;
  }

  /** What to tell the region when `deadline` has come; given away. */
  lastPacket(now: number): Uint8Array {
    this.#toldAt = now;
    const { cluster, me } = this.#settings;
    return encodeLast(cluster, me, { id: this.id, seq: this.#last, stamp: asStamp(now) });
  }

  /**
   * The view is superseded, with the `order`-th change: assigns numbers to what is pinned to it and assigns none afterwards. Returns the messages that were not
   * begun: they go out in the next view.
   */
  seal(order: number): RegionMessage[] {
    const rest: RegionMessage[] = [];
    const waiting = this.#queue.slice(this.#queueHead);
    const offset = this.#offset;
    this.#queue = waiting.filter(({ isPinned }) => isPinned);
    this.#queueHead = 0;
    this.#offset = this.#queue[0] === waiting[0] ? offset : 0;
    for (const message of waiting) if (!message.isPinned) rest.push(message);
    for (;;) {
      const packet = this.#make(undefined, false);
      if (packet === undefined) break;
      this.#unsent.add(this.#last);
    }
    cover(this.#last > this.#stable ? "regions seal with packets under way" : "regions seal");
    this.#sealed = order;
    this.#addQueued(-this.#queuedBytes);
    return rest;
  }

  /** Gives the next number to a packet that goes to several regions. `message`: the one that ends in it. */
  assign(packet: Uint8Array, message: RegionMessage | undefined): void {
    assert(!this.isSealed, "a sealed view assigns no numbers");
    this.#last++;
    const isKept = this.#unstable.set(this.#last, packet);
    assert(isKept, "the window is smaller than the store");
    if (message !== undefined) this.#ends.push({ seq: this.#last, message });
  }

  /** Packets here have to say what comes before them: until the first acknowledgement. */
  get saysAfter(): boolean {
    return this.#after.length > 0;
  }

  /** The node is back in a view that it had left, and that has not been superseded meanwhile. */
  reopen(): void {
    cover("regions return to a view");
    this.#sealed = 0;
  }

  /** Takes messages of these groups out that are not pinned to the present views. */
  withdraw(groups: ReadonlySet<GroupNumber>): RegionMessage[] {
    const taken: RegionMessage[] = [];
    const kept: RegionMessage[] = [];
    for (let i = this.#queueHead; i < this.#queue.length; i++) {
      const message = this.#queue[i] as RegionMessage;
      if (message.isPinned || !groups.has(message.group)) kept.push(message);
      else {
        taken.push(message);
        this.#addQueued(-message.payload.length);
      }
    }
    this.#queue = kept;
    this.#queueHead = 0;
    return taken;
  }

  /** Everything up to this number is stable. Returns the messages that are thereby stable in this region. */
  acknowledged(seq: number): RegionMessage[] {
    if (seq > this.#last) cover("regions acknowledged unsent");
    const upTo = Math.min(seq, this.#last);
    if (upTo <= this.#stable) return NO_MESSAGES;
    this.#stable = upTo;
    this.#after = NOTHING_BEFORE;
    this.#before = NOTHING_BEFORE;
    this.#unstable.dropUpTo(upTo);
    this.#resend.remove(0, upTo);
    this.#unsent.remove(0, upTo);
    const stable: RegionMessage[] = [];
    while (this.#endsHead < this.#ends.length) {
      const end = this.#ends[this.#endsHead];
      if (end === undefined || end.seq > upTo) break;
      stable.push(end.message);
      this.#endsHead++;
    }
    if (this.#endsHead >= 1_024 && this.#endsHead * 2 >= this.#ends.length) {
      this.#ends = this.#ends.slice(this.#endsHead);
      this.#endsHead = 0;
    }
    return stable;
  }

  /**
   * This node has been declared failed, and the region has accepted its packets up to `seq`, without those that were `lost`. Returns the
   * messages that are thereby in the region.
   */
  settled(seq: number, lost: Iterable<Range>): RegionMessage[] {
    const missing = new RangeSet();
    for (const [low, high] of lost) missing.add(low, high);
    const accepted: RegionMessage[] = [];
    let begin = this.#stable + 1;
    for (const end of this.#ends.slice(this.#endsHead)) {
      // It may begin where the one before it ends.
      if (end.seq <= seq && missing.intersection(RangeSet.of([begin, end.seq])).isEmpty) accepted.push(end.message);
      begin = end.seq;
    }
    this.#endsHead = this.#ends.length;
    return accepted;
  }

  /** The view was retired: everything was stable there (region-views.md, rule 9). */
  retired(): RegionMessage[] {
    return this.acknowledged(this.#last);
  }

  /** A whole partition lacks these, in the numbers of the partition. */
  lacked(partition: number, partitions: number, ranges: Iterable<Range>): void {
    for (const [low, high] of ranges) {
      const most = Math.ceil(this.#last / partitions);
      for (let number = low; number <= Math.min(high, most); number++) {
        const seq = (number - 1) * partitions + partition + 1;
        if (this.#unstable.get(seq) !== undefined && !this.#unsent.has(seq)) this.#resend.add(seq);
      }
    }
  }

  #addQueued(bytes: number): void {
    this.#queuedBytes += bytes;
    this.#settings.backlog.bytes += bytes;
  }

  get #hasQueued(): boolean {
    return this.#queueHead < this.#queue.length;
  }

  /** Full from the bound on, until there is room down to where it resumes. */
  get isWindowFull(): boolean {
    const { windowBytes, windowResumeBytes } = this.#settings;
    const limit = this.#isStopped ? windowResumeBytes : windowBytes;
    let { bytes } = this.#unstable;
    for (const { unstableBytes } of this.#before) bytes += unstableBytes;
    this.#isStopped = bytes >= limit;
    return this.#isStopped;
  }

  /** The packet as it is sent again, to this region alone. */
  #again(packet: Uint8Array): Uint8Array {
    if (kindOf(packet) !== NodeKind.regionHybrid) return asResent(packet);
    for (let entry = 0; ; entry++) {
      assert(entry < hybridCountOf(packet), "a packet that is kept here has a number here");
      if (hybridRegionOf(packet, entry) === this.id.region) return asResentHybrid(packet, entry);
    }
  }

  #takeFirst(set: RangeSet): Uint8Array | undefined {
    if (set.isEmpty) return undefined;
    const [seq] = set.ranges().next().value as Range;
    set.remove(seq);
    return this.#unstable.get(seq);
  }

  /** What the next packet says of the time, if it is time to say it. */
  #stamp(now: number): number | undefined {
    if (now < this.#stampedAt + STAMP_MS) return undefined;
    this.#stampedAt = now;
    return asStamp(now);
  }

  /** Makes a packet of what waits; it has a number then. */
  #make(stamp: number | undefined, isRelayed: boolean): Uint8Array | undefined {
    if (!this.#hasQueued) return undefined;
    const { cluster, me, datagramBytes, packing } = this.#settings;
    const seq = this.#last + 1;
    const after = this.#after;
    const full = this.#slab.take(datagramBytes);
    let at = writeDataHead(full, 0, { cluster, origin: me, id: this.id, seq, after, stamp, isRelayed });
    assert(at === dataHeadBytes(after, stamp !== undefined), "a head has the length that was computed");
    while (this.#hasQueued) {
      const written = this.#writeItem(full, at, seq);
      if (written === 0) break;
      at += written;
      if (!packing) break;
    }
    this.#last = seq;
    const packet = this.#slab.shrinkLast(full, at);
    setPacketEnd(packet, 0, at);
    const isKept = this.#unstable.set(seq, packet);
    assert(isKept, "the window is smaller than the store");
    return packet;
  }

  /** Writes the next message, or as much of it as fits and is worth it; returns how many bytes that took. */
  #writeItem(bytes: Uint8Array, at: number, seq: number): number {
    const message = this.#queue[this.#queueHead] as RegionMessage;
    const { payload, group } = message;
    const index = this.#places.get(group);
    assert(index !== undefined, "a message comes with its group's place");
    const room = bytes.length - at;
    const left = payload.length - this.#offset;
    const isWhole = itemHeadBytes(index, left) + left <= room;
    const length = isWhole ? left : itemBytesMax(index, room);
    if (!isWhole && length < PIECE_BYTES_MIN) return 0;
    const start = writeItemHead(bytes, at, index, this.#offset === 0, isWhole, length);
    bytes.set(payload.subarray(this.#offset, this.#offset + length), start);
    message.isPinned = true;
    this.#addQueued(-length);
    if (isWhole) {
      this.#offset = 0;
      this.#ends.push({ seq, message });
      this.#shift();
    } else this.#offset += length;
    return start + length - at;
  }

  #shift(): void {
    this.#queueHead++;
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead >= 1_024 && this.#queueHead * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }
}

function asStamp(now: number): number {
  return Math.floor(now) >>> 0;
}

const NO_MESSAGES: RegionMessage[] = [];
const NOTHING_BEFORE: readonly never[] = [];
