/*
 * Throughput through three daemons in three network namespaces on a bridge: a sending client at one daemon (or at each),
 * a receiving client at each, agreed service. Messages/s at every receiver, and their ratio to the baseline's packets/s in
 * the same run.
 *
 * Options: --sizes=100,1000 --repetitions=3 --ms=3000 --service=agreed --senders=1 --daemons=3
 * --loss=0.01 (of what reaches the second daemon) --mtu=9000 (of the links) --settings=NAME=VALUE;… (of the site)
 * --dissemination=multicast,unicast,tcp (each of them, by turns) --embedded (the clients are in their daemons' processes)
 */
import { needNamespaces, printBaseline } from "./baseline.ts";
import { type FlowResult, slowest } from "./flow.ts";
import { option } from "./options.ts";
import { figure, median, printTable, saveResults } from "./report.ts";
import { type Measured, ratioOf, Turns } from "./turns.ts";

/** With one sender and three daemons. */
const TARGETS: Readonly<Record<number, number>> = { 100: 2.2, 1000: 1.55, 10_000: 0.29 };
const EMBEDDED_TARGETS: typeof TARGETS = { 100: 5.5, 1000: 3.1, 10_000: 0.5 };

needNamespaces();
const sizes = option("sizes", "100,1000,10000").split(",").map(Number);
const repetitions = Number(option("repetitions", "3"));
const daemons = Number(option("daemons", "3"));
const senders = Number(option("senders", "1"));
const service = option("service", "agreed");
const loss = Number(option("loss", "0"));
const settings = option("settings", "").replaceAll(";", "\n");
const ms = Number(option("ms", "3000"));
const mtu = option("mtu", "");
const disseminations = option("dissemination", "multicast").split(",");
const embedded = process.argv.includes("--embedded");
const mtuBytes = mtu === "" ? {} : { mtuBytes: Number(mtu) };

const turns = new Turns();
const cases = disseminations.flatMap((dissemination) => sizes.map((payloadBytes) => ({ dissemination, payloadBytes })));
const runs: { one: (typeof cases)[number]; result: Measured }[] = [];
// By turns, so that a minute in which the machine is busy does not fall on one case alone.
for (let i = 0; i < repetitions; i++) {
  for (const one of cases) {
    const result = await turns.measure({
      daemons,
      senders,
      ...one,
      service,
      ms,
      loss,
      settings,
      embedded,
      ...mtuBytes,
    });
    runs.push({ one, result });
  }
}
const rows: string[][] = [];
const results = cases.map((one) => {
  const { dissemination, payloadBytes } = one;
  const own = runs.filter((run) => run.one === one).map(({ result }) => result);
  const of = (value: (result: FlowResult) => number): string => figure(median(own.map(value)));
  const rate = median(own.map(slowest));
  const ratio = ratioOf(own);
  const isTarget = daemons === 3 && senders === 1 && loss === 0 && mtu === "" && dissemination === "multicast";
  const target = isTarget ? (embedded ? EMBEDDED_TARGETS : TARGETS)[payloadBytes] : undefined;
  const longest = (pauses: "daemonPauses" | "clientPauses"): string =>
    figure(Math.max(...own.map((result) => result[pauses].longestMs)));
  rows.push([
    dissemination,
    `${payloadBytes}`,
    figure(rate),
    figure((rate * payloadBytes) / 1e6),
    ratio.toFixed(2),
    target === undefined ? "" : `${target}`,
    of(({ daemonCpu }) => daemonCpu),
    of(({ clientCpu }) => clientCpu),
    of((run) => run.visitsPerSecond),
    of((run) => run.packetsPerVisit),
    figure(own.reduce((sum, run) => sum + run.retransmissions, 0)),
    longest("daemonPauses"),
    longest("clientPauses"),
    own.map((run) => figure(slowest(run))).join(" "),
  ]);
  return { dissemination, payloadBytes, service, messagesPerSecond: rate, ratio, target, runs: own };
});
const { baseline } = turns;
printBaseline(baseline);
console.log(`datagrams: ${runs[0]?.result.datagrams ?? ""}; packets of ${runs[0]?.result.packetBytes} bytes`);
printTable(
  [
    "way",
    "bytes",
    "messages/s",
    "MB/s",
    "/ baseline",
    "target",
    "daemon us/msg",
    "client us/msg",
    "visits/s",
    "packets/visit",
    "repeated",
    "daemon GC ms",
    "client GC ms",
    "repetitions",
  ],
  rows,
);
const datagrams = runs[0]?.result.datagrams;
saveResults("throughput", {
  embedded,
  baseline,
  datagrams,
  daemons,
  senders,
  service,
  loss,
  ...mtuBytes,
  throughput: results,
});
