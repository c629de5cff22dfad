import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "./range-set.ts";

const operation = fc.tuple(
  fc.constantFrom("add" as const, "remove" as const),
  fc.integer({ min: 1, max: 60 }),
  fc.integer({ min: 0, max: 12 }),
);

function build(operations: ["add" | "remove", number, number][]): { set: RangeSet; model: Set<number> } {
  const set = new RangeSet();
  const model = new Set<number>();
  for (const [verb, low, length] of operations) {
    set[verb](low, low + length - 1);
    for (let n = low; n < low + length; n++) {
      if (verb === "add") model.add(n);
      else model.delete(n);
    }
  }
  return { set, model };
}

const sorted = (model: Iterable<number>) => [...model].sort((a, b) => a - b);

test("adding and removing ranges behaves as a set of numbers, kept in the fewest intervals", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
      const { set, model } = build(operations);
      expect([...set.numbers()]).toEqual(sorted(model));
      expect(set.size).toBe(model.size);
      let previous = Number.NEGATIVE_INFINITY;
      for (const [low, high] of set.ranges()) {
        expect(low).toBeGreaterThan(previous + 1);
        previous = high;
      }
      for (let n = 0; n < 75; n++) expect(set.has(n)).toBe(model.has(n));
    }),
  );
});

test("intersection, union and difference agree with sets of numbers", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), fc.array(operation, { maxLength: 20 }), (left, right) => {
      const a = build(left);
      const b = build(right);
      expect([...a.set.intersection(b.set).numbers()]).toEqual(sorted([...a.model].filter((n) => b.model.has(n))));
      const union = a.set.clone();
      union.addAll(b.set);
      expect([...union.numbers()]).toEqual(sorted(new Set([...a.model, ...b.model])));
      const difference = a.set.clone();
      difference.removeAll(b.set);
      expect([...difference.numbers()]).toEqual(sorted([...a.model].filter((n) => !b.model.has(n))));
      expect(a.set.equals(a.set.clone())).toBe(true);
      for (const count of [0, 3, 99]) {
        expect([...a.set.lowest(count).numbers()]).toEqual(sorted(a.model).slice(0, count));
      }
    }),
  );
});
