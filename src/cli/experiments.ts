import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Figure, Outcome, Point, Suite, Sweep } from "../sim/load/experiment.ts";
import { nearest } from "../daemon/config/suggest.ts";
import type { Arguments } from "./arguments.ts";
import { CliError, ExitCode, usageError } from "./exit-codes.ts";
import { shownNumber, table } from "./format.ts";
import { linePlot } from "./plot/line-plot.ts";
import { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { answersInOrder } from "./worker-pool.ts";

const WORKER = new URL("./experiment-worker.js", import.meta.url);
/** The sources have no worker: Node starts no thread from TypeScript. */
const hasWorker = !import.meta.url.endsWith(".ts");

/** What a thread is asked to do. */
export type ExperimentTask = { readonly suite: string; readonly scenario: unknown };

type AnyExperiment = Suite["experiments"][number];
type AnyOutcome = Outcome<unknown>;

/** `amalgam sim qsm` and the like: lists the experiments of the suite, or runs those that are named. */
export async function runExperiments(
  suite: Suite,
  names: readonly string[],
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  if (names.length === 0) {
    terminal.print(args.flag("json") ? listedAsJson(suite) : listed(suite));
    return ExitCode.ok;
  }
  const chosen = names.includes("all") ? suite.experiments : names.map((name) => experimentNamed(suite, name));
  const sweeps = [...new Set(chosen.flatMap((experiment) => experiment.sweeps))];
  const points = sweeps.flatMap((sweep) => sweep.points.map((point) => ({ sweep, point })));
  const jobs = jobsFor(points.length, args);
  const out = args.text("out");
  if (out !== undefined) await makeFolders(out);

  const outcomes = new Map<string, AnyOutcome[]>(sweeps.map(({ name }) => [name, []]));
  const progress = new Progress(terminal, `sim ${suite.name}`, points.length, performance.now());
  let done = 0;
  try {
    const runs = points.map(({ sweep, point }) => ({ name: nameOf(sweep, point), scenario: point.scenario }));
    for await (const result of resultsOf(suite, runs, jobs, terminal.signal)) {
      const { sweep, point } = points[done++] as (typeof points)[number];
      outcomes.get(sweep.name)?.push({ series: point.series, x: point.x, result });
      progress.update(done, performance.now(), nameOf(sweep, point));
    }
  } finally {
    progress.finish();
  }
  if (terminal.signal.aborted) return ExitCode.interrupted;

  for (const experiment of chosen) {
    const { name, title } = experiment;
    const figures = experiment.figures(outcomes);
    if (args.flag("json")) terminal.print(JSON.stringify({ name, title, figures }));
    else terminal.print(described(experiment, figures, terminal));
  }
  if (out === undefined) return ExitCode.ok;
  await writeReport(out, suite, chosen, outcomes);
  terminal.note(`written to ${join(out, "data")} and ${join(out, "plots")}`);
  return ExitCode.ok;
}

/** Threads for so many runs, as asked for. */
export function jobsFor(runs: number, args: Arguments): number {
  const jobs = Math.min(runs, args.number("jobs") ?? (hasWorker ? availableParallelism() : 1));
  if (jobs > 1 && !hasWorker) throw usageError("--jobs above 1 needs the built program: npm run build");
  return jobs;
}

/** Before what takes long, so that it is not in vain. Throws a `CliError`. */
async function makeFolders(out: string): Promise<void> {
  try {
    for (const folder of ["data", "plots"]) await mkdir(join(out, folder), { recursive: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.failed, `nothing can be written to --out ${out}: ${why}`);
  }
}

function listedAsJson({ experiments }: Suite): string {
  return experiments.map(({ name, title }) => JSON.stringify({ name, title })).join("\n");
}

function listed({ name: protocol, experiments }: Suite): string {
  const rows = experiments.map(({ name, title, sweeps }) => {
    const runs = sweeps.reduce((sum, { points }) => sum + points.length, 0);
    return [name, title, String(runs)];
  });
  return `${table([["name", "experiment", "runs"], ...rows])}\n\nRun some with their names, or all: amalgam sim ${protocol} ${experiments[0]?.name}`;
}

function experimentNamed({ experiments }: Suite, name: string): AnyExperiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found !== undefined) return found;
  const names = experiments.map((experiment) => experiment.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `there are ${names.join(", ")} and all` : `did you mean ${meant}?`;
  throw usageError(`there is no experiment ${name}: ${hint}`);
}

/** A scenario, and what it is called in errors. */
export type NamedScenario = { readonly name: string; readonly scenario: unknown };

/** Runs scenarios of a suite, on so many threads, and gives what came of them in their order. */
export async function* resultsOf(
  suite: Suite,
  runs: readonly NamedScenario[],
  jobs: number,
  signal: AbortSignal,
): AsyncGenerator<unknown, void> {
  if (jobs > 1) {
    const tasks = runs.map(({ scenario }): ExperimentTask => ({ suite: suite.name, scenario }));
    const names = new Map(runs.map(({ name }, i) => [tasks[i], name]));
    yield* answersInOrder<ExperimentTask, unknown>({
      worker: WORKER,
      threads: jobs,
      tasks,
      nameOf: (task) => names.get(task) ?? task.suite,
      signal,
    });
    return;
  }
  for (const { scenario } of runs) {
    if (signal.aborted) return;
    yield suite.run(scenario);
    // Signals arrive, and output leaves, between two turns of the loop.
    await nextTurn();
  }
}

function nameOf({ name }: Sweep<unknown>, { series, x }: Point<unknown>): string {
  return `${name}: ${series}, ${x}`;
}

/** Writes what was run and what has come of it, one file per sweep, and a plot per figure. */
export async function writeReport(
  out: string,
  suite: Suite,
  chosen: readonly AnyExperiment[],
  outcomes: ReadonlyMap<string, readonly AnyOutcome[]>,
): Promise<void> {
  await writeData(out, suite, [...new Set(chosen.flatMap(({ sweeps }) => sweeps))], outcomes);
  for (const experiment of chosen) await writePlots(out, experiment.figures(outcomes));
}

async function writeData(
  out: string,
  suite: Suite,
  sweeps: readonly Sweep<unknown>[],
  outcomes: ReadonlyMap<string, readonly AnyOutcome[]>,
): Promise<void> {
  const folder = join(out, "data");
  await mkdir(folder, { recursive: true });
  for (const { name, points } of sweeps) {
    const runs = (outcomes.get(name) ?? []).map((outcome, i) => ({
      ...outcome,
      scenario: suite.told(points[i]?.scenario),
    }));
    const lines = runs.map((run) => JSON.stringify(run, (_key, value: unknown) => shortened(value)));
    await writeFile(join(folder, `${name}.json`), `[\n${lines.join(",\n")}\n]\n`);
  }
}

/** Six digits are more than any of these figures is good for. */
function shortened(value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

async function writePlots(out: string, figures: readonly Figure[]): Promise<void> {
  const folder = join(out, "plots");
  await mkdir(folder, { recursive: true });
  for (const figure of figures) await writeFile(join(folder, `${figure.name}.svg`), linePlot(figure));
}

/** A curve with more points than this is told by some of them. */
const SHOWN_MAX = 9;

function described({ name, title }: AnyExperiment, figures: readonly Figure[], terminal: Terminal): string {
  const parts = figures.map((figure) => {
    const rows = figure.curves.map((curve) => {
      const step = Math.max(1, Math.ceil(curve.points.length / SHOWN_MAX));
      const shown = curve.points.filter((_, i) => i % step === 0 || i === curve.points.length - 1);
      return [`  ${curve.name}`, shown.map(({ x, y }) => `${rounded(x)}: ${rounded(y)}`).join("  ")];
    });
    return `${figure.title} (${figure.x}: ${figure.y})\n${table(rows)}`;
  });
  return `${terminal.style("bold", `${name}  ${title}`)}\n${parts.join("\n")}\n`;
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? shownNumber(Math.round(value)) : String(Number(value.toPrecision(3)));
}
