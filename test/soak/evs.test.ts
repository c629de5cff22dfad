import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { coverageReport, type CoverageTable } from "../../src/base/coverage.ts";
import { groupsCells } from "../../src/groups/cells.ts";
import { EVS_CELLS, runSchedule, runStack } from "../../src/sim/index.ts";
import type { Layer, LayerResult } from "../../src/sim/layer.ts";
import { explain } from "../sim/explain.ts";

const SCHEDULES = Number(process.env["AMALGAM_SCHEDULES"] ?? 10_000);
const FIRST_SEED = Number(process.env["AMALGAM_SEED"] ?? 1);
/** Enough to see whether one cause is behind all. */
const FAILURES_MAX = 5;
/** Some cells take a chain of chances. */
const SCHEDULES_FOR_ALL_CELLS = 5_000;
const PROGRESS_MS = 20_000;
const SHRINK_RUNS = 400;

type Outcome = { readonly failure: string | undefined; readonly simulatedMs: number };

async function outcomeOf(layer: Layer, result: LayerResult): Promise<Outcome> {
  const failure = result.verdict === "passed" ? undefined : await explain(layer, result, SHRINK_RUNS);
  return { failure, simulatedMs: result.stats.simulatedMs };
}

/** Runs seed after seed, tells how far it is, and sums up in one line, to which `more` adds. Returns the failures. */
async function soak(
  what: string,
  schedules: number,
  run: (seed: number) => Promise<Outcome>,
  more: () => string = () => "",
): Promise<readonly string[]> {
  const startedAt = performance.now();
  const failures: string[] = [];
  let simulatedMs = 0;
  let toldAt = startedAt;
  let seed = FIRST_SEED;
  for (; seed < FIRST_SEED + schedules && failures.length < FAILURES_MAX; seed++) {
    const outcome = await run(seed);
    simulatedMs += outcome.simulatedMs;
    if (outcome.failure !== undefined) failures.push(outcome.failure);
    if (performance.now() - toldAt < PROGRESS_MS) continue;
    toldAt = performance.now();
    console.info(`${what}: ${seed - FIRST_SEED + 1} of ${schedules} schedules, ${failures.length} failed`);
    // What is told leaves only between two turns of the loop.
    await nextTurn();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  console.info(
    `${what}: seeds ${FIRST_SEED} to ${seed - 1}, ${failures.length} with violations${more()}, ` +
      `${Math.round(simulatedMs / 1_000)} simulated seconds in ${Math.round(seconds)} s ` +
      `(${(simulatedMs / 1_000 / seconds).toFixed(0)} per second)`,
  );
  return failures;
}

/** Counts visits of the cells of a state table. */
class Coverage {
  readonly #table: CoverageTable;
  readonly #prefix: string;
  readonly #visits = new Map<string, number>();

  constructor(table: CoverageTable, prefix: string) {
    this.#table = table;
    this.#prefix = prefix;
  }

  add(coverage: ReadonlyMap<string, number>): void {
    for (const [cell, count] of coverage) this.#visits.set(cell, (this.#visits.get(cell) ?? 0) + count);
  }

  get report() {
    const { hit, missed, fatalHit, unlisted } = coverageReport(this.#table, this.#visits);
    return { hit, missed, fatalHit, unlisted: unlisted.filter((cell) => cell.startsWith(this.#prefix)) };
  }

  get text(): string {
    const { hit, missed, fatalHit } = this.report;
    return `, ${hit.length} of ${hit.length + missed.length} reachable and ${fatalHit.length} fatal cells entered`;
  }
}

test.each([
  { layer: "daemons", groups: false, table: EVS_CELLS, prefix: "evs " },
  { layer: "daemons with process groups", groups: true, table: groupsCells, prefix: "groups " },
])(`${SCHEDULES} random schedules of 3 to 8 $layer break no promise and enter every reachable cell`, async (what) => {
  const { layer, groups, table, prefix } = what;
  const cells = new Coverage(table, prefix);
  const run = (seed: number): Promise<Outcome> => {
    const result = runSchedule(seed, { groups });
    cells.add(result.coverage);
    return outcomeOf(groups ? "groups" : "daemons", result);
  };
  const failures = await soak(layer, SCHEDULES, run, () => cells.text);
  expect(failures.join("\n\n")).toBe("");
  const { missed, fatalHit, unlisted } = cells.report;
  expect({ fatalHit, unlisted }).toEqual({ fatalHit: [], unlisted: [] });
  if (SCHEDULES >= SCHEDULES_FOR_ALL_CELLS) expect(missed).toEqual([]);
});

test(`${SCHEDULES / 10} random schedules of whole daemons with clients break no promise`, async () => {
  const run = async (seed: number): Promise<Outcome> => outcomeOf("clients", await runStack(seed));
  const failures = await soak("whole daemons with clients", SCHEDULES / 10, run);
  expect(failures.join("\n\n")).toBe("");
});
