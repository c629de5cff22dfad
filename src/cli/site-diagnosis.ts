import type { SiteConfig } from "../daemon/config/site.ts";
import type { DaemonStatus, DisseminationName, ProbeStatus } from "../daemon/status.ts";
import { type Finding, hasSameFile, multicastRoute, ok, problem, warning } from "./diagnosis.ts";

/** Whether all daemons are of one release, and speak the newest datagrams that all of them know. */
export function judgeVersions(statuses: readonly DaemonStatus[]): Finding[] {
  const check = "versions";
  const [first] = statuses;
  if (first === undefined) return [];
  const releases = grouped(statuses, ({ version }) => version);
  const protocols = grouped(statuses, ({ site }) => String(site.protocolVersion));
  if (releases.size > 1) {
    const remedy = "Finish the upgrade: one daemon after the other, waiting for /readyz in between";
    return [warning(check, `the daemons are of different releases: ${listed(releases)}`, remedy)];
  }
  if (protocols.size > 1) {
    const message = `the daemons send datagrams of different versions: ${listed(protocols)}`;
    return [warning(check, message, "If they are not split: take Protocol out of the files and restart one by one")];
  }
  return [ok(check, `release ${first.version}, datagrams of version ${first.site.protocolVersion}`)];
}

/**
 * Whether each daemon sees all others. One that is missing for a reason found elsewhere (it does not answer, it has
 * another file) is no problem of its own.
 */
export function judgeMembers(site: SiteConfig, statuses: readonly DaemonStatus[]): Finding[] {
  const silent = site.daemons
    .map(({ name }) => name)
    .filter((name) => statuses.every((status) => status.name !== name));
  const others = statuses.filter((status) => !hasSameFile(site, status)).map(({ name }) => name);
  return statuses.map(({ name, configuration: { members, absent, primary } }) => {
    const check = `configuration seen by ${name}`;
    const side = primary ? "" : ", and is not primary";
    if (absent.length === 0) return ok(check, `all ${members.length} daemons${primary ? "" : ", but not primary"}`);
    const message = `it does not see ${absent.join(", ")}${side}`;
    const unexplained = absent.filter((daemon) => !silent.includes(daemon) && !others.includes(daemon));
    if (unexplained.length > 0 && !others.includes(name)) {
      const ports =
        site.dissemination === "tcp"
          ? "the TCP port after the one in the file"
          : "the UDP ports of both (the port of the file and the next one) in both directions";
      const remedy = `${unexplained.join(", ")} and ${name} run and do not hear each other: open ${ports}`;
      return problem(check, message, remedy);
    }
    if (others.includes(name)) return warning(check, message, "It has another file, see above");
    const down = absent.filter((daemon) => silent.includes(daemon));
    const why = [
      ...(down.length > 0 ? [`${down.join(", ")}: no answer, see above`] : []),
      ...(down.length < absent.length
        ? [`${absent.filter((daemon) => others.includes(daemon)).join(", ")}: another file, see above`]
        : []),
    ];
    return warning(check, message, why.join("; "));
  });
}

/** How a daemon reaches its segment, and why; multicast that was wished for and does not work comes with what to do. */
export function judgeDissemination({ name, site }: DaemonStatus): Finding {
  const check = `dissemination of ${name}`;
  const message = `${site.dissemination}: ${site.disseminationBecause}`;
  const failing = site.probes.filter(({ reached }) => reached === "fails").map(({ daemon }) => daemon);
  if (failing.length > 0) {
    const remedy = `Between ${name} and ${failing.join(", ")}: allow multicast (UDP to the segment's address) in the firewalls, and give the switch an IGMP querier or turn IGMP snooping off; or set Dissemination = unicast`;
    const what = `multicasts from ${name} do not reach ${failing.join(", ")}`;
    // Sent by unicast it costs a copy per daemon; sent by multicast all of it has to be sent again.
    return site.dissemination === "unicast"
      ? warning(check, `${message}; ${what}`, remedy)
      : problem(check, `${message}; ${what}`, remedy);
  }
  if (site.disseminationBecause.startsWith("the group cannot be joined")) {
    const { range } = multicastRoute(site.daemons[0]?.address ?? "");
    return warning(check, message, `Route ${range} to the daemons' interface, or set Dissemination = unicast`);
  }
  return ok(check, message);
}

/** How long a daemon's packets are; links that lose long ones come with what to do. */
export function judgeSize({ name, site }: DaemonStatus): Finding[] {
  const { datagramBytes, datagramBytesBecause, probes } = site;
  // Of an earlier release, which does not say it.
  if (datagramBytesBecause === undefined) return [];
  const check = `length of packets of ${name}`;
  const message = `${datagramBytes} bytes: ${datagramBytesBecause}`;
  const failing = probes.filter(({ large }) => large === "fails").map(({ daemon }) => daemon);
  if (failing.length === 0) return [ok(check, message)];
  const remedy = `Give all hosts and switches between ${name} and ${failing.join(", ")} the same MTU, or set DatagramBytes`;
  return [warning(check, message, remedy)];
}

