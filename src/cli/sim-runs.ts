import { setImmediate as nextTurn } from "node:timers/promises";
import {
  generateForLayer,
  type Layer,
  type LayerResult,
  type LayerSchedule,
  populationOf,
  replayOnLayer,
} from "../sim/layer.ts";
import type { ScheduleOptions } from "../sim/schedule.ts";
import { answersInOrder, notFinished } from "./worker-pool.ts";

/** One schedule to run: that of a seed, or one that was saved. */
export type SimTask = {
  readonly layer: Layer;
  readonly seed: number;
  readonly options: ScheduleOptions;
  readonly saved?: LayerSchedule;
  /** Whether to keep schedule and timeline though no guarantee was broken. */
  readonly keep?: boolean;
};

/** What is left of a run. It goes from thread to thread, so only a failed one keeps all that there is. */
export type SimRun = {
  readonly layer: Layer;
  readonly summary: RunSummary;
  /** Cells of the state tables that were entered, and how often. */
  readonly coverage: ReadonlyMap<string, number>;
  readonly result: LayerResult | undefined;
};

/** A line of `amalgam sim --json`. */
export type RunSummary = Pick<LayerResult, "verdict" | "violations" | "traceHash" | "stats"> & {
  readonly seed: number;
  readonly layer: Layer;
  readonly daemons: number;
  readonly faults: number;
};

export type RunAllOptions = {
  readonly tasks: Iterable<SimTask>;
  /** Threads; 1 is this one. */
  readonly jobs: number;
  readonly signal?: AbortSignal;
  /** The built `sim-worker.js`; to be named only by who runs the sources, which have none beside them. */
  readonly worker?: URL;
};

const WORKER = new URL("./sim-worker.js", import.meta.url);

/** Whether `WORKER` is there: the sources have none, since Node starts no thread from TypeScript. */
export const hasWorker = !import.meta.url.endsWith(".ts");

/**
 * Runs schedules, several at a time, and yields what became of them in the order of the tasks. Throws, and
 * names the seed, if one could not be run to its end.
 */
export function runAll({ tasks, jobs, signal, worker = WORKER }: RunAllOptions): AsyncGenerator<SimRun, void> {
  return jobs === 1
    ? runHere(tasks, signal)
    : answersInOrder({ worker, threads: jobs, tasks, nameOf, ...(signal !== undefined && { signal }) });
}

/** Runs one schedule in this thread. */
export async function runTask({ layer, seed, options, saved, keep = false }: SimTask): Promise<SimRun> {
  const result = await replayOnLayer(layer, saved ?? generateForLayer(layer, seed, options));
  const kept = keep || result.verdict === "failed";
  return { layer, summary: summaryOf(layer, result), coverage: result.coverage, result: kept ? result : undefined };
}

async function* runHere(tasks: Iterable<SimTask>, signal: AbortSignal | undefined): AsyncGenerator<SimRun, void> {
  for (const task of tasks) {
    if (signal?.aborted === true) return;
    yield await runTask(task).catch((cause: unknown) => {
      throw notFinished(nameOf(task), cause);
    });
    // Signals arrive, and output leaves, between two turns of the loop.
    await nextTurn();
  }
}

function nameOf({ layer, seed }: SimTask): string {
  return `seed ${seed} (${layer})`;
}

function summaryOf(layer: Layer, { schedule, verdict, violations, traceHash, stats }: LayerResult): RunSummary {
  return {
    seed: schedule.seed,
    layer,
    verdict,
    daemons: populationOf(schedule),
    faults: schedule.faults.length,
    violations,
    traceHash,
    stats,
  };
}
