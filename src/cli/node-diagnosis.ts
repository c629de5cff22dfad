import type { NodeStatus } from "../daemon/regions-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { nodeDefaults } from "../qsm/config.ts";
import type { SitePool } from "../wire/native/node-facts.ts";
import { type Finding, multicastRoute, ok, problem, RECEIVE_BUFFER_WANTED, warning } from "./diagnosis.ts";
import { shownBytes, shownDuration, shownNumber } from "./format.ts";

/** IPv4 and UDP headers. */
const DATAGRAM_OVERHEAD = 28;
/** So late a node holds up others: their replaced views do not end before it has reported. */
const LATE_MS = 5_000;
/** A loop that is so late takes its node for overloaded (qsm/admission.ts), and slows its region down. */
const LOOP_DELAY_MS = 25;

/** Whether datagrams of nodes fit the MTU of an interface of this host. */
export function judgeNodeMtu(device: string, mtuBytes: number): Finding[] {
  const { datagramBytes } = nodeDefaults;
  if (datagramBytes + DATAGRAM_OVERHEAD <= mtuBytes) return [];
  const message = `datagrams of nodes have ${datagramBytes} bytes, the MTU is ${mtuBytes}: each is sent in fragments, and one lost fragment loses all`;
  return [
    warning(
      `MTU of ${device} for nodes`,
      message,
      `Raise the MTU to ${datagramBytes + DATAGRAM_OVERHEAD} or more on all hosts`,
    ),
  ];
}

/** The outcome of sending a datagram to the first of the regions' multicast addresses and hearing it. */
export function judgePool(address: string, port: number, heard: boolean, error: string | undefined): Finding {
  const check = `multicast to regions, ${address} and the next ones`;
  if (heard) return ok(check, `this host hears itself; nodes use UDP port ${port} there`);
  const { range, command } = multicastRoute(address);
  return warning(
    check,
    `${error ?? "a datagram did not come back"}: nodes on this host do not hear multicasts`,
    `Route ${range} to the nodes' interface (${command}) and allow UDP port ${port} in the firewall, or set Dissemination = unicast: each packet then goes to each member by itself`,
  );
}

/** The first of the addresses of a pool. */
export function firstAddress({ base }: SitePool): string {
  return [24, 16, 8, 0].map((shift) => (base >>> shift) & 0xff).join(".");
}

/** What the daemons know of the nodes that they serve; nothing where there are none. */
export function judgeNodes(statuses: readonly DaemonStatus[]): Finding[] {
  const told = statuses.filter(({ regions }) => regions.served !== undefined);
  if (told.every(({ regions: { served, nodes } }) => served.count === 0 && nodes === 0)) return [];
  const nodes = told.flatMap(({ regions }) => regions.busiest);
  return [
    ...told.map(judgeServed),
    ...judgeSuspension(told),
    ...judgeBuffers(nodes),
    ...judgeLoops(nodes),
    ...judgeDrops(nodes),
  ];
}

function judgeServed({ name, regions: { served, absent } }: DaemonStatus): Finding {
  const check = `nodes at ${name}`;
  const counts = `${shownNumber(served.count)}, ${shownNumber(served.reporting)} of which report`;
  if (served.lateMs > LATE_MS) {
    const message = `${counts}; ${served.late} owe the report of a change, the slowest for ${shownDuration(served.lateMs)}: views that others left do not end before`;
    return warning(check, message, "amalgam monitor names them: look whether their processes are frozen or overloaded");
  }
  if (absent.length > 0) {
    const message = `${counts}; without a session: ${absent.map(({ name: node, failsInMs }) => `${node} (fails in ${shownDuration(failsInMs)})`).join(", ")}`;
    return warning(check, message, "If their processes run: see whether they reach a daemon");
  }
  return ok(check, counts);
}

function judgeSuspension(statuses: readonly DaemonStatus[]): Finding[] {
  const suspended = statuses.filter(({ regions }) => regions.suspended);
  const [first] = suspended;
  if (first === undefined) return [];
  const check = `memberships of scalable groups at ${suspended.map(({ name }) => name).join(", ")}`;
  if (!first.configuration.primary) {
    return [
      warning(
        check,
        "suspended: not in a primary configuration",
        "Bring a majority of the daemons together, see above",
      ),
    ];
  }
  const remedy = "If it lasts: see the daemon's log; the file NAME.epoch in its --state-dir has to be writable";
  return [problem(check, "suspended in a primary configuration: the epoch could not begin", remedy)];
}

function judgeBuffers(nodes: readonly NodeStatus[]): Finding[] {
  const check = "receive buffers of nodes";
  const told = nodes.flatMap(({ name, figures }) =>
    figures === undefined ? [] : [{ name, bytes: figures.receiveBufferBytes }],
  );
  if (told.length === 0) return [];
  const small = told.filter(({ bytes }) => bytes < RECEIVE_BUFFER_WANTED);
  const least = Math.min(...told.map(({ bytes }) => bytes));
  if (small.length === 0) return [ok(check, `at least ${shownBytes(least)}`)];
  const message = `${listed(small)} got as little as ${shownBytes(least)}; ${shownBytes(RECEIVE_BUFFER_WANTED)} survive a busy moment without loss`;
  const remedy = `On their hosts: sysctl -w net.core.rmem_max=${RECEIVE_BUFFER_WANTED}, then restart the processes`;
  return [warning(check, message, remedy)];
}

function judgeLoops(nodes: readonly NodeStatus[]): Finding[] {
  const busy = nodes.filter(({ figures }) => (figures?.loopDelayUs ?? 0) > LOOP_DELAY_MS * 1_000);
  if (busy.length === 0) return [];
  const worst = Math.max(...busy.map(({ figures }) => figures?.loopDelayUs ?? 0)) / 1_000;
  const message = `${listed(busy)} come to their turns up to ${shownDuration(worst)} late: their regions are slowed down for them`;
  return [
    warning(
      "event loops of nodes",
      message,
      "Move long computations out of the event loop, or give the processes more of a processor",
    ),
  ];
}

function judgeDrops(nodes: readonly NodeStatus[]): Finding[] {
  const overrun = nodes.filter(({ figures }) => (figures?.dropsOverrun ?? 0) > 0);
  const unsent = nodes.filter(({ figures }) => (figures?.dropsUnsent ?? 0) > 0);
  const foreign = nodes.filter(({ figures }) => (figures?.dropsCluster ?? 0) + (figures?.dropsForeign ?? 0) > 0);
  return [
    ...found(
      overrun,
      "datagrams that nodes did not get to",
      "dropped datagrams that came faster than they are processed",
      "They are repaired at a cost: the senders' rate limits or the processes' share of a processor are wrong",
    ),
    ...found(
      unsent,
      "datagrams that nodes could not send",
      "had datagrams refused by the kernel",
      "See routes and firewalls of their hosts",
    ),
    ...found(
      foreign,
      "foreign datagrams at nodes",
      "hear datagrams of another site or release",
      "Another site uses the same addresses and ports: give it another multicast address or port",
    ),
  ];
}

function found(nodes: readonly NodeStatus[], check: string, what: string, remedy: string): Finding[] {
  return nodes.length === 0 ? [] : [warning(check, `${listed(nodes)} ${what}`, remedy)];
}

const NAMES_MAX = 5;

function listed(nodes: readonly { readonly name: string }[]): string {
  const names = nodes.slice(0, NAMES_MAX).map(({ name }) => name);
  return `${names.join(", ")}${nodes.length > NAMES_MAX ? ` and ${nodes.length - NAMES_MAX} more` : ""}`;
}
