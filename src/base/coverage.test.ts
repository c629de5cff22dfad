import { afterEach, expect, test } from "vitest";
import { cover, coverageReport, watchCoverage } from "./coverage.ts";

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