/** Whether the daemons were told to send in ways that all of them hear. */
export function judgeSettings(site: SiteConfig, statuses: readonly DaemonStatus[]): Finding[] {
  // Earlier releases do not say it.
  const saying = statuses.filter((status) => status.site.disseminationSetting !== undefined);
  const settings = grouped(saying, (status) => status.site.disseminationSetting);
  const check = "Dissemination";
  const isTcp = settings.has("tcp");
  const remedy =
    "Give all daemons the same file and restart those that differ, one by one; from datagrams to tcp or back by way of auto";
  if (isTcp && (settings.has("unicast") || settings.has("multicast"))) {
    return [problem(check, `those with tcp and those without do not hear each other: ${listed(settings)}`, remedy)];
  }
  if (settings.size > 1) return [warning(check, `the daemons differ: ${listed(settings)}`, remedy)];
  const [setting] = settings.keys();
  if (setting === undefined) return [];
  if (setting !== site.dissemination) {
    return [warning(check, `all daemons have ${setting}, this file has ${site.dissemination}`, remedy)];
  }
  return [ok(check, `${setting} at all daemons`)];
}

/** Streams that there should be. */
export function judgeStreams({ name, site }: DaemonStatus): Finding[] {
  const check = `streams of ${name}`;
  const { streams, disseminationSetting } = site;
  // Of an earlier release, which has none.
  if (disseminationSetting === undefined || streams.length === 0) return [];
  const down = streams.filter(({ isUp }) => !isUp);
  if (down.length === 0) return [ok(check, `to ${streams.map(({ daemon }) => daemon).join(", ")}`)];
  const shown = down
    .map(({ daemon, because }) => `${daemon}${because === undefined ? "" : ` (${because})`}`)
    .join(", ");
  const ports = down.map(({ daemon }) => daemon).join(", ");
  const remedy = `If it runs: open the TCP port after the one in the file, at ${ports} and ${name}; the daemon with the lower id connects to the other`;
  return [problem(check, `there is none to ${shown}`, remedy)];
}

/** How a daemon hands datagrams to its kernel; one that could be faster comes with what it takes. */
export function judgeDatagrams({ name, site }: DaemonStatus): Finding {
  const { path, because } = site.datagrams;
  const message = `${path}: ${because}`;
  const finding = ok(`datagrams of ${name}`, message);
  if (!because.includes("koffi")) return finding;
  return { ...finding, remedy: "For more throughput on Linux: npm install koffi, and start the daemon again" };
}

/** Of probes that were sent, fewer than this share came: a link that loses so much slows all daemons down. */
const HEARD_SHARE = 0.8;
/** Fewer rounds say nothing. */
const ROUNDS_MIN = 5;

/** Links between daemons that lose packets, each way by itself: firewalls often stop only one. */
export function judgeLinks(statuses: readonly DaemonStatus[]): Finding[] {
  const findings = statuses.flatMap(({ name, site }) =>
    site.probes.flatMap((probe) => judgeLink(name, probe, site.dissemination)),
  );
  const measured = statuses.reduce((sum, { site }) => sum + site.probes.length, 0);
  if (measured === 0 || findings.length > 0) return findings;
  return [ok("links between daemons", `no losses among the last probes of ${measured} directions`)];
}

function judgeLink(to: string, probe: ProbeStatus, dissemination: DisseminationName): Finding[] {
  const { daemon: from, rounds, unicast, multicast, stream } = probe;
  const heard = dissemination === "multicast" ? Math.min(unicast, multicast) : unicast;
  // What a stream brings needs no datagrams.
  const isStreamed = dissemination === "tcp" && stream >= HEARD_SHARE * rounds;
  if (rounds < ROUNDS_MIN || isStreamed || heard >= HEARD_SHARE * rounds) return [];
  const message = `of the last ${rounds} probes ${unicast} came by unicast and ${multicast} by multicast`;
  const remedy = `Look for losses on the way from ${from} to ${to}: cables, duplex, the load of both hosts, firewalls that limit UDP`;
  return [problem(`link from ${from} to ${to}`, message, remedy)];
}

function grouped(statuses: readonly DaemonStatus[], key: (status: DaemonStatus) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const status of statuses) {
    const group = groups.get(key(status)) ?? [];
    group.push(status.name);
    groups.set(key(status), group);
  }
  return groups;
}

function listed(groups: ReadonlyMap<string, readonly string[]>): string {
  return [...groups].map(([value, names]) => `${value} (${names.join(", ")})`).join(", ");
}
