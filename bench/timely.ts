/*
 * `npm run bench -- timely`: a timely group of eight nodes on real sockets, each in a process and a network namespace of its own.
 *
 * Recovery: all nodes send; what a receiver loses, by nft in its kernel or by a filter behind its sockets, uniformly or in bursts, and repairs like
 * everything else; how long it takes, from sending, until what was lost is there. Cost: what a receiver spends with repairs, of what it spends
 * without; the other members share a process (timely-players.mjs).
 *
 * Options: --parts=recovery,cost, --cases=PATTERN (those whose names it matches; what costs are compared with is measured always), --repetitions=N,
 * --seconds=S, --cost-seconds=S, of which the second half counts, --nodes=N, --recovery-rate=N, --cost-rate=N in packets/s at each node.
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { NodeInfo } from "../src/cms/views.ts";
import type { TimelyConfig } from "../src/ricochet/config.ts";
import type { DecoderStatistics } from "../src/ricochet/decoder.ts";
import type { TimelyStatistics } from "../src/ricochet/timely-node.ts";
import { REPAIRS_DEFAULT, type Repairs } from "../src/wire/timely/repairs.ts";
import { Lab, whyNoNamespaces } from "../test/net/namespaces.ts";
import { option } from "./options.ts";
import { cpuMicros, sleep } from "./qsm-site.ts";
import { figure, isMain, median, percentile, printTable, saveResults } from "./report.ts";
import { told } from "./site.ts";

const NODE = fileURLToPath(new URL("./timely-process.mjs", import.meta.url));
const PLAYERS = fileURLToPath(new URL("./timely-players.mjs", import.meta.url));
const NODES = Number(option("nodes", "8"));
/** Packets per second that each node receives. */
const RECOVERY_RATE = Number(option("recovery-rate", "1000"));
const COST_RATE = Number(option("cost-rate", "10000"));
const SECONDS = Number(option("seconds", "10"));
/** Of which the second half counts. */
const COST_SECONDS = Number(option("cost-seconds", "20"));
const PARTS = 10;
const REPETITIONS = Number(option("repetitions", "3"));
const BYTES = 100;
const WARM_UP_MS = 2_000;
/** What was lost is asked for, five times at most, in this time. */
const SETTLE_MS = 3_000;
const POOL = { base: "239.77.18.0", size: 4, port: 4_909, ttl: 1 };

type Loss = { readonly by: "nft" | "filter"; readonly share: number; readonly burst: number };

type Count = {
  readonly kind: "count";
  readonly at: number;
  readonly cpu: { readonly user: number; readonly system: number };
  readonly counts: Readonly<Record<"sent" | "received" | "rebuilt" | "resent" | "lost", number>>;
  readonly latencies: Readonly<Record<"received" | "rebuilt" | "resent", readonly number[]>>;
  readonly statistics: TimelyStatistics;
  readonly decoding: DecoderStatistics;
  readonly dropped: number;
  readonly socketDrops: number;
  readonly errors: number;
};

/** Nodes of one group, told of their view by the benchmark. */
class TimelySite {
  readonly #lab: Lab;
  readonly #children: ChildProcess[] = [];

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  static async start(repairs: Repairs, timely: Partial<TimelyConfig>, loss: Loss | undefined): Promise<TimelySite> {
    const lab = Lab.create(NODES);
    const site = new TimelySite(lab);
    try {
      const members = Array.from({ length: NODES }, (_, host): NodeInfo => {
        const address = { host: lab.address(host), controlPort: 4_910, repairPort: 4_911, dataPort: 4_912 };
        return { id: host + 1, name: `#n${host + 1}#bench`, address };
      });
      const filter = loss?.by === "filter" ? loss : undefined;
      for (let host = 0; host < NODES; host++) {
        const setup = { host: lab.address(host), id: host + 1, members, pool: POOL, repairs, timely, loss: filter };
        const child = lab.spawn(host, process.execPath, [NODE, JSON.stringify(setup)], {
          stdio: ["ignore", "inherit", "inherit", "ipc"],
        });
        site.#children.push(child);
        await told(child, "started");
      }
      if (loss?.by === "nft") for (let host = 0; host < NODES; host++) lab.setLoss(host, loss.share);
      return site;
    } catch (error) {
      site.close();
      throw error;
    }
  }

