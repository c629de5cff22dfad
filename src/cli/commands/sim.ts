import { appendFile, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { coverageReport } from "../../base/coverage.ts";
import { groupsCells } from "../../groups/cells.ts";
import { keepFreedMemory } from "../../host/freed-memory.ts";
import { EVS_CELLS } from "../../sim/evs-cells.ts";
import { REGION_CELLS } from "../../sim/regions/cells.ts";
import {
  describeSize,
  isOfNodes,
  LAYERS,
  type Layer,
  type LayerResult,
  type LayerSchedule,
  populationOf,
  replayOnLayer,
  shrinkOnLayer,
} from "../../sim/layer.ts";
import { TIMELY_CELLS, PLATO_CELLS } from "../../sim/timely/cells.ts";
import { suiteNamed, suites } from "../../sim/suites.ts";
import type { ScheduleOptions } from "../../sim/schedule.ts";
import { formatTimeline } from "../../sim/timeline.ts";
import type { Arguments } from "../arguments.ts";
import { runClaims } from "../claims.ts";
import { defineCommand } from "../command.ts";
import { CliError, ExitCode, usageError } from "../exit-codes.ts";
import { runExperiments } from "../experiments.ts";
import { shownNumber } from "../format.ts";
import { Progress } from "../progress.ts";
import { hasWorker, runAll, type SimTask } from "../sim-runs.ts";
import type { Terminal } from "../terminal.ts";

/** Failed seeds beyond these are only counted. */
const SEEDS_SHOWN = 20;

type Run = { readonly layer: Layer; readonly result: LayerResult };

export const sim = defineCommand({
  name: "sim",
  summary: "run daemons in a simulated network with faults, and check every guarantee",
  description: `Makes a random schedule of a seed (crashes, restarts, freezes, splits, loss, duplication, reordering,
    slow and lossy links), runs the real protocol code of several daemons through it on simulated time, and checks all
    that was sent, delivered and installed. The same seed gives the same run, everywhere.

    A schedule exercises the daemons' own order and membership; or process groups on them, with members that join, leave
    and send, and the views that they are given; or whole daemons with clients that connect to them, native and Spread
    ones, whose machines fail too; or nodes that join and leave groups and multicast in regions; or nodes in timely groups,
    which repair what they lose among themselves, and with "plato" deliver in one order. By default even seeds do the
    first, odd ones the second. Daemons are in one site, or in several (--sites, --layer sites): then links between
    sites fail and lose too, sites are cut off or lost, and daemons that represent a site crash.

    One seed shows its timeline and the verdict. Many (--runs) show a summary, and the seeds that failed. A failing
    schedule can be made as small as it still fails (--shrink), saved (--save) and run again (--schedule). Many are run on
    all cores (--jobs), and reported in the order of their seeds: results do not depend on the number of threads.

    With the name of a protocol it runs experiments instead. "qsm": those of the paper on QuickSilver Scalable Multicast,
    with up to 192 nodes under full load and a model of what their computers cost. "ricochet" and "plato": how soon
    timely groups recover what they lose, and deliver in total order. "wan": daemons in several sites, over lines of
    limited rate that lose. Alone it lists them; with their names, or "all", it runs them, and --out writes results and
    plots.`,
  positionals: [
    { name: "PROTOCOL", help: "experiments instead of schedules", required: false, many: false },
    { name: "NAME", help: "experiments to run, such as q1; all: every one", required: false, many: true },
  ],
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
    jobs: {
      kind: "number",
      short: "j",
      value: "N",
      min: 1,
      max: 1_024,
      help: "threads for many runs; by default one for each core that the process may use",
    },
    schedule: { kind: "text", value: "FILE", help: "run a saved schedule instead of a random one" },
    daemons: {
      kind: "text",
      short: "d",
      value: "MIN-MAX",
      help: "how many daemons, or nodes; by default 3-8, with sites 3-9, with clients 2-5 (with sites 3-7), with regions 2-30, timely 3-16, plato 2-10",
    },
    sites: {
      kind: "text",
      value: "MIN-MAX",
      help: "put the daemons into so many sites, at least 2; by default one, or with --layer sites 2-4",
    },
    layer: {
      kind: "choice",
      choices: ["both", ...LAYERS],
      otherwise: "both",
      help: "what is exercised; both: even seeds the daemons, odd ones groups",
    },
    seconds: {
      kind: "number",
      value: "S",
      min: 0.1,
      max: 3_600,
      fraction: true,
      help: "simulated time during which faults occur; by default 3, with clients 2",
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
    rate: {
      kind: "number",
      value: "N",
      min: 0,
      max: 100_000,
      help: "messages (or acts of clients) per simulated second, at most; by default 200, with clients 2000, with nodes 400",
    },
    coverage: {
      kind: "flag",
      help: "which cells of the state tables, or situations of nodes, were reached, and how often",
    },
    shrink: { kind: "flag", help: "make a failing schedule smaller before it is shown" },
    save: { kind: "text", value: "FILE", help: "write the (first failing) schedule as JSON" },
    claims: { kind: "flag", help: "with a protocol: measure what it has to reach, and say whether it does" },
    seeds: {
      kind: "number",
      value: "N",
      min: 1,
      max: 1_000,
      help: "claims: so many seeds for each figure, by default 10",
    },
    more: { kind: "flag", help: "claims: with those before --seed that --out has, found by earlier calls" },
    out: {
      kind: "text",
      value: "DIR",
      help: "experiments: write data/*.json and plots/*.svg there; claims: data/*.json and a table",
    },
    json: { kind: "flag", help: "results as JSON, one line per run, or experiment" },
  },
  examples: [
    { line: "amalgam sim --seed 7", does: "one schedule: what happened when, and the verdict" },
    { line: "amalgam sim --runs 1000 --coverage", does: "a thousand schedules, and what they reached" },
    {
      line: "amalgam sim --seed 7 --shrink --save bug.json",
      does: "the smallest schedule that still fails, for a bug report",
    },
    { line: "amalgam sim --schedule bug.json", does: "run it again, elsewhere" },
    { line: "amalgam sim --layer clients --runs 100", does: "whole daemons and clients, as users have them" },
    { line: "amalgam sim --layer clients --sites 2-4", does: "the same over several sites" },
    { line: "amalgam sim --layer timely --runs 100", does: "timely groups, whose members come, fail and lose packets" },
    {
      line: "amalgam sim qsm q1 q5 --out report",
      does: "throughput and token round trips by number of nodes, with plots",
    },
    {
      line: "amalgam sim ricochet --claims bursts",
      does: "whether timely groups recover bursts of losses as they should",
    },
  ],
  failure: "a guarantee was broken, or a claim missed, or (with --coverage) a cell was entered that must never be",
  async run(args, terminal) {
    keepFreedMemory();
    const [what, ...names] = args.positionals;
    if (what !== undefined) {
      const suite = suiteNamed(what);
      const known = suites.map(({ name }) => name).join(", ");
      if (suite === undefined) {
        throw usageError(`there is no "${what}" to simulate: there are ${known}, or no name at all`);
      }
      const run = args.flag("claims") ? runClaims : runExperiments;
      return run(suite, names, args, terminal);
    }
    const given = scheduleOptions(args);
    const chosen = args.text("layer");
    const file = args.text("schedule");
    const first = args.number("seed") ?? Math.floor(Math.random() * 2 ** 32);
    const runs = file === undefined ? (args.number("runs") ?? 1) : 1;
    const saved = file === undefined ? undefined : await readSchedule(file);
    const save = args.text("save");
    if (save !== undefined) await isWritable(save);
    const jobs = Math.min(runs, args.number("jobs") ?? (hasWorker ? availableParallelism() : 1));
    if (jobs > 1 && !hasWorker) throw usageError("--jobs above 1 needs the built program: npm run build");
    const coverage = new Map<string, number>();
    const failed: number[] = [];
    const startedAt = performance.now();
    const progress = new Progress(terminal, "sim", runs, startedAt);
    let done = 0;
    let simulatedMs = 0;
    let failure: Run | undefined;
    let last: Run | undefined;

    function* tasks(): Generator<SimTask> {
      for (let i = 0; i < runs; i++) {
        const seed = saved?.schedule.seed ?? first + i;
        const layer = saved?.layer ?? LAYERS.find((name) => name === chosen) ?? (seed % 2 === 1 ? "groups" : "daemons");
        // The last one is what is shown, or saved, if none fails.
        yield { layer, seed, options: given, keep: i === runs - 1, ...(saved && { saved: saved.schedule }) };
      }
    }
    try {
      for await (const run of runAll({ tasks: tasks(), jobs, signal: terminal.signal })) {
        const { layer, summary, result } = run;
        done++;
        simulatedMs += summary.stats.simulatedMs;
        if (result !== undefined) last = { layer, result };
        for (const [cell, visits] of run.coverage) coverage.set(cell, (coverage.get(cell) ?? 0) + visits);
        if (summary.verdict === "failed") {
          failed.push(summary.seed);
          failure ??= last;
        }
        if (args.flag("json")) terminal.print(JSON.stringify(summary));
        progress.update(done, performance.now(), `seed ${summary.seed}, ${failed.length} failed`);
      }
    } finally {
      progress.finish();
    }
    const seconds = (performance.now() - startedAt) / 1_000;

    const shown = failure !== undefined && args.flag("shrink") ? await shrunk(failure, terminal) : (failure ?? last);
    if (save !== undefined && shown !== undefined) {
      const file: SavedSchedule = { layer: shown.layer, schedule: shown.result.schedule };
      await writeFile(save, `${JSON.stringify(file)}\n`);
      terminal.note(`saved to ${save}; again: amalgam sim --schedule ${save}`);
    }
    const reached = args.flag("coverage") ? coverageText(coverage) : undefined;
    if (!args.flag("json") && done > 0) {
      const one = runs === 1 || failure !== undefined ? shown : undefined;
      if (one !== undefined) terminal.print(formatTimeline(one.result.timeline));
      terminal.print(verdict(one, failed, done, speed(simulatedMs / 1_000, seconds), terminal));
      if (reached !== undefined) terminal.print(reached.text);
    }
    if (terminal.signal.aborted && failure === undefined) return ExitCode.interrupted;
    return failure !== undefined || reached?.fatal === true ? ExitCode.failed : ExitCode.ok;
  },
});

/** What takes long is not to be in vain. Throws a `CliError`. */
async function isWritable(file: string): Promise<void> {
  try {
    await appendFile(file, "");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.failed, `--save ${file} cannot be written: ${why}`);
  }
}

