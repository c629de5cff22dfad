import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { ComeBy } from "./come-by.ts";
import type { DeliveryRule, NodeConfig } from "./config.ts";
import { PacketStore } from "./packet-store.ts";
import type { PartitionPlan } from "./partition-plan.ts";

/** What is missing of a partition: complete up to `covered`, in the partition's numbers (protocols.md A30, O4). */
export type Missing = { readonly ranges: RangeSet; readonly covered: number };

/** What a stream tells its owner. */
export interface StreamHost {
  deliver(packet: Uint8Array): void;
  /** So many packets were skipped that nobody has. */
  lost(count: number): void;
}

/** Ranges of other partitions that are asked for at a time: a member that lost more asks again in the next round. */
const REMOTE_RANGES_MAX = 4_096;

/**
 * What a member of a region view has of the packets of one sender, and keeps for those who miss them: packets of its own
 * partition until they are stable, all others until their own partition is known to hold them (region-views.md, rule 6).
 */
export class Stream {
  readonly sender: NodeId;
  /** Greatest number of which this member knows that it exists. */
  maxSeen = 0;
  #maxCome = 0;
  readonly #comeBy: ComeBy;
  /** The leader's: what is younger than `#cutOff` is not reported missing yet, and what it will be next, since when (A31). */
  #cutOff = 0;
  #mark = 0;
  #markedAt = Number.NEGATIVE_INFINITY;
  readonly #plan: PartitionPlan;
  readonly #index: number;
  readonly #rule: DeliveryRule;
  readonly #host: StreamHost;
  readonly #store = new PacketStore();
  /** What has come, or was given up, beyond the contiguous part. */
  readonly #beyond = new RangeSet();
  /** Given up, and not known to be given up by all. */
  readonly #givenUp = new RangeSet();
  /** All that was ever given up anywhere, as far as this member was told: also what it has itself. */
  readonly skipped = new RangeSet();
  /** Given up and not passed by delivery yet. */
  readonly #lost = new RangeSet();
  #contiguous = 0;
  /** Delivered, or told as lost, up to here; in FIFO order only. */
  #delivered = 0;
  #clean = 0;
  /** Copies of other partitions' packets have been let go up to here. */
  #trimmed = 0;
  #barred = false;
  #heldAt = Number.POSITIVE_INFINITY;

  constructor(
    sender: NodeId,
    plan: PartitionPlan,
    index: number,
    { delivery, transitMs }: Pick<NodeConfig, "delivery" | "transitMs">,
    host: StreamHost,
  ) {
    this.sender = sender;
    this.#plan = plan;
    this.#index = index;
    this.#rule = delivery;
    this.#comeBy = new ComeBy(transitMs);
    this.#host = host;
  }

  /**
   * Greatest number that has come from the sender itself. Tokens know of later ones before these come, since they are processed first:
   * those are under way, not lost.
   */
  get maxCome(): number {
    return this.#maxCome;
  }

  /** A packet with a greater number than any before has come from the sender. */
  come(seq: number, now: number): void {
    this.#maxCome = seq;
    this.#comeBy.note(seq, now);
  }

  /** What is missing up to here is lost: others that were sent later came `transitMs` ago. */
  overtakenBy(now: number): number {
    return this.#comeBy.at(now);
  }

  /** Everything up to here has come, or was given up. */
  get contiguous(): number {
    return this.#contiguous;
  }

