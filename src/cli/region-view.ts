import {
  describeRegionsChange,
  type NodeStatus,
  type RegionRates,
  type RegionsStatus,
  type RegionStatus,
} from "../daemon/regions-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import type { NodeCounter } from "../wire/native/node-statistics.ts";
import { fittedTable, hung, shownBytes, shownDuration, shownNumber } from "./format.ts";

/** Regions, nodes and changes that are shown where not all are asked for. */
const LIST_MAX = 8;
/** A report of a change is owed for a moment by every node. */
const LATE_MS = 1_000;

/** What one daemon says of regions. */
type Told = { readonly name: string; readonly regions: RegionsStatus };

/**
 * The monitor's picture of scalable groups, in sections; none where there are neither groups nor nodes. Membership is the same at all
 * daemons of the primary configuration; what nodes say of themselves, each daemon has of those that it serves.
 */
export function regionSections(statuses: readonly DaemonStatus[], width: number, isWhole: boolean): string[] {
  const all = statuses.flatMap(({ name, regions }): Told[] => {
    // A daemon of the release before says less.
    return regions.served === undefined ? [] : [{ name, regions }];
  });
  if (all.every(({ regions }) => regions.groups === 0 && regions.nodes === 0 && regions.served.count === 0)) return [];
  const leading = leadingOf(all);
  const most = isWhole ? Number.POSITIVE_INFINITY : LIST_MAX;
  const sections = [
    `${headline(leading.regions, width)}\n${fittedTable(regionRows(all, leading, most), width)}`,
    `Nodes by daemon\n${fittedTable(daemonRows(all), width)}`,
  ];
  const repairs = repairsLine(all);
  if (repairs !== undefined) sections.push(`Repairs by nodes since start\n${hung(repairs, width, 4)}`);
  const timely = timelyLines(all);
  if (timely !== undefined)
    sections.push(`Timely groups since start\n${timely.map((line) => hung(line, width, 4)).join("\n")}`);
  const nodes = nodeRows(all, most);
  if (nodes.length > 1) sections.push(`Nodes\n${fittedTable(nodes, width)}`);
  const changes = changeLines(all, most);
  if (changes.length > 0)
    sections.push(`Last changes of regions\n${changes.map((line) => hung(line, width, 6)).join("\n")}`);
  return sections;
}

/** The daemon whose view of memberships counts: a current one, and of these the one that is furthest. */
function leadingOf(all: readonly Told[]): Told {
  const [first] = [...all].sort(
    (a, b) =>
      Number(a.regions.suspended) - Number(b.regions.suspended) ||
      b.regions.epoch - a.regions.epoch ||
      b.regions.position - a.regions.position,
  );
  return first as Told;
}

function headline({ nodes, regions, groups, epoch, endingViews, suspended }: RegionsStatus, width: number): string {
  const counts = `Regions: ${shownNumber(regions)}, with ${counted(nodes, "node")} in ${counted(groups, "group")}`;
  const ending =
    endingViews === 0 ? "" : `; ${endingViews} replaced ${endingViews === 1 ? "view is" : "views are"} not over yet`;
  const state = suspended ? "SUSPENDED, no daemon is in a primary configuration" : `epoch ${epoch}`;
  return hung(`${counts}; ${state}${ending}`, width, 2);
}

function regionRows(all: readonly Told[], { regions }: Told, most: number): string[][] {
  const rows = regions.largest.slice(0, most).map((region) => {
    const shares = all.flatMap(({ regions: { largest } }) =>
      largest.filter(({ id, view }) => id === region.id && view === region.view),
    );
    const sum = (value: (share: RegionStatus) => number): number =>
      shares.reduce((all, share) => all + value(share), 0);
    const rate = (name: keyof RegionRates): string => perSecond(sum(({ rates }) => rates[name]));
    const led = shares.find((share) => share.led !== undefined)?.led;
    return [
      `  ${region.id}`,
      String(region.nodes),
      shownNumber(region.groups.count),
      region.leader,
      led === undefined ? "-" : led.quiet === 1 ? "quiet" : shownDuration(led.roundTripUs / 1_000),
      rate("sent"),
      rate("delivered"),
      shownBytes(sum(({ pendingBytes }) => pendingBytes)),
      perSecond(sum(({ rates }) => rates.repaired + rates.resent)),
      shownNumber(sum(({ lost }) => lost)),
      led === undefined || led.rateLeast === 0 ? "-" : shownNumber(led.rateLeast),
      String(region.view),
      shownBytes(sum(({ keptBytes }) => keptBytes)),
      `${sum(({ reporting }) => reporting)}`,
      region.groups.first.join(" ") + (region.groups.count > region.groups.first.length ? " ..." : ""),
    ];
  });
  const head =
    "region,nodes,groups,leader,round,sent/s,delivered/s,pending,repairs/s,lost,least/s,view,kept,reporting,names";
  return [`  ${head}`.split(","), ...rows];
}

