import { expect, test } from "vitest";
import { isHybrid } from "./dissemination-rule.ts";

test("a group has an address of its own if its regions are many and small", () => {
  expect(isHybrid("auto", [1, 1, 2, 3, 900])).toBe(true);
  expect(isHybrid("auto", [1, 1, 2, 3])).toBe(false);
  expect(isHybrid("auto", [1, 1, 4, 5, 9])).toBe(false);
});

test("otherwise it is all groups with several regions, or none", () => {
  expect(isHybrid("hybrid", [100, 100])).toBe(true);
  expect(isHybrid("hybrid", [100])).toBe(false);
  expect(isHybrid("regions", [1, 1, 1, 1, 1, 1])).toBe(false);
});
