import type { NodeConfig } from "../src/qsm/config.ts";
import { option } from "./options.ts";
import type { Claim, Measured } from "./qsm-claims.ts";
import {
  type Bare,
  cpuMicros,
  measureBare,
  type ProcessCount,
  QsmSite,
  sleep,
  type Stretch,
  undisturbed,
} from "./qsm-site.ts";
import { figure, median, printTable } from "./report.ts";

export const REPETITIONS = Number(option("repetitions", "3"));
export const MS = Number(option("ms", "3000"));
export const MEGABITS = Number(option("megabits", "100"));
const WARM_UP_MS = 4_000;

/** Rates are known, and packets stable, the sooner the more tokens there are: the default is one a second. */
export const TOKEN_RATE = 5;

/** A sender and its receivers over a stretch of time. Rates are messages per second at the slowest receiver. */
export type Figures = {
  readonly rate: number;
  readonly megabytes: number;
  readonly senderMicros: number;
  readonly receiverMicros: number;
  readonly packetsPerMessage: number;
  readonly socketDrops: number;
  readonly tokenMs: number;
  readonly othersBusy: number;
};

/** 20 receivers and one sender on slow links: how much of the link is payload. */
export async function link(): Promise<Measured> {
  const placement = [1, 5, 5, 5, 5];
  const receivers = placement.slice(1);
  const bare: Bare[] = [];
  const single: Figures[] = [];
  const packed: Figures[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    bare.push(await undisturbed(() => measureBare(receivers, 1_000, MS, MEGABITS)));
    single.push(await undisturbed(() => throughput(placement, { packing: false }, 1_000, MEGABITS)));
    packed.push(await undisturbed(() => throughput(placement, {}, 100, MEGABITS)));
  }
  const bareRate = median(bare.map(({ rate }) => rate));
  const bareBytes = bareRate * 1_000;
  const linkBytes = (MEGABITS * 1e6) / 8;
  const singleShare = median(single.map(({ megabytes }) => (megabytes * 1e6) / bareBytes));
  const packedShare = median(packed.map(({ megabytes }) => (megabytes * 1e6) / linkBytes));
  printRows([
    bareRow(`bare, 1000 B, ${MEGABITS} Mbit/s, 20 receivers`, bare),
    row("1000 B, not packed", single, `${percent(singleShare)} of bare (94 %)`),
    row("100 B, packed", packed, `${percent(packedShare)} of the link (88 %)`),
  ]);
  const claims: Claim[] = [
    {
      what: `${MEGABITS} Mbit/s, 20 receivers, 1000 B: payload, of bare datagrams'`,
      unit: "%",
      bound: "least",
      aim: 94,
      values: single.map(({ rate }, i) => (100 * rate) / (bare[i] as Bare).rate),
    },
    {
      what: `${MEGABITS} Mbit/s, 20 receivers, 100 B packed: payload, of the link`,
      unit: "%",
      bound: "least",
      aim: 88,
      values: packed.map(({ megabytes }) => (100 * megabytes * 1e6) / linkBytes),
    },
  ];
  return { claims, megabits: MEGABITS, bare, single, packed };
}

/** Three nodes on links without a limit: what the processors allow. */
export async function cpu(): Promise<Measured> {
  const placement = [1, 1, 1];
  const bare: Bare[] = [];
  const single: Figures[] = [];
  const packed: Figures[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    bare.push(await undisturbed(() => measureBare([1, 1], 1_000, MS)));
    single.push(await undisturbed(() => throughput(placement, { packing: false }, 1_000)));
    packed.push(await undisturbed(() => throughput(placement, {}, 1_000)));
  }
  const bareRate = median(bare.map(({ rate }) => rate));
  const singleShare = median(single.map(({ rate }) => rate)) / bareRate;
  const packedShare = median(packed.map(({ rate }) => rate)) / bareRate;
  printRows([
    bareRow("bare, 1000 B, 2 receivers", bare),
    row("1000 B, not packed", single, `${percent(singleShare)} of bare (65 %)`),
    row("1000 B, packed", packed, `${percent(packedShare)} of bare (85 %)`),
  ]);
  const ofBare = (runs: readonly Figures[]): number[] =>
    runs.map(({ rate }, i) => (100 * rate) / (bare[i] as Bare).rate);
  const claims: Claim[] = [
    { what: "3 nodes, 1000 B: rate, of bare datagrams'", unit: "%", bound: "least", aim: 65, values: ofBare(single) },
    { what: "same, packed: bytes, of bare datagrams'", unit: "%", bound: "least", aim: 85, values: ofBare(packed) },
  ];
  return { claims, bare, single, packed };
}

