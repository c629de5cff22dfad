import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { BenchSite, type Pauses, told, type Usage } from "./site.ts";

const FLOOD = fileURLToPath(new URL("./flood-process.mjs", import.meta.url));
/** Messages that a sending client may have on the way to its daemon. */
const WINDOW: Readonly<Record<number, number>> = { 100: 2_000, 1000: 500, 10_000: 100, 100_000: 20 };
/**
 * V8 compiles what is hot in the first seconds of its work, which the daemons of a machine do by turns; what counts is a system that runs.
 * With sixteen daemons on two cores a delivery costs three times as much in the first five seconds as later, and becomes cheaper for forty; in the first seven
 * of three daemons V8's compiling threads take a third of the processor, which is all that a 99th percentile would show.
 */
const WARM_UP_MS_PER_DAEMON = 3_000;

/** Messages through daemons in network namespaces of their own, each with a receiving client. */
export type Flow = {
  readonly daemons: number;
  /** The first of the daemons have a sending client too, in one process with the receiving one. */
  readonly senders: number;
  readonly payloadBytes: number;
  readonly service: string;
  /** How long is measured, after the warm-up. */
  readonly ms: number;
  /** All receivers are in all of them; senders take them in turn. */
  readonly groups?: number;
  /** Share of the datagrams that do not reach the second daemon. */
  readonly loss?: number;
  /** Messages/s of each sender; without it they send what they can. */
  readonly rate?: number;
  /** Lines for the site's configuration. */
  readonly settings?: string;
  /** How packets reach the daemons: multicast, unicast or tcp; multicast by default. */
  readonly dissemination?: string;
  /** Of the links between the daemons, which find it out. */
  readonly mtuBytes?: number;
  /** The clients are in their daemons' processes. */
  readonly embedded?: boolean;
};

export type FlowResult = {
  /** Messages/s of each receiver. */
  readonly perReceiver: readonly number[];
  /** CPU time per delivered message of all daemons, and of all clients, in us. */
  readonly daemonCpu: number;
  readonly clientCpu: number;
  readonly visitsPerSecond: number;
  readonly packetsPerVisit: number;
  readonly retransmissions: number;
  /** Of the garbage collector: the daemon, and the client, with the longest. */
  readonly daemonPauses: Pauses;
  readonly clientPauses: Pauses;
  /** How data passed between the daemons and their kernel, and why so. */
  readonly datagrams: string;
  /** How long packets of the first daemon were in the end. */
  readonly packetBytes: number;
  /** With a rate: what messages took from send to delivery, over all receivers; the worst receiver's percentiles. */
  readonly latencyMs: { readonly median: number; readonly p99: number; readonly max: number } | undefined;
};

type Count = {
  readonly kind: "count";
  readonly received: number;
  readonly payloadBytes: number;
  readonly at: number;
  readonly cpu: Usage["cpu"];
  readonly gc: Pauses;
};

export async function measureFlow(flow: Flow): Promise<FlowResult> {
  const site = await BenchSite.start(flow.daemons, { namespaces: true, ...network(flow) });
  const clients: ChildProcess[] = [];
  try {
    for (let daemon = 0; daemon < flow.daemons; daemon++) {
      const child = startFlood(site, daemon, flow);
      clients.push(child);
      await told(child, "ready");
    }
    if (flow.loss !== undefined && flow.loss > 0) site.lab?.setLoss(1, flow.loss);
    for (const child of clients) child.send({ kind: "start" });
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS_PER_DAEMON * flow.daemons));
    return await measure(site, clients, flow);
  } finally {
    for (const child of clients) child.kill("SIGKILL");
    site.close();
  }
}

function network({ settings, dissemination, mtuBytes, embedded }: Flow) {
  return {
    ...(embedded === undefined ? {} : { embedded }),
    ...(settings === undefined ? {} : { settings }),
    ...(dissemination === undefined ? {} : { dissemination }),
    ...(mtuBytes === undefined ? {} : { mtuBytes }),
  };
}

/** Messages/s at the receiver that got least. */
export function slowest({ perReceiver }: FlowResult): number {
  return Math.min(...perReceiver);
}

