/*
 * Throughput through three daemons in three network namespaces on a bridge: per daemon a sending and a receiving
 * client (two connections of one process), agreed service. Messages/s at every receiver, and their ratio to the baseline's packets/s in the
 * same run.
 *
 * Options: --sizes=100,1000 --repetitions=3 --ms=3000 --service=agreed --loss=0.01 (of what reaches the second daemon)
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { measureBaseline, needNamespaces, printBaseline } from "./baseline.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";
import { BenchSite, told } from "./site.ts";

const FLOOD = fileURLToPath(new URL("./flood-process.mjs", import.meta.url));
const DAEMONS = 3;
const TARGETS: Readonly<Record<number, number>> = { 100: 1.5, 1000: 0.7, 10_000: 0.11 };
/** Messages that a sending client may have on the way to its daemon. */
const WINDOW: Readonly<Record<number, number>> = { 100: 2_000, 1000: 500, 10_000: 100 };
/** V8 compiles what is hot in the first seconds; what counts is a system that runs. */
const WARM_UP_MS = 3_000;

type Count = {
  readonly kind: "count";
  readonly received: number;
  readonly payloadBytes: number;
  readonly at: number;
  readonly cpu: { readonly user: number; readonly system: number };
};

type Run = {
  readonly perReceiver: readonly number[];
  readonly daemonCpu: number;
  readonly clientCpu: number;
  readonly visitsPerSecond: number;
  readonly packetsPerVisit: number;
  readonly retransmissions: number;
};

needNamespaces();
const sizes = option("sizes", "100,1000,10000").split(",").map(Number);
const repetitions = Number(option("repetitions", "3"));
const ms = Number(option("ms", "3000"));
const service = option("service", "agreed");
const loss = Number(option("loss", "0"));
const settings = option("settings", "").replaceAll(";", "\n");

const baseline = await measureBaseline();
printBaseline(baseline);
let datagrams = "";
const results: unknown[] = [];
const rows: string[][] = [];
for (const size of sizes) {
  const runs: Run[] = [];
  for (let i = 0; i < repetitions; i++) runs.push(await measure(size));
  const slowest = runs.map((run) => Math.min(...run.perReceiver));
  const rate = median(slowest);
  const ratio = rate / baseline.packetsPerSecond;
  results.push({ payloadBytes: size, service, messagesPerSecond: rate, ratio, target: TARGETS[size], runs });
  rows.push([
    `${size}`,
    figure(rate),
    figure((rate * size) / 1e6),
    ratio.toFixed(2),
    TARGETS[size] === undefined ? "" : `${TARGETS[size]}`,
    figure(median(runs.map(({ daemonCpu }) => daemonCpu))),
    figure(median(runs.map(({ clientCpu }) => clientCpu))),
    figure(median(runs.map((run) => run.visitsPerSecond))),
    figure(median(runs.map((run) => run.packetsPerVisit))),
    figure(runs.reduce((sum, run) => sum + run.retransmissions, 0)),
    slowest.map(figure).join(" "),
  ]);
}
console.log(`datagrams: ${datagrams}`);
printTable(
  [
    "bytes",
    "messages/s",
    "MB/s",
    "/ baseline",
    "target",
    "daemon us/msg",
    "client us/msg",
    "visits/s",
    "packets/visit",
    "repeated",
    "repetitions",
  ],
  rows,
);
saveResults("throughput", { baseline, datagrams, service, loss, throughput: results });

async function measure(payloadBytes: number): Promise<Run> {
  const site = await BenchSite.start(DAEMONS, { namespaces: true, settings });
  const { path, because } = (await site.status(0)).site.datagrams;
  datagrams = `${path} (${because})`;
  const window = String(WINDOW[payloadBytes] ?? 500);
  const clients: ChildProcess[] = [];
  try {
    for (let daemon = 0; daemon < DAEMONS; daemon++) {
      const args = [site.address(daemon), String(payloadBytes), service, "bench", window, "send"];
      const child = site.spawn(daemon, FLOOD, args);
      clients.push(child);
      await told(child, "ready");
    }
    if (loss > 0) site.lab?.setLoss(1, loss);
    for (const child of clients) child.send({ kind: "start" });
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const begin = await Promise.all(clients.map(count));
    const daemonsBegin = await Promise.all(site.names.map((_, i) => site.usage(i)));
    const ringsBegin = await rings(site);
    await new Promise((resolve) => setTimeout(resolve, ms));
    const end = await Promise.all(clients.map(count));
    const daemonsEnd = await Promise.all(site.names.map((_, i) => site.usage(i)));
    const ringsEnd = await rings(site);
    const perReceiver = end.map((last, i) => {
      const first = begin[i] as Count;
      if (last.payloadBytes !== payloadBytes) throw new Error(`received ${last.payloadBytes} bytes`);
      return ((last.received - first.received) / (last.at - first.at)) * 1000;
    });
    const messages = end.reduce((sum, last, i) => sum + last.received - (begin[i] as Count).received, 0);
    return {
      perReceiver,
      daemonCpu: cpuMicros(daemonsBegin, daemonsEnd) / messages,
      clientCpu: cpuMicros(begin, end) / messages,
      visitsPerSecond: ((ringsEnd.visits - ringsBegin.visits) / (ringsEnd.at - ringsBegin.at)) * 1000,
      packetsPerVisit: (ringsEnd.packets - ringsBegin.packets) / (ringsEnd.visits - ringsBegin.visits),
      retransmissions: ringsEnd.retransmissions - ringsBegin.retransmissions,
    };
  } finally {
    for (const child of clients) child.kill("SIGKILL");
    site.close();
  }
}

function count(child: ChildProcess): Promise<Count> {
  const answer = told<Count>(child, "count");
  child.send({ kind: "count" });
  return answer;
}

/** What the daemons' rings have done so far, all together. */
async function rings(site: BenchSite) {
  const all = await Promise.all(site.names.map(async (_, i) => (await site.status(i)).ring));
  const sum = (of: (ring: (typeof all)[number]) => number): number => all.reduce((total, ring) => total + of(ring), 0);
  return {
    visits: sum((ring) => ring.tokenRounds),
    packets: sum((ring) => ring.packetsSent),
    retransmissions: sum((ring) => ring.retransmissions.segment),
    at: performance.now(),
  };
}

type WithCpu = { readonly cpu: { readonly user: number; readonly system: number } };

function cpuMicros(begin: readonly WithCpu[], end: readonly WithCpu[]): number {
  const sum = (list: readonly WithCpu[]): number => list.reduce((all, { cpu }) => all + cpu.user + cpu.system, 0);
  return sum(end) - sum(begin);
}
