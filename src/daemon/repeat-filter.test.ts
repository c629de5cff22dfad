import { expect, test } from "vitest";
import { RepeatFilter } from "./repeat-filter.ts";

test("an event is told at once, and then once per interval with the number of those between", () => {
  const filter = new RepeatFilter(60_000);
  expect(filter.admit("a", 0)).toBe(0);
  for (let now = 1; now < 60_000; now += 100) expect(filter.admit("a", now)).toBeUndefined();
  expect(filter.admit("b", 30_000)).toBe(0);
  expect(filter.admit("a", 60_000)).toBe(600);
  expect(filter.admit("a", 60_001)).toBeUndefined();
  expect(filter.admit("a", 200_000)).toBe(1);
});

test("no number of keys fills the memory: the oldest are told again", () => {
  const filter = new RepeatFilter(60_000);
  for (let i = 0; i < 2_500; i++) expect(filter.admit(String(i), 0)).toBe(0);
  expect(filter.admit("2499", 1)).toBeUndefined();
  expect(filter.admit("1", 1)).toBe(0);
});

test("a clock that is set back does not silence anybody until it has caught up", () => {
  const filter = new RepeatFilter(60_000);
  expect(filter.admit("a", 3_600_000)).toBe(0);
  expect(filter.admit("a", 3_600_001)).toBeUndefined();
  expect(filter.admit("a", 0)).toBe(1);
  expect(filter.admit("a", 1)).toBeUndefined();
});
