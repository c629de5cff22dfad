import { expect, test } from "vitest";
import { Partings } from "./partings.ts";

const tokenOf = (n: number): Uint8Array => Uint8Array.of(n & 255, n >> 8, ...new Uint8Array(14));

test("a client that said good-bye is forgotten when it cannot come back any more, and not if it did", () => {
  const partings = new Partings();
  expect(partings.deadline).toBe(Number.POSITIVE_INFINITY);
  partings.add(tokenOf(1), 100);
  partings.add(tokenOf(2), 200);
  partings.add(tokenOf(3), 300);
  expect([partings.deadline, partings.takeDue(15_099)]).toEqual([15_100, []]);
  expect(partings.takeDue(15_100)).toEqual([tokenOf(1)]);
  partings.isBack(tokenOf(2));
  partings.add(tokenOf(2), 400);
  expect(partings.takeDue(15_300)).toEqual([tokenOf(3)]);
  expect(partings.deadline).toBe(15_400);
});

test("the first are forgotten early where very many say good-bye at once", () => {
  const partings = new Partings();
  for (let n = 0; n < 4_100; n++) partings.add(tokenOf(n), 0);
  expect(partings.takeDue(1)).toEqual([0, 1, 2, 3].map(tokenOf));
  expect(partings.takeDue(1)).toEqual([]);
});