/** A client process of a daemon (flood-process.mjs); to be killed by its owner. */
export function startFlood(
  site: BenchSite,
  daemon: number,
  flow: Pick<Flow, "senders" | "payloadBytes" | "service" | "groups" | "rate" | "embedded"> & {
    readonly window?: number;
  },
): ChildProcess {
  const { payloadBytes, service } = flow;
  const options = {
    address: site.address(daemon),
    payloadBytes,
    service,
    groups: flow.groups ?? 1,
    window: flow.window ?? WINDOW[payloadBytes] ?? 500,
    sends: daemon < flow.senders,
    rate: flow.rate ?? 0,
  };
  return flow.embedded === true ? site.embed(daemon, options) : site.spawn(daemon, FLOOD, [JSON.stringify(options)]);
}

export function countOf(child: ChildProcess): Promise<Count> {
  const answer = told<Count>(child, "count");
  child.send({ kind: "count" });
  return answer;
}

async function measure(site: BenchSite, clients: readonly ChildProcess[], flow: Flow): Promise<FlowResult> {
  const daemons = site.names.map((_, i) => i);
  for (const client of clients) client.send({ kind: "forget" });
  const begin = await Promise.all(clients.map(countOf));
  const daemonsBegin = await Promise.all(daemons.map((i) => site.usage(i)));
  const ringsBegin = await rings(site);
  await new Promise((resolve) => setTimeout(resolve, flow.ms));
  const end = await Promise.all(clients.map(countOf));
  const daemonsEnd = await Promise.all(daemons.map((i) => site.usage(i)));
  const ringsEnd = await rings(site);
  const latencies = flow.rate === undefined ? [] : await Promise.all(clients.map(latencyOf));
  const perReceiver = end.map((last, i) => {
    const first = begin[i] as Count;
    if (last.payloadBytes !== flow.payloadBytes) throw new Error(`received ${last.payloadBytes} bytes`);
    return ((last.received - first.received) / (last.at - first.at)) * 1000;
  });
  const messages = end.reduce((sum, last, i) => sum + last.received - (begin[i] as Count).received, 0);
  const { datagrams, datagramBytes: packetBytes } = (await site.status(0)).site;
  return {
    perReceiver,
    daemonCpu: cpuMicros(daemonsBegin, daemonsEnd) / messages,
    // Within the daemon's, if they are one process.
    clientCpu: flow.embedded === true ? 0 : cpuMicros(begin, end) / messages,
    visitsPerSecond: ((ringsEnd.visits - ringsBegin.visits) / (ringsEnd.at - ringsBegin.at)) * 1000,
    packetsPerVisit: (ringsEnd.packets - ringsBegin.packets) / (ringsEnd.visits - ringsBegin.visits),
    retransmissions: ringsEnd.retransmissions - ringsBegin.retransmissions,
    daemonPauses: worst(daemonsEnd),
    clientPauses: worst(end),
    datagrams: `${datagrams.path} (${datagrams.because})`,
    packetBytes,
    latencyMs: latencies.length === 0 ? undefined : worstLatency(latencies),
  };
}

type Latency = NonNullable<FlowResult["latencyMs"]>;

function worstLatency(all: readonly Latency[]): Latency {
  const worst = (of: (latency: Latency) => number): number => Math.max(...all.map(of));
  return { median: worst(({ median }) => median), p99: worst(({ p99 }) => p99), max: worst(({ max }) => max) };
}

async function latencyOf(child: ChildProcess): Promise<Latency> {
  const answer = told<{ kind: "latency"; latencyMs: Latency }>(child, "latency");
  child.send({ kind: "latency" });
  return (await answer).latencyMs;
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

function worst(list: readonly { readonly gc: Pauses }[]): Pauses {
  return list.map(({ gc }) => gc).reduce((a, b) => (b.longestMs > a.longestMs ? b : a));
}

type WithCpu = { readonly cpu: Usage["cpu"] };

function cpuMicros(begin: readonly WithCpu[], end: readonly WithCpu[]): number {
  const sum = (list: readonly WithCpu[]): number => list.reduce((all, { cpu }) => all + cpu.user + cpu.system, 0);
  return sum(end) - sum(begin);
}
