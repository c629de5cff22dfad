import fc from "fast-check";
import { expect, test } from "vitest";
import { largest } from "./largest.ts";

test("the largest are those that sorting would find", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.option(fc.nat(10), { nil: Number.POSITIVE_INFINITY }), (sizes, count) => {
      const all = sizes.map((size, at) => ({ size, at }));
      const sorted = all.toSorted((a, b) => b.size - a.size || a.at - b.at).slice(0, count);
      expect(largest(all, count, ({ size }) => size)).toEqual(sorted);
    }),
  );
});
