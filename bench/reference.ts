/*
 * The reference: what `npm run bench` runs. Messages through daemons in network namespaces in the ways that users have, each beside the
 * raw baseline of the same run: one sender, all send, many groups, safe, loss, 8 and 16 daemons, latency at half of the
 * throughput. A table, JSON, and plots in bench/results/.
 *
 * Options: --repetitions=3 --ms=3000 --only=one,all (names of scenarios) --compare=OLD.json (a reference.json of another time)
 */
import { readFileSync, writeFileSync } from "node:fs";
import { needNamespaces, printBaseline } from "./baseline.ts";
import { type Flow, type FlowResult, slowest } from "./flow.ts";
import { type Curve, logPlot } from "./log-plot.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";
import { type Measured, ratioOf, Turns } from "./turns.ts";

type Scenario = {
  readonly name: string;
  readonly flow: Pick<Flow, "daemons" | "senders" | "payloadBytes" | "service" | "groups" | "loss">;
  /** What it has to reach (docs/performance.md). */
  readonly target?: Target;
};

/** `ratio`: to the baseline; `share`: of the same without loss; `cpuMicros`: of all processes per delivered message. */
type Target = { readonly of: "ratio" | "share" | "cpuMicros" | "p99Ms"; readonly value: number };

type Row = {
  readonly name: string;
  readonly messagesPerSecond: number;
  readonly ratio: number;
  readonly cpuMicros: number;
  readonly gcLongestMs: number;
  readonly latencyMs: FlowResult["latencyMs"];
  readonly target: Target | undefined;
  readonly reached: number | undefined;
  readonly runs: readonly Measured[];
};

const SIZES = [100, 1_000, 10_000, 100_000];
const RATIOS: Readonly<Record<number, number>> = { 100: 2.2, 1_000: 1.55, 10_000: 0.29 };
const three = { daemons: 3, senders: 1, service: "agreed" };

const SCENARIOS: readonly Scenario[] = [
  ...SIZES.map((payloadBytes) => {
    const ratio = RATIOS[payloadBytes];
    const scenario = { name: `one ${payloadBytes}`, flow: { ...three, payloadBytes } };
    return ratio === undefined ? scenario : { ...scenario, target: { of: "ratio" as const, value: ratio } };
  }),
  ...SIZES.map((payloadBytes) => ({ name: `all ${payloadBytes}`, flow: { ...three, senders: 3, payloadBytes } })),
  { name: "groups 1000", flow: { ...three, payloadBytes: 1_000, groups: 100 } },
  { name: "safe 1000", flow: { ...three, payloadBytes: 1_000, service: "safe" } },
  { name: "loss 1000", flow: { ...three, payloadBytes: 1_000, loss: 0.01 }, target: { of: "share", value: 0.7 } },
  { name: "8 daemons 1000", flow: { ...three, daemons: 8, payloadBytes: 1_000 } },
  {
    name: "16 daemons 1000",
    flow: { ...three, daemons: 16, payloadBytes: 1_000 },
    target: { of: "cpuMicros", value: 6 },
  },
];
/** Latency is measured at half of what these have reached. */
const UNDER_LOAD = ["one 100", "one 1000"];

needNamespaces();
const repetitions = Number(option("repetitions", "3"));
const ms = Number(option("ms", "3000"));
const only = option("only", "")
  .split(",")
  .filter((name) => name !== "");
const unknown = only.find((name) => !SCENARIOS.some((scenario) => kindOf(scenario.name) === name));
if (unknown !== undefined) {
  const kinds = [...new Set(SCENARIOS.map(({ name }) => kindOf(name)))].join(", ");
  console.error(`--only: there is no scenario ${JSON.stringify(unknown)}; there are ${kinds}`);
  process.exit(2);
}
const compareWith = option("compare", "");
const before = compareWith === "" ? undefined : readBefore(compareWith);

const turns = new Turns();
const wanted = SCENARIOS.filter(({ name }) => only.length === 0 || only.includes(kindOf(name)));
const runs = new Map<string, Measured[]>(wanted.map(({ name }) => [name, []]));
// By turns, so that a minute in which the machine is busy does not fall on one scenario alone.
for (let i = 0; i < repetitions; i++) {
  for (const { name, flow } of wanted) {
    process.stdout.write(`\r${i + 1}/${repetitions} ${name.padEnd(20)}`);
    runs.get(name)?.push(await turns.measure({ ...flow, ms }));
  }
}
const rows: Row[] = wanted.map((scenario) => rowOf(scenario, runs.get(scenario.name) as Measured[]));
for (const row of rows.filter(({ name }) => UNDER_LOAD.includes(name))) rows.push(await underLoad(row));
process.stdout.write("\r");
const { baseline } = turns;
printBaseline(baseline);
print();
saveResults("reference", { baseline, datagrams: rows[0]?.runs[0]?.datagrams, rows });
plot();

