import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeId } from "../base/ids.ts";
import { Clustering } from "./clustering.ts";
import { type NodeChange, RegionMap } from "./regions.ts";
import { absentOf } from "./views.ts";

const LIMIT = 0.35;
const names = fc.subarray(["a", "b", "c", "d", "e"]);
const batches = fc.array(
  fc.uniqueArray(
    fc.record({ node: fc.integer({ min: 1, max: 9 }), joined: names, left: names, failed: fc.boolean() }),
    { selector: ({ node }) => node, minLength: 1, maxLength: 5 },
  ),
  { maxLength: 12 },
);

/** What nodes want and carry, batch for batch. */
class Site {
  readonly wanted = new Map<NodeId, Set<string>>();
  readonly carried = new Map<NodeId, Set<string>>();
  clustering = new Clustering(LIMIT);

  apply(batch: readonly NodeChange[]): void {
    for (const { node, joined, left, failed } of batch) {
      const wanted = this.wanted.get(node) ?? new Set();
      for (const name of left) wanted.delete(name);
      for (const name of joined) wanted.add(name);
      if (failed) wanted.clear();
      this.wanted.set(node, wanted);
    }
    const { batch: moves } = this.clustering.apply(batch, (node) => [...(this.carried.get(node) ?? [])]);
    for (const { node, joined, left, failed } of moves) {
      const carried = this.carried.get(node) ?? new Set();
      if (failed) carried.clear();
      for (const name of failed ? [] : left) expect(carried.delete(name)).toBe(true);
      for (const name of failed ? [] : joined) expect(carried.size).toBeLessThan(carried.add(name).size);
      this.carried.set(node, carried);
    }
  }
}

test("after each batch a node's region carries all that it wants, and who wants nothing is in none", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const site = new Site();
      for (const batch of all) {
        site.apply(batch);
        for (const [node, wanted] of site.wanted) {
          const carried = site.carried.get(node) ?? new Set();
          expect([...wanted].every((name) => carried.has(name))).toBe(true);
          if (wanted.size === 0) expect(carried.size).toBe(0);
          expect(site.clustering.wantedBy(node)).toEqual([...wanted].sort());
        }
      }
    }),
  );
});

test("who begins with what is wanted now goes on like who has seen all batches", () => {
  fc.assert(
    fc.property(batches, batches, (before, after) => {
      const site = new Site();
      for (const batch of before) site.apply(batch);
      const other = new Site();
      for (const [node, wanted] of [...site.wanted].reverse()) {
        other.wanted.set(node, new Set(wanted));
        other.carried.set(node, new Set(site.carried.get(node)));
        other.clustering.know(node, [...wanted].sort());
      }
      for (const batch of after) {
        site.apply(batch);
        other.apply(batch);
      }
      const told = ({ carried }: Site) =>
        [...carried].map(([node, names_]) => `${node} ${[...names_].sort().join()}`).sort();
      expect(told(other).filter((line) => !line.endsWith(" "))).toEqual(
        told(site).filter((line) => !line.endsWith(" ")),
      );
    }),
  );
});

test("a node that joins a group which its region carries stays there, in a next view that says so", () => {
  const map = new RegionMap({ dissemination: "regions", wasteLimit: 0.2 });
  map.enter(1);
  const address = { host: "127.0.0.1", controlPort: 1, repairPort: 2, dataPort: 3 };
  const nodes = Array.from({ length: 5 }, (_, i) => map.register(`n${i}`, address).id);
  const [first] = nodes as [NodeId];
  const change = (node: NodeId, joined: string[], left: string[] = []): NodeChange => ({
    node,
    joined,
    left,
    failed: false,
  });
  map.apply(nodes.map((node) => change(node, node === first ? ["x", "y"] : ["x", "y", "z"])));
  const region = map.regionOf(first);
  const z = map.groupNamed("z")?.number;
  expect(map.regions.size).toBe(1);
  expect(region?.view.absent).toEqual([{ node: first, groups: [z] }]);
  expect(map.groupsOf(first)).toHaveLength(2);
  const again = RegionMap.import(map.export());
  expect(again.export()).toEqual(map.export());
  expect(again.regionOf(first)?.view).toEqual(region?.view);

  const step = map.apply([change(first, ["z"])]);
  expect(map.regionOf(first)).toBe(region);
  expect(step.moves).toEqual([]);
  expect(step.regions).toMatchObject([
    { before: { id: { view: 1 } }, after: { id: { view: 2 } }, added: [], removed: [] },
  ]);
  expect(region?.view.absent).toBeUndefined();
  map.apply([change(first, [], ["x"])]);
  expect(absentOf(region?.view ?? {}, first)).toEqual([map.groupNamed("x")?.number]);
});
