import { expect, test } from "vitest";
import { findingOf, meanOf } from "./claims.ts";

test("a bound is reached if the whole interval is within it, else at most on average", () => {
  const samples = [9, 10, 11].map(meanOf);
  const of = (bound: Parameters<typeof findingOf>[0]["bound"]) =>
    findingOf({ kind: "ratio", ...(bound && { bound }) }, samples);
  expect(of(undefined)).toMatchObject({ mean: 10, reached: undefined });
  // Student's t for two degrees of freedom, 4.3, times a deviation of 1 over the root of three.
  expect(of(undefined).low).toBeCloseTo(10 - 4.3 / Math.sqrt(3));
  expect(of({ atMost: 13 }).reached).toBe("yes");
  expect(of({ atMost: 11 }).reached).toBe("on average");
  expect(of({ atMost: 9.9 }).reached).toBe("no");
  expect(of({ atLeast: 7 }).reached).toBe("yes");
  expect(of({ atLeast: 9 }).reached).toBe("on average");
  expect(of({ atLeast: 10.1 }).reached).toBe("no");
});

test("a ratio is one of sums: a seed counts as much as it has seen", () => {
  const samples = [
    { part: 300, whole: 100 },
    { part: 10, whole: 10 },
  ];
  expect(findingOf({ kind: "ratio" }, samples).mean).toBeCloseTo(310 / 110);
});

test("a share of which nothing failed is no better known than its cases allow", () => {
  const bound = { atLeast: 99.9 };
  const all = (whole: number) =>
    findingOf(
      { kind: "share", bound },
      Array.from({ length: 10 }, () => ({ part: whole, whole })),
    );
  expect(all(100)).toMatchObject({ mean: 100, high: 100, reached: "on average" });
  // 3.84 of so many cases may have been lucky.
  expect(all(100).low).toBeCloseTo(100 - 0.384, 2);
  expect(all(1_000).reached).toBe("yes");
});

test("a share whose seeds differ is known less well than its cases allow", () => {
  const even = Array.from({ length: 10 }, () => ({ part: 900, whole: 1_000 }));
  const uneven = [...even.slice(2), { part: 1_000, whole: 1_000 }, { part: 800, whole: 1_000 }];
  const [one, other] = [even, uneven].map((samples) => findingOf({ kind: "share" }, samples));
  expect(other?.mean).toBe(one?.mean);
  expect(other?.low).toBeLessThan(one?.low as number);
});

test("a total must be as small in these runs as is claimed", () => {
  const samples = [0, 0, 1].map(meanOf);
  expect(findingOf({ kind: "total", bound: { atMost: 0 } }, samples)).toMatchObject({ mean: 1, reached: "no" });
  expect(findingOf({ kind: "total", bound: { atMost: 0 } }, samples.slice(0, 2)).reached).toBe("yes");
});
