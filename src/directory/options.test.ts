import { expect, test } from "vitest";
import { REPAIRS_DEFAULT } from "../wire/timely/repairs.ts";
import {
  agreeOnOptions,
  DEFAULT_OPTIONS,
  type GroupOptions,
  mergeOptions,
  optionsCode,
  optionsOf,
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

test("the first join of a timely group fixes its repairs, by name or not, and others take them", () => {
  const timely: GroupOptions = { slow: undefined, quality: "timely" };
  const usual = agreeOnOptions(undefined, timely) as GroupOptions;
  expect(usual.repairs).toEqual(REPAIRS_DEFAULT);
  const special: GroupOptions = { ...timely, repairs: { every: 4, copies: 2, targets: "random" } };
  expect(agreeOnOptions(undefined, special)).toEqual(special);
  expect(agreeOnOptions(special, timely)).toEqual(special);
  expect(agreeOnOptions(special, special)).toEqual(special);
  expect(agreeOnOptions(special, { ...timely, slow: "drop" })).toEqual({ ...special, slow: "drop" });
  expect(agreeOnOptions(usual, special)).toContain("the group's repairs are (8, 5) auto, not (4, 2) random");
  expect(agreeOnOptions(timely, DEFAULT_OPTIONS)).toContain('"timely", not "ordered"');
  const total: GroupOptions = { ...timely, order: "total" };
  expect(agreeOnOptions(total, DEFAULT_OPTIONS)).toContain('join it with { quality: "timely", order: "total" }');
  expect(agreeOnOptions(DEFAULT_OPTIONS, timely)).toContain('join it with { quality: "ordered" }');
  // Of two components' either may stay, but the same at all daemons.
  expect(mergeOptions(usual, special)).toEqual(mergeOptions(special, usual));
  expect(mergeOptions(usual, { slow: undefined, quality: "scalable" }).quality).toBe("scalable");
});

test("whether a timely group is totally ordered is fixed by its first join, named or not", () => {
  const plain = agreeOnOptions(undefined, { slow: undefined, quality: "timely" }) as GroupOptions;
  const total: GroupOptions = { ...plain, order: "total" };
  expect(agreeOnOptions(total, { slow: undefined, quality: "timely", order: "total" })).toEqual(total);
  expect(agreeOnOptions(total, plain)).toContain(
    '"total", not "none": join it with { quality: "timely", order: "total" }',
  );
  expect(agreeOnOptions(plain, total)).toContain('"none", not "total": join it with { quality: "timely" }');
  expect(mergeOptions(plain, total)).toEqual(total);
  // Which leaves nothing out.
  for (const [a, b] of [
    [{ ...plain, slow: "drop" }, total],
    [total, { ...plain, slow: "drop" }],
  ] as const) {
    expect(mergeOptions(a, b)).toEqual({ ...total, slow: "expel" });
  }
  expect(optionsOfCode(optionsCode(total))).toEqual(total);
  expect(optionsOf({ quality: "scalable", order: "total" })).toContain('"order" is for');
  expect(optionsOf({ quality: "timely", order: "partial" })).toContain('not "partial"');
  expect(optionsOf({ quality: "timely", order: "total", slow: "drop" })).toContain("nothing is dropped");
});

test("codes are of exactly the known options", () => {
  for (let code = 0; code < 8; code++) expect(optionsCode(optionsOfCode(code) as GroupOptions)).toBe(code);
  for (const slow of [undefined, "drop", "expel"] as const) {
    const timely: GroupOptions = { slow, quality: "timely", repairs: REPAIRS_DEFAULT };
    expect(optionsOfCode(optionsCode(timely))).toEqual(timely);
  }
  // Timely and without repairs; not timely and with them.
  expect(optionsOfCode(8)).toBeUndefined();
  expect(
    optionsOfCode(optionsCode({ slow: undefined, quality: "scalable", repairs: REPAIRS_DEFAULT })),
  ).toBeUndefined();
});