function daemonRows(all: readonly Told[]): string[][] {
  const rows = all.map(({ name, regions: { suspended, epoch, position, served, absent } }) => [
    `  ${name}`,
    suspended ? "suspended" : "current",
    String(served.count),
    served.late === 0 ? "0" : `${served.late} (${shownDuration(served.lateMs)})`,
    // Sessions that have gone, or nodes that this daemon looks for though their sessions were elsewhere.
    String(Math.max(served.count - served.attached, absent.length)),
    perSecond(served.rates.sent),
    perSecond(served.rates.delivered),
    shownBytes(served.queuedBytes + served.unstableBytes),
    shownBytes(served.keptBytes),
    served.roundTripMsMax > 0 ? shownDuration(served.roundTripMsMax) : "-",
    String(epoch),
    shownNumber(position),
  ]);
  return ["  daemon,membership,nodes,late,away,sent/s,delivered/s,pending,kept,round,epoch,log".split(","), ...rows];
}

/** How lost packets were brought, by all nodes; nothing while none was. */
function repairsLine(all: readonly Told[]): string | undefined {
  const count = (name: NodeCounter): number => all.reduce((sum, { regions }) => sum + regions.served.totals[name], 0);
  const [received, repaired, lost] = [count("packetsReceived"), count("repaired"), count("lost")];
  const kinds = SENT_AGAIN.map(([name, what]) => `${shownNumber(count(name))} ${what}`);
  const isQuiet = SENT_AGAIN.every(([name]) => count(name) === 0) && repaired + lost === 0;
  if (isQuiet) return undefined;
  const share =
    received + repaired === 0 ? "" : ` (${((100 * repaired) / (received + repaired)).toFixed(2)} % of all packets)`;
  return `  ${kinds.join(", ")}; of these ${shownNumber(repaired)} came in time${share}, ${shownNumber(count("redundant"))} in vain; ${shownNumber(lost)} given up as lost`;
}

const SENT_AGAIN = [
  ["pushed", "pushed to the predecessor"],
  ["pulled", "pulled by the successor"],
  ["pulledElsewhere", "by other partitions"],
  ["forwardedLate", "forwarded when they came"],
  ["resent", "sent again by senders"],
] as const satisfies readonly (readonly [NodeCounter, string])[];
/** How packets of timely groups came; nothing while there were none. */
function timelyLines(all: readonly Told[]): string[] | undefined {
  const count = (name: NodeCounter): number =>
    all.reduce((sum, { regions }) => sum + (regions.served.totals[name] ?? 0), 0);
  const [received, rebuilt, resent] = [count("timelyReceived"), count("timelyRebuilt"), count("timelyResent")];
  const packets = received + rebuilt + resent;
  if (packets + count("timelySent") === 0) return undefined;
  const recovered = rebuilt + resent;
  const share = (part: number, whole: number): string => `${whole === 0 ? "0" : ((100 * part) / whole).toFixed(2)} %`;
  const mean = recovered === 0 ? "" : `, after ${shownDuration(count("recoveredUs") / 1_000 / recovered)} on average`;
  const lines = [
    `  ${shownNumber(packets)} packets, of which ${shownNumber(recovered)} were missing at first: ${share(rebuilt, recovered)} rebuilt, ${share(resent, recovered)} asked for${mean}; ${shownNumber(count("timelyLost"))} lost`,
    `  repairs: ${shownNumber(count("timelyRepairsSent"))} sent, ${shownNumber(count("timelyRepairsReceived"))} received, ${share(count("timelyRepairsUseless"), count("timelyRepairsReceived"))} told nothing new, ${shownNumber(count("timelyRepairsFailed"))} could not be used`,
  ];
  const delivered = count("orderedDelivered");
  if (delivered > 0) {
    lines.push(
      `  in one order: ${shownNumber(delivered)} deliveries, ${share(count("orderedOptimistic"), delivered)} before their order was known, ${share(count("orderedRolledBack"), delivered)} taken back`,
    );
  }
  return lines;
}

type Row = { readonly node: NodeStatus; readonly daemon: string };

