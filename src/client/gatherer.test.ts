import { expect, test } from "vitest";
import { TypeBit } from "../wire/spread/codes.ts";
import { Gatherer } from "./gatherer.ts";
import { Outgoing } from "./outgoing.ts";

test("a stream that was full and has drained is written to again", () => {
  let full = false;
  let written = 0;
  const gatherer = new Gatherer((bytes) => {
    written += bytes.length;
    return !full;
  });
  const add = () =>
    gatherer.add(new Outgoing("data", TypeBit.agreed, ["g"], 0, [new Uint8Array(1_000)]), "#a#d", 0, () => {});
  full = true;
  let before = 0;
  while (add()) before++;
  expect(before).toBeGreaterThan(10);
  full = false;
  let after = 0;
  while (after < 1_000 && add()) after++;
  expect(after).toBe(1_000);
  expect(gatherer.flush()).toBe(true);
  expect(written).toBe((before + 1 + after) * (48 + 32 + 1_000));
});
