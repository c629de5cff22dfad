import { afterEach, expect, it } from "vitest";
import { monitorView } from "../../src/cli/monitor-view.ts";
import { observeSite } from "../../src/cli/observe.ts";
import { parseSiteConfig } from "../../src/daemon/index.ts";
import { type Daemon, startDaemon } from "../../src/daemon/start.ts";
import { type Connection, connect } from "../../src/index.ts";
import { takePorts } from "./ports.ts";
import { until } from "./until.ts";

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function start(names: readonly string[]): Promise<Daemon[]> {
  const ports = await takePorts();
  open.push(() => ports[Symbol.dispose]());
  const lines = names.map((name, i) => `${name} 127.0.0.1:${ports.base + 2 * i}`).join("\n");
  const config = parseSiteConfig(`Dissemination = unicast Spread_Segment 127.0.0.255 {\n${lines}\n}`).site;
  const daemons: Daemon[] = [];
  for (const name of names) {
    const daemon = await startDaemon({ config, name, thread: false, unixSocket: false });
    daemons.push(daemon);
    open.push(() => daemon.abort());
  }
  await until("all daemons are one configuration", async () => {
    const statuses = await Promise.all(daemons.map((daemon) => daemon.status()));
    return statuses.every(({ ready, configuration }) => ready && configuration.members.length === names.length);
  });
  return daemons;
}

async function node(daemon: Daemon | undefined, name: string): Promise<Connection> {
  const connection = await connect(daemon?.address ?? "", { name, reconnect: false, node: { host: "127.0.0.1" } });
  open.push(() => connection.close());
  return connection;
}

it("a monitor of any daemon shows what the nodes of all say, and why regions change", async () => {
  const [a, b] = (await start(["a", "b"])) as [Daemon, Daemon];
  const [ann, bob, eve] = [await node(a, "ann"), await node(b, "bob"), await node(b, "eve")] as const;
  const groups = await Promise.all([ann, bob, eve].map((one) => one.join("prices", { quality: "scalable" })));
  const [group] = groups;
  await until("all are in one region", async () => {
    const { regions } = await b.status();
    return regions.largest[0]?.nodes === 3 && regions.served.late === 0 && regions.endingViews === 0;
  });
  for (let i = 0; i < 200; i++) await group?.send(new Uint8Array(100));

  await until("all nodes have told that they have all 200", async () => {
    const served = (await Promise.all([a.status(), b.status()])).map(({ regions }) => regions.served);
    const sum = (of: (one: (typeof served)[number]) => number) => served.reduce((all, one) => all + of(one), 0);
    return sum(({ totals }) => totals.messagesDelivered) === 600 && sum(({ totals }) => totals.messagesStable) === 200;
  });
  expect(ann.nodeStatistics?.figures).toMatchObject({ messagesSent: 200, messagesStable: 200, lost: 0 });

  const signal = new AbortController().signal;
  const seen = await observeSite(b.address, signal);
  const picture = monitorView(seen, []);
  expect(picture).toMatch(/^Regions: 1, with 3 nodes in 1 group; epoch \d+$/m);
  expect(picture).toMatch(/^ {2}\d+:1 +3 +1 +#(ann#a|bob#b|eve#b) .* 3 +prices$/m);
  for (const name of ["#ann#a", "#bob#b", "#eve#b"])
    expect(picture).toMatch(new RegExp(`^ {2}${name} +(active|idle) `, "m"));
  expect(picture).toContain(" joined; regions: 1 ");

  const whole = await observeSite(b.address, signal, { whole: true });
  const names = whole.flatMap(({ status }) => status?.regions.busiest.map((one) => one.name) ?? []);
  expect(names.toSorted()).toEqual(["#ann#a", "#bob#b", "#eve#b"]);

  await eve.close();
  await until("its end is told", async () => (await a.status()).regions.nodes === 2);
  const [change] = (await a.status()).regions.changes;
  expect(change).toMatchObject({ kind: "batch", failed: { count: 1, first: ["#eve#b"] }, causes: { session: 1 } });
});
