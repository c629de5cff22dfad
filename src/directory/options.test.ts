import { expect, test } from "vitest";
import {
  agreeOnOptions,
  DEFAULT_OPTIONS,
  type GroupOptions,
  mergeOptions,
  optionsCode,
  optionsOfCode,
} from "./options.ts";

const drop: GroupOptions = { slow: "drop", quality: "ordered" };
const wait: GroupOptions = { slow: "wait", quality: "ordered" };

test("the first join that names a policy fixes it", () => {
  expect(agreeOnOptions(DEFAULT_OPTIONS, drop)).toEqual(drop);
  expect(agreeOnOptions(drop, DEFAULT_OPTIONS)).toEqual(drop);
  expect(agreeOnOptions(drop, drop)).toEqual(drop);
  expect(agreeOnOptions(drop, wait)).toContain('"drop", not "wait"');
});

test("the first join fixes the quality, and of two components' the ordered one stays", () => {
  const scalable: GroupOptions = { slow: undefined, quality: "scalable" };
  expect(agreeOnOptions(undefined, scalable)).toEqual(scalable);
  expect(agreeOnOptions(scalable, DEFAULT_OPTIONS)).toContain('"scalable", not "ordered"');
  expect(agreeOnOptions(DEFAULT_OPTIONS, scalable)).toContain('"ordered", not "scalable"');
  expect(mergeOptions(scalable, drop)).toEqual(drop);
  expect(mergeOptions(drop, scalable)).toEqual(drop);
});

test("of two components' policies the one that loses less stays, whichever is asked", () => {
  for (const [a, b] of [
    [drop, wait],
    [wait, drop],
  ] as const) {
    expect(mergeOptions(a, b)).toEqual(wait);
  }
  expect(mergeOptions(DEFAULT_OPTIONS, drop)).toEqual(drop);
  expect(mergeOptions(drop, DEFAULT_OPTIONS)).toEqual(drop);
});

test("codes are of exactly the known options", () => {
  for (let code = 0; code < 8; code++) expect(optionsCode(optionsOfCode(code) as GroupOptions)).toBe(code);
  expect(optionsOfCode(8)).toBeUndefined();
});