  /** So many packets per second at each node, of all others together. */
  async flood(rate: number): Promise<void> {
    await Promise.all(
      this.#children.map((child) => ask(child, { kind: "flood", rate: rate / (NODES - 1), bytes: BYTES })),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => ask(child, { kind: "stop" })));
  }

  count(): Promise<Count[]> {
    return Promise.all(this.#children.map((child) => ask<Count>(child, { kind: "count" })));
  }

  close(): void {
    for (const child of this.#children.splice(0)) child.kill("SIGKILL");
    this.#lab.close();
  }
}

async function ask<T>(
  child: ChildProcess,
  message: { readonly kind: string; readonly [field: string]: unknown },
): Promise<T> {
  const answer = told<{ kind: string }>(child, message.kind);
  child.send(message);
  return (await answer) as T;
}

type Recovery = {
  /** Packets that should have come, and that did not come by themselves. */
  readonly wanted: number;
  readonly missed: number;
  readonly rebuiltShare: number;
  readonly lost: number;
  /** Of what did not come by itself, from sending to delivery; of what did, the median and 99 %, which tell how busy the machine is. */
  readonly medianMs: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** By repairs, and by asking. */
  readonly rebuiltMeanMs: number;
  readonly resentMeanMs: number;
  readonly undisturbedMs: number;
  readonly undisturbed99Ms: number;
  readonly repairsPerPacket: number;
  readonly socketDrops: number;
};

async function recovery(loss: Loss, burstPackets: number, repairs: Repairs): Promise<Recovery> {
  const site = await TimelySite.start(repairs, { burstPackets }, loss);
  try {
    await site.flood(RECOVERY_RATE);
    await sleep(WARM_UP_MS);
    const begin = await site.count();
    await sleep(SECONDS * 1_000);
    await site.stop();
    await sleep(SETTLE_MS);
    const end = await site.count();
    const sum = (value: (count: Count) => number): number =>
      end.reduce((all, count, i) => all + value(count) - value(begin[i] as Count), 0);
    const waits = end.flatMap(({ latencies }) => [...latencies.rebuilt, ...latencies.resent]);
    const undisturbed = end.flatMap(({ latencies }) => latencies.received);
    const rebuilt = sum(({ counts }) => counts.rebuilt);
    const missed = rebuilt + sum(({ counts }) => counts.resent + counts.lost);
    return {
      wanted: sum(({ counts }) => counts.sent) * (NODES - 1),
      missed,
      rebuiltShare: rebuilt / missed,
      lost: sum(({ counts }) => counts.lost),
      medianMs: median(waits),
      meanMs: mean(waits),
      p99Ms: percentile(waits, 0.99),
      maxMs: Math.max(...waits),
      rebuiltMeanMs: mean(end.flatMap(({ latencies }) => latencies.rebuilt)),
      resentMeanMs: mean(end.flatMap(({ latencies }) => latencies.resent)),
      undisturbedMs: median(undisturbed),
      undisturbed99Ms: percentile(undisturbed, 0.99),
      repairsPerPacket:
        sum(({ statistics }) => statistics.repairsSent) / sum(({ counts }) => counts.received + counts.sent),
      socketDrops: sum((count) => count.socketDrops),
    };
  } finally {
    site.close();
  }
}

type Cost = {
  /** Packets per second at a receiver, with those that were rebuilt. */
  readonly rate: number;
  /** Processor time of a receiver, of one processor, and for each packet. */
  readonly busy: number;
  readonly microsPerPacket: number;
  readonly repairsPerPacket: number;
  readonly repairsReceived: number;
  readonly missed: number;
  readonly rebuiltShare: number;
  /** The same in each tenth of the time from the first packet on: how soon members that choose for themselves have settled. */
  readonly rebuiltShares: readonly number[];
  readonly socketDrops: number;
};

/** What was rebuilt, and what was not, between two counts. */
function repairedBetween(begin: Count, end: Count): { readonly rebuilt: number; readonly missed: number } {
  const of = (how: "rebuilt" | "resent" | "lost"): number => end.counts[how] - begin.counts[how];
  return { rebuilt: of("rebuilt"), missed: of("rebuilt") + of("resent") + of("lost") };
}

async function cost(
  rate: number,
  repairs: Repairs,
  loss: Loss | undefined,
  timely: Partial<TimelyConfig> = {},
): Promise<Cost> {
  const lab = Lab.create(2);
  try {
    const members = Array.from({ length: NODES }, (_, i): NodeInfo => {
      const isMeasured = i === NODES - 1;
      const port = isMeasured ? 4_910 : 5_000 + 3 * i;
      const address = {
        host: lab.address(Number(isMeasured)),
        controlPort: port,
        repairPort: port + 1,
        dataPort: port + 2,
      };
      return { id: i + 1, name: `#n${i + 1}#bench`, address };
    });
    const spawn = async (host: number, program: string, setup: object): Promise<ChildProcess> => {
      const common = { host: lab.address(host), members, pool: POOL, repairs, timely };
      const child = lab.spawn(host, process.execPath, [program, JSON.stringify({ ...common, ...setup })], {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      await told(child, "started");
      return child;
    };
    const receiver = await spawn(1, NODE, { id: NODES, loss });
    const others = await spawn(0, PLAYERS, { measured: NODES, loss });
    const counts = [await ask<Count>(receiver, { kind: "count" })];
    await ask(others, { kind: "flood", rate, bytes: BYTES });
    for (let part = 0; part < PARTS; part++) {
      await sleep((COST_SECONDS * 1_000) / PARTS);
      counts.push(await ask<Count>(receiver, { kind: "count" }));
    }
    // What members that choose do in the first half is not what they do in the end.
    const [begin, end] = [counts[PARTS / 2] as Count, counts[PARTS] as Count];
    const of = (value: (count: Count) => number): number => value(end) - value(begin);
    const seconds = (end.at - begin.at) / 1_000;
    const { rebuilt, missed } = repairedBetween(begin, end);
    const shares = counts.slice(1).map((count, i) => repairedBetween(counts[i] as Count, count));
    const packets = of((count) => count.counts.received) + missed;
    const micros = cpuMicros([begin], [end]);
    return {
      rate: packets / seconds,
      busy: micros / seconds / 1e6,
      microsPerPacket: micros / packets,
      repairsPerPacket: of(({ statistics }) => statistics.repairsSent) / packets,
      repairsReceived: of(({ decoding }) => decoding.received) / packets,
      missed,
      rebuiltShare: missed === 0 ? 1 : rebuilt / missed,
      rebuiltShares: shares.map((part) => (part.missed === 0 ? 1 : part.rebuilt / part.missed)),
      socketDrops: of((count) => count.socketDrops),
    };
  } finally {
    lab.close();
  }
}

const ADAPTIVE: Repairs = { ...REPAIRS_DEFAULT, recovery: 0.99 };

type RecoveryCase = {
  readonly name: string;
  readonly loss: Loss;
  readonly burstPackets: number;
  readonly repairs?: Repairs;
};

const RECOVERIES: readonly RecoveryCase[] = [
  { name: "1 % by nft", loss: { by: "nft", share: 0.01, burst: 1 }, burstPackets: 1 },
  { name: "1 % by a filter", loss: { by: "filter", share: 0.01, burst: 1 }, burstPackets: 1 },
  { name: "1 % in bursts of 5", loss: { by: "filter", share: 0.01, burst: 5 }, burstPackets: 1 },
  { name: "1 % in bursts of 5, spread", loss: { by: "filter", share: 0.01, burst: 5 }, burstPackets: 5 },
  { name: "1 % in bursts of 10, spread", loss: { by: "filter", share: 0.01, burst: 10 }, burstPackets: 10 },
  { name: "1 %, adaptive", loss: { by: "filter", share: 0.01, burst: 1 }, burstPackets: 1, repairs: ADAPTIVE },
  {
    name: "1 % in bursts of 10, adaptive",
    loss: { by: "filter", share: 0.01, burst: 10 },
    burstPackets: 1,
    repairs: ADAPTIVE,
  },
];

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

async function repeated<T>(run: () => Promise<T>): Promise<T[]> {
  const runs: T[] = [];
  for (let i = 0; i < REPETITIONS; i++) runs.push(await run());
  return runs;
}

/** `--cases=PATTERN`: those whose names it matches. */
function isWanted(name: string): boolean {
  return new RegExp(option("cases", "")).test(name);
}

/** The run in the middle, by this figure. */
function middle<T>(runs: readonly T[], by: (run: T) => number): T {
  return runs.toSorted((a, b) => by(a) - by(b))[(runs.length - 1) >> 1] as T;
}

function inMs(ms: number): string {
  return ms.toFixed(2);
}

async function main(): Promise<void> {
  const why = whyNoNamespaces(["ip", "nft"]);
  if (why !== undefined) return console.log(`Skipped: ${why}.`);
  const parts = option("parts", "recovery,cost").split(",");
  const results: Record<string, unknown> = { nodes: NODES, bytes: BYTES };
  if (parts.includes("recovery")) {
    const rows: string[][] = [];
    const recoveries: unknown[] = [];
    for (const { name, loss, burstPackets, repairs = REPAIRS_DEFAULT } of RECOVERIES) {
      if (!isWanted(name)) continue;
      const runs = await repeated(() => recovery(loss, burstPackets, repairs));
      recoveries.push({ name, loss, burstPackets, repairs, rate: RECOVERY_RATE, runs });
      const one = middle(runs, ({ meanMs }) => meanMs);
      rows.push([
        name,
        figure(one.missed),
        `${(100 * one.rebuiltShare).toFixed(2)} %`,
        ...[one.medianMs, one.meanMs, one.p99Ms, one.maxMs, one.rebuiltMeanMs, one.resentMeanMs].map(inMs),
        ...[one.undisturbedMs, one.undisturbed99Ms].map(inMs),
        one.repairsPerPacket.toFixed(3),
        figure(runs.reduce((all, { lost }) => all + lost, 0)),
        figure(one.socketDrops),
      ]);
    }
    console.log(
      `Recovery: ${NODES} nodes, ${RECOVERY_RATE} packets/s at each, (8, 5) or to bring 99 %, ${SECONDS} s; times in ms from sending; the run in the middle of ${REPETITIONS}`,
    );
    printTable(
      [
        "loss at each node",
        "missed",
        "rebuilt",
        "median",
        "mean",
        "99 %",
        "max",
        "mean by repairs",
        "by asking",
        "not missed",
        "99 %",
        "repairs/packet",
        "lost",
        "kernel drops",
      ],
      rows,
    );
    results["recovery"] = recoveries;
  }
  if (parts.includes("cost")) {
    const uniform: Loss = { by: "filter", share: 0.01, burst: 1 };
    const none: Repairs = { ...REPAIRS_DEFAULT, copies: 0 };
    const cases: readonly { readonly name: string; readonly repairs: Repairs; readonly loss: Loss | undefined }[] = [
      { name: "no repairs, no loss", repairs: none, loss: undefined },
      { name: "(8, 5), no loss", repairs: REPAIRS_DEFAULT, loss: undefined },
      { name: "no repairs, 1 % loss", repairs: none, loss: uniform },
      { name: "(8, 5), 1 % loss", repairs: REPAIRS_DEFAULT, loss: uniform },
      { name: "(8, 3), 1 % loss", repairs: { ...REPAIRS_DEFAULT, copies: 3 }, loss: uniform },
      { name: "99 % adaptive, no loss", repairs: ADAPTIVE, loss: undefined },
      { name: "99 % adaptive, 1 % loss", repairs: ADAPTIVE, loss: uniform },
    ];
    const rows: string[][] = [];
    const costs: unknown[] = [];
    const base = new Map<boolean, number>();
    for (const { name, repairs, loss } of cases) {
      // What others are compared with is always measured.
      if (repairs.copies > 0 && !isWanted(name)) continue;
      const runs = await repeated(() => cost(COST_RATE, repairs, loss));
      costs.push({ name, repairs, loss, asked: COST_RATE, runs });
      const one = middle(runs, ({ microsPerPacket }) => microsPerPacket);
      if (repairs.copies === 0) base.set(loss === undefined, one.microsPerPacket);
      rows.push([
        name,
        figure(one.rate),
        one.busy.toFixed(2),
        one.microsPerPacket.toFixed(1),
        `${(one.microsPerPacket / (base.get(loss === undefined) as number)).toFixed(2)} x`,
        `${one.repairsPerPacket.toFixed(3)}, ${one.repairsReceived.toFixed(3)}`,
        `${(100 * one.rebuiltShare).toFixed(2)} %`,
        one.rebuiltShares.map((share) => (100 * share).toFixed(1)).join(" "),
        figure(one.socketDrops),
      ]);
    }
    console.log(
      `\nCost: a receiver of ${COST_RATE} packets/s in a group of ${NODES}; the run in the middle of ${REPETITIONS}`,
    );
    printTable(
      [
        "",
        "packets/s",
        "processors",
        "us/packet",
        "of no repairs",
        "repairs sent, received",
        "rebuilt",
        "in each tenth, %",
        "kernel drops",
      ],
      rows,
    );
    results["cost"] = costs;
  }
  saveResults("timely", results);
}

if (isMain(import.meta.url)) await main();
