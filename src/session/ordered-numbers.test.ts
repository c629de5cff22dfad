import fc from "fast-check";
import { expect, test } from "vitest";
import { OrderedNumbers } from "./ordered-numbers.ts";

test("numbers in any order end as one run", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }).chain((n) =>
        fc.shuffledSubarray(
          Array.from({ length: n }, (_, i) => i),
          { minLength: n },
        ),
      ),
      (order) => {
        const numbers = new OrderedNumbers(10);
        for (const number of order) {
          numbers.add(11 + number);
          expect(numbers.has(11 + number)).toBe(true);
        }
        expect(numbers.upTo).toBe(10 + order.length);
      },
    ),
  );
});

test("a hole is given up when too much lies beyond it", () => {
  const numbers = new OrderedNumbers(0);
  for (let number = 2; number <= 5_000; number++) numbers.add(number);
  expect(numbers.upTo).toBe(5_000);
});

test("what lies before the client's first number does not count as missing", () => {
  const numbers = new OrderedNumbers(3);
  numbers.add(8);
  expect(numbers.has(7)).toBe(false);
  numbers.begin(8);
  expect(numbers.upTo).toBe(8);
});
