import { assert } from "../base/assert.ts";
import { emptySlots } from "../base/empty-slots.ts";
import { RangeSet } from "../base/range-set.ts";
import type { SitePromise } from "../wire/form.ts";
import { isLocal, type RingPacket } from "../wire/ring-data.ts";
import type { NumbersItem } from "../wire/ring-digest.ts";

/** More unstable packets than this cannot be held; flow control stays at half of it at most (`Ring.gapMax`). */
export const STREAM_CAPACITY = 65_536;

/** The promise that nothing has been sent: holds at the start of every configuration. */
export const NO_PROMISE: SitePromise = { seq: 0, lts: 0 };

const CAPACITY_START = 64;

/**
 * The packets that one site stamped in one configuration, as far as this daemon holds them (recovery.md, "Terms").
 *
 * Invariants: everything of 1 … `prefix` was held; nothing of 1 … `discarded` is kept any more;
 * discarded ≤ prefix ≤ high.
 */
export class Stream {
  readonly site: number;
  /** Circular, by seq; a power of two long, doubled when the unstable packets do not fit. */
  #packets = emptySlots<RingPacket>(CAPACITY_START);
  #prefix = 0;
  #high = 0;
  #discarded = 0;
  #known: SitePromise = NO_PROMISE;
  #announced: SitePromise = NO_PROMISE;
  #ltsHeld = 0;
  #seqUpTo = 0;
  #unstableWide = 0;
  /** All daemons of this daemon's own site hold what they are to have of the stream up to this seq. */
  heldHere = 0;
  /** All daemons of this site hold everything, of every site, up to this LTS. */
  acknowledged = 0;
  /** Nobody can add to this stream any more: all its writers are on the form that ends the configuration. */
  closed = false;

  constructor(site: number) {
    this.site = site;
  }

  /** Greatest n such that 1 … n were all held. */
  get prefix(): number {
    return this.#prefix;
  }

  /** Greatest seq held or announced. */
  get high(): number {
    return this.#high;
  }

  get discarded(): number {
    return this.#discarded;
  }

  /** The usable promise with the greatest LTS. */
  get known(): SitePromise {
    return this.#known;
  }

  /** Packets for other sites that are held beyond what the last `seqUpTo` has passed. */
  get unstableWide(): number {
    return this.#unstableWide;
  }

  /** Greatest LTS of a packet that was held. */
  get ltsHeld(): number {
    return this.#ltsHeld;
  }

  /** The newest promise, usable or not. */
  get announced(): SitePromise {
    return this.#announced;
  }

  /** The LTS below which no unseen packet of this site can be: ∞ when closed. */
  get unknownLts(): number {
    return this.closed ? Number.POSITIVE_INFINITY : this.#known.lts + 1;
  }

  get(seq: number): RingPacket | undefined {
    const packet = this.#packets[seq & (this.#packets.length - 1)];
    return packet !== undefined && packet.first <= seq && seq <= packet.seq ? packet : undefined;
  }

  has(seq: number): boolean {
    return seq <= this.#prefix || this.get(seq) !== undefined;
  }