  /** Up to here it may count as stable, as far as this member is concerned: all of it, unless the stream is held. */
  get acknowledged(): number {
    return Math.min(this.#contiguous, this.#heldAt);
  }

  /**
   * What comes from now on does not count as stable until the stream is released, as if it had not come: the sender's window fills, and it
   * waits. Nothing is missing here, so nothing is repaired.
   */
  hold(): void {
    this.#heldAt = Math.min(this.#heldAt, this.#contiguous);
  }

  release(): void {
    this.#heldAt = Number.POSITIVE_INFINITY;
  }

  /** Everything up to here has been delivered, or was given up. */
  get passed(): number {
    if (this.#rule === "fifo") return this.#delivered;
    return this.#barred ? 0 : this.#contiguous;
  }

  /** Everything up to here is stable and forgotten. */
  get clean(): number {
    return this.#clean;
  }

  /** Packets and bytes that are kept. */
  get kept(): { readonly packets: number; readonly bytes: number } {
    return { packets: this.#store.count, bytes: this.#store.bytes };
  }

  /** Packets beyond this may still be under way. */
  get cutOff(): number {
    return this.#cutOff;
  }

  /** A round begins here: what had been seen when an earlier one began, `transitMs` ago or more, may be asked for from now on. */
  beginRound(transitMs: number, now: number): void {
    if (now - this.#markedAt < transitMs) return;
    this.#cutOff = this.#mark;
    this.#mark = this.maxSeen;
    this.#markedAt = now;
  }

  /** Something has been seen that is not known to be stable. */
  get isActive(): boolean {
    return this.maxSeen > this.#clean;
  }

  /** Numbers that were skipped here and are not stable yet. */
  get givenUp(): RangeSet {
    return this.#givenUp;
  }

  get isBarred(): boolean {
    return this.#barred;
  }

  has(seq: number): boolean {
    return seq <= this.#contiguous || this.#beyond.has(seq);
  }

  /** A packet that is kept here. */
  get(seq: number): Uint8Array | undefined {
    return this.#store.get(seq);
  }

  /** Delivers nothing until `unbar`: packets of an earlier view of the sender come first (region-views.md, rule 11). */
  bar(): void {
    this.#barred = true;
  }

  unbar(): void {
    if (!this.#barred) return;
    this.#barred = false;
    if (this.#rule === "fifo") {
      this.#deliverContiguous();
      return;
    }
    for (let seq = 1; seq <= this.#contiguous; seq++) this.#deliverOne(seq);
    for (const [low, high] of this.#beyond.ranges()) for (let seq = low; seq <= high; seq++) this.#deliverOne(seq);
    this.#dropClean();
  }

  /** There are packets up to this number. */
  see(seq: number): void {
    if (seq > this.maxSeen) this.maxSeen = seq;
  }

  /** Takes a packet; false if it was here already, or is too far ahead to be kept. */
  receive(seq: number, packet: Uint8Array): boolean {
    if (this.has(seq) || !this.#store.set(seq, packet)) return false;
    if (seq > this.maxSeen) this.maxSeen = seq;
    if (seq !== this.#contiguous + 1) this.#beyond.add(seq);
    else this.#advance(seq);
    if (this.#barred) return true;
    if (this.#rule === "fifo") this.#deliverContiguous();
    else this.#host.deliver(packet);
    return true;
  }

  /** Nobody has these: they count as received. Returns how many of them were still missing. */
  skip(ranges: RangeSet): number {
    let count = 0;
    for (const [low, high] of ranges.ranges()) {
      if (high > this.maxSeen) this.maxSeen = high;
      this.skipped.add(low, high);
      for (let seq = low; seq <= high; seq++) {
        if (this.has(seq)) continue;
        count++;
        this.#givenUp.add(seq);
        if (this.#rule === "fifo" || this.#barred) this.#lost.add(seq);
        if (seq === this.#contiguous + 1) this.#advance(seq);
        else this.#beyond.add(seq);
      }
    }
    if (this.#barred) return count;
    if (this.#rule === "fifo") this.#deliverContiguous();
    else if (count > 0) this.#host.lost(count);
    return count;
  }

  /** Everything up to this number is stable: all members have it. */
  cleanTo(seq: number): void {
    if (seq <= this.#clean) return;
    this.#clean = seq;
    this.#givenUp.remove(0, seq);
    this.see(seq);
    this.#dropClean();
  }

  /** Lets copies up to `seq` go that others are to keep, and have; but not those that nobody alive is to keep. */
  trim(seq: number, isKept: (seq: number) => boolean): void {
    const end = Math.min(seq, this.passed);
    if (this.#trimmed < this.#clean) this.#trimmed = this.#clean;
    while (this.#trimmed < end) {
      const next = ++this.#trimmed;
      if (!this.#plan.caches(this.#index, next) && isKept(next)) this.#store.delete(next);
    }
  }

  /**
   * Packets of the partition up to `limit` (a number of the region) that this member should keep and lacks, as far as their list
   * fits into `bytesMax`.
   */
  missing(partition: number, limit: number, bytesMax: number): Missing {
    const plan = this.#plan;
    const ranges = new RangeSet();
    const covered = plan.upTo(limit, partition);
    if (this.#contiguous >= limit) return { ranges, covered };
    let bytes = 0;
    let end = 0;
    let truncatedAt = 0;
    this.#eachGap(limit, (low, high) => {
      const from = plan.atOrAfter(low, partition);
      const to = plan.upTo(high, partition);
      if (to < from) return true;
      const size = varintBytes(from - end) + varintBytes(to - from);
      if (bytes + size > bytesMax) {
        truncatedAt = from;
        return false;
      }
      bytes += size;
      end = to;
      this.#addOwn(ranges, partition, from, to);
      return true;
    });
    return { ranges, covered: truncatedAt > 0 ? truncatedAt - 1 : covered };
  }

  /** Packets up to `limit` that others keep and this member lacks, by partition, in the partitions' numbers. */
  missingElsewhere(limit: number): ReadonlyMap<number, RangeSet> {
    const byPartition = new Map<number, RangeSet>();
    if (this.#contiguous >= limit) return byPartition;
    const plan = this.#plan;
    const mine = plan.partitionOf(this.#index);
    let count = 0;
    const add = (partition: number, low: number, high: number): void => {
      let ranges = byPartition.get(partition);
      if (ranges === undefined) byPartition.set(partition, (ranges = new RangeSet()));
      ranges.add(low, high);
      count++;
    };
    this.#eachGap(limit, (low, high) => {
      if (high - low + 1 < plan.partitions || plan.isSelective) {
        for (let seq = low; seq <= high && count < REMOTE_RANGES_MAX; seq++) {
          if (plan.caches(this.#index, seq)) continue;
          const number = plan.toPartition(seq);
          add(plan.partitionOfSeq(seq), number, number);
        }
      } else {
        for (let partition = 0; partition < plan.partitions; partition++) {
          if (partition !== mine) add(partition, plan.atOrAfter(low, partition), plan.upTo(high, partition));
        }
      }
      return count < REMOTE_RANGES_MAX;
    });
    return byPartition;
  }

  /** All that is missing up to `limit`, in the region's numbers. */
  missingAll(limit: number): RangeSet {
    const ranges = new RangeSet();
    this.#eachGap(limit, (low, high) => {
      ranges.add(low, high);
      return true;
    });
    return ranges;
  }

  /** Up to here this member holds all that it is to keep for the others. */
  get keptContiguous(): number {
    const plan = this.#plan;
    const partition = plan.partitionOf(this.#index);
    let contiguous = this.maxSeen;
    this.#eachGap(this.maxSeen, (low, high) => {
      const to = plan.upTo(high, partition);
      for (let number = plan.atOrAfter(low, partition); number <= to; number++) {
        const seq = plan.toRegion(partition, number);
        if (!plan.caches(this.#index, seq)) continue;
        contiguous = seq - 1;
        return false;
      }
      return true;
    });
    return contiguous;
  }

  #addOwn(ranges: RangeSet, partition: number, from: number, to: number): void {
    if (!this.#plan.isSelective) {
      ranges.add(from, to);
      return;
    }
    for (let number = from; number <= to; number++) {
      if (this.#plan.caches(this.#index, this.#plan.toRegion(partition, number))) ranges.add(number);
    }
  }

  /** Calls back for each run of numbers that are missing up to `limit`, ascending, while that returns true. */
  #eachGap(limit: number, visit: (low: number, high: number) => boolean): void {
    let low = this.#contiguous + 1;
    if (low > limit) return;
    for (const [from, to] of this.#beyond.ranges()) {
      if (from > limit) break;
      if (low < from && !visit(low, from - 1)) return;
      low = to + 1;
    }
    if (low <= limit) visit(low, limit);
  }

  #advance(seq: number): void {
    let contiguous = seq;
    if (!this.#beyond.isEmpty) {
      const first = this.#beyond.ranges().next().value;
      if (first !== undefined && first[0] === contiguous + 1) {
        contiguous = first[1];
        this.#beyond.remove(first[0], first[1]);
      }
    }
    this.#contiguous = contiguous;
  }

  #deliverContiguous(): void {
    while (this.#delivered < this.#contiguous) this.#deliverOne(++this.#delivered);
    this.#dropClean();
  }

  #deliverOne(seq: number): void {
    if (this.#lost.has(seq)) {
      this.#lost.remove(seq);
      this.#host.lost(1);
      return;
    }
    const packet = this.#store.get(seq);
    if (packet !== undefined) this.#host.deliver(packet);
  }

  #dropClean(): void {
    const upTo = Math.min(this.#clean, this.passed);
    if (upTo >= this.#store.low) this.#store.dropUpTo(upTo);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}
