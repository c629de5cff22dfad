import { assert } from "../base/assert.ts";
import type { RingMembers } from "./members.ts";
import type { PartitionPlan } from "./partition-plan.ts";

/** A part of a region view: a partition (level 0), or neighbouring parts of the level below. `first`: its first partition. */
export type Part = { readonly level: number; readonly first: number };

/**
 * How a round of a region view is spread over its partitions and gathered again (docs/adr/0006-tree-of-rings.md). `inTurn`: one token goes from
 * partition to partition, all of which are parts of the whole. Otherwise `fanOut` partitions are a part of level 1, as many of those one
 * of level 2, up to the whole; each part has a head, and all parts of a part have tokens at the same time.
 */
export class RoundTree {
  readonly isInTurn: boolean;
  readonly root: Part;
  readonly #members: RingMembers;
  readonly #partitions: number;
  /** Partitions of a part, by level. */
  readonly #spans: readonly number[];

  constructor(members: RingMembers, { partitions }: PartitionPlan, order: "inTurn" | { readonly fanOut: number }) {
    this.#members = members;
    this.#partitions = partitions;
    this.isInTurn = order === "inTurn";
    const fanOut = order === "inTurn" ? partitions : order.fanOut;
    assert(order === "inTurn" || fanOut >= 2, "a part has several parts");
    const spans = [1];
    for (let span = fanOut; ; span *= fanOut) {
      spans.push(span);
      if (span >= partitions) break;
    }
    this.#spans = spans;
    this.root = { level: spans.length - 1, first: 0 };
  }

  /** Whether there is such a part. */
  has({ level, first }: Part): boolean {
    const span = this.#spans[level];
    return span !== undefined && first % span === 0 && first < this.#partitions;
  }

  /** The parts of a part in which somebody lives. */
  partsOf({ level, first }: Part): Part[] {
    const span = this.#span(level - 1);
    const end = Math.min(first + this.#span(level), this.#partitions);
    const parts: Part[] = [];
    for (let from = first; from < end; from += span) {
      const part = { level: level - 1, first: from };
      if (this.#firstPartition(part) !== undefined) parts.push(part);
    }
    return parts;
  }

  /** The part that a part other than the root belongs to. */
  above({ level, first }: Part): Part {
    const span = this.#span(level + 1);
    return { level: level + 1, first: first - (first % span) };
  }

  /** Who opens a part and gathers it; `undefined`: nobody lives there. Of the whole it is the region's leader. */
  headOf(part: Part): number | undefined {
    if (part.level === this.root.level) return this.#members.leader;
    const partition = this.#firstPartition(part);
    return partition === undefined ? undefined : this.#members.leaderOf(partition);
  }

  #firstPartition({ level, first }: Part): number | undefined {
    const partition = this.#members.partitionFrom(first);
    return partition !== undefined && partition < first + this.#span(level) ? partition : undefined;
  }

  #span(level: number): number {
    const span = this.#spans[level];
    assert(span !== undefined, "a level of this tree");
    return span;
  }
}
