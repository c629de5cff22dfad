import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import type { PartitionPlan } from "./partition-plan.ts";

/**
 * The members of a region view as its token meets them: in each partition by position, partitions one after the other, those who
 * failed left out (protocols.md A24, A25, A48). Members are named by index.
 */
export class RingMembers {
  readonly me: number;
  readonly ids: readonly NodeId[];
  readonly #plan: PartitionPlan;
  readonly #indexes = new Map<NodeId, number>();
  readonly #alive: boolean[];
  #aliveCount: number;
  #leader = 0;

  /** `ids`: ascending. */
  constructor(ids: readonly NodeId[], me: NodeId, plan: PartitionPlan) {
    assert(ids.length === plan.size, "the plan is for these members");
    this.ids = ids;
    this.#plan = plan;
    ids.forEach((id, index) => this.#indexes.set(id, index));
    this.#alive = ids.map(() => true);
    this.#aliveCount = ids.length;
    const index = this.#indexes.get(me);
    assert(index !== undefined, "a member of the region view");
    this.me = index;
  }

  get aliveCount(): number {
    return this.#aliveCount;
  }

  indexOf(id: NodeId): number | undefined {
    return this.#indexes.get(id);
  }

  isAlive(index: number): boolean {
    return this.#alive[index] === true;
  }

  /** False if it is no member, or had failed. */
  fail(id: NodeId): boolean {
    const index = this.#indexes.get(id);
    if (index === undefined || !this.#alive[index]) return false;
    this.#alive[index] = false;
    this.#aliveCount--;
    this.#leader = this.#alive.indexOf(true);
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
      if (this.#alive[index] && plan.caches(index, seq)) cachers.push(index);
    }
    return cachers.length > 0 ? cachers : this.living();
  }

  /** Whether a living member is to keep the packet. */
  isKept(seq: number): boolean {
    const plan = this.#plan;
    if (this.#aliveCount === plan.size) return true;
    let index = this.leaderOf(plan.partitionOfSeq(seq));
    while (index !== undefined && !plan.caches(index, seq)) index = this.nextOf(index);
    return index !== undefined;
  }

  /** Those of these numbers of a partition whose packets no living member is to keep. */
  unkept(partition: number, numbers: RangeSet): RangeSet {
    const plan = this.#plan;
    const unkept = new RangeSet();
    if (this.#aliveCount === plan.size) return unkept;
    if (!plan.isSelective) return this.leaderOf(partition) === undefined ? numbers.clone() : unkept;
    for (const number of numbers.numbers()) if (!this.isKept(plan.toRegion(partition, number))) unkept.add(number);
    return unkept;
  }

  living(): number[] {
    return this.#alive.flatMap((alive, index) => (alive ? index : []));
  }

  #from(partition: number, position: number): number | undefined {
    const plan = this.#plan;
    for (let at = position; at < plan.sizeOf(partition); at++) {
      const index = plan.indexAt(partition, at);
      if (this.#alive[index]) return index;
    }
    return undefined;
  }
}
