import { availableParallelism } from "node:os";
import { beforeAll, expect, test } from "vitest";
import { coverageReport, type CoverageTable } from "../../src/base/coverage.ts";
import { runAll, type SimTask } from "../../src/cli/sim-runs.ts";
import { groupsCells } from "../../src/groups/cells.ts";
import { EVS_CELLS, type ScheduleOptions } from "../../src/sim/index.ts";
import type { Layer } from "../../src/sim/layer.ts";
import { PLATO_CELLS, TIMELY_CELLS } from "../../src/sim/timely/cells.ts";
import { ensureBuilt } from "../e2e/site.ts";
import { FIRST_SEED } from "../seeds.ts";
import { explain } from "../sim/explain.ts";

const SCHEDULES = Number(process.env["AMALGAM_SCHEDULES"] ?? 10_000);
const JOBS = Number(process.env["AMALGAM_JOBS"] ?? availableParallelism());
/** Threads run what is built; what fails is shrunk here, from the sources. */
const WORKER = new URL("../../dist/cli/sim-worker.js", import.meta.url);
/** Enough to see whether one cause is behind all. */
const FAILURES_MAX = 5;
/** Some cells take a chain of chances. */
const SCHEDULES_FOR_ALL_CELLS = 5_000;
const PROGRESS_MS = 20_000;
const SHRINK_RUNS = 400;

beforeAll(() => ensureBuilt());

function* tasksOf(layer: Layer, schedules: number, options: ScheduleOptions): Generator<SimTask> {
  for (let i = 0; i < schedules; i++) yield { layer, seed: FIRST_SEED + i, options };
}

/** Runs seed after seed, tells how far it is, and sums up in one line. Returns the failures. */
async function soak(
  what: string,
  layer: Layer,
  schedules: number,
  cells?: Coverage,
  options: ScheduleOptions = {},
): Promise<readonly string[]> {
  const startedAt = performance.now();
  const failures: string[] = [];
  let simulatedMs = 0;
  let toldAt = startedAt;
  let done = 0;
  for await (const run of runAll({ tasks: tasksOf(layer, schedules, options), jobs: JOBS, worker: WORKER })) {
    done++;
    simulatedMs += run.summary.stats.simulatedMs;
    cells?.add(run.coverage);
    if (run.result?.verdict === "failed") failures.push(await explain(layer, run.result, SHRINK_RUNS));
    if (failures.length === FAILURES_MAX) break;
    if (performance.now() - toldAt < PROGRESS_MS) continue;
    toldAt = performance.now();
    console.info(`${what}: ${done} of ${schedules} schedules, ${failures.length} failed`);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  console.info(
    `${what}: seeds ${FIRST_SEED} to ${FIRST_SEED + done - 1}, ${failures.length} with violations${cells?.text ?? ""}, ` +
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
  { what: "daemons", layer: "daemons", table: EVS_CELLS, prefix: "evs " },
  { what: "daemons with process groups", layer: "groups", table: groupsCells, prefix: "groups " },
] as const)(
  `${SCHEDULES} random schedules of 3 to 8 $what break no promise and enter every reachable cell`,
  async (of) => {
    const { what, layer, table, prefix } = of;
    const cells = new Coverage(table, prefix);
    const failures = await soak(what, layer, SCHEDULES, cells);
    expect(failures.join("\n\n")).toBe("");
    const { missed, fatalHit, unlisted } = cells.report;
    expect({ fatalHit, unlisted }).toEqual({ fatalHit: [], unlisted: [] });
    if (SCHEDULES >= SCHEDULES_FOR_ALL_CELLS) expect(missed).toEqual([]);
  },
);

test(`${SCHEDULES / 10} random schedules of whole daemons with clients break no promise`, async () => {
  const failures = await soak("whole daemons with clients", "clients", SCHEDULES / 10);
  expect(failures.join("\n\n")).toBe("");
});

test(`${SCHEDULES / 2} random schedules of daemons in several sites break no promise`, async () => {
  const failures = await soak("daemons in several sites", "sites", SCHEDULES / 2);
  expect(failures.join("\n\n")).toBe("");
});

test(`${SCHEDULES / 10} random schedules of whole daemons with clients in several sites break no promise`, async () => {
  const failures = await soak("clients over sites", "clients", SCHEDULES / 10, undefined, { sites: [2, 4] });
  expect(failures.join("\n\n")).toBe("");
});

test(`${SCHEDULES / 2} random schedules of nodes in regions break no promise`, async () => {
  const failures = await soak("nodes in regions", "regions", SCHEDULES / 2);
  expect(failures.join("\n\n")).toBe("");
});

test.each([
  { layer: "timely", table: TIMELY_CELLS },
  { layer: "plato", table: PLATO_CELLS },
] as const)(
  `${SCHEDULES / 10} random schedules of nodes in timely groups break no promise and enter every reachable cell ($layer)`,
  async ({ layer, table }) => {
    const cells = new Coverage(table, `${layer} `);
    const failures = await soak(`timely groups (${layer})`, layer, SCHEDULES / 10, cells);
    expect(failures.join("\n\n")).toBe("");
    const { missed, fatalHit, unlisted } = cells.report;
    expect({ fatalHit, unlisted }).toEqual({ fatalHit: [], unlisted: [] });
    if (SCHEDULES >= SCHEDULES_FOR_ALL_CELLS) expect(missed).toEqual([]);
  },
);
