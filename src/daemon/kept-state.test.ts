import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { KeptState } from "./kept-state.ts";

let folder: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "amalgam-kept-"));
  warnings = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const record = { epoch: 7, configuration: { leader: 3, time: 1_700_000_000 }, basis: 6 };

function keptIn(directory: string | undefined): KeptState {
  return new KeptState(directory, "a", (message) => warnings.push(message));
}

/** Nothing can be written where a directory is in the place of the file, whoever tries. */
const block = (kind: string): string => mkdirSync(join(folder, `a.${kind}.new`), { recursive: true }) ?? "";

test("a directory that cannot be used is named at the start", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => keptIn(file).begin(1_000)).toThrow(`the state directory ${file} cannot be used: EEXIST`);
  writeFileSync(join(folder, "a.epoch"), "garbage");
  expect(() => keptIn(folder).lastEpoch()).toThrow(/cannot be used: .*a\.epoch is no record of an epoch/);
});

test("a daemon that runs goes on when nothing can be kept, and says without what", () => {
  const state = keptIn(folder);
  state.begin(1_000);
  block("incarnation");
  state.reserve(2_000);
  expect(warnings).toEqual([expect.stringContaining("a restart within the next seconds may not be safe")]);
});

test("an epoch that cannot be kept is tried again, until it can", () => {
  const state = keptIn(folder);
  const blocked = block("epoch");
  let kept = 0;
  state.keepEpoch(record, () => kept++);
  vi.advanceTimersByTime(12_000);
  expect(kept).toBe(0);
  expect(warnings.length).toBeGreaterThan(1);
  expect(warnings[0]).toContain("scalable groups stay suspended, because their epoch cannot be kept");
  rmSync(blocked, { recursive: true });
  vi.advanceTimersByTime(12_000);
  expect(kept).toBe(1);
  expect(readFileSync(join(folder, "a.epoch"), "utf8")).toContain('"epoch":7');
  expect(vi.getTimerCount()).toBe(0);
});

test("of two epochs only the later one is tried again, and none after the end", () => {
  const state = keptIn(folder);
  const blocked = block("epoch");
  const kept: number[] = [];
  state.keepEpoch(record, () => kept.push(7));
  state.keepEpoch({ ...record, epoch: 8 }, () => kept.push(8));
  rmSync(blocked, { recursive: true });
  vi.advanceTimersByTime(12_000);
  expect(kept).toEqual([8]);
  block("epoch");
  state.keepEpoch({ ...record, epoch: 9 }, () => kept.push(9));
  state.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("without a directory all is kept at once, and nothing is written", () => {
  let kept = 0;
  keptIn(undefined).keepEpoch(record, () => kept++);
  expect([kept, keptIn(undefined).begin(12.5), keptIn(undefined).lastEpoch()]).toEqual([1, 12, undefined]);
  expect(existsSync(join(folder, "a.epoch"))).toBe(false);
});