async function throughput(
  placement: readonly number[],
  config: Partial<NodeConfig>,
  bytes: number,
  megabits?: number,
): Promise<Figures> {
  const site = await QsmSite.start({
    placement,
    config: { tokenRate: TOKEN_RATE, ...config },
    groups: 1,
    ...(megabits === undefined ? {} : { megabits }),
  });
  try {
    await site.flood(bytes);
    await sleep(WARM_UP_MS);
    return figuresOf(await site.measure(MS));
  } finally {
    site.close();
  }
}

/** The first node of the first process is the sender. */
export function figuresOf({ begin, end, othersBusy }: Stretch): Figures {
  const rates: { readonly messages: number; readonly bytes: number }[] = [];
  let received = 0;
  let socketDrops = 0;
  const roundTrips: number[] = [];
  for (const [i, last] of end.entries()) {
    const first = begin[i] as ProcessCount;
    const seconds = (last.at - first.at) / 1_000;
    socketDrops += last.socketDrops - first.socketDrops;
    for (const [j, node] of last.nodes.entries()) {
      const before = first.nodes[j];
      if (before === undefined) continue;
      roundTrips.push(...node.roundTrips);
      if (node.id === 1) continue;
      received += node.received - before.received;
      rates.push({
        messages: (node.received - before.received) / seconds,
        bytes: (node.bytes - before.bytes) / seconds,
      });
    }
  }
  const senderCpu = cpuMicros(begin.slice(0, 1), end.slice(0, 1));
  const [source, sourceBefore] = [end[0]?.nodes[0], begin[0]?.nodes[0]];
  const packets = (source?.last ?? 0) - (sourceBefore?.last ?? 0);
  const sent = (source?.received ?? 0) - (sourceBefore?.received ?? 0);
  return {
    rate: Math.min(...rates.map(({ messages }) => messages)),
    megabytes: Math.min(...rates.map(({ bytes }) => bytes)) / 1e6,
    senderMicros: senderCpu / packets,
    receiverMicros: (cpuMicros(begin, end) - senderCpu) / (received * (packets / sent)),
    packetsPerMessage: packets / sent,
    socketDrops,
    tokenMs: median(roundTrips),
    othersBusy,
  };
}

const HEAD = [
  "",
  "messages/s",
  "MB/s",
  "sender us/packet",
  "receiver us/packet",
  "token ms",
  "others busy",
  "",
  "repetitions",
];

function printRows(rows: readonly (readonly string[])[]): void {
  printTable(HEAD, rows);
}

function bareRow(name: string, runs: readonly Bare[]): string[] {
  const rate = median(runs.map((run) => run.rate));
  return [
    name,
    figure(rate),
    figure(rate / 1_000),
    figure(median(runs.map(({ senderMicros }) => senderMicros))),
    figure(median(runs.map(({ receiverMicros }) => receiverMicros))),
    "",
    figure(median(runs.map(({ othersBusy }) => othersBusy))),
    "",
    runs.map((run) => figure(run.rate)).join(" "),
  ];
}

export function row(name: string, runs: readonly Figures[], reached: string): string[] {
  const of = (value: (run: Figures) => number): string => figure(median(runs.map((run) => value(run))));
  return [
    name,
    of(({ rate }) => rate),
    of(({ megabytes }) => megabytes),
    of(({ senderMicros }) => senderMicros),
    of(({ receiverMicros }) => receiverMicros),
    of(({ tokenMs }) => tokenMs),
    of(({ othersBusy }) => othersBusy),
    reached,
    runs.map((run) => figure(run.rate)).join(" "),
  ];
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
