/*
 * One daemon with local clients: a client floods it and receives its own messages (two connections of one process of ours, over the Unix
 * socket), 1000 bytes, agreed service. Target: 260,000 messages/s. Beside it, in the same run, what a bare pair of processes carries of the
 * same bytes over such sockets (bare-pair.mjs).
 *
 * Options: --size=1000 --repetitions=3 --ms=3000 --window=1000
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { countOf, startFlood } from "./flow.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";
import { BenchSite, told, type Usage } from "./site.ts";

const WARM_UP_MS = 3_000;
const BARE_PAIR = fileURLToPath(new URL("./bare-pair.mjs", import.meta.url));
/** What a message has on its way to the daemon besides its payload: the head of a SEND, and a frame's with one group. */
const HEAD_BYTES = 96;

const size = option("size", "1000");
const repetitions = Number(option("repetitions", "3"));
const ms = Number(option("ms", "3000"));
const runs: { rate: number; daemonCpu: number; clientCpu: number }[] = [];
const bare: number[] = [];
for (let i = 0; i < repetitions; i++) {
  bare.push(await measureBare());
  runs.push(await measure());
}
const rate = median(runs.map((run) => run.rate));
printTable(
  ["bytes", "messages/s", "target", "bare pair", "/ bare", "daemon us/msg", "client us/msg", "repetitions"],
  [
    [
      size,
      figure(rate),
      "260,000",
      figure(median(bare)),
      (rate / median(bare)).toFixed(2),
      figure(median(runs.map((run) => run.daemonCpu))),
      figure(median(runs.map((run) => run.clientCpu))),
      runs.map((run) => figure(run.rate)).join(" "),
    ],
  ],
);
console.log("client: Amalgam's own, native protocol; it counts among the CPU time of the same machine");
saveResults("local", { payloadBytes: Number(size), messagesPerSecond: rate, bare, runs });

/** Messages/s, or as many bytes, that two processes without anything of ours carry. */
async function measureBare(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "amalgam-bench-"));
  const path = join(folder, "socket");
  const bytes = Number(size) + HEAD_BYTES;
  const echo = fork(BARE_PAIR, ["echo", path]);
  try {
    await told(echo, "ready");
    const flood = fork(BARE_PAIR, ["flood", path, String(Number(option("window", "1000")) * bytes), String(ms)]);
    const result = await told<{ kind: "result"; bytesPerSecond: number }>(flood, "result");
    flood.kill("SIGKILL");
    return result.bytesPerSecond / bytes;
  } finally {
    echo.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(): Promise<{ rate: number; daemonCpu: number; clientCpu: number }> {
  const site = await BenchSite.start(1, { namespaces: false });
  const child = startFlood(site, 0, {
    senders: 1,
    payloadBytes: Number(size),
    service: "agreed",
    window: Number(option("window", "1000")),
  });
  try {
    await told(child, "ready");
    child.send({ kind: "start" });
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    const [first, daemonFirst] = [await countOf(child), await site.usage(0)];
    await new Promise((resolve) => setTimeout(resolve, ms));
    const [last, daemonLast] = [await countOf(child), await site.usage(0)];
    const messages = last.received - first.received;
    const cpu = (a: Usage["cpu"], b: Usage["cpu"]): number => (b.user + b.system - a.user - a.system) / messages;
    return {
      rate: (messages / (last.at - first.at)) * 1000,
      daemonCpu: cpu(daemonFirst.cpu, daemonLast.cpu),
      clientCpu: cpu(first.cpu, last.cpu),
    };
  } finally {
    child.kill("SIGKILL");
    site.close();
  }
}
