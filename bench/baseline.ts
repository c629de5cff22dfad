/*
 * The baseline of every figure: bare node:dgram multicasts 1400-byte packets from one network namespace to three others,
 * windowed so that nothing is lost. Packets/s at every receiver.
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Lab, whyNoNamespaces } from "../test/net/namespaces.ts";
import { figure, isMain, median, printTable, saveResults } from "./report.ts";

export type Baseline = {
  /** Packets per second at every receiver; the median of the repetitions. */
  readonly packetsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly runs: readonly number[];
  /** Packets lost in the worst repetition: with the window it should be none. */
  readonly lost: number;
};

const PEER = fileURLToPath(new URL("./baseline-peer.mjs", import.meta.url));
const RECEIVERS = 3;
const PACKET_BYTES = 1400;
const MS = 2_000;

type PeerMessage = { readonly kind: string; readonly packets: number; readonly seconds: number; readonly lost: number };

type Run = { readonly packetsPerSecond: number; readonly lost: number };

export function summary(all: readonly Run[]): Baseline {
  const runs = all.map(({ packetsPerSecond }) => packetsPerSecond);
  const packetsPerSecond = median(runs);
  const lost = Math.max(...all.map((run) => run.lost));
  return { packetsPerSecond, megabytesPerSecond: (packetsPerSecond * PACKET_BYTES) / 1e6, runs, lost };
}

export function printBaseline(baseline: Baseline): void {
  const { packetsPerSecond, megabytesPerSecond, runs, lost } = baseline;
  const all =
    runs.length > 5
      ? `${runs.length} runs, ${figure(Math.min(...runs))} to ${figure(Math.max(...runs))}`
      : runs.map(figure).join(", ");
  console.log(
    `baseline: ${figure(packetsPerSecond)} packets/s of ${PACKET_BYTES} B at each of ${RECEIVERS} receivers = ` +
      `${figure(megabytesPerSecond)} MB/s (${all}; ${lost} lost)`,
  );
}

/** Ends the program with an explanation where namespaces are not possible. */
export function needNamespaces(programs?: Parameters<typeof whyNoNamespaces>[0]): void {
  const why = whyNoNamespaces(programs);
  if (why === undefined) return;
  console.error(`This benchmark runs in network namespaces, but ${why}.`);
  process.exit(1);
}

export async function measureOnce(): Promise<Run> {
  const lab = Lab.create(RECEIVERS + 1);
  try {
    const sender = lab.address(RECEIVERS);
    const receivers = Array.from({ length: RECEIVERS }, (_, host) =>
      start(lab, host, ["receiver", lab.address(host), sender]),
    );
    await Promise.all(receivers.map((child) => message(child, "ready")));
    const args = ["sender", sender, `${RECEIVERS}`, `${MS}`];
    const { packets, seconds, lost } = await message(start(lab, RECEIVERS, args), "result");
    return { packetsPerSecond: packets / seconds, lost };
  } finally {
    lab.close();
  }
}

function start(lab: Lab, host: number, args: readonly string[]): ChildProcess {
  return lab.spawn(host, process.execPath, [PEER, ...args], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

function message(child: ChildProcess, kind: string): Promise<PeerMessage> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`a host of the baseline ended with ${code}`)));
    child.on("message", (told: PeerMessage) => {
      if (told.kind === kind) resolve(told);
    });
  });
}

if (isMain(import.meta.url)) {
  needNamespaces();
  const all: Run[] = [];
  for (let i = 0; i < 5; i++) all.push(await measureOnce());
  const baseline = summary(all);
  const rows = baseline.runs.map((run, i) => [`${i + 1}`, figure(run), figure((run * PACKET_BYTES) / 1e6)]);
  printTable(["run", "packets/s", "MB/s"], rows);
  printBaseline(baseline);
  saveResults("baseline", baseline);
}
