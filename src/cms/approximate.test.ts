import fc from "fast-check";
import { expect, test } from "vitest";
import { approximate, type Cell, type Cluster, wasteOf } from "./approximate.ts";

const cells = (maxLength: number): fc.Arbitrary<Cell[]> =>
  fc.uniqueArray(
    fc.record({
      groups: fc
        .uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 })
        .map((groups) => groups.sort((a, b) => a - b)),
      members: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength, selector: ({ groups }) => groups.join(" ") },
  );
const limit = fc.constantFrom(0, 0.1, 0.2, 0.35, 0.6);

/** What a cluster of these cells is, from its definition. */
function clusterOf(all: readonly Cell[], places: readonly number[]): Cluster {
  const own = places.map((place) => all[place] as Cell);
  const groups = [1, 2, 3, 4, 5, 6].filter((group) => own.some((cell) => cell.groups.includes(group)));
  let wasted = 0;
  for (const group of groups) for (const cell of own) if (!cell.groups.includes(group)) wasted += cell.members;
  const members = own.reduce((sum, cell) => sum + cell.members, 0);
  return { groups, cells: places, members, wasted };
}

/** Packets for one message to each group: one for each region of a group. */
function packets(clusters: readonly Cluster[]): number {
  return clusters.reduce((sum, { groups }) => sum + groups.length, 0);
}

/** All ways to divide 0 … count - 1. */
function* divisions(count: number): Generator<number[][]> {
  if (count === 0) return yield [];
  for (const division of divisions(count - 1)) {
    for (let i = 0; i < division.length; i++) {
      yield division.map((part, at) => (at === i ? [...part, count - 1] : part));
    }
    yield [...division, [count - 1]];
  }
}

test("every node is in one region that has all its groups, and no region wastes more than is allowed", () => {
  fc.assert(
    fc.property(cells(12), limit, (all, wasteLimit) => {
      const clusters = approximate(all, wasteLimit);
      expect(clusters.flatMap((cluster) => cluster.cells).sort((a, b) => a - b)).toEqual(all.map((_, i) => i));
      for (const cluster of clusters) {
        expect(cluster).toEqual(clusterOf(all, cluster.cells));
        expect(wasteOf(cluster)).toBeLessThanOrEqual(wasteLimit + 1e-12);
      }
    }),
  );
});

test("no two regions that have a group in common could be one more", () => {
  fc.assert(
    fc.property(cells(10), limit, (all, wasteLimit) => {
      const clusters = approximate(all, wasteLimit);
      for (const one of clusters) {
        for (const other of clusters) {
          if (one === other || !one.groups.some((group) => other.groups.includes(group))) continue;
          expect(wasteOf(clusterOf(all, [...one.cells, ...other.cells]))).toBeGreaterThan(wasteLimit - 1e-12);
        }
      }
    }),
  );
});

test("it needs few packets more than the best division there is, and never more than exact regions", () => {
  let greedy = 0;
  let least = 0;
  fc.assert(
    fc.property(cells(6), limit, (all, wasteLimit) => {
      const found = packets(approximate(all, wasteLimit));
      let best = Number.POSITIVE_INFINITY;
      for (const division of divisions(all.length)) {
        const clusters = division.map((places) => clusterOf(all, places));
        if (clusters.every((cluster) => wasteOf(cluster) <= wasteLimit + 1e-12))
          best = Math.min(best, packets(clusters));
      }
      expect(found).toBeGreaterThanOrEqual(best);
      expect(found).toBeLessThanOrEqual(packets(all.map((_, i) => clusterOf(all, [i]))));
      greedy += found;
      least += best;
    }),
    { seed: 1, numRuns: 300 },
  );
  expect(greedy / least).toBeLessThan(1.05);
});

test("without waste, regions are exact", () => {
  fc.assert(
    fc.property(cells(10), (all) => {
      expect(approximate(all, 0).map(({ groups }) => groups)).toEqual(all.map(({ groups }) => groups));
    }),
  );
});

test("a few nodes in one group less than many others join these, the other way round they would waste more", () => {
  const all = [
    { groups: [1, 2, 3, 4], members: 50 },
    { groups: [1, 2, 3], members: 2 },
    { groups: [5], members: 9 },
  ];
  expect(approximate(all, 0.02).map((cluster) => cluster.cells)).toEqual([[0, 1], [2]]);
  const turned = [
    { groups: [1, 2, 3, 4], members: 2 },
    { groups: [1, 2, 3], members: 50 },
  ];
  expect(approximate(turned, 0.02)).toHaveLength(2);
});
