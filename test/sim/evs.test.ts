import { describe, expect, test } from "vitest";
import { coverageReport } from "../../src/base/coverage.ts";
import { groupsCells } from "../../src/groups/cells.ts";
import { EVS_CELLS } from "../../src/sim/evs-cells.ts";
import { replaySchedule, runSchedule } from "../../src/sim/run-schedule.ts";
import { generateSchedule, type Schedule } from "../../src/sim/schedule.ts";
import { FIRST_SEED } from "../seeds.ts";
import { explain } from "./explain.ts";

const FIXED_SEEDS = [1, 2, 3, 4, 5, 6, 7, 12, 32, 44, 100, 101, 102, 103];
/** Together with those of test/sim/stack.test.ts about 30 s of processor time. */
const SEEDS = 200;
const GROUPS_SEEDS = 100;
const SEEDS_LIMIT_MS = 300_000;

const SHRINK_RUNS = 150;

async function check(seed: number, groups = false): Promise<void> {
  const result = runSchedule(seed, { groups });
  if (result.verdict === "failed") expect.fail(await explain(groups ? "groups" : "daemons", result, SHRINK_RUNS));
}

const COMMON = { quietAt: 3000, lastSplit: [], boundMs: 2000, endAt: 5500, acceleratedPackets: 15 } as const;

/** Schedules that once failed, cut down. */
const ONCE_FAILED: readonly (readonly [string, Schedule])[] = [
  [
    "a repair of a router's own packet reaches the others of its segment",
    {
      ...COMMON,
      seed: 32,
      site: [[1, 2], [3, 4], [5]],
      startAt: [1365.3536337660626, 18.50866099819541, 14.247609581798315, 1.314604114741087, 2.9191549587994814],
      faults: [{ kind: "loss", at: 1875.46, model: { kind: "uniform", probability: 0.1 }, forMs: 601 }],
      sends: [
        { at: 2471.39, daemon: 1, session: 3, service: "causal", bytes: 17_333 },
        { at: 2560.09, daemon: 3, session: 3, service: "safe", bytes: 12 },
      ],
    },
  ],
  [
    "a causal message waits for one that waits for a safe one",
    {
      ...COMMON,
      seed: 1085,
      site: [[1, 2, 3, 4, 5, 6, 7]],
      startAt: [13.03567636758089, 559.2707401374355, 1286.4874120568857, 3.5868854, 6.675608, 5.290686, 15.634417],
      faults: [{ kind: "latency", at: 2609, latency: { baseMs: 1, jitterMs: 0 }, forMs: 179 }],
      sends: [
        { at: 2700.58, daemon: 1, session: 2, service: "safe", bytes: 12 },
        { at: 2705.36, daemon: 1, session: 2, service: "causal", bytes: 12 },
        { at: 2706.15, daemon: 7, session: 2, service: "safe", bytes: 12 },
        { at: 2708.09, daemon: 3, session: 3, service: "safe", bytes: 12 },
        { at: 2715.11, daemon: 1, session: 3, service: "causal", bytes: 12 },
      ],
    },
  ],
  [
    "a window smaller than a datagram for each member lets all of them send",
    {
      ...COMMON,
      seed: 50_334,
      site: [[1, 2, 3, 4, 5, 6, 7, 8]],
      startAt: [0, 0, 0, 0, 0, 0, 0, 0],
      faults: [{ kind: "leave", at: 2282, daemon: 6 }],
      sends: [],
      ring: { windowBytesStart: 5600, windowBytesMax: 5600, gapMax: 32 },
    },
  ],
  [
    "a daemon that is asked to leave while it is frozen leaves",
    {
      ...COMMON,
      seed: 1195,
      site: [[1, 2, 3]],
      startAt: [0, 0, 0],
      faults: [
        { kind: "freeze", at: 2659, daemon: 3, forMs: 300 },
        { kind: "freeze", at: 2823, daemon: 3, forMs: 60 },
        { kind: "leave", at: 2994, daemon: 3 },
      ],
      sends: [],
    },
  ],
];

test.each(ONCE_FAILED)("%s", (_what, schedule) => {
  for (const groups of [false, true]) expect(replaySchedule(schedule, { groups }).violations).toEqual([]);
});

describe("daemons under random faults keep what extended virtual synchrony promises", () => {
  test.each(FIXED_SEEDS)("seed %i", (seed) => check(seed));

  test.each([
    { groups: false, layer: "daemons", count: SEEDS },
    { groups: true, layer: "daemons with process groups", count: GROUPS_SEEDS },
  ])(
    `$count fresh seeds of $layer, from ${FIRST_SEED} on`,
    async ({ groups, count }) => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + count; seed++) await check(seed, groups);
    },
    SEEDS_LIMIT_MS,
  );
});

test("the same seed gives the same trace twice, another seed another one", () => {
  const once = runSchedule(8);
  const again = runSchedule(8);
  expect(once.stats.delivered).toBeGreaterThan(500);
  expect(again.traceHash).toBe(once.traceHash);
  expect(again.stats).toEqual(once.stats);
  expect(runSchedule(9).traceHash).not.toBe(once.traceHash);
});

test("a schedule survives being written down", () => {
  const schedule = generateSchedule(10);
  expect(replaySchedule(JSON.parse(JSON.stringify(schedule))).traceHash).toBe(runSchedule(10).traceHash);
});

test("no fatal cell of the membership table is ever entered", () => {
  for (const seed of [8, 16]) {
    expect(coverageReport(EVS_CELLS, runSchedule(seed).coverage).fatalHit).toEqual([]);
  }
});

test.each([1, 10, 40, 100, 101, 102, 103, 104])("process groups agree under random faults, seed %i", (seed) => {
  const { violations, coverage } = runSchedule(seed, { groups: true });
  expect(violations).toEqual([]);
  expect(coverageReport(groupsCells, coverage).fatalHit).toEqual([]);
});
