import { describeChange, type DaemonStatus } from "../daemon/status.ts";
import { shownBytes, shownDuration, shownNumber, table } from "./format.ts";

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
 * The monitor's picture of a site, as lines. Rates are taken from two observations of the same daemon; the first
 * picture has none.
 */
export function monitorView(now: readonly Observation[], before: readonly Observation[]): string {
  const statuses = now.flatMap(({ status }) => (status === undefined ? [] : [status]));
  const sections = [heading(now, statuses), daemonTable(now, before)];
  const changes = recentChanges(statuses);
  if (changes.length > 0) sections.push(`Last changes\n${changes.join("\n")}`);
  const groups = groupRows(statuses);
  if (groups.length > 1) sections.push(`Largest groups\n${table(groups)}`);
  const sessions = sessionRows(statuses);
  if (sessions.length > 1) sections.push(`Longest queues\n${table(sessions)}`);
  const faults = statuses.flatMap((status) =>
    Object.entries(status.faults)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `  ${status.name}: ${kind} ${shownNumber(count)}`),
  );
  if (faults.length > 0) sections.push(`Faults since start\n${faults.join("\n")}`);
  return sections.join("\n\n");
}

function heading(now: readonly Observation[], statuses: readonly DaemonStatus[]): string {
  const lines = configurations(statuses).map(({ members, primary, ageMs }) => {
    const side = primary ? "primary" : "NOT primary";
    return `Configuration of ${members.length} of ${now.length} daemons, ${side}, for ${shownDuration(ageMs)}: ${members.join(" ")}`;
  });
  if (lines.length > 1) lines.unshift(`The site is split into ${lines.length} configurations.`);
  const hashes = new Set(statuses.map((status) => status.site.hash));
  if (hashes.size > 1) lines.push("The daemons have different configuration files: amalgam doctor says which.");
  return lines.length > 0 ? lines.join("\n") : "No daemon answers.";
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

function daemonTable(now: readonly Observation[], before: readonly Observation[]): string {
  const rows = now.map((observation) => {
    const { name, status, problem } = observation;
    if (status === undefined) return [name, problem ?? "no answer"];
    const earlier = before.find((other) => other.name === name)?.status;
    const rate = rateOf(earlier, status);
    const { ring } = status;
    const { retransmissions: again } = ring;
    return [
      name,
      status.ready ? status.membershipState : `${status.membershipState}, not ready`,
      shownDuration(status.uptimeMs),
      ring.idle ? "idle" : shownDuration(ring.tokenRoundMs),
      String(ring.seq),
      String(ring.seq - ring.aru),
      String(ring.seq - ring.safe),
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
  return table([HEAD, ...rows]);
}

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

/** Changes as the daemons saw them, newest first; those with the same words only once. */
function recentChanges(statuses: readonly DaemonStatus[]): string[] {
  const changes = statuses.flatMap((status) => status.changes.map((change) => ({ by: status.name, change })));
  changes.sort((a, b) => b.change.atMs - a.change.atMs);
  return changes
    .slice(0, LIST_MAX)
    .map(
      ({ by, change }) => `  ${new Date(change.atMs).toISOString().slice(11, 23)}  ${by}: ${describeChange(change)}`,
    );
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