  /** Keeps a packet; false when it was held before, or lies too far ahead to be kept. */
  hold(packet: RingPacket): boolean {
    const { seq } = packet;
    if (packet.numbers !== undefined) return this.#holdDigest(packet);
    if (seq === 0 || this.has(seq) || seq - this.#discarded >= STREAM_CAPACITY) return false;
    while (seq - this.#discarded >= this.#packets.length) this.#grow();
    this.#packets[seq & (this.#packets.length - 1)] = packet;
    if (!isLocal(packet.bytes)) this.#unstableWide++;
    this.#noteHeld(packet);
    return true;
  }

  /**
   * Keeps a digest for those of its packets that are not held themselves: as one packet, or as one for each run of them. Such a run ends
   * before the packet behind it.
   */
  #holdDigest(digest: RingPacket): boolean {
    const { seq, first, numbers = [] } = digest;
    if (first === 0 || first > seq || seq - this.#discarded >= STREAM_CAPACITY) return false;
    while (seq - this.#discarded >= this.#packets.length) this.#grow();
    const runs: RingPacket[] = [];
    for (let n = Math.max(first, this.#prefix + 1); n <= seq; n++) {
      if (this.get(n) !== undefined) continue;
      const from = n;
      while (n < seq && this.get(n + 1) === undefined) n++;
      const lts = n === seq ? digest.lts : Math.min(digest.lts, (this.get(n + 1) as RingPacket).lts - 1);
      const isWhole = from === first && n === seq;
      const mine = isWhole ? numbers : numbers.slice(itemsBefore(numbers, from), itemsBefore(numbers, n + 1));
      runs.push(isWhole ? digest : { ...digest, first: from, seq: n, lts, numbers: mine });
    }
    for (const run of runs) {
      for (let n = run.first; n <= run.seq; n++) this.#packets[n & (this.#packets.length - 1)] = run;
      this.#noteHeld(run);
    }
    return runs.length > 0;
  }

  #noteHeld(packet: RingPacket): void {
    if (packet.seq > this.#high) this.#high = packet.seq;
    if (packet.lts > this.#ltsHeld) this.#ltsHeld = packet.lts;
    if (packet.first === this.#prefix + 1) this.#extendPrefix(packet);
  }

  /** Takes note of a promise: of the local token, or of another site. */
  announce(promise: SitePromise): void {
    if (promise.seq > this.#high) this.#high = promise.seq;
    if (
      promise.seq > this.#announced.seq ||
      (promise.seq === this.#announced.seq && promise.lts > this.#announced.lts)
    ) {
      this.#announced = promise;
      this.#usePromise();
    }
  }

  /** Greatest seq of the prefix up to which no packet has a greater LTS than this one, which may not shrink between calls. */
  seqUpTo(lts: number): number {
    for (; this.#seqUpTo < this.#prefix; this.#seqUpTo++) {
      const next = this.get(this.#seqUpTo + 1);
      if (next !== undefined && next.lts > lts) break;
      if (next !== undefined && next.numbers === undefined && !isLocal(next.bytes)) this.#unstableWide--;
    }
    return this.#seqUpTo;
  }

  /** What is not held of 1 … `upTo`, in at most `rangesMax` ranges, lowest first. */
  missing(upTo: number, rangesMax = Number.POSITIVE_INFINITY): RangeSet {
    const missing = new RangeSet();
    for (let seq = this.#prefix + 1; seq <= upTo; seq++) {
      if (this.get(seq) !== undefined) continue;
      if (missing.rangeCount >= rangesMax && !missing.has(seq - 1)) break;
      missing.add(seq);
    }
    return missing;
  }

  /** Drops 1 … `seq`, which are stable and delivered. */
  discard(seq: number): void {
    assert(seq <= this.#prefix, "only packets of the prefix are dropped");
    while (this.#discarded < seq) {
      this.#discarded++;
      this.#packets[this.#discarded & (this.#packets.length - 1)] = undefined;
    }
  }

  /**
   * Forgets packets that the form does not count: `holes`, and all above `high`. `check` sees each of them first.
   * Nothing of the prefix is among them unless it was learnt after the freeze.
   */
  forget(holes: RangeSet, high: number, check: (packet: RingPacket) => void): void {
    let lowest = Number.POSITIVE_INFINITY;
    for (let seq = this.#discarded + 1; seq <= this.#high; seq++) {
      const packet = this.get(seq);
      if (packet === undefined || (seq <= high && !holes.has(seq))) continue;
      check(packet);
      // What stands for several packets came after all that the form counts of this daemon.
      const first = Math.max(packet.first, this.#discarded + 1);
      for (let n = first; n <= packet.seq; n++) this.#packets[n & (this.#packets.length - 1)] = undefined;
      lowest = Math.min(lowest, first);
    }
    this.#high = high;
    if (lowest <= this.#prefix) this.#prefix = lowest - 1;
  }

  /** Takes over at commit what all survivors know together. */
  adopt(known: SitePromise, announced: SitePromise, closed: boolean): void {
    this.closed ||= closed;
    this.announce(announced);
    if (known.lts > this.#known.lts && known.seq <= this.#prefix) this.#known = known;
    this.#usePromise();
  }

  #grow(): void {
    const before = this.#packets;
    this.#packets = emptySlots(2 * before.length);
    for (let seq = this.#discarded + 1; seq < this.#discarded + before.length; seq++) {
      const packet = before[seq & (before.length - 1)];
      if (packet !== undefined) this.#packets[seq & (this.#packets.length - 1)] = packet;
    }
  }

  #extendPrefix(packet: RingPacket): void {
    let next: RingPacket | undefined = packet;
    let last = packet;
    while (next !== undefined) {
      last = next;
      next = this.get(last.seq + 1);
    }
    this.#prefix = last.seq;
    if (last.lts > this.#known.lts) this.#known = { seq: last.seq, lts: last.lts };
    this.#usePromise();
  }

  #usePromise(): void {
    const announced = this.#announced;
    if (announced.seq <= this.#prefix && announced.lts > this.#known.lts) this.#known = announced;
  }
}

/** How many of the items, which are in the order of packets, are of those before this one. */
function itemsBefore(items: readonly NumbersItem[], seq: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle] as NumbersItem).seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