function nodeRows(all: readonly Told[], most: number): string[][] {
  const nodes = all.flatMap(({ name, regions }) => regions.busiest.map((node): Row => ({ node, daemon: name })));
  const absent = all.flatMap(({ name, regions }) => regions.absent.map((node) => ({ ...node, daemon: name })));
  const sorted = nodes
    .sort((a, b) => rank(b.node) - rank(a.node))
    .filter(({ node }) => !absent.some(({ name }) => name === node.name));
  const gone = absent.map(({ name, failsInMs, daemon }) => [
    `  ${name}`,
    `away, fails in ${Math.ceil(failsInMs / 1_000)} s`,
    ...Array.from({ length: 9 }, () => "-"),
    daemon,
  ]);
  const rows = sorted.map(({ node, daemon }) => {
    const { name, figures, rates, region } = node;
    const figure = (value: (all: NonNullable<typeof figures>) => string): string =>
      figures === undefined ? "-" : value(figures);
    return [
      `  ${name}`,
      stateOf(node),
      perSecond(rates.sent),
      perSecond(rates.delivered),
      figure(({ queuedBytes, unstableBytes }) => shownBytes(queuedBytes + unstableBytes)),
      figure(({ behindPackets }) => shownNumber(behindPackets)),
      perSecond(rates.repaired + rates.resent),
      figure(({ rateAdmissible }) => (rateAdmissible === 0 ? "-" : shownNumber(rateAdmissible))),
      figure(({ loopDelayUs }) => shownDuration(loopDelayUs / 1_000)),
      figure(({ lost }) => shownNumber(lost)),
      region ?? "-",
      daemon,
      figure(({ keptBytes }) => shownBytes(keptBytes)),
      figure(({ rateGranted }) => (rateGranted === 0 ? "-" : shownNumber(rateGranted))),
      figure((all) => shownNumber(dropsOf(all))),
    ];
  });
  const head =
    "node,state,sent/s,delivered/s,pending,behind,repairs/s,takes/s,loop,lost,region,daemon,kept,granted/s,drops";
  return [`  ${head}`.split(","), ...[...gone, ...rows].slice(0, most)];
}

function dropsOf(figures: NonNullable<NodeStatus["figures"]>): number {
  return Object.entries(figures).reduce((sum, [name, count]) => (name.startsWith("drops") ? sum + count : sum), 0);
}

function stateOf({ attached, lateMs, id, figures, reportAgeMs = 0 }: NodeStatus): string {
  if (!attached) return "away";
  if (id === undefined) return "joining";
  if (lateMs > LATE_MS) return `late ${shownDuration(lateMs)}`;
  if (figures === undefined) return "no report";
  if (figures.held === 1) return "holds senders";
  return reportAgeMs > 3 * LATE_MS ? "idle" : "active";
}

/** What makes a node worth a line: that it does not follow, then what it does. */
function rank({ attached, lateMs, figures, rates }: NodeStatus): number {
  if (!attached) return 3e15;
  if (lateMs > LATE_MS) return 2e15 + lateMs;
  if (figures === undefined) return 0;
  if (figures.held === 1) return 1e15;
  return 1 + figures.queuedBytes + figures.unstableBytes + rates.sent + rates.delivered;
}

/** What nodes dropped that they should not have got, or could not handle; what is late, or of the past, is no fault. */
export function nodeFaults(statuses: readonly DaemonStatus[]): string[] {
  return statuses.flatMap(({ name, regions }) =>
    FAULTS.flatMap((fault) => {
      const count = regions.served?.totals[fault] ?? 0;
      return count === 0 ? [] : [`  nodes at ${name}: ${fault} ${shownNumber(count)}`];
    }),
  );
}

const FAULTS = [
  "dropsMalformed",
  "dropsForeign",
  "dropsCluster",
  "dropsUntold",
  "dropsOverrun",
  "dropsUnsent",
] as const satisfies readonly NodeCounter[];

/** Each change once, newest first: those of memberships are the same at all daemons, and each tells when its own were suspended. */
function changeLines(all: readonly Told[], most: number): string[] {
  const found = new Map<string, { readonly change: RegionsStatus["changes"][number]; readonly by: string[] }>();
  for (const { name, regions } of all) {
    for (const change of regions.changes) {
      const text = describeRegionsChange(change);
      const key =
        change.kind === "batch" ? `${change.position} ${text}` : `${text} ${Math.round(change.atMs / 10_000)}`;
      const seen = found.get(key);
      if (seen === undefined) found.set(key, { change, by: [name] });
      else seen.by.push(name);
    }
  }
  return [...found.values()]
    .sort((a, b) => b.change.atMs - a.change.atMs)
    .slice(0, most)
    .map(({ change, by }) => {
      const who = by.length === all.length ? "" : `${by.join(" ")}: `;
      return `  ${new Date(change.atMs).toISOString().slice(11, 23)}  ${who}${describeRegionsChange(change)}`;
    });
}

function counted(count: number, noun: string): string {
  return `${shownNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** With a decimal only where that says something. */
function perSecond(rate: number): string {
  return shownNumber(rate >= 10 ? Math.round(rate) : Math.round(rate * 10) / 10);
}
