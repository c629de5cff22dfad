import { expect, test } from "vitest";
import { coverageReport } from "../../src/base/coverage.ts";
import { groupsCells } from "../../src/groups/cells.ts";
import { EVS_CELLS, formatTimeline, replaySchedule, runSchedule, shrinkSchedule } from "../../src/sim/index.ts";

const SCHEDULES = Number(process.env["AMALGAM_SCHEDULES"] ?? 10_000);
const FIRST_SEED = Number(process.env["AMALGAM_SEED"] ?? 1);
/** Enough to see whether one cause is behind all. */
const FAILURES_MAX = 5;

test.each([
  { layer: "daemons", groups: false, table: EVS_CELLS, cells: "evs " },
  { layer: "daemons with process groups", groups: true, table: groupsCells, cells: "groups " },
])(`${SCHEDULES} random schedules of 3 to 8 $layer break no promise and enter every reachable cell`, (what) => {
  const { groups } = what;
  const visits = new Map<string, number>();
  const failures: string[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES && failures.length < FAILURES_MAX; seed++) {
    const { verdict, violations, coverage, schedule } = runSchedule(seed, { groups });
    for (const [cell, count] of coverage) visits.set(cell, (visits.get(cell) ?? 0) + count);
    if (verdict === "passed") continue;
    const property = violations[0]?.property;
    const small = shrinkSchedule(schedule, (s) => replaySchedule(s, { groups }).violations[0]?.property === property);
    const { timeline } = replaySchedule(small, { groups });
    failures.push(`seed ${seed}: ${violations[0]?.what}\n${JSON.stringify(small)}\n${formatTimeline(timeline)}`);
  }
  expect(failures.join("\n\n")).toBe("");
  const { missed, fatalHit, unlisted } = coverageReport(what.table, visits);
  const named = (cells: readonly string[]): string[] => cells.filter((cell) => cell.startsWith(what.cells));
  expect({ missed, fatalHit, unlisted: named(unlisted) }).toEqual({ missed: [], fatalHit: [], unlisted: [] });
});
