/*
 * Regions of 100 to 10,000 simulated nodes, rounds in turn and as a tree: how long a round takes, how long until a message is known to be
 * everywhere, repairs, tokens and memory. `--nodes=3000,10000`, `--modes=tree` and `--cases=calm` choose. `--with=a.json,b.json` adds the
 * results of earlier runs, `--out=` and `--plots=` say where all of them go.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeChange, encodeChange } from "../src/cms/change-codec.ts";
import type { RingMode } from "../src/qsm/config.ts";
import { figure, isMain, median, percentile, printTable, saveResults } from "./report.ts";
import { ScaleNet } from "./scale-net.ts";
import { type Curve, logPlot } from "./log-plot.ts";

type Case = "calm" | "loss" | "crash";
const CASES: readonly Case[] = ["calm", "loss", "crash"];

export type ScaleResult = {
  readonly nodes: number;
  readonly mode: RingMode;
  readonly what: Case;
  readonly roundMs: number;
  readonly stableMs: number;
  readonly stable99Ms: number;
  readonly stableMaxMs: number;
  readonly unstable: number;
  readonly lost: number;
  readonly repairs: number;
  readonly resent: number;
  readonly redundant: number;
  readonly tokensPerRound: number;
  readonly tokenBytes: number;
  readonly tokenBytesMax: number;
  readonly busiestControls: number;
  readonly heapKb: number;
  readonly keptMax: number;
};

type Saved = { readonly results: readonly ScaleResult[] };

/** In turn, rounds of thousands take longer than the second that is the default: tokens are released so seldom that they come back. */
const periodOf = (nodes: number, mode: RingMode): number => (mode === "sequential" && nodes >= 3_000 ? 20_000 : 1_000);
/** Messages of a run: fewer where each of them is delivered thousands of times. */
const messagesOf = (nodes: number): number => Math.min(100, Math.ceil(100_000 / nodes));
const BYTES = 1_000;
const SENDER = 7;
const FAILED = 13;
const DETECTION_MS = 1_000;
const LOSS = 0.01;

function run(nodes: number, mode: RingMode, what: Case): ScaleResult {
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const periodMs = periodOf(nodes, mode);
  const config = { ringMode: mode, tokenRate: 1_000 / periodMs, tokenLossMs: 120_000, rateStart: 1_000 };
  const net = new ScaleNet(nodes, nodes, config);
  if (what === "loss") net.lossShare = LOSS;
  // In turn a round of 10,000 takes seconds: some of them have to be seen.
  const treeMs = nodes < 10_000 ? 10_000 : 5_000;
  const sendMs = mode === "sequential" ? Math.max(10_000, 4 * nodes) : treeMs;
  const count = messagesOf(nodes);
  const sentAt = Array.from({ length: count }, (_, i) => 100 + (i * (sendMs - 100)) / count);
  sentAt.forEach((at, i) => net.at(at, () => net.send(SENDER, BYTES, i)));
  if (what === "crash") {
    net.at(sendMs / 3, () => net.crash(FAILED));
    net.at(sendMs / 3 + DETECTION_MS, () => net.declareFailed(FAILED));
  }
  const rounds = new Map<number, number>();
  let keptMax = 0;
  for (let at = 0; at <= sendMs; at += 250) {
    net.runTo(at);
    for (const { node } of net.places) {
      for (const { isLeader, ring, streams } of node.regions) {
        if (isLeader && ring.roundTripMs > 0) rounds.set(ring.round, ring.roundTripMs);
        let kept = 0;
        for (const stream of streams.values()) kept += stream.kept.packets;
        if (kept > keptMax) keptMax = kept;
      }
    }
  }
  globalThis.gc?.();
  const heapKb = (process.memoryUsage().heapUsed - heapBefore) / nodes / 1_024;
  const controls = net.places.map((place) => place.controls);
  const { tokens } = net.counts;
  net.runTo(sendMs + 60_000);
  const times = sentAt.flatMap((at, i) => {
    const stableAt = net.stableAt.get(i);
    return stableAt === undefined ? [] : stableAt - at;
  });
  let redundant = 0;
  let resent = 0;
  for (const { node } of net.places) {
    for (const { counters } of node.regions) redundant += counters.redundant;
    for (const { resentCount } of node.senders) resent += resentCount;
  }
  const roundMs = median([...rounds.values()]);
  const roundCount = sendMs / Math.max(periodMs, roundMs * 1.5);
  return {
    nodes,
    mode,
    what,
    roundMs,
    stableMs: median(times),
    stable99Ms: percentile(times, 0.99),
    stableMaxMs: Math.max(0, ...times),
    unstable: count - times.length,
    lost: net.counts.lost,
    repairs: net.counts.repair,
    resent,
    redundant,
    tokensPerRound: tokens / roundCount,
    tokenBytes: net.counts.tokenBytes / Math.max(1, net.counts.tokens),
    tokenBytesMax: net.counts.tokenBytesMax,
    busiestControls: Math.max(...controls) / (sendMs / 1_000),
    heapKb,
    keptMax,
  };
}

