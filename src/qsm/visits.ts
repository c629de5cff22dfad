import { cover } from "../base/coverage.ts";
import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import type { RegionToken, Settle, TokenRecord } from "../wire/region/token.ts";
import type { RingMembers } from "./members.ts";
import type { PartitionPlan } from "./partition-plan.ts";
import { Recent } from "./recent.ts";
import type { RingHost, RingSettings } from "./ring.ts";
import type { Stream } from "./stream.ts";

/** Where a token is. */
type Place = Pick<RegionToken, "partition" | "round">;

/**
 * What a member does with one sender's record of a token that visits it (protocols.md A32 to A34): takes in what the token knows, adds what it
 * knows itself, and has missing packets repaired by whom they can be repaired.
 */
export class Visits {
  readonly #settings: Pick<RingSettings, "nakBytes" | "transitMs">;
  readonly #members: RingMembers;
  readonly #plan: PartitionPlan;
  readonly #host: RingHost;
  /** What this member has said that it lacks, by sender. */
  readonly #awaited = new Map<NodeId, Recent>();

  constructor(settings: RingSettings, members: RingMembers, plan: PartitionPlan, host: RingHost) {
    this.#settings = settings;
    this.#members = members;
    this.#plan = plan;
    this.#host = host;
  }

  /** `predecessor`: who was visited before this member, in its partition. */
  visit(record: TokenRecord, { partition, round }: Place, predecessor: number | undefined, now: number): void {
    const stream = this.#host.streamOf(record.sender);
    stream.see(record.maximumSeen);
    record.maximumSeen = stream.maxSeen;
    if (record.settle !== undefined) this.#claim(record.settle, stream);
    stream.cleanTo(record.toClean);
    stream.trim(record.toTrim, (seq) => this.#members.isKept(seq));
    record.maxContiguous = Math.min(record.maxContiguous, stream.acknowledged);
    record.keptContiguous = Math.min(record.keptContiguous, stream.keptContiguous);

    const bytesMax = record.settle === undefined ? this.#settings.nakBytes : Number.POSITIVE_INFINITY;
    const own = stream.missing(partition, limitOf(record, stream, now), bytesMax);
    const pullable = new RangeSet();
    if (predecessor !== undefined) {
      const limit = Math.min(record.covered, own.covered);
      this.#push(predecessor, stream, partition, record.naks, own.ranges, limit);
      this.#host.owe(predecessor, record.sender, this.#seqs(partition, record.naks.intersection(own.ranges)));
      for (const [low, high] of own.ranges.ranges()) if (low <= limit) pullable.add(low, Math.min(high, limit));
      pullable.removeAll(record.naks);
      this.#keepCommon(pullable, predecessor, partition);
      const pulled = this.#unawaited(record.sender, partition, pullable, now);
      if (!pulled.isEmpty) this.#host.pull(predecessor, record.sender, partition, pulled, round);
    }
    record.aggregate = predecessor === undefined ? own.ranges.clone() : this.#aggregate(record, own.ranges, partition);
    record.aggregateCovered = Math.min(record.aggregateCovered, own.covered);
    // What is being pulled must not be pushed as well (section 0 c). All the rest is listed, however often: what is not on the list,
    // the successor would take for being here.
    const naks = own.ranges;
    naks.removeAll(pullable);
    record.naks = naks;
    record.covered = own.covered;
    this.#pullElsewhere(record, stream, round, now);
  }

  /** The token is back at its partition's leader. `last`: who was visited last, if that is not the leader itself. */
  close(record: TokenRecord, { partition, round }: Place, last: number | undefined): void {
    const stream = this.#host.streamOf(record.sender);
    if (last !== undefined) {
      const own = stream.missing(partition, stream.maxSeen, Number.POSITIVE_INFINITY);
      this.#push(last, stream, partition, record.naks, own.ranges, record.covered);
    }
    const lacking = new RangeSet();
    for (const [low, high] of record.aggregate.ranges()) {
      if (low <= record.aggregateCovered) lacking.add(low, Math.min(high, record.aggregateCovered));
    }
    if (lacking.isEmpty) return;
    const { settle } = record;
    if (settle !== undefined) {
      for (const number of lacking.numbers()) settle.orphans.add(this.#plan.toRegion(partition, number));
    } else this.#host.nak(record.sender, partition, lacking, round);
  }

  /** What of this has not been asked for so lately that it may be under way. */
  #unawaited(sender: NodeId, partition: number, missing: RangeSet, now: number): RangeSet {
    const fresh = new RangeSet();
    if (missing.isEmpty) return fresh;
    let recent = this.#awaited.get(sender);
    if (recent === undefined) this.#awaited.set(sender, (recent = new Recent(this.#settings.transitMs)));
    for (const number of missing.numbers()) {
      if (recent.add(this.#plan.toRegion(partition, number), now)) fresh.add(number);
    }
    return fresh;
  }

  /** In the region's numbers. */
  *#seqs(partition: number, numbers: RangeSet): Generator<number> {
    for (const number of numbers.numbers()) yield this.#plan.toRegion(partition, number);
  }

  /** What the predecessor lacks and I have. */
  #push(to: number, stream: Stream, partition: number, naks: RangeSet, mine: RangeSet, limit: number): void {
    if (naks.isEmpty) return;
    const seqs: number[] = [];
    for (const number of naks.numbers()) {
      if (number > limit) break;
      if (!mine.has(number)) seqs.push(this.#plan.toRegion(partition, number));
    }
    if (seqs.length > 0) this.#host.push([to], stream, seqs);
  }

  /** Where only some members of a partition keep a packet, a neighbour that is none of them is not asked for it (section 0 d). */
  #keepCommon(ranges: RangeSet, neighbour: number, partition: number): void {
    if (!this.#plan.isSelective) return;
    for (const number of ranges.clone().numbers()) {
      if (!this.#plan.caches(neighbour, this.#plan.toRegion(partition, number))) ranges.remove(number);
    }
  }

  /** What all members so far lack of what they should keep. */
  #aggregate(record: TokenRecord, mine: RangeSet, partition: number): RangeSet {
    const plan = this.#plan;
    const common = record.aggregate.intersection(mine);
    if (!plan.isSelective) return common;
    // Of what I do not keep, the others' word counts; of what none of them keeps, mine.
    for (const number of record.aggregate.numbers()) {
      if (!plan.caches(this.#members.me, plan.toRegion(partition, number))) common.add(number);
    }
    for (const number of mine.numbers()) {
      if (!this.#isCachedBefore(partition, plan.toRegion(partition, number))) common.add(number);
    }
    return common;
  }

  /** Whether a living member that the token has visited before me keeps the packet. */
  #isCachedBefore(partition: number, seq: number): boolean {
    const { me } = this.#members;
    return this.#members.cachersOf(seq).some((index) => index < me && this.#plan.partitionOf(index) === partition);
  }

  /**
   * What other partitions keep is asked for at a random one of their members (section 0, A32.5). Where all who should keep it have
   * failed, nobody else will ask its sender for it (section 0 e), or find that nobody has it.
   */
  #pullElsewhere(record: TokenRecord, stream: Stream, round: number, now: number): void {
    for (const [partition, missing] of stream.missingElsewhere(limitOf(record, stream, now))) {
      const unkept = this.#members.unkept(partition, missing);
      missing.removeAll(unkept);
      if (record.settle !== undefined) {
        for (const number of unkept.numbers()) record.settle.orphans.add(this.#plan.toRegion(partition, number));
      } else if (!unkept.isEmpty) this.#host.nak(record.sender, partition, unkept, round);
      const ranges = this.#unawaited(record.sender, partition, missing, now);
      const first = ranges.ranges().next().value;
      if (first === undefined) continue;
      const cachers = this.#members
        .cachersOf(this.#plan.toRegion(partition, first[0]))
        .filter((index) => index !== this.#members.me);
      const from = cachers[Math.floor(this.#host.random() * cachers.length)];
      if (from !== undefined) this.#host.pull(from, record.sender, partition, ranges, round);
    }
  }

  /** Of a failed sender: gives up what is announced as lost, and brings what is asked for and held here. */
  #claim({ candidates, lost }: Settle, stream: Stream): void {
    if (!lost.isEmpty) {
      cover("regions settle lost");
      this.#host.skip(stream, lost);
    }
    lost.addAll(stream.givenUp);
    if (candidates.isEmpty) return;
    cover("regions settle asked");
    for (const seq of candidates.clone().numbers()) {
      if (stream.get(seq) === undefined) continue;
      cover("regions settle found");
      candidates.remove(seq);
      this.#host.push(
        this.#members.cachersOf(seq).filter((index) => index !== this.#members.me),
        stream,
        [seq],
      );
    }
  }
}

/** Up to where a member says what it lacks: what all may have had time to receive, and what it has been passed over for. */
function limitOf({ cutOff }: TokenRecord, stream: Stream, now: number): number {
  return Math.max(cutOff, stream.overtakenBy(now));
}
