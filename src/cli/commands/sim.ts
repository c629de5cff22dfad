import { readFile, writeFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { coverageReport } from "../../base/coverage.ts";
import { groupsCells } from "../../groups/cells.ts";
import { EVS_CELLS } from "../../sim/evs-cells.ts";
import { replaySchedule, type RunOptions, type RunResult, runSchedule } from "../../sim/run-schedule.ts";
import type { Schedule } from "../../sim/schedule.ts";
import { shrinkSchedule } from "../../sim/shrink.ts";
import { formatTimeline } from "../../sim/timeline.ts";
import type { Arguments } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { CliError, ExitCode, usageError } from "../exit-codes.ts";
import { shownNumber } from "../format.ts";
import { Progress } from "../progress.ts";
import type { Terminal } from "../terminal.ts";

export const sim = defineCommand({
  name: "sim",
  summary: "run daemons in a simulated network with faults, and check every guarantee",
  description: `Makes a random schedule of a seed (crashes, restarts, freezes, splits, loss, duplication, reordering,
    slow and lossy links), runs the real protocol code of several daemons through it on simulated time, and checks all
    that was sent, delivered and installed. The same seed gives the same run, everywhere.

    A schedule exercises the daemons' own order and membership, or process groups on them: clients that join, leave and
    send, with the views that they are given. By default odd seeds do the latter.

    One seed shows its timeline and the verdict. Many (--runs) show a summary, and the seeds that failed. A failing
    schedule can be made as small as it still fails (--shrink), saved (--save) and run again (--schedule).`,
  positionals: [],
  options: {
    seed: {
      kind: "number",
      value: "N",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      help: "seed of the (first) schedule; by default a random one, which is printed",
    },
    runs: {
      kind: "number",
      short: "r",
      value: "N",
      min: 1,
      max: 10_000_000,
      otherwise: 1,
      help: "so many schedules, of this seed and the ones after it",
    },
    schedule: { kind: "text", value: "FILE", help: "run a saved schedule instead of a random one" },
    daemons: { kind: "text", short: "d", value: "MIN-MAX", otherwise: "3-8", help: "how many daemons" },
    layer: {
      kind: "choice",
      choices: ["both", "daemons", "groups"],
      otherwise: "both",
      help: "what is exercised; both: even seeds the daemons, odd ones groups",
    },
    seconds: {
      kind: "number",
      value: "S",
      min: 0.1,
      max: 3_600,
      otherwise: 3,
      fraction: true,
      help: "simulated time during which faults occur",
    },
    loss: {
      kind: "number",
      value: "P",
      min: 0,
      max: 0.9,
      otherwise: 0.2,
      fraction: true,
      help: "greatest share of datagrams lost",
    },
    rate: { kind: "number", value: "N", min: 0, max: 100_000, otherwise: 400, help: "messages per simulated second" },
    coverage: { kind: "flag", help: "which cells of the state tables were entered, and how often" },
    shrink: { kind: "flag", help: "make a failing schedule smaller before it is shown" },
    save: { kind: "text", value: "FILE", help: "write the (first failing) schedule as JSON" },
    json: { kind: "flag", help: "results as JSON, one line per run" },
  },
  examples: [
    { line: "amalgam sim --seed 7", does: "one schedule: what happened when, and the verdict" },
    { line: "amalgam sim --runs 1000 --coverage", does: "a thousand schedules, and what they reached" },
    {
      line: "amalgam sim --seed 7 --shrink --save bug.json",
      does: "the smallest schedule that still fails, for a bug report",
    },
    { line: "amalgam sim --schedule bug.json", does: "run it again, elsewhere" },
  ],
  failure: "a guarantee was broken, or (with --coverage) a cell was entered that must never be",
  async run(args, terminal) {
    const given = runOptions(args);
    const layer = args.text("layer");
    const file = args.text("schedule");
    const first = args.number("seed") ?? Math.floor(Math.random() * 2 ** 32);
    const runs = file === undefined ? (args.number("runs") ?? 1) : 1;
    const saved = file === undefined ? undefined : await readSchedule(file);
    const coverage = new Map<string, number>();
    const failed: RunResult[] = [];
    /** With which options each run that is still of interest was made. */
    const layers = new WeakMap<RunResult, RunOptions>();
    const startedAt = performance.now();
    const progress = new Progress(terminal, "sim", runs, startedAt);
    let done = 0;
    let simulatedMs = 0;
    let last: RunResult | undefined;

    const withLayer = (seed: number): RunOptions => ({
      ...given,
      groups: saved?.groups ?? (layer === "groups" || (layer === "both" && seed % 2 === 1)),
    });

    for (let seed = first; done < runs && !terminal.signal.aborted; seed++) {
      const options = withLayer(seed);
      const result = saved === undefined ? runSchedule(seed, options) : replaySchedule(saved.schedule, options);
      layers.set(result, options);
      done++;
      simulatedMs += result.stats.simulatedMs;
      last = result;
      for (const [cell, visits] of result.coverage) coverage.set(cell, (coverage.get(cell) ?? 0) + visits);
      if (result.verdict === "failed") failed.push(result);
      if (args.flag("json")) terminal.print(JSON.stringify(summary(result, options.groups === true)));
      progress.update(done, performance.now(), `seed ${seed}, ${failed.length} failed`);
      await nextTurn();
    }
    progress.finish();

    const failure = failed[0];
    const interesting = failure ?? last;
    const options = (interesting === undefined ? undefined : layers.get(interesting)) ?? given;
    const shown = failure !== undefined && args.flag("shrink") ? shrunk(failure, options, terminal) : interesting;
    const save = args.text("save");
    if (save !== undefined && shown !== undefined) {
      const file: SavedSchedule = { groups: options.groups === true, schedule: shown.schedule };
      await writeFile(save, `${JSON.stringify(file)}\n`);
      terminal.note(`saved to ${save}; again: amalgam sim --schedule ${save}`);
    }
    const reached = args.flag("coverage") ? coverageText(coverage) : undefined;
    if (!args.flag("json") && shown !== undefined) {
      if (runs === 1 || failure !== undefined) terminal.print(formatTimeline(shown.timeline));
      const seconds = (performance.now() - startedAt) / 1_000;
      const layerShown = options.groups === true ? "groups" : "daemons";
      terminal.print(verdict(shown, layerShown, failed, done, simulatedMs / 1_000, seconds, terminal));
      if (reached !== undefined) terminal.print(reached.text);
    }
    if (terminal.signal.aborted && failure === undefined) return ExitCode.interrupted;
    return failure !== undefined || reached?.fatal === true ? ExitCode.failed : ExitCode.ok;
  },
});

function runOptions(args: Arguments): RunOptions {
  const range = /^(\d+)(?:-(\d+))?$/.exec(args.text("daemons") ?? "");
  const min = Number(range?.[1]);
  const max = Number(range?.[2] ?? range?.[1]);
  if (range === null || min < 1 || max < min || max > 128) {
    throw usageError("--daemons is a number such as 5 or a range such as 3-8, up to 128");
  }
  return {
    daemons: [min, max],
    faultsMs: (args.number("seconds") ?? 3) * 1_000,
    lossMax: args.number("loss") ?? 0.2,
    sendsPerSecond: args.number("rate") ?? 400,
  };
}

/** What `--save` writes. */
type SavedSchedule = { readonly groups: boolean; readonly schedule: Schedule };

async function readSchedule(file: string): Promise<SavedSchedule> {
  try {
    const saved = JSON.parse(await readFile(file, "utf8")) as SavedSchedule;
    const { seed, site, faults, sends } = saved.schedule ?? {};
    const isSchedule = typeof seed === "number" && [site, faults, sends].every(Array.isArray);
    if (!isSchedule) throw new Error("it is no schedule that --save has written");
    return saved;
  } catch (error) {
    throw new CliError(
      ExitCode.configuration,
      `the schedule ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const SHRINK_RUNS = 400;

function shrunk(failure: RunResult, options: RunOptions, terminal: Terminal): RunResult {
  const properties = new Set(failure.violations.map(({ property }) => property));
  const progress = new Progress(terminal, "shrink", SHRINK_RUNS, performance.now());
  let runs = 0;
  const fails = (schedule: Schedule) => {
    progress.update(++runs, performance.now(), `${schedule.faults.length} faults, ${schedule.sends.length} messages`);
    return replaySchedule(schedule, options).violations.some(({ property }) => properties.has(property));
  };
  const smaller = shrinkSchedule(failure.schedule, fails, SHRINK_RUNS);
  progress.finish();
  terminal.note(
    `${failure.schedule.faults.length} faults and ${failure.schedule.sends.length} messages became ${smaller.faults.length} and ${smaller.sends.length}`,
  );
  return replaySchedule(smaller, options);
}

function summary({ schedule, verdict: outcome, violations, traceHash, stats }: RunResult, groups: boolean) {
  return {
    seed: schedule.seed,
    layer: groups ? "groups" : "daemons",
    verdict: outcome,
    daemons: schedule.site.flat().length,
    faults: schedule.faults.length,
    violations,
    traceHash,
    stats,
  };
}

function verdict(
  shown: RunResult,
  layer: string,
  failed: readonly RunResult[],
  runs: number,
  simulatedSeconds: number,
  seconds: number,
  terminal: Terminal,
): string {
  const speed = `${shownNumber(Math.round(simulatedSeconds))} simulated seconds in ${seconds.toFixed(1)} s`;
  const { stats, schedule } = shown;
  const one = `seed ${schedule.seed} (${layer}): ${schedule.site.flat().length} daemons, ${schedule.faults.length} faults, ${shownNumber(stats.sent)} messages sent, ${shownNumber(stats.delivered)} delivered, ${stats.installed} configurations installed`;
  if (failed.length === 0) {
    const passed = terminal.style("green", runs === 1 ? "PASSED" : `PASSED ${shownNumber(runs)} schedules`);
    return `${runs === 1 ? `${one}\n` : ""}${passed}: every guarantee held; ${speed}`;
  }
  const seeds = failed.map((result) => result.schedule.seed);
  const listed = seeds.slice(0, 20).join(", ") + (seeds.length > 20 ? ", ..." : "");
  return [
    one,
    ...shown.violations.map(({ property, what, at }) => `  ${property} at ${at.toFixed(3)} ms: ${what}`),
    `${terminal.style("red", `FAILED ${failed.length} of ${runs}`)}: seeds ${listed}; ${speed}`,
  ].join("\n");
}

const TABLES = [
  ["Daemon membership", "evs ", EVS_CELLS],
  ["Group membership", "groups ", groupsCells],
] as const;

function coverageText(visits: ReadonlyMap<string, number>): { readonly text: string; readonly fatal: boolean } {
  const sorted = [...visits].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = ["Cells entered:", ...sorted.map(([cell, count]) => `  ${cell.padEnd(40)} ${shownNumber(count)}`)];
  let fatal = false;
  for (const [title, prefix, cells] of TABLES) {
    const own = new Map(sorted.filter(([cell]) => cell.startsWith(prefix)));
    // Runs of daemons without groups say nothing about the groups' table.
    if (own.size === 0) continue;
    const report = coverageReport(cells, own);
    const total = report.hit.length + report.missed.length;
    const missed = report.missed.length > 0 ? `; not ${report.missed.join(", ")}` : "";
    const fatalCells = `${report.fatalHit.length === 0 ? "none" : report.fatalHit.length} of ${cells.fatal.length} fatal ones`;
    lines.push(`${title}: ${report.hit.length} of ${total} reachable cells, ${fatalCells}${missed}`);
    lines.push(...report.fatalHit.map((cell) => `FATAL: ${cell} must never be entered`));
    lines.push(...report.unlisted.map((cell) => `not in the table: ${cell}`));
    fatal ||= report.fatalHit.length > 0;
  }
  return { text: lines.join("\n"), fatal };
}
