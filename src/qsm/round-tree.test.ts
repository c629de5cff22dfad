import fc from "fast-check";
import { expect, test } from "vitest";
import { RingMembers } from "./members.ts";
import { PartitionPlan } from "./partition-plan.ts";
import { type Part, RoundTree } from "./round-tree.ts";

function treeOf(size: number, replication: number, fanOut: number | undefined, failed: readonly number[] = []) {
  const plan = new PartitionPlan(size, { plan: "byReplication", replication, ringMax: 25 });
  const address = { host: "", controlPort: 1, repairPort: 2, dataPort: 3 };
  const infos = Array.from({ length: size }, (_, i) => ({ id: i + 1, name: "", address }));
  const members = new RingMembers(infos, 1, plan);
  for (const index of failed) members.fail(index + 1);
  return { plan, members, tree: new RoundTree(members, plan, fanOut === undefined ? "inTurn" : { fanOut }) };
}

/** All partitions below a part, as they are opened. */
function partitionsOf(tree: RoundTree, part: Part): number[] {
  return part.level === 0 ? [part.first] : tree.partsOf(part).flatMap((below) => partitionsOf(tree, below));
}

test("a round reaches every partition in which somebody lives, once, and what they find comes back to the leader", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 200 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 2, max: 10 }),
      fc.array(fc.nat(199), { maxLength: 150 }),
      (size, replication, fanOut, gone) => {
        // Somebody has to live.
        const failed = gone.filter((index) => index < size && index !== size >> 1);
        const { plan, members, tree } = treeOf(size, replication, fanOut, failed);
        const inhabited = Array.from({ length: plan.partitions }, (_, p) => p).filter(
          (p) => members.leaderOf(p) !== undefined,
        );
        expect(partitionsOf(tree, tree.root)).toEqual(inhabited);
        expect(tree.headOf(tree.root)).toBe(members.leader);
        for (const first of inhabited) {
          let part: Part = { level: 0, first };
          while (part.level < tree.root.level) {
            expect(tree.has(part)).toBe(true);
            const above = tree.above(part);
            expect(tree.partsOf(above)).toContainEqual(part);
            part = above;
          }
          expect(part).toEqual(tree.root);
        }
      },
    ),
  );
});

test("a head has no more parts than it can hand tokens to, and levels grow with the logarithm of the members", () => {
  const levels = [50, 500, 5_000, 50_000].map((size) => {
    const { tree } = treeOf(size, 5, 10);
    expect(tree.partsOf(tree.root).length).toBeLessThanOrEqual(10);
    return tree.root.level;
  });
  expect(levels).toEqual([1, 2, 3, 4]);
});

test("a part is headed by the first living member of its first partition that has one, the whole by the region's leader", () => {
  // Partitions 0 to 3, of members {0, 4}, {1, 5}, {2, 6}, {3, 7}.
  const { tree } = treeOf(8, 2, 2, [0, 1, 2, 4]);
  expect(tree.headOf({ level: 0, first: 0 })).toBeUndefined();
  expect(tree.headOf({ level: 0, first: 1 })).toBe(5);
  expect(tree.headOf({ level: 1, first: 0 })).toBe(5);
  expect(tree.headOf({ level: 1, first: 2 })).toBe(6);
  expect(tree.headOf(tree.root)).toBe(3);
  expect(tree.partsOf({ level: 1, first: 0 })).toEqual([{ level: 0, first: 1 }]);
});

test("in turn, all partitions are parts of the whole", () => {
  const { tree } = treeOf(20, 5, undefined);
  expect(tree.root).toEqual({ level: 1, first: 0 });
  expect(tree.partsOf(tree.root).map(({ first }) => first)).toEqual([0, 1, 2, 3]);
  expect(tree.has({ level: 2, first: 0 })).toBe(false);
  expect(tree.has({ level: 0, first: 4 })).toBe(false);
});