/** What is not given is left to the layer. */
function scheduleOptions(args: Arguments): ScheduleOptions {
  const daemons = args.text("daemons");
  const sites = sitesRange(args);
  const seconds = args.number("seconds");
  const lossMax = args.number("loss");
  const sendsPerSecond = args.number("rate");
  return {
    ...(daemons !== undefined && { daemons: rangeOf("--daemons", daemons, 128) }),
    ...(sites !== undefined && { sites }),
    ...(seconds !== undefined && { faultsMs: seconds * 1_000 }),
    ...(lossMax !== undefined && { lossMax }),
    ...(sendsPerSecond !== undefined && { sendsPerSecond }),
  };
}

function sitesRange(args: Arguments): readonly [number, number] | undefined {
  const given = args.text("sites");
  const layer = args.text("layer");
  if (given !== undefined && (layer === "regions" || layer === "timely" || layer === "plato"))
    throw usageError(`--sites is of daemons, which --layer ${layer} has not`);
  const sites = given === undefined ? undefined : rangeOf("--sites", given, 32);
  const least = sites?.[0] ?? (layer === "sites" ? 2 : 1);
  if (sites !== undefined && least < 2) throw usageError("--sites is 2 or more; without it there is one");
  const daemons = args.text("daemons");
  if (daemons !== undefined && rangeOf("--daemons", daemons, 128)[0] < least) {
    throw usageError(`--daemons ${daemons} are too few for ${least} sites: each site has one at least`);
  }
  return sites;
}

