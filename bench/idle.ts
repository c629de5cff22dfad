/*
 * What a daemon costs that has nothing to do: CPU of three idle daemons, and the memory of one with many connected idle clients,
 * each in ten of many groups. Targets: 1 % of a core; 200 MB with 1,000 clients.
 *
 * Options: --clients=1000 --groups=10000 --ms=10000
 */
import { connect, type Connection } from "../src/index.ts";
import { option } from "./options.ts";
import { printTable, saveResults } from "./report.ts";
import { BenchSite, type Usage } from "./site.ts";

const clients = Number(option("clients", "1000"));
const groups = Number(option("groups", "10000"));
const ms = Number(option("ms", "10000"));
const GROUPS_EACH = 10;
const SETTLE_MS = 2_000;

const core = (a: Usage, b: Usage): number =>
  (b.cpu.user + b.cpu.system - a.cpu.user - a.cpu.system) / 1000 / (b.at - a.at);
const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

const site = await BenchSite.start(3, { namespaces: false });
try {
  await sleep(SETTLE_MS);
  const begin = await Promise.all(site.names.map((_, i) => site.usage(i)));
  await sleep(ms);
  const end = await Promise.all(site.names.map((_, i) => site.usage(i)));
  const share = Math.max(...end.map((last, i) => core(begin[i] as Usage, last)));

  const connections: Connection[] = [];
  for (let i = 0; i < clients; i++) {
    const connection = await connect(site.address(0), { silenceMs: 60_000 });
    connections.push(connection);
    // Read, so that nothing waits anywhere.
    void (async () => {
      for await (const event of connection) if (event.kind === "left") continue;
    })();
    const names = Array.from({ length: GROUPS_EACH }, (_, n) => `g${(i * GROUPS_EACH + n) % groups}`);
    await Promise.all(names.map((name) => connection.join(name)));
  }
  await sleep(SETTLE_MS);
  const loadedBegin = await site.usage(0);
  await sleep(ms);
  const loaded = await site.usage(0);
  const megabytes = loaded.memory.rss / 1e6;
  const loadedShare = core(loadedBegin, loaded);
  const idleMegabytes = Math.max(...end.map(({ memory }) => memory.rss)) / 1e6;
  printTable(
    ["daemon", "% of a core", "target", "MB", "target"],
    [
      ["idle, of three", (share * 100).toFixed(2), "1", idleMegabytes.toFixed(0), ""],
      [`${clients} clients, ${groups} groups`, (loadedShare * 100).toFixed(2), "", megabytes.toFixed(0), "200"],
    ],
  );
  saveResults("idle", { idleCore: share, idleMegabytes, clients, groups, core: loadedShare, megabytes });
  await Promise.all(connections.map((connection) => connection.close()));
} finally {
  site.close();
}
