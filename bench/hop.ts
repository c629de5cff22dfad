/*
 * A hop between two processes over an emulated link (test/link): objects of 1 KB in one direction, as fast as the link takes them, and
 * what share of the bottleneck's capacity arrives as objects. Beside it datagrams of the same length sent without any protocol at 1.1 times the
 * link's rate: what the emulator lets through. Then a flap: the link is cut for half a second under load.
 *
 * Options: --rtt=70 --megabits=10,100 --loss=0,1,3 --ms=8000 --warm=4000 --repetitions=1 --queue=50
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { takePorts } from "../test/e2e/ports.ts";
import type { WayConditions } from "../test/link/emulated-way.ts";
import { Emulator, type RemoteLink } from "../test/link/emulator.ts";
import type { HopCount, HopRequest } from "./hop-process.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";

const numbers = (text: string): number[] => text.split(",").map(Number);
const rttMs = Number(option("rtt", "70"));
const rates = numbers(option("megabits", "10,100"));
const losses = numbers(option("loss", "0,1,3"));
const ms = Number(option("ms", "8000"));
const warmMs = Number(option("warm", "4000"));
const queueMs = Number(option("queue", "50"));
const repetitions = Number(option("repetitions", "1"));
const OBJECT_BYTES = 1_024;
const DATAGRAM_BYTES = 1_400;
const FLAP_MS = 500;
/** What the issue of a link asks for, by per cent of loss. */
const TARGETS: Readonly<Record<number, number>> = { 1: 0.85, 3: 0.8 };

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** An end's process. */
class End {
  readonly #child: ChildProcess;

  constructor() {
    const path = fileURLToPath(new URL("./hop-process.ts", import.meta.url));
    this.#child = fork(path, [], { execArgv: ["--import", "tsx"] });
  }

  ask(request: HopRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`an end of the hop ended with ${code}`));
      const onMessage = (told: { readonly kind: string; readonly value: unknown }): void => {
        if (told.kind !== request.kind) return;
        this.#child.off("message", onMessage).off("exit", onExit);
        resolve(told.value);
      };
      this.#child.on("message", onMessage).on("exit", onExit);
      this.#child.send(request);
    });
  }

  async count(): Promise<HopCount> {
    return (await this.ask({ kind: "count" })) as HopCount;
  }

  close(): void {
    this.#child.disconnect();
  }
}

type Measured = {
  /** Of the bottleneck's capacity that arrives as objects. */
  readonly share: number;
  readonly megabytesPerSecond: number;
  readonly resentShare: number;
  readonly roundTripMs: number;
  readonly senderCore: number;
};

const ways = (megabits: number, loss: number): WayConditions => ({
  delayMs: rttMs / 2,
  megabits,
  queueMs,
  loss: loss === 0 ? { kind: "none" } : { kind: "uniform", probability: loss / 100 },
});

async function throughput(link: RemoteLink, megabits: number, loss: number): Promise<Measured> {
  await link.set(ways(megabits, loss));
  await Promise.all([west.ask({ kind: "hop", config: {} }), east.ask({ kind: "hop", config: {} })]);
  await west.ask({ kind: "flood", size: OBJECT_BYTES });
  await sleep(warmMs);
  const before = [await west.count(), await east.count()] as const;
  await sleep(ms);
  const after = [await west.count(), await east.count()] as const;
  const seconds = (after[1].at - before[1].at) / 1000;
  const rate = (after[1].objectBytes - before[1].objectBytes) / seconds;
  for (const { failure } of after) if (failure !== undefined) throw new Error(`the hop failed: ${failure.kind}`);
  return {
    share: rate / (megabits * 125_000),
    megabytesPerSecond: rate / 1e6,
    resentShare: (after[0].resent - before[0].resent) / Math.max(1, after[0].sent - before[0].sent),
    roundTripMs: after[0].roundTripMs,
    senderCore: (after[0].cpu - before[0].cpu) / 1000 / (after[0].at - before[0].at),
  };
}

/** What share of the link's capacity, with heads of IP and UDP, arrives of what is sent without a protocol. */
async function baseline(link: RemoteLink, megabits: number): Promise<number> {
  await link.set(ways(megabits, 0));
  await east.ask({ kind: "plain", size: DATAGRAM_BYTES, rate: 0 });
  await west.ask({ kind: "plain", size: DATAGRAM_BYTES, rate: megabits * 125_000 * 1.1 });
  await sleep(500);
  const before = await east.count();
  await sleep(2_000);
  const after = await east.count();
  await west.ask({ kind: "plain", size: DATAGRAM_BYTES, rate: 0 });
  await sleep(rttMs + queueMs);
  const bytes = (after.datagrams - before.datagrams) * (DATAGRAM_BYTES + 28);
  return (bytes * 1000) / (after.at - before.at) / (megabits * 125_000);
}

