import { describe, expect, test } from "vitest";
import { coverageReport, type CoverageTable } from "../../src/base/coverage.ts";
import { PLATO_CELLS, TIMELY_CELLS } from "../../src/sim/timely/cells.ts";
import { generateTimely, type TimelyOptions } from "../../src/sim/timely/generate.ts";
import { replayTimely, runTimely, type TimelyResult } from "../../src/sim/timely/run-timely.ts";
import type { TimelySchedule } from "../../src/sim/timely/schedule.ts";
import { explain } from "./explain.ts";

/**
 * The last ones failed once: 13 since what a sender had not got any more was lost without a word, if nothing had been heard of it; 130 (plato)
 * since what a sender that came back had sent by then was given up without being asked for.
 */
const TIMELY_SEEDS = [10, 24, 123, 13];
const PLATO_SEEDS = [3, 74, 130];
/** About 5 s of processor time for each of the two. */
const FRESH_SEEDS = 8;
const FRESH_LIMIT_MS = 300_000;
const SHRINK_RUNS = 100;
/**
 * What random schedules are known to break, in 3 of 150 and 1 of 150, and is not settled: the first packets that were sent to a new member, all of them lost, are not
 * told as lost (K49: timely 82000012, plato 82000090); a repair has packets of a group that whoever gets it was not in for its origin (K47: timely
 * 82000115); and the distance of neighbours in repairs, which a short run misjudges (K48: timely 82000008).
 */
const UNSETTLED = /\(a first one\)$|who gets it is not in the group$|repairs are [\d.]+ apart, which bursts/;

const LAYERS = [
  { layer: "timely", ordered: false, fixed: TIMELY_SEEDS },
  { layer: "plato", ordered: true, fixed: PLATO_SEEDS },
] as const;

/** Nothing was broken; and nothing was reached that must never be, or that the list of situations does not have. */
async function expectPassed(layer: "timely" | "plato", result: TimelyResult): Promise<void> {
  for (const [prefix, table] of Object.entries<CoverageTable>({ "timely ": TIMELY_CELLS, "plato ": PLATO_CELLS })) {
    const { fatalHit, unlisted } = coverageReport(table, result.coverage);
    expect([fatalHit, unlisted.filter((cell) => cell.startsWith(prefix))]).toEqual([[], []]);
  }
  if (result.verdict === "failed") expect.fail(await explain(layer, result, SHRINK_RUNS));
}

describe.each(LAYERS)(
  "$layer: timely groups keep what they promise, under random faults",
  ({ layer, ordered, fixed }) => {
    test.each(fixed)("seed %i", (seed) => expectPassed(layer, runTimely(seed, { ordered })));

    test(
      "fresh seeds",
      async () => {
        // The clock only chooses which seeds are tried; each of them replays exactly.
        const base = Number(process.env["AMALGAM_SEED"] ?? Date.now() % 1_000_000_000);
        console.info(`${layer}: fresh seeds ${base} to ${base + FRESH_SEEDS - 1} (AMALGAM_SEED=${base} repeats them)`);
        for (let seed = base; seed < base + FRESH_SEEDS; seed++) {
          const result = runTimely(seed, { ordered });
          const isKnown = result.violations.every(({ what }) => UNSETTLED.test(what));
          if (result.verdict === "passed" || !isKnown) await expectPassed(layer, result);
          else console.info(`${layer}: seed ${seed} breaks what is not settled: ${result.violations[0]?.what}`);
        }
      },
      FRESH_LIMIT_MS,
    );
  },
);

test.each<TimelyOptions>([{}, { ordered: true }])(
  "the same seed gives the same run, and so does its schedule after it was written down: %o",
  (options) => {
    const once = runTimely(10, options);
    expect(once.stats.delivered).toBeGreaterThan(100);
    const again = replayTimely(JSON.parse(JSON.stringify(generateTimely(10, options))) as TimelySchedule);
    expect(again.traceHash).toBe(once.traceHash);
    expect(again.stats).toEqual(once.stats);
    expect(runTimely(11, options).traceHash).not.toBe(once.traceHash);
  },
);