function kindOf(name: string): string {
  return name.slice(0, name.lastIndexOf(" "));
}

function rowOf({ name, flow, target }: Scenario, results: readonly Measured[]): Row {
  const messagesPerSecond = median(results.map(slowest));
  const ratio = ratioOf(results);
  const cpuMicros = median(results.map(({ daemonCpu, clientCpu }) => daemonCpu + clientCpu));
  const gcLongestMs = Math.max(
    ...results.map(({ daemonPauses, clientPauses }) => Math.max(daemonPauses.longestMs, clientPauses.longestMs)),
  );
  const [first] = results;
  const lossless = runs.get(`one ${flow.payloadBytes}`) ?? [];
  const share = lossless.length === 0 ? undefined : ratio / ratioOf(lossless);
  const reached = { ratio, share, cpuMicros, p99Ms: first?.latencyMs?.p99 }[target?.of ?? "ratio"];
  const latencyMs = first?.latencyMs;
  return { name, messagesPerSecond, ratio, cpuMicros, gcLongestMs, latencyMs, target, reached, runs: results };
}

/** The same at half of the rate, where no queue should be. */
async function underLoad(full: Row): Promise<Row> {
  const scenario = SCENARIOS.find(({ name }) => name === full.name) as Scenario;
  const rate = Math.round(full.messagesPerSecond / 2);
  const result = await turns.measure({ ...scenario.flow, ms, rate });
  const name = `half of ${full.name}`;
  return rowOf({ ...scenario, name, target: { of: "p99Ms", value: 5 } }, [result]);
}

function print(): void {
  const head = ["scenario", "messages/s", "/ baseline", "us/delivery", "GC ms", "p50 / p99 ms", "target", "reached"];
  if (before !== undefined) head.push("before / baseline", "change");
  printTable(
    head,
    rows.map((row) => {
      const { name, latencyMs, target, reached } = row;
      const cells = [
        name,
        figure(row.messagesPerSecond),
        row.ratio.toFixed(2),
        figure(row.cpuMicros),
        figure(row.gcLongestMs),
        latencyMs === undefined ? "" : `${figure(latencyMs.median)} / ${figure(latencyMs.p99)}`,
        target === undefined ? "" : `${target.of} ${target.value}`,
        target === undefined || reached === undefined ? "" : figure(reached),
      ];
      if (before === undefined) return cells;
      const old = before.get(name);
      if (old === undefined) return [...cells, "-", "-"];
      return [...cells, old.toFixed(2), `${((row.ratio / old - 1) * 100).toFixed(0)} %`];
    }),
  );
}

/** The ratios of another run, by scenario: machines, and minutes, differ, and the baseline with them. */
function readBefore(file: string): ReadonlyMap<string, number> {
  let rows: unknown;
  try {
    rows = (JSON.parse(readFileSync(file, "utf8")) as { results?: { rows?: unknown } }).results?.rows;
  } catch (error) {
    console.error(`--compare: ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
  if (!Array.isArray(rows)) {
    console.error(`--compare: ${file} is none of this benchmark's results`);
    process.exit(2);
  }
  return new Map((rows as Row[]).map(({ name, ratio }) => [name, ratio]));
}

function plot(): void {
  const curve = (kind: string): Curve => ({
    name: `${kind} sends`,
    points: SIZES.flatMap((size) => {
      const row = rows.find(({ name }) => name === `${kind} ${size}`);
      return row === undefined ? [] : [[size, row.messagesPerSecond] as const];
    }),
  });
  const curves = [curve("one"), curve("all")].filter(({ points }) => points.length > 1);
  if (curves.length > 0) save("by-size", "bytes per message", "messages/s at every receiver", curves);
  const counts = [3, 8, 16].flatMap((daemons) => {
    const row = rows.find(({ name }) => name === (daemons === 3 ? "one 1000" : `${daemons} daemons 1000`));
    return row === undefined ? [] : [[daemons, row.messagesPerSecond * daemons] as const];
  });
  if (counts.length > 1) {
    save("by-daemons", "daemons", "deliveries/s of all, 1000 bytes", [{ name: "one sends", points: counts }]);
  }
}

function save(name: string, x: string, y: string, curves: readonly Curve[]): void {
  const file = new URL(`./results/reference-${name}.svg`, import.meta.url);
  writeFileSync(file, logPlot("Ordered messages (agreed)", x, y, curves));
  console.log(`plot: bench/results/reference-${name}.svg`);
}
