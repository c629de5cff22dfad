import { type ConfigurationChange, describeChange, type DaemonStatus } from "../daemon/status.ts";
import { fittedTable, hung, shownBytes, shownDuration, shownNumber } from "./format.ts";
import { siteSections } from "./sites-view.ts";
import { nodeFaults, regionSections } from "./region-view.ts";

/** A daemon as the monitor found it: its status, or why there is none. */
export type Observation = {
  readonly name: string;
  readonly address: string;
  readonly status: DaemonStatus | undefined;
  readonly problem: string | undefined;
};

/** Lines of changes, groups and sessions that the view shows. */
const LIST_MAX = 8;

/**
 * The monitor's picture of a site, as lines of at most `width` characters: what is least important of the table gives
 * way. Rates are taken from two observations of the same daemon; the first picture has none. `isWhole`: all regions and nodes.
 */
export function monitorView(
  now: readonly Observation[],
  before: readonly Observation[],
  width = Infinity,
  isWhole = false,
): string {
  const statuses = now.flatMap(({ status }) => (status === undefined ? [] : [status]));
  const sections = [broken(heading(now, statuses), width, 2), daemonTable(now, before, width)];
  const silent = now.flatMap(({ name, problem }) => (problem === undefined ? [] : [`  ${name}: ${problem}`]));
  if (silent.length > 0) sections.push(`No answer\n${broken(silent, width, 4)}`);
  sections.push(
    ...siteSections(
      statuses,
      before.map(({ status }) => status),
      width,
    ),
  );
  sections.push(...regionSections(statuses, width, isWhole));
  const changes = recentChanges(statuses);
  if (changes.length > 0) sections.push(`Last changes\n${broken(changes, width, 6)}`);
  const groups = groupRows(statuses);
  if (groups.length > 1) sections.push(`Largest groups\n${fittedTable(groups, width)}`);
  const sessions = sessionRows(statuses);
  if (sessions.length > 1) sections.push(`Longest queues of clients\n${fittedTable(sessions, width)}`);
  const faults = statuses.flatMap((status) =>
    Object.entries(status.faults)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `  ${status.name}: ${kind} ${shownNumber(count)}`),
  );
  faults.push(...nodeFaults(statuses));
  if (faults.length > 0) sections.push(`Faults since start\n${faults.join("\n")}`);
  return sections.join("\n\n");
}

function broken(lines: readonly string[], width: number, indent: number): string {
  return lines.map((line) => hung(line, width, indent)).join("\n");
}

function heading(now: readonly Observation[], statuses: readonly DaemonStatus[]): string[] {
  const lines = configurations(statuses).map(({ members, primary, ageMs }) => {
    const side = primary ? "primary" : "NOT primary";
    return `Configuration of ${members.length} of ${now.length} daemons, ${side}, for ${shownDuration(ageMs)}: ${members.join(" ")}`;
  });
  if (lines.length > 1) lines.unshift(`The site is split into ${lines.length} configurations.`);
  const hashes = new Set(statuses.map((status) => status.site.hash));
  if (hashes.size > 1) lines.push("The daemons have different configuration files: amalgam doctor says which.");
  return lines.length > 0 ? lines : ["No daemon answers."];
}

/** The different configurations that the daemons report, largest first. */
function configurations(statuses: readonly DaemonStatus[]): DaemonStatus["configuration"][] {
  const found = new Map<string, DaemonStatus["configuration"]>();
  for (const { configuration } of statuses) {
    const key = `${configuration.id.leader}.${configuration.id.time}.${configuration.members.join(" ")}`;
    if (!found.has(key)) found.set(key, configuration);
  }
  return [...found.values()].sort((a, b) => b.members.length - a.members.length);
}

