import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "./suggest.ts";

test("the nearest candidate is found despite slips", () => {
  const words = ["receive", "send", "status", "monitor"];
  expect(nearest("recieve", words)).toBe("receive");
  expect(nearest("MONITR", words)).toBe("monitor");
  expect(nearest("xyz", words)).toBeUndefined();
  expect(nearest("y".repeat(100_000), words)).toBeUndefined();
});

test("the distance is symmetric, and zero only between equals", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});
