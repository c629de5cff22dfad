import fc from "fast-check";
import { expect, test } from "vitest";
import { PartitionPlan, type PlanOptions } from "./partition-plan.ts";

const BY_REPLICATION: PlanOptions = { plan: "byReplication", replication: 5, ringMax: 25 };
const BY_RING: PlanOptions = { plan: "byRingCap", replication: 5, ringMax: 25 };

/** Three partitions, whatever the members. */
const three = new PartitionPlan(15, BY_REPLICATION);

test("packets go to partitions in turn (O1)", () => {
  const seqs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  expect(seqs.map((seq) => [three.partitionOfSeq(seq), three.toPartition(seq)])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
    [0, 2],
    [1, 2],
    [2, 2],
    [0, 3],
    [1, 3],
    [2, 3],
    [0, 4],
  ]);
  for (const seq of seqs) expect(three.toRegion(three.partitionOfSeq(seq), three.toPartition(seq))).toBe(seq);
});

test("a range of the region is a range of each partition (O2)", () => {
  const ranges = (low: number, high: number) => [0, 1, 2].map((p) => [three.atOrAfter(low, p), three.upTo(high, p)]);
  expect(ranges(4, 9)).toEqual([
    [2, 3],
    [2, 3],
    [2, 3],
  ]);
  expect(ranges(5, 5)).toEqual([
    [3, 2],
    [2, 2],
    [2, 1],
  ]);
});

test("members are divided as the paper has it (A20, A22)", () => {
  const partitions = (size: number, options: PlanOptions) => new PartitionPlan(size, options).partitions;
  expect([192, 110, 9, 4, 1].map((size) => partitions(size, BY_REPLICATION))).toEqual([38, 22, 1, 1, 1]);
  expect([192, 25, 26, 1].map((size) => partitions(size, BY_RING))).toEqual([8, 1, 2, 1]);
});

const plans = fc.record({
  plan: fc.constantFrom("byReplication" as const, "byRingCap" as const),
  replication: fc.integer({ min: 1, max: 7 }),
  ringMax: fc.integer({ min: 1, max: 30 }),
});

test("every member is in one place, every packet has its cachers, and bounds are tight", () => {
  fc.assert(
    fc.property(plans, fc.integer({ min: 1, max: 210 }), fc.integer({ min: 1, max: 5_000 }), (options, size, seq) => {
      const plan = new PartitionPlan(size, options);
      const places = new Set<number>();
      for (let p = 0; p < plan.partitions; p++) {
        for (let at = 0; at < plan.sizeOf(p); at++) {
          const index = plan.indexAt(p, at);
          expect(plan.partitionOf(index)).toBe(p);
          places.add(index);
        }
        const least = plan.atOrAfter(seq, p);
        expect(plan.toRegion(p, least)).toBeGreaterThanOrEqual(seq);
        if (least > 1) expect(plan.toRegion(p, least - 1)).toBeLessThan(seq);
        const greatest = plan.upTo(seq, p);
        if (greatest > 0) expect(plan.toRegion(p, greatest)).toBeLessThanOrEqual(seq);
        expect(plan.toRegion(p, greatest + 1)).toBeGreaterThan(seq);
      }
      expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
      const cachers = [...places].filter((index) => plan.caches(index, seq));
      const members = plan.sizeOf(plan.partitionOfSeq(seq));
      expect(cachers.length).toBe(plan.isSelective ? Math.min(members, options.replication) : members);
      expect(cachers.every((index) => plan.partitionOf(index) === plan.partitionOfSeq(seq))).toBe(true);
    }),
  );
});