/** How long after the link is there again as many objects arrive as it takes, ms; and whether an end has given the hop up. */
async function flap(link: RemoteLink, megabits: number): Promise<{ backMs: number; failed: boolean; share: number }> {
  await link.set(ways(megabits, 0));
  await Promise.all([west.ask({ kind: "hop", config: {} }), east.ask({ kind: "hop", config: {} })]);
  await west.ask({ kind: "flood", size: OBJECT_BYTES });
  await sleep(warmMs);
  await link.cut();
  await sleep(FLAP_MS);
  await link.mend();
  const mendedAt = performance.now();
  const atMend = await east.count();
  let backMs = Number.NaN;
  for (let last = atMend; performance.now() - mendedAt < 5_000; ) {
    await sleep(100);
    const now = await east.count();
    const rate = ((now.objectBytes - last.objectBytes) * 1000) / (now.at - last.at);
    last = now;
    if (Number.isNaN(backMs) && rate > 0.8 * megabits * 125_000) backMs = performance.now() - mendedAt;
  }
  const end = await east.count();
  const rate = ((end.objectBytes - atMend.objectBytes) * 1000) / (end.at - atMend.at);
  const failed = (await west.count()).failure !== undefined || end.failure !== undefined;
  return { backMs, failed, share: rate / (megabits * 125_000) };
}

using ports = await takePorts();
const emulator = new Emulator();
const west = new End();
const east = new End();
try {
  const link = await emulator.open(ways(rates[0] as number, 0));
  const places = { west: ports.base, east: ports.base + 2 };
  const toEast = await link.enter("there", { address: "127.0.0.1", port: places.east });
  const toWest = await link.enter("back", { address: "127.0.0.1", port: places.west });
  const at = (id: number, port: number) => ({ id, segment: id, address: "127.0.0.1", port });
  await west.ask({ kind: "open", self: at(1, places.west), peer: at(2, toEast) });
  await east.ask({ kind: "open", self: at(2, places.east), peer: at(1, toWest) });

  const rows: string[][] = [];
  const results: Record<string, unknown>[] = [];
  for (const megabits of rates) {
    const bare = await baseline(link, megabits);
    for (const loss of losses) {
      const runs: Measured[] = [];
      for (let i = 0; i < repetitions; i++) runs.push(await throughput(link, megabits, loss));
      const of = (pick: (run: Measured) => number): number => median(runs.map(pick));
      const target = TARGETS[loss];
      rows.push([
        `${megabits} Mbit/s, ${loss} %`,
        of((run) => run.share).toFixed(3),
        target?.toFixed(2) ?? "",
        bare.toFixed(3),
        figure(of((run) => run.megabytesPerSecond)),
        `${(100 * of((run) => run.resentShare)).toFixed(1)} %`,
        of((run) => run.roundTripMs).toFixed(1),
        of((run) => run.senderCore).toFixed(2),
      ]);
      results.push({ megabits, loss, target, baseline: bare, runs });
    }
  }
  printTable(["link", "share", "asked", "bare", "MB/s", "resent", "RTT ms", "core"], rows);
  console.log(
    `round trip ${rttMs} ms, queue ${queueMs} ms, objects of ${OBJECT_BYTES} B; share: of the capacity, heads`,
  );
  console.log("counted; bare: what arrives of datagrams without a protocol, with their heads; core: the sender's\n");

  const flaps: string[][] = [];
  for (const megabits of rates) {
    const { backMs, failed, share } = await flap(link, megabits);
    flaps.push([`${megabits} Mbit/s`, failed ? "torn down" : "stays", figure(backMs), share.toFixed(3)]);
    results.push({ megabits, flapMs: FLAP_MS, failed, backMs, shareOfNext5s: share });
  }
  printTable([`cut for ${FLAP_MS} ms`, "hop", "ms to 80 %", "share of next 5 s"], flaps);
  saveResults("hop", { rttMs, queueMs, objectBytes: OBJECT_BYTES, ms, results });
} finally {
  west.close();
  east.close();
  emulator.close();
}
