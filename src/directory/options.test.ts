import fc from "fast-check";
import { expect, test } from "vitest";
import {
  agreeOnOptions,
  DEFAULT_OPTIONS,
  type GroupOptions,
  mergeOptions,
  optionsCode,
  optionsOfCode,
  parseOptions,
} from "./options.ts";

const parse = (text: string) => parseOptions(new TextEncoder().encode(text));
const drop: GroupOptions = { slow: "drop", quality: "ordered" };
const wait: GroupOptions = { slow: "wait", quality: "ordered" };

test("a join may name a policy, or nothing", () => {
  expect(parse("")).toEqual(DEFAULT_OPTIONS);
  expect(parse("{}")).toEqual(DEFAULT_OPTIONS);
  expect(parse('{"slow":"drop","quality":"ordered"}')).toEqual(drop);
});

test("what is not understood is refused with a reason", () => {
  expect(parse("{")).toBe("join options are not JSON");
  expect(parse("[1]")).toBe("join options are not a JSON object");
  expect(parse('{"slow":"hurry"}')).toContain('"hurry"');
  expect(parse('{"quality":"timely"}')).toContain('"timely"');
  expect(parse(" ".repeat(1025))).toContain("1024");
});

test("arbitrary bytes never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseOptions(bytes)));
  fc.assert(fc.property(fc.json(), (json) => void parse(json)));
});

test("the first join that names a policy fixes it", () => {
  expect(agreeOnOptions(DEFAULT_OPTIONS, drop)).toEqual(drop);
  expect(agreeOnOptions(drop, DEFAULT_OPTIONS)).toEqual(drop);
  expect(agreeOnOptions(drop, drop)).toEqual(drop);
  expect(agreeOnOptions(drop, wait)).toContain('"drop", not "wait"');
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
  for (let code = 0; code < 4; code++) expect(optionsCode(optionsOfCode(code) as GroupOptions)).toBe(code);
  expect(optionsOfCode(4)).toBeUndefined();
});
