import { expect, test } from "vitest";
import {
  REPAIRS_DEFAULT,
  type Repairs,
  repairsCode,
  repairsOf,
  repairsOfCode,
  shownRepairs,
  TARGETS,
} from "./repairs.ts";

test("what is not said of repairs is as usual, and what cannot be is said to be so", () => {
  expect(repairsOf({})).toEqual(REPAIRS_DEFAULT);
  expect(repairsOf({ copies: 0 })).toEqual({ ...REPAIRS_DEFAULT, copies: 0 });
  expect(repairsOf({ every: 4, copies: 2, targets: "random" })).toEqual({ every: 4, copies: 2, targets: "random" });
  expect(repairsOf({ every: 1 })).toContain('"repairs.every" has to be an integer of 2 to 32 packets, not 1');
  expect(repairsOf({ copies: 2.5 })).toContain('"repairs.copies"');
  expect(repairsOf({ targets: "all" })).toContain('not "all"');
  expect(repairsOf(5)).toContain("not 5");
});

test("a group whose members choose for themselves says only which share of losses repairs shall bring", () => {
  expect(repairsOf({ recovery: 0.99 })).toEqual({ ...REPAIRS_DEFAULT, recovery: 0.99 });
  expect(repairsOf({ ...REPAIRS_DEFAULT, recovery: 0.99 })).toEqual({ ...REPAIRS_DEFAULT, recovery: 0.99 });
  expect(repairsOf({ recovery: 0.5 })).toContain('"repairs.recovery" has to be a share of 0.9 to 0.9999, not 0.5');
  expect(repairsOf({ recovery: "all" })).toContain('not "all"');
  expect(repairsOf({ recovery: 0.99, every: 4 })).toContain('"repairs.every" is not for a group with');
  expect(shownRepairs({ ...REPAIRS_DEFAULT, recovery: 0.995 })).toBe("99.5 % adaptive");
  for (const recovery of [0.9, 0.99, 0.995, 0.9999]) {
    const repairs = { ...REPAIRS_DEFAULT, recovery };
    expect(repairsOfCode(repairsCode(repairs))).toEqual(repairs);
  }
});

test("codes are of exactly the possible repairs", () => {
  expect(repairsOfCode(repairsCode(undefined))).toBe("none");
  const codes = new Set<number>();
  for (const targets of TARGETS) {
    for (let every = 2; every <= 32; every++) {
      for (const copies of [0, 5, 64]) {
        const repairs: Repairs = { every, copies, targets };
        codes.add(repairsCode(repairs));
        expect(repairsOfCode(repairsCode(repairs))).toEqual(repairs);
      }
    }
  }
  expect(codes.size).toBe(4 * 31 * 3);
  expect(Math.max(...codes)).toBeLessThan(2 ** 16);
  for (const code of [1, 519, 2 ** 16 - 1]) expect(repairsOfCode(code)).toBeUndefined();
});
