import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeState, encodeState } from "../groups/state.ts";
import { NumberedSessions, OVERTAKEN_MAX } from "./numbered-sessions.ts";

test("an ordered message is accepted once", () => {
  const table = new NumberedSessions(10);
  expect([1, 2, 2, 1, 3].map((number) => table.accept("a", number, true))).toEqual([true, true, false, false, true]);
  expect(table.numberOf("a")).toBe(3);
  expect(table.numberOf("b")).toBe(0);
});

test("a weaker message that overtakes does not make those before it duplicates", () => {
  const table = new NumberedSessions(10);
  table.accept("a", 3, true);
  expect(table.accept("a", 5, false)).toBe(true);
  expect(table.numberOf("a")).toBe(3);
  expect(table.accept("a", 5, false)).toBe(false);
  expect(table.accept("a", 4, true)).toBe(true);
  expect(table.numberOf("a")).toBe(5);
});

test("what was lost below an ordered message is passed over", () => {
  const table = new NumberedSessions(10);
  table.accept("a", 2, false);
  expect(table.accept("a", 4, true)).toBe(true);
  expect(table.numberOf("a")).toBe(4);
  expect(table.accept("a", 3, false)).toBe(false);
});

test("each number is accepted once in whatever order and service it comes", () => {
  const message = fc.record({ number: fc.integer({ min: 1, max: 12 }), ordered: fc.boolean() });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
      const table = new NumberedSessions(10);
      const accepted = messages.filter(({ number, ordered }) => table.accept("a", number, ordered));
      const numbers = accepted.map(({ number }) => number);
      expect(new Set(numbers).size).toBe(numbers.length);
      const top = Math.max(0, ...messages.filter(({ ordered }) => ordered).map(({ number }) => number));
      expect(table.numberOf("a")).toBeGreaterThanOrEqual(top);
    }),
  );
});

test("a session may not overtake without bound", () => {
  const table = new NumberedSessions(10);
  for (let i = 0; i <= OVERTAKEN_MAX; i++) table.accept("a", 2 + 2 * i, false);
  expect(table.export()[0]?.overtaken.length).toBeLessThanOrEqual(OVERTAKEN_MAX);
  expect(table.numberOf("a")).toBe(2);
});

test("the sessions least recently used are forgotten, the same whatever weaker messages came in between", () => {
  const tables = [new NumberedSessions(8), new NumberedSessions(8)] as const;
  for (let i = 0; i < 9; i++) {
    tables[0].accept("weak", i + 1, false);
    for (const table of tables) table.accept(`t${i}`, 1, true);
    if (i === 3) for (const table of tables) table.accept("t0", 2, true);
  }
  const known = (table: NumberedSessions) => table.export().map(({ token }) => token);
  expect(known(tables[1])).toEqual(["t0", "t4", "t5", "t6", "t7", "t8"]);
  expect(known(tables[0]).filter((token) => token !== "weak")).toEqual(known(tables[1]));
});

test("sessions of weaker messages alone are bounded too", () => {
  const table = new NumberedSessions(4);
  for (let i = 0; i < 9; i++) table.accept(`t${i}`, 1, false);
  expect(table.size).toBe(4);
});

test("merging does not depend on the order, and never takes a number back", () => {
  const entry = fc.record({
    token: fc.constantFrom("a", "b", "c"),
    number: fc.integer({ min: 1, max: 9 }),
    ordered: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.tuple(...[0, 1, 2].map(() => fc.array(entry, { maxLength: 12 }))), (histories) => {
      const tables = histories.map((history) => {
        const table = new NumberedSessions(10);
        for (const { token, number, ordered } of history) table.accept(token, number, ordered);
        return table;
      });
      const merged = [
        [0, 1, 2],
        [2, 0, 1],
        [1, 2, 0],
      ].map((order) => {
        const table = new NumberedSessions(10);
        for (const i of order)
          table.merge((tables[i] as NumberedSessions).export(), (tables[i] as NumberedSessions).clock);
        table.trim();
        return table;
      });
      for (const table of merged) expect(table.export()).toEqual(merged[0]?.export());
      for (const token of ["a", "b", "c"]) {
        for (const table of tables) expect(merged[0]?.numberOf(token)).toBeGreaterThanOrEqual(table.numberOf(token));
      }
    }),
  );
});

test("a forgotten session begins anew", () => {
  const table = new NumberedSessions(4);
  table.accept("a", 1, true);
  table.accept("b", 1, false);
  table.forget("a");
  table.forget("b");
  expect(table.size).toBe(0);
  expect(table.accept("a", 1, true)).toBe(true);
});

test("what merged sessions have overtaken stays within the bound that others read, and each merge order gives the same", () => {
  const numbersOf = (first: number): number[] => Array.from({ length: OVERTAKEN_MAX }, (_, i) => first + 6 * i);
  const tables = [10, 12, 14].map((first) => {
    const table = new NumberedSessions(10);
    for (const number of numbersOf(first)) table.accept("a".repeat(16), number, false);
    return table;
  });
  const merged = (order: readonly number[]) => {
    const table = new NumberedSessions(10);
    for (const i of order) table.merge(tables[i]?.export() ?? [], 0);
    return table.export();
  };
  const [session] = merged([0, 1, 2]);
  expect(session?.overtaken.length).toBe(OVERTAKEN_MAX);
  for (const order of [
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    expect(merged(order)).toEqual([session]);
  }
  const state = { sessionClock: 0, sessions: merged([0, 1, 2]), rosters: [], groups: [] };
  expect(decodeState(encodeState(state))).toEqual(state);
});

test("what was not for this site counts as where it was delivered", () => {
  const there = new NumberedSessions(10);
  const here = new NumberedSessions(10);
  for (const [token, number, ordered] of [
    ["a", 1, true],
    ["a", 2, false],
    ["a", 3, true],
    ["b", 1, false],
    ["b", 2, false],
    ["c", 5, true],
  ] as const) {
    there.accept(token, number, ordered);
  }
  here.pass("a", 3, 2);
  here.pass("b", 2, 0);
  here.pass("c", 5, 1);
  expect([here.export(), here.clock]).toEqual([there.export(), there.clock]);
  expect([here.accept("b", 2, true), here.accept("b", 3, true)]).toEqual([false, true]);
});
