import { assert } from "../base/assert.ts";
import type { PartitionPlanName } from "./config.ts";

export type PlanOptions = {
  readonly plan: PartitionPlanName;
  /** How many members keep each packet, where the region has so many. */
  readonly replication: number;
  /** Longest ring inside a partition (`byRingCap`). */
  readonly ringMax: number;
};

/**
 * How a region view is divided (protocols.md A20–A22, O1, O2): members into partitions, and packets among them, in turn. A packet that is
 * `seq` in the region is a certain number in the sequence of its partition: both count from 1.
 */
export class PartitionPlan {
  /** Members of the region view; index 0 … size − 1 by node id. */
  readonly size: number;
  readonly partitions: number;
  /** Not all members of a partition keep its packets. */
  readonly isSelective: boolean;
  readonly #replication: number;

  constructor(size: number, { plan, replication, ringMax }: PlanOptions) {
    assert(size > 0 && replication > 0 && ringMax > 0, "a region has members, and packets have cachers");
    this.size = size;
    this.#replication = replication;
    this.isSelective = plan === "byRingCap";
    this.partitions =
      plan === "byReplication" ? Math.max(1, Math.floor(size / replication)) : Math.ceil(size / ringMax);
  }

  partitionOf(index: number): number {
    return index % this.partitions;
  }

  sizeOf(partition: number): number {
    return Math.floor((this.size - 1 - partition) / this.partitions) + 1;
  }

  indexAt(partition: number, position: number): number {
    return position * this.partitions + partition;
  }

  /** The partition that keeps a packet. */
  partitionOfSeq(seq: number): number {
    return (seq - 1) % this.partitions;
  }

  toPartition(seq: number): number {
    return Math.floor((seq - 1) / this.partitions) + 1;
  }

  toRegion(partition: number, number: number): number {
    return (number - 1) * this.partitions + partition + 1;
  }

  /** The least number of the partition whose packet is `seq` or later. */
  atOrAfter(seq: number, partition: number): number {
    return seq > partition ? Math.ceil((seq - partition - 1) / this.partitions) + 1 : 1;
  }

  /** The greatest number of the partition whose packet is `seq` or earlier; 0 if there is none. */
  upTo(seq: number, partition: number): number {
    return seq > partition ? Math.floor((seq - partition - 1) / this.partitions) + 1 : 0;
  }

  /** Whether the member keeps the packet until it is stable. */
  caches(index: number, seq: number): boolean {
    const partition = (seq - 1) % this.partitions;
    if (index % this.partitions !== partition) return false;
    if (!this.isSelective) return true;
    const size = this.sizeOf(partition);
    if (size <= this.#replication) return true;
    const start = (this.#replication * Math.floor((seq - 1) / this.partitions)) % size;
    const position = Math.floor(index / this.partitions);
    return (position - start + size) % size < this.#replication;
  }
}