function rangeOf(option: string, given: string, most: number): readonly [number, number] {
  const range = /^(\d+)(?:-(\d+))?$/.exec(given);
  const min = Number(range?.[1]);
  const max = Number(range?.[2] ?? range?.[1]);
  if (range === null || min < 1 || max < min || max > most) {
    throw usageError(`${option} is a number such as 5 or a range such as 3-8, up to ${most}`);
  }
  return [min, max];
}

/** What `--save` writes. */
type SavedSchedule = { readonly layer: Layer; readonly schedule: LayerSchedule };

async function readSchedule(file: string): Promise<SavedSchedule> {
  try {
    const saved = JSON.parse(await readFile(file, "utf8")) as SavedSchedule;
    const schedule: Readonly<Record<string, unknown>> = saved.schedule ?? {};
    const own = {
      daemons: ["site"],
      groups: ["site"],
      sites: ["site"],
      clients: ["site", "clients"],
      regions: ["acts"],
      timely: ["acts", "groups"],
      plato: ["acts", "groups"],
    }[saved.layer];
    const lists = ["faults", "sends", ...(own ?? ["layer"])].map((name) => schedule[name]);
    const isSchedule = typeof schedule["seed"] === "number" && lists.every(Array.isArray);
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

async function shrunk({ layer, result }: Run, terminal: Terminal): Promise<Run> {
  const progress = new Progress(terminal, "shrink", SHRINK_RUNS, performance.now());
  let runs = 0;
  const smaller = await shrinkOnLayer(layer, result, SHRINK_RUNS, (schedule) =>
    progress.update(++runs, performance.now(), describeSize(schedule)),
  );
  progress.finish();
  terminal.note(`${describeSize(result.schedule)} became ${describeSize(smaller)}`);
  return { layer, result: await replayOnLayer(layer, smaller) };
}

function speed(simulatedSeconds: number, seconds: number): string {
  const perSecond = shownNumber(Math.round(simulatedSeconds / seconds));
  return `${shownNumber(Math.round(simulatedSeconds))} simulated seconds in ${seconds.toFixed(1)} s (${perSecond} per second)`;
}

/** `shown`: the only run, or the first that failed. */
function verdict(
  shown: Run | undefined,
  failed: readonly number[],
  runs: number,
  speed: string,
  terminal: Terminal,
): string {
  const one = shown === undefined ? [] : [describeRun(shown)];
  if (failed.length === 0) {
    const passed = terminal.style("green", runs === 1 ? "PASSED" : `PASSED ${shownNumber(runs)} schedules`);
    return [...one, `${passed}: every guarantee held; ${speed}`].join("\n");
  }
  const violations = shown?.result.violations ?? [];
  const listed = failed.slice(0, SEEDS_SHOWN).join(", ") + (failed.length > SEEDS_SHOWN ? ", ..." : "");
  return [
    ...one,
    ...violations.map(({ property, what, at }) => `  ${property} at ${at.toFixed(3)} ms: ${what}`),
    `${terminal.style("red", `FAILED ${failed.length} of ${runs}`)}: seeds ${listed}; ${speed}`,
  ].join("\n");
}

function describeRun({ layer, result: { schedule, stats } }: Run): string {
  const { seed, faults } = schedule;
  const who = `${populationOf(schedule)} ${isOfNodes(schedule) ? "nodes" : "daemons"}`;
  const what = `seed ${seed} (${layer}): ${who}, ${faults.length} faults`;
  const sent = `${shownNumber(stats.sent)} messages sent`;
  if ("sessions" in stats) {
    const clients = isOfNodes(schedule) ? 0 : (schedule.clients?.length ?? 0);
    return `${what}, ${clients} clients in ${stats.sessions} sessions, ${sent}, ${shownNumber(stats.received)} received, ${stats.views} views`;
  }
  const delivered = `${shownNumber(stats.delivered)} delivered`;
  if ("installed" in stats) return `${what}, ${sent}, ${delivered}, ${stats.installed} configurations installed`;
  const failed = `${stats.failed} ${stats.failed === 1 ? "node" : "nodes"} failed`;
  if ("views" in stats) {
    return `${what}, ${sent}, ${delivered}, ${stats.lost} told as lost, ${stats.views} region views, ${failed}`;
  }
  const repaired = `${shownNumber(stats.rebuilt)} of them rebuilt and ${shownNumber(stats.resent)} sent again`;
  const ordered = `${shownNumber(stats.committed)} commits, ${shownNumber(stats.rolledBack)} rollbacks`;
  return `${what}, ${sent}, ${delivered}, ${repaired}, ${stats.lost} told as lost, ${ordered}, ${failed}`;
}

const TABLES = [
  ["Daemon membership", "evs ", EVS_CELLS],
  ["Group membership", "groups ", groupsCells],
  ["Nodes in regions", "regions ", REGION_CELLS],
  ["Timely groups", "timely ", TIMELY_CELLS],
  ["Total order of timely groups", "plato ", PLATO_CELLS],
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
