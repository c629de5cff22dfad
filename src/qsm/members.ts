import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { type NodeInfo, placeOf } from "../cms/views.ts";
import type { PartitionPlan } from "./partition-plan.ts";

/**
 * The members of a region view as its token meets them: in each partition by position, partitions one after the other, those who
 * failed left out (protocols.md A24, A25, A48). Members are named by index. Keeps nothing for each of them: a node may be in views with thousands.
 */
export class RingMembers {
  readonly me: number;
  readonly #members: readonly NodeInfo[];
  readonly #plan: PartitionPlan;
  readonly #failed = new Set<number>();
  #leader = 0;

  /** `members`: by id. */
  constructor(members: readonly NodeInfo[], me: NodeId, plan: PartitionPlan) {
    assert(members.length === plan.size, "the plan is for these members");
    this.#members = members;
    this.#plan = plan;
    const index = this.indexOf(me);
    assert(index !== undefined, "a member of the region view");
    this.me = index;
  }

  get aliveCount(): number {
    return this.#members.length - this.#failed.size;
  }

  indexOf(id: NodeId): number | undefined {
    return placeOf(this.#members, id);
  }

  isAlive(index: number): boolean {
    return index < this.#members.length && !this.#failed.has(index);
  }

  /** False if it is no member, or had failed. */
  fail(id: NodeId): boolean {
    const index = this.indexOf(id);
    if (index === undefined || this.#failed.has(index)) return false;
    this.#failed.add(index);
    while (this.#failed.has(this.#leader)) this.#leader++;
    return true;
  }

  /** The region's leader: who creates its tokens. */
  get leader(): number {
    return this.#leader;
  }

  get isLeader(): boolean {
    return this.leader === this.me;
  }

  /** The first partition with a living member, at or after this one; `undefined` if there is none. */
  partitionFrom(partition: number): number | undefined {
    for (let p = partition; p < this.#plan.partitions; p++) if (this.leaderOf(p) !== undefined) return p;
    return undefined;
  }

  leaderOf(partition: number): number | undefined {
    return this.#from(partition, 0);
  }

  /** Whom a member passes the token to inside its partition; `undefined`: it is the last one. */
  nextOf(index: number): number | undefined {
    return this.#from(this.#plan.partitionOf(index), Math.floor(index / this.#plan.partitions) + 1);
  }

  /** Living members that keep a packet; all living members if none of those is left. */
  cachersOf(seq: number): number[] {
    const plan = this.#plan;
    const partition = plan.partitionOfSeq(seq);
    const cachers: number[] = [];
    for (let at = 0; at < plan.sizeOf(partition); at++) {
      const index = plan.indexAt(partition, at);
      if (this.isAlive(index) && plan.caches(index, seq)) cachers.push(index);
    }
    return cachers.length > 0 ? cachers : this.living();
  }

  /** Whether a living member is to keep the packet. */
  isKept(seq: number): boolean {
    const plan = this.#plan;
    if (this.#failed.size === 0) return true;
    let index = this.leaderOf(plan.partitionOfSeq(seq));
    while (index !== undefined && !plan.caches(index, seq)) index = this.nextOf(index);
    return index !== undefined;
  }

  /** Those of these numbers of a partition whose packets no living member is to keep. */
  unkept(partition: number, numbers: RangeSet): RangeSet {
    const plan = this.#plan;
    const unkept = new RangeSet();
    if (this.#failed.size === 0) return unkept;
    if (!plan.isSelective) return this.leaderOf(partition) === undefined ? numbers.clone() : unkept;
    for (const number of numbers.numbers()) if (!this.isKept(plan.toRegion(partition, number))) unkept.add(number);
    return unkept;
  }

  living(): number[] {
    return this.#members.flatMap((_, index) => (this.isAlive(index) ? index : []));
  }

  #from(partition: number, position: number): number | undefined {
    const plan = this.#plan;
    for (let at = position; at < plan.sizeOf(partition); at++) {
      const index = plan.indexAt(partition, at);
      if (this.isAlive(index)) return index;
    }
    return undefined;
  }
}
