import { expect, test } from "vitest";
import type { Schedule } from "../sim/schedule.ts";
import { runAll, runTask, type SimRun, type SimTask } from "./sim-runs.ts";

const options = { faultsMs: 200, daemons: [3, 3], sendsPerSecond: 50 } as const;
const tasks: readonly SimTask[] = [
  { layer: "daemons", seed: 4, options },
  { layer: "groups", seed: 5, options },
  { layer: "clients", seed: 6, options, keep: true },
];

async function runsOf(signal?: AbortSignal): Promise<SimRun[]> {
  const runs: SimRun[] = [];
  for await (const run of runAll({ tasks, jobs: 1, ...(signal && { signal }) })) runs.push(run);
  return runs;
}

test("runs come in the order of the tasks, and only what is to be kept has its timeline", async () => {
  const runs = await runsOf();
  expect(runs.map(({ layer, summary }) => [layer, summary.layer, summary.seed, summary.verdict])).toEqual([
    ["daemons", "daemons", 4, "passed"],
    ["groups", "groups", 5, "passed"],
    ["clients", "clients", 6, "passed"],
  ]);
  expect(runs.map(({ result }) => result?.schedule.seed)).toEqual([undefined, undefined, 6]);
  expect(runs.every(({ coverage }) => coverage.size > 0)).toBe(true);
});

test("a run is plain data: nothing of it is lost between threads", async () => {
  for (const task of tasks) {
    const run = await runTask({ ...task, keep: true });
    expect(structuredClone(run)).toStrictEqual(run);
  }
});

test("who interrupts before the first run gets none", async () => {
  expect(await runsOf(AbortSignal.abort())).toEqual([]);
});

test.each([1, 2])("the seed is named of a run that cannot be finished, with %d jobs", async (jobs) => {
  const broken: SimTask = { layer: "daemons", seed: 77, options, saved: {} as Schedule };
  const throwing =
    'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => { throw TypeError() });';
  const worker = new URL(`data:text/javascript,${encodeURIComponent(throwing)}`);
  await expect(runAll({ tasks: [broken], jobs, worker }).next()).rejects.toThrow(
    /^seed 77 \(daemons\) was not finished: TypeError/,
  );
});
