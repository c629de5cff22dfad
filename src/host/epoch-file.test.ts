import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepEpoch, lastEpoch } from "./epoch-file.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "amalgam-epoch-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = { epoch: 7, configuration: { leader: 3, time: 1_700_000_000 }, basis: 6 };

test("the last record that was kept is found again, for each daemon its own", () => {
  expect(lastEpoch(folder, "alpha")).toBeUndefined();
  keepEpoch(folder, "alpha", { ...record, epoch: 8 });
  keepEpoch(folder, "alpha", record);
  expect(lastEpoch(folder, "alpha")).toEqual(record);
  expect(lastEpoch(folder, "beta")).toBeUndefined();
  expect(readdirSync(folder)).toEqual(["alpha.epoch"]);
});

test("a record that cannot be read is never taken for none", () => {
  writeFileSync(join(folder, "alpha.epoch"), "{");
  expect(() => lastEpoch(folder, "alpha")).toThrow("alpha.epoch is no record of an epoch");
});

test("what cannot be kept is told", () => {
  expect(() => keepEpoch(join(folder, "missing"), "alpha", record)).toThrow("ENOENT");
});
