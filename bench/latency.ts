/*
 * Latency through three idle daemons in three network namespaces, 100 bytes: from the send of a client to the delivery at
 * a client of another daemon, one message at a time;
 * sender and receiver share a process, and so a clock; over Unix sockets.
 * Targets: agreed median 0.3 ms, safe 0.5 ms.
 *
 * Options: --messages=2000
 */
import { connect } from "../src/index.ts";
import type { Service } from "../src/index.ts";
import { needNamespaces } from "./baseline.ts";
import { option } from "./options.ts";
import { percentile, printTable, saveResults } from "./report.ts";
import { BenchSite } from "./site.ts";

const TARGET_MS: Partial<Record<Service, number>> = { agreed: 0.3, safe: 0.5 };
const PAYLOAD_BYTES = 100;
const WARM_UP = 300;

needNamespaces();
const messages = Number(option("messages", "2000"));
const site = await BenchSite.start(3, { namespaces: true });
const rows: string[][] = [];
const results: unknown[] = [];
try {
  const sender = await connect(site.address(0));
  const receiver = await connect(site.address(1));
  for (const service of ["fifo", "agreed", "safe"] as const) {
    const group = await receiver.join(`latency-${service}`);
    const events = group[Symbol.asyncIterator]();
    const times: number[] = [];
    const payload = new Uint8Array(PAYLOAD_BYTES);
    for (let i = 0; i < messages + WARM_UP; i++) {
      const begin = performance.now();
      void sender.send(group.name, payload, { service });
      for (let kind = ""; kind !== "message"; ) kind = ((await events.next()).value as { kind: string }).kind;
      if (i >= WARM_UP) times.push(performance.now() - begin);
    }
    const [median, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(times, share)) as [number, number, number];
    results.push({ service, medianMs: median, p90Ms: p90, p99Ms: p99, targetMs: TARGET_MS[service] });
    const shown = [median, p90, p99].map((ms) => ms.toFixed(3));
    rows.push([service, ...shown, TARGET_MS[service]?.toString() ?? ""]);
  }
  await Promise.all([sender.close(), receiver.close()]);
} finally {
  site.close();
}
printTable(["service", "median ms", "90 % ms", "99 % ms", "target ms"], rows);
saveResults("latency", results);
