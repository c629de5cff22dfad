import { afterEach, expect, test } from "vitest";
import { cover, coverageReport, coverIn, watchCoverage } from "./coverage.ts";

afterEach(() => {
  watchCoverage(undefined);
});

test("cells are counted only while someone watches", () => {
  const cells = new Map<string, number>();
  cover("a");
  watchCoverage(cells);
  cover("a");
  cover("a");
  expect(watchCoverage(undefined)).toBe(cells);
  cover("a");
  expect([...cells]).toEqual([["a", 2]]);
});

test("a cell is the same whether it is named at once or by its parts", () => {
  const cells = new Map<string, number>();
  coverIn("m", "idle", "join");
  watchCoverage(cells);
  coverIn("m", "idle", "join");
  cover("m idle join");
  coverIn("m", "idle", "leave");
  coverIn("m", "idle", "join");
  expect([...cells]).toEqual([
    ["m idle join", 3],
    ["m idle leave", 1],
  ]);
});

test("a report tells hit, missed, fatal and unlisted cells apart", () => {
  const visits = new Map([
    ["a", 1],
    ["x", 1],
    ["new", 3],
  ]);
  expect(coverageReport({ reachable: ["a", "b"], fatal: ["x", "y"] }, visits)).toEqual({
    hit: ["a"],
    missed: ["b"],
    fatalHit: ["x"],
    unlisted: ["new"],
  });
});
