import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nearest } from "../daemon/config/suggest.ts";
import { type Bound, type Claim, type ClaimSet, type Finding, findingOf, type Sample } from "../sim/load/claims.ts";
import type { Suite } from "../sim/load/experiment.ts";
import type { Arguments } from "./arguments.ts";
import { ExitCode, usageError } from "./exit-codes.ts";
import { jobsFor, resultsOf } from "./experiments.ts";
import { table } from "./format.ts";
import { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const SEEDS = 10;

/** A claim with what was found of it, as it is written down. */
type Row = Pick<Claim, "group" | "what" | "unit" | "digits" | "bound"> &
  Finding & {
    readonly seeds: readonly [first: number, count: number];
    readonly samples: readonly Sample[];
  };

/** `amalgam sim PROTOCOL --claims`: measures what the protocol shall reach, all of it or the groups of claims that are named. */
export async function runClaims(
  suite: Suite,
  names: readonly string[],
  args: Arguments,
  terminal: Terminal,
): Promise<number> {
  const { claims: set } = suite;
  if (set === undefined) throw usageError(`nothing is claimed of ${suite.name}`);
  const claims = chosen(set, names);
  const first = args.number("seed") ?? Math.floor(Math.random() * 2 ** 31);
  const seeds = args.number("seeds") ?? SEEDS;
  const isMore = args.flag("more");
  if (isMore && (args.text("out") === undefined || args.number("seed") === undefined)) {
    throw usageError("--more goes on with what is in --out, from --seed on: both have to be given");
  }
  const runs = [...new Set(claims.flatMap((claim) => claim.runs))];
  const tasks = runs.flatMap((run) =>
    Array.from({ length: seeds }, (_, i) => ({
      run,
      name: `${run}, seed ${first + i}`,
      scenario: set.scenario(run, first + i),
    })),
  );

  terminal.note(`seeds ${first} to ${first + seeds - 1}`);
  const results = new Map<string, unknown[]>(runs.map((run) => [run, []]));
  /** Of claims whose runs are all done. */
  const rows = (): Row[] =>
    claims
      .filter((claim) => claim.runs.every((run) => results.get(run)?.length === seeds))
      .map((claim) => rowOf(claim, results, [first, seeds]));
  const out = args.text("out");
  let written: string | undefined;
  const progress = new Progress(terminal, `sim ${suite.name}`, tasks.length, performance.now());
  let done = 0;
  try {
    for await (const result of resultsOf(suite, tasks, jobsFor(tasks.length, args), terminal.signal)) {
      const task = tasks[done++] as (typeof tasks)[number];
      results.get(task.run)?.push(result);
      progress.update(done, performance.now(), task.name);
      // Who interrupts it, after half an hour, keeps what was found.
      if (out !== undefined && done % seeds === 0) written = await writeFindings(out, suite.name, set, rows(), isMore);
    }
  } finally {
    progress.finish();
  }
  if (terminal.signal.aborted) return ExitCode.interrupted;

  const found = rows();
  if (args.flag("json")) for (const row of found) terminal.print(JSON.stringify(row));
  else terminal.print(table([HEAD, ...found.map(cellsOf)]));
  if (written !== undefined) terminal.note(`written to ${written}`);
  return found.some(({ reached }) => reached === "no") ? ExitCode.failed : ExitCode.ok;
}

function rowOf(claim: Claim, results: ReadonlyMap<string, readonly unknown[]>, seeds: Row["seeds"]): Row {
  const samples = Array.from({ length: seeds[1] }, (_, i) =>
    claim.of(...claim.runs.map((run) => results.get(run)?.[i])),
  );
  const { group, what, unit, digits, bound } = claim;
  return { group, what, unit, digits, ...(bound && { bound }), ...findingOf(claim, samples), seeds, samples };
}

function chosen({ claims }: ClaimSet, names: readonly string[]): readonly Claim[] {
  const groups = [...new Set(claims.map(({ group }) => group))];
  for (const name of names) {
    if (groups.includes(name)) continue;
    const meant = nearest(name, groups);
    const hint = meant === undefined ? `there are ${groups.join(", ")}` : `did you mean ${meant}?`;
    throw usageError(`there are no claims about ${name}: ${hint}`);
  }
  return names.length === 0 ? claims : claims.filter(({ group }) => names.includes(group));
}

const HEAD = ["claim", "asked for", "mean", "95 % interval", "seeds", "reached"];

function cellsOf({ what, unit, digits, bound, mean, low, high, seeds, reached }: Row): readonly string[] {
  const shown = (value: number): string =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const withUnit = `${shown(mean)} ${unit}`.trim();
  const interval = low === high ? "-" : `${shown(low)} to ${shown(high)}`;
  return [what, asked(bound, unit), withUnit, interval, String(seeds[1]), reached ?? "-"];
}

function asked(bound: Bound | undefined, unit: string): string {
  if (bound === undefined) return "-";
  return ("atLeast" in bound ? `at least ${bound.atLeast} ${unit}` : `at most ${bound.atMost} ${unit}`).trim();
}

/**
 * Writes what was found beside what earlier calls have found of other claims, as JSON and as a table; `isMore`: and together with what they have found
 * of these, with seeds before these. Returns where.
 */
async function writeFindings(
  out: string,
  name: string,
  set: ClaimSet,
  rows: readonly Row[],
  isMore: boolean,
): Promise<string> {
  const folder = join(out, "data");
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}-claims.json`);
  const found = new Map((await earlier(file)).map((row) => [`${row.group}: ${row.what}`, row]));
  for (const row of rows) {
    const key = `${row.group}: ${row.what}`;
    const before = found.get(key);
    found.set(key, isMore && before !== undefined ? joined(set, before, row) : row);
  }
  const all = set.claims.flatMap(({ group, what }) => found.get(`${group}: ${what}`) ?? []);
  await writeFile(file, `[\n${all.map((row) => JSON.stringify(row, shortened)).join(",\n")}\n]\n`);
  const cells = [HEAD, HEAD.map(() => "---"), ...all.map(cellsOf)];
  const markdown = join(folder, `${name}-claims.md`);
  await writeFile(markdown, `${cells.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`);
  return `${file} and ${markdown}`;
}

/** What was found with some seeds, and with those that follow them. */
function joined({ claims }: ClaimSet, before: Row, after: Row): Row {
  const { group, what } = after;
  const [first, count] = before.seeds;
  const [next, more] = after.seeds;
  // It was written before, by this call.
  if (first + count === next + more) return before;
  if (first + count !== next) {
    throw usageError(
      `of "${what}" there are seeds ${first} to ${first + count - 1}: --more goes on with ${first + count}`,
    );
  }
  const claim = claims.find((one) => one.group === group && one.what === what) as Claim;
  const samples = [...before.samples, ...after.samples];
  return { ...after, ...findingOf(claim, samples), seeds: [first, count + more], samples };
}

async function earlier(file: string): Promise<Row[]> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Row[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw usageError(`${file} is not what an earlier call has written: ${(error as Error).message}`);
  }
}

function shortened(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
