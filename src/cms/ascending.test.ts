import fc from "fast-check";
import { expect, test } from "vitest";
import { issuedId } from "../base/ids.ts";
import { ascending, edited, has, hashOf, isEqual, overlaps } from "./ascending.ts";

const number = fc.oneof(
  fc.nat(12),
  fc.record({ epoch: fc.nat(3), counter: fc.integer({ min: 1, max: 4 }) }).map((id) => issuedId(id.epoch, id.counter)),
);
const set = fc.array(number, { maxLength: 40 }).map((list) => new Set(list));
const listOf = (values: Iterable<number>) => ascending([...values]);

test("an ascending list answers as a set does", () => {
  fc.assert(
    fc.property(set, set, number, (a, b, value) => {
      const [x, y] = [listOf(a), listOf(b)];
      expect(x).toEqual([...a].sort((one, other) => one - other));
      expect(has(x, value)).toBe(a.has(value));
      expect(overlaps(x, y)).toBe([...a].some((one) => b.has(one)));
      expect(isEqual(x, y)).toBe(a.size === b.size && [...a].every((one) => b.has(one)));
    }),
  );
});

test("a short list is looked up in a long one", () => {
  const long = Array.from({ length: 1_000 }, (_, i) => 2 * i);
  expect(overlaps(long, [1, 3, 998])).toBe(true);
  expect(overlaps([1, 3, 999], long)).toBe(false);
});

test("an edited list and its hash follow from what was added and removed", () => {
  fc.assert(
    fc.property(set, set, set, (before, come, gone) => {
      const added = listOf([...come].filter((one) => !before.has(one)));
      const removed = listOf([...gone].filter((one) => before.has(one)));
      const after = edited(listOf(before), added, removed);
      expect(after).toEqual(listOf([...before].filter((one) => !gone.has(one)).concat(added)));
      expect(hashOf(after)).toBe((hashOf(listOf(before)) + hashOf(added) - hashOf(removed)) | 0);
    }),
  );
});
