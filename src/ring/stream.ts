import { assert } from "../base/assert.ts";
import { emptySlots } from "../base/empty-slots.ts";
import { RangeSet } from "../base/range-set.ts";
import type { SitePromise } from "../wire/form.ts";
import type { RingPacket } from "../wire/ring-data.ts";

/** More unstable packets than this cannot be held; flow control stays far below (`RingConfig.gapMax`). */
export const STREAM_CAPACITY = 8192;

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
    return packet !== undefined && packet.seq === seq ? packet : undefined;
  }

  has(seq: number): boolean {
    return seq <= this.#prefix || this.get(seq) !== undefined;
  }

  /** Keeps a packet; false when it was held before, or lies too far ahead to be kept. */
  hold(packet: RingPacket): boolean {
    const { seq } = packet;
    if (seq === 0 || this.has(seq) || seq - this.#discarded >= STREAM_CAPACITY) return false;
    while (seq - this.#discarded >= this.#packets.length) this.#grow();
    this.#packets[seq & (this.#packets.length - 1)] = packet;
    if (seq > this.#high) this.#high = seq;
    if (packet.lts > this.#ltsHeld) this.#ltsHeld = packet.lts;
    if (seq === this.#prefix + 1) this.#extendPrefix(packet);
    return true;
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
      this.#packets[seq & (this.#packets.length - 1)] = undefined;
      lowest = Math.min(lowest, seq);
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
    for (const packet of before) {
      if (packet !== undefined) this.#packets[packet.seq & (this.#packets.length - 1)] = packet;
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
