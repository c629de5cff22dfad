import { describe, expect, test } from "vitest";
import { coverageReport } from "../../src/base/coverage.ts";
import { EVS_CELLS } from "../../src/sim/evs-cells.ts";
import { replaySchedule, runSchedule } from "../../src/sim/run-schedule.ts";
import { generateSchedule } from "../../src/sim/schedule.ts";
import { shrinkSchedule } from "../../src/sim/shrink.ts";
import { formatTimeline } from "../../src/sim/timeline.ts";

/** Schedules that once failed, and a few ordinary ones. */
const FIXED_SEEDS = [1, 2, 3, 4, 5, 6, 7, 12, 32, 44, 100, 101, 102, 103, 1085, 1195];
const FRESH_SEEDS = 12;

/** The failing run in the form that explains most: its seed, the schedule cut down, and what happened in that. */
function explain(seed: number): string {
  const { schedule, violations } = runSchedule(seed);
  const property = violations[0]?.property;
  const small = shrinkSchedule(schedule, (s) => replaySchedule(s).violations[0]?.property === property, 150);
  const { timeline } = replaySchedule(small);
  return `seed ${seed}: ${JSON.stringify(violations, undefined, 1)}\n${JSON.stringify(small)}\n${formatTimeline(timeline)}`;
}

describe("daemons under random faults keep what extended virtual synchrony promises", () => {
  test.each(FIXED_SEEDS)("seed %i", (seed) => {
    if (runSchedule(seed).verdict === "failed") expect.fail(explain(seed));
  });

  test("fresh seeds", () => {
    // The clock only chooses which seeds are tried; each of them replays exactly.
    const base = Number(process.env["AMALGAM_SEED"] ?? Date.now() % 1_000_000_000);
    console.info(`fresh seeds ${base} to ${base + FRESH_SEEDS - 1} (AMALGAM_SEED=${base} repeats them)`);
    for (let seed = base; seed < base + FRESH_SEEDS; seed++) {
      if (runSchedule(seed).verdict === "failed") expect.fail(explain(seed));
    }
  });
});

test("the same seed gives the same trace twice, another seed another one", () => {
  const once = runSchedule(8);
  const again = runSchedule(8);
  expect(once.stats.delivered).toBeGreaterThan(1000);
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