/** What each node of a real system has to know of the others besides, KB: a change that tells of so many members, decoded. */
function membersKb(nodes: number): number {
  const { view } = new ScaleNet(nodes, 1, {});
  const bytes = encodeChange({
    seq: 1,
    n: 1,
    failed: [],
    viewsFailed: [],
    regionsCreated: [view],
    regionsChanged: [],
    regionsDeleted: [],
    groupsCreated: [],
    groupsChanged: [],
    groupsDeleted: [],
    finals: [],
  });
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const copies = Array.from({ length: Math.ceil(50_000 / nodes) }, () => decodeChange(bytes));
  globalThis.gc?.();
  return (process.memoryUsage().heapUsed - before) / copies.length / 1_024;
}

function list(name: string, standard: string): string[] {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`));
  return (given?.slice(name.length + 3) ?? standard).split(",");
}

function plots(results: readonly ScaleResult[]): void {
  const folder = list("plots", "")[0] as string;
  if (folder === "") return;
  const curve = (mode: RingMode, what: Case, of: (result: ScaleResult) => number): Curve => ({
    name: `${mode === "tree" ? "tree" : "in turn"}, ${what === "loss" ? "1 % loss" : what}`,
    points: results.filter((r) => r.mode === mode && r.what === what && of(r) > 0).map((r) => [r.nodes, of(r)]),
  });
  const both = (of: (result: ScaleResult) => number): Curve[] =>
    (["sequential", "tree"] as const).flatMap((mode) => [curve(mode, "calm", of), curve(mode, "loss", of)]);
  const write = (name: string, svg: string): void =>
    writeFileSync(fileURLToPath(new URL(`../${folder}/${name}.svg`, import.meta.url)), svg);
  write(
    "scale-round",
    logPlot(
      "Time of a round",
      "nodes",
      "ms",
      both((r) => r.roundMs),
    ),
  );
  write(
    "scale-stable",
    logPlot(
      "From sending to known to be everywhere, median",
      "nodes",
      "ms",
      both((r) => (periodOf(r.nodes, r.mode) === 1_000 ? r.stableMs : 0)),
    ),
  );
}

if (isMain(import.meta.url)) {
  const sizes = list("nodes", "100,300,1000")
    .filter((text) => text !== "")
    .map(Number);
  const modes = list("modes", "sequential,tree") as RingMode[];
  const cases = list("cases", "calm,loss,crash") as Case[];
  // Of runs in pieces: each of the greatest takes a minute.
  const earlier = list("with", "")
    .filter((text) => text !== "")
    .map((file) => JSON.parse(readFileSync(file, "utf8")) as Saved);
  const results: ScaleResult[] = earlier.flatMap((saved) => saved.results);
  for (const nodes of sizes) {
    for (const what of cases) {
      for (const mode of modes) {
        results.push(run(nodes, mode, what));
        console.error(JSON.stringify(results.at(-1)));
      }
    }
  }
  results.sort((a, b) => a.nodes - b.nodes || CASES.indexOf(a.what) - CASES.indexOf(b.what));
  printTable(
    [
      "nodes",
      "round",
      "case",
      "round ms",
      "stable ms",
      "99 %",
      "most",
      "lost",
      "repairs",
      "resent",
      "unneeded",
      "token B",
      "max",
      "busiest/s",
      "KB/node",
      "kept",
    ],
    results.map((r) => [
      String(r.nodes),
      r.mode,
      r.what,
      ...[
        r.roundMs,
        r.stableMs,
        r.stable99Ms,
        r.stableMaxMs,
        r.lost,
        r.repairs,
        r.resent,
        r.redundant,
        r.tokenBytes,
        r.tokenBytesMax,
      ].map(figure),
      ...[r.busiestControls, r.heapKb, r.keptMax].map(figure),
    ]),
  );
  const sizesOfAll = [...new Set(results.map(({ nodes }) => nodes))];
  const members = sizesOfAll.map((nodes) => ({ nodes, kb: membersKb(nodes) }));
  results.sort((a, b) => a.nodes - b.nodes || CASES.indexOf(a.what) - CASES.indexOf(b.what));
  printTable(
    ["nodes", "KB to know them"],
    members.map(({ nodes, kb }) => [String(nodes), figure(kb)]),
  );
  saveResults("scale", { results, members });
  const out = list("out", "")[0] as string;
  if (out !== "")
    writeFileSync(new URL(`../${out}`, import.meta.url), `${JSON.stringify({ results, members }, null, 1)}\n`);
  plots(results);
}
