/*
 * Latency through three idle daemons in three network namespaces, 100 bytes: from the send of a client to the delivery at
 * a client of another daemon, one message at a time; sender and receiver share a process, and so a clock; over Unix sockets.
 * Beside it what bare processes need that pass the same bytes on (bench/relay.ts): over one datagram, the least that a message between
 * daemons can take, and over four, as safe delivery hears of the third daemon only when the token has gone round. Services and floors take
 * turns, so that a busy minute falls on all of them.
 *
 * Targets: agreed median 0.3 ms, safe 0.5 ms.
 *
 * Options: --messages=2000 --pause=0 (ms before each message: 0 sends when the last one has arrived)
 */
import { connect } from "../src/index.ts";
import type { Connection, Service } from "../src/index.ts";
import { needNamespaces } from "./baseline.ts";
import { option } from "./options.ts";
import { Relay } from "./relay.ts";
import { percentile, printTable, saveResults } from "./report.ts";
import { BenchSite } from "./site.ts";

const TARGET_MS: Partial<Record<string, number>> = { agreed: 0.3, safe: 0.5 };
const SERVICES = ["fifo", "agreed", "safe"] as const;
/** Datagrams one after the other that a bare relay is measured with, beside which service. */
const HOPS: Readonly<Record<(typeof SERVICES)[number], number>> = { fifo: 1, agreed: 1, safe: 4 };
const PAYLOAD_BYTES = 100;
const ROUNDS = 5;
const WARM_UP = 300;
/** So many messages of each service go first, so many at a time: V8 has then compiled what is hot, as in daemons that have run for a while. */
const COMPILING = 30_000;
const COMPILING_BATCH = 20;

needNamespaces();
const messages = Number(option("messages", "2000"));
const pauseMs = Number(option("pause", "0"));
const site = await BenchSite.start(3, { namespaces: true });
const relay = await Relay.start();
const times = new Map<string, number[]>();
try {
  const sender = await connect(site.address(0));
  const receiver = await connect(site.address(1));
  for (const service of SERVICES) await warmUp(sender, receiver, service);
  for (let round = 0; round <= ROUNDS; round++) {
    const count = round === 0 ? WARM_UP : Math.ceil(messages / ROUNDS);
    for (const service of SERVICES) {
      note(round, service, await measure(sender, receiver, service, count));
      note(round, floorOf(service), await relay.measure(HOPS[service], count, PAYLOAD_BYTES, pause));
    }
  }
  await Promise.all([sender.close(), receiver.close()]);
} finally {
  relay.close();
  site.close();
}
const results = SERVICES.map((service) => {
  const of = (name: string, share: number): number => percentile(times.get(name) as number[], share);
  const [medianMs, p90Ms, p99Ms] = [0.5, 0.9, 0.99].map((share) => of(service, share)) as [number, number, number];
  return { service, medianMs, p90Ms, p99Ms, floorMs: of(floorOf(service), 0.5), targetMs: TARGET_MS[service] };
});
printTable(
  ["service", "median ms", "90 % ms", "99 % ms", "bare median ms", "/ bare", "target ms"],
  results.map(({ service, medianMs, p90Ms, p99Ms, floorMs, targetMs }) => [
    service,
    ...[medianMs, p90Ms, p99Ms, floorMs].map((ms) => ms.toFixed(3)),
    (medianMs / floorMs).toFixed(2),
    targetMs?.toString() ?? "",
  ]),
);
saveResults("latency", results);

function floorOf(service: (typeof SERVICES)[number]): string {
  return `${HOPS[service]} datagrams`;
}

/** Round 0 is the warm-up. */
function note(round: number, name: string, measured: readonly number[]): void {
  if (round > 0) times.set(name, [...(times.get(name) ?? []), ...measured]);
}

async function pause(): Promise<void> {
  if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
}

async function warmUp(sender: Connection, receiver: Connection, service: Service): Promise<void> {
  const group = await receiver.join(`warm-${service}`);
  const events = group[Symbol.asyncIterator]();
  const payload = new Uint8Array(PAYLOAD_BYTES);
  for (let sent = 0; sent < COMPILING; sent += COMPILING_BATCH) {
    for (let i = 0; i < COMPILING_BATCH; i++) void sender.send(group.name, payload, { service });
    for (let received = 0; received < COMPILING_BATCH; ) {
      if (((await events.next()).value as { kind: string }).kind === "message") received++;
    }
  }
  await group.leave();
}

async function measure(sender: Connection, receiver: Connection, service: Service, count: number): Promise<number[]> {
  const group = await receiver.join(`latency-${service}`);
  const events = group[Symbol.asyncIterator]();
  const measured: number[] = [];
  const payload = new Uint8Array(PAYLOAD_BYTES);
  for (let i = 0; i < count; i++) {
    await pause();
    const begin = performance.now();
    void sender.send(group.name, payload, { service });
    for (let kind = ""; kind !== "message"; ) kind = ((await events.next()).value as { kind: string }).kind;
    measured.push(performance.now() - begin);
  }
  await group.leave();
  return measured;
}
