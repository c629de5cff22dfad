import { expect, test } from "vitest";
import { growthPercent } from "./heap-growth.ts";

const MB = 1024 * 1024;

test("some 256 MB may be allocated between two full collections, whatever survives them", () => {
  expect(growthPercent(128 * MB)).toBe(200);
  expect(growthPercent(256 * MB)).toBe(100);
});

test("a small heap grows to ten times its size at most, a large one by half at least", () => {
  expect(growthPercent(5 * MB)).toBe(900);
  expect(growthPercent(4_000 * MB)).toBe(50);
});
