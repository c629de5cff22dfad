/*
 * Join and leave of one client in a running system of 20 daemons on this machine: from the request to the first view, and
 * to the end of the group's stream. Target: below 10 ms.
 *
 * Options: --daemons=20 --rounds=100
 */
import { connect } from "../src/index.ts";
import { option } from "./options.ts";
import { percentile, printTable, saveResults } from "./report.ts";
import { BenchSite } from "./site.ts";

const daemons = Number(option("daemons", "20"));
const rounds = Number(option("rounds", "100"));
const site = await BenchSite.start(daemons, { namespaces: false });
const joins: number[] = [];
const leaves: number[] = [];
try {
  const member = await connect(site.address(0));
  const group = await member.join("bench");
  void (async () => {
    for await (const event of group) if (event.kind === "left") break;
  })();
  const client = await connect(site.address(daemons - 1));
  for (let i = 0; i < rounds; i++) {
    const begin = performance.now();
    const joined = await client.join("bench");
    joins.push(performance.now() - begin);
    const leaving = performance.now();
    await joined.leave();
    leaves.push(performance.now() - leaving);
  }
  await Promise.all([client.close(), member.close()]);
} finally {
  site.close();
}
const row = (name: string, times: readonly number[]): string[] => [
  name,
  ...[0.5, 0.9, 0.99].map((share) => percentile(times, share).toFixed(2)),
  "10",
];
printTable(
  [`${daemons} daemons`, "median ms", "90 % ms", "99 % ms", "target ms"],
  [row("join", joins), row("leave", leaves)],
);
const summary = (times: readonly number[]): unknown => ({
  medianMs: percentile(times, 0.5),
  p99Ms: percentile(times, 0.99),
});
saveResults("join", { daemons, rounds, join: summary(joins), leave: summary(leaves) });