function daemonTable(now: readonly Observation[], before: readonly Observation[], width: number): string {
  const rows = now.map((observation) => {
    const { name, status } = observation;
    if (status === undefined) return [name, "no answer"];
    const earlier = before.find((other) => other.name === name)?.status;
    const rate = rateOf(earlier, status);
    const { ring } = status;
    const { retransmissions: again } = ring;
    return [
      name,
      shownState(status),
      shownDuration(status.uptimeMs),
      ring.idle ? "idle" : ring.tokenRoundMs > 0 ? shownDuration(ring.tokenRoundMs) : "-",
      String(ring.seq),
      String(ring.seq - ring.aru),
      // With several sites "safe" counts stamps, which run ahead of a site's own numbers.
      String(Math.max(0, ring.seq - ring.safe)),
      `${ring.personalWindowPackets}/${ring.windowPackets}`,
      String(ring.queuedPackets),
      rate((s) => s.ring.messagesSent, shownNumber),
      rate((s) => s.ring.messagesDelivered, shownNumber),
      rate((s) => s.ring.bytesReceived + s.ring.bytesSent, shownBytes),
      rate((s) => s.ring.retransmissions.requested, shownNumber),
      String(again.unicast + again.segment + again.multicast),
      String(status.sessions.count),
      String(status.groups.count),
    ];
  });
  return fittedTable([HEAD, ...rows], width, GIVE_WAY);
}

/** The leader of a ring that lacks daemons looks for them, and goes on serving meanwhile. */
function shownState({ ready, membershipState }: DaemonStatus): string {
  if (!ready) return `${membershipState}, not ready`;
  return membershipState === "gather" ? "looking" : membershipState;
}

/** What goes first where there is no room for all columns. */
const GIVE_WAY = "resent,asked/s,seq,bytes/s,window,up,queued,groups,unstable,missing,clients,round,sent/s".split(",");

const HEAD =
  "daemon,state,up,round,seq,missing,unstable,window,queued,sent/s,delivered/s,bytes/s,asked/s,resent,clients,groups".split(
    ",",
  );

/** Turns a counter of two statuses into a rate per second; a dash if the earlier one is of another run, or missing. */
function rateOf(earlier: DaemonStatus | undefined, status: DaemonStatus) {
  return (counter: (status: DaemonStatus) => number, shown: (value: number) => string): string => {
    const seconds = earlier === undefined ? 0 : (status.uptimeMs - earlier.uptimeMs) / 1_000;
    if (earlier === undefined || seconds <= 0) return "-";
    return shown(Math.round((counter(status) - counter(earlier)) / seconds));
  };
}

/** What says most of a change comes first. */
const EVIDENCE: readonly ConfigurationChange["cause"]["kind"][] = [
  "reload",
  "tokenLoss",
  "linkSilent",
  "linkStuck",
  "leave",
  "join",
  "formFailed",
  "memberLost",
  "foreign",
  "request",
  "start",
];

/**
 * Changes, newest first: each configuration once for all daemons with the same one before, in the words of the daemon
 * that saw the cause itself rather than heard of it.
 */
function recentChanges(statuses: readonly DaemonStatus[]): string[] {
  const found = new Map<string, { change: ConfigurationChange; by: string[] }>();
  for (const { name, changes } of statuses) {
    for (const change of changes) {
      const { id, joined, left } = change;
      const key = `${id.leader}.${id.time} ${joined.join(" ")} ${left.join(" ")}`;
      const seen = found.get(key);
      if (seen === undefined) found.set(key, { change, by: [name] });
      else {
        seen.by.push(name);
        if (EVIDENCE.indexOf(change.cause.kind) < EVIDENCE.indexOf(seen.change.cause.kind)) seen.change = change;
      }
    }
  }
  const sorted = [...found.values()].sort((a, b) => b.change.atMs - a.change.atMs).slice(0, LIST_MAX);
  return sorted.map(({ change, by }) => {
    const time = new Date(change.atMs).toISOString().slice(11, 23);
    return `  ${time}  ${by.join(" ")}: ${describeChange(change)}`;
  });
}

function groupRows(statuses: readonly DaemonStatus[]): string[][] {
  const largest = statuses[0]?.groups.largest ?? [];
  return [
    ["  group", "members"],
    ...largest.slice(0, LIST_MAX).map(({ name, members }) => [`  ${name}`, String(members)]),
  ];
}

function sessionRows(statuses: readonly DaemonStatus[]): string[][] {
  const sessions = statuses
    .flatMap((status) => status.sessions.slowest)
    .filter((session) => session.queuedMessages > 0 || session.dropped > 0)
    .sort((a, b) => b.queuedBytes - a.queuedBytes)
    .slice(0, LIST_MAX);
  return [
    ["  client", "protocol", "from", "queued", "bytes", "dropped"],
    ...sessions.map(({ name, protocol, address, queuedMessages, queuedBytes, dropped }) => [
      `  ${name}`,
      protocol,
      address,
      String(queuedMessages),
      shownBytes(queuedBytes),
      String(dropped),
    ]),
  ];
}
