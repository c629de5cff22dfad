import { expect, test } from "vitest";
import type { StateEntry } from "../wire/plato/bodies.ts";
import { closing, type MemberState, StateAssembly, stateParts } from "./closing.ts";

function entry(seq: number, isOrdered: boolean, isHeld = true, isVoid = false): StateEntry {
  return { sender: 7, seq, isOrdered, isHeld, isVoid };
}

function state(opened: number, base: number, ordered: readonly number[], others: readonly number[] = []): MemberState {
  const entries = [...ordered.map((seq) => entry(seq, true)), ...others.map((seq) => entry(seq, false))];
  return { opened, base, entries };
}

function seqsOf(states: readonly MemberState[]): readonly number[] {
  const { log } = closing(new Map(states.map((one, i) => [i + 1, one])));
  return [log.base, ...log.entries.map(({ seq, isVoid }) => (isVoid ? -seq : seq))];
}

test("the longest order of the latest view goes on, then what the sequencer has, then what others have", () => {
  expect(seqsOf([state(3, 0, [1, 2], [9]), state(3, 0, [1, 2, 4], [6, 5]), state(2, 0, [1], [8])])).toEqual([
    0, 1, 2, 4, 9, 6, 5, 8,
  ]);
});

test("what was ordered in an earlier view only has its place as others say", () => {
  expect(seqsOf([state(2, 0, [1, 3, 2]), state(3, 0, [1], [2, 3])])).toEqual([0, 1, 3, 2]);
  expect(seqsOf([state(3, 0, [1], [2, 3]), state(2, 0, [1, 3, 2])])).toEqual([0, 1, 2, 3]);
});

test("what the chosen order has forgotten, since all have it, does not come again", () => {
  expect(seqsOf([state(3, 0, [1, 2, 3]), state(3, 2, [3, 4])])).toEqual([2, 3, 4]);
});

test("a place whose message nobody has any more stays empty", () => {
  const gone = { opened: 1, base: 0, entries: [entry(1, true), entry(2, true, false), entry(3, true)] };
  expect(seqsOf([gone, state(0, 0, [])])).toEqual([0, 1, -2, 3]);
  const { holders } = closing(new Map([[4, gone]]));
  expect([...holders]).toEqual([
    ["7.1", 4],
    ["7.3", 4],
  ]);
});

test("members that are all new begin with nothing", () => {
  expect(seqsOf([state(0, 0, []), state(0, 0, [])])).toEqual([0]);
});

test("a state in parts is whole once all have come, in any order and some twice", () => {
  const whole = state(
    2,
    5,
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  const parts = stateParts(3, whole, 200);
  expect(parts.length).toBeGreaterThan(2);
  const assembly = new StateAssembly();
  const last = parts.shift();
  for (const part of [...parts.toReversed(), ...parts]) expect(assembly.add(part)).toBeUndefined();
  expect(last && assembly.add(last)).toEqual(whole);
});
