import { type DaemonConfig, type PrimaryPolicy, type SegmentConfig, shownPolicy, type SiteConfig } from "./site.ts";

/** What a file changes that is to be in force instead of another one. Lines are for people. */
export type Difference = {
  readonly added: readonly DaemonConfig[];
  readonly removed: readonly DaemonConfig[];
  /** What else all daemons change together. */
  readonly together: readonly string[];
  /** What each daemon takes over when it is started again. */
  readonly later: readonly string[];
  /** What cannot be changed while daemons run: the file as a whole is refused. */
  readonly refused: readonly string[];
};

/** Settings that a daemon reads when it starts, and that need not be equal everywhere. */
const AT_START = {
  dissemination: "Dissemination",
  ignoreMulticastJoinErrors: "IgnoreMulticastJoinErrors",
  datagramBytes: "DatagramBytes",
  timeouts: "timeouts",
  window: "windows",
  sessions: "limits of sessions",
  authentication: "authentication",
  dangerousMonitor: "DangerousMonitor",
  http: "HttpPort and HttpAddress",
  log: "the log",
  runtime: "DaemonUser and DaemonGroup",
  protocolVersion: "Protocol",
} as const satisfies Partial<Record<keyof SiteConfig, string>>;

export function differenceOf(old: SiteConfig, fresh: SiteConfig): Difference {
  const named = (site: SiteConfig, name: string) => site.daemons.find((daemon) => daemon.name === name);
  const added = fresh.daemons.filter(({ name }) => named(old, name) === undefined);
  const removed = old.daemons.filter(({ name }) => named(fresh, name) === undefined);
  const together: string[] = [];
  const refused: string[] = [];
  const later: string[] = [];

  const before = shownPolicy(old.primaryPolicy);
  const after = shownPolicy(fresh.primaryPolicy);
  if (before !== after) together.push(`PrimaryPolicy: ${before} becomes ${after}`);
  together.push(...changesOfSites(old, fresh));
  for (const daemon of old.daemons) {
    const now = named(fresh, daemon.name);
    if (now === undefined) continue;
    const withSites = old.sites.length > 1 && fresh.sites.length > 1;
    const [was, is] = [placeOf(old, daemon, withSites), placeOf(fresh, now, withSites)];
    if (was !== is) refused.push(`${daemon.name} would move from ${was} to ${is}`);
    if (JSON.stringify(daemon.interfaces) !== JSON.stringify(now.interfaces))
      later.push(`interfaces of ${daemon.name}`);
  }
  if (old.family !== fresh.family) refused.push("all addresses would be of the other family");
  if (old.sessions.payloadBytesMax !== fresh.sessions.payloadBytesMax) refused.push("PayloadLimit would change");
  if (!isSame(old.regions, fresh.regions)) refused.push("GroupAddresses or RegionWaste would change");
  for (const [key, name] of Object.entries(AT_START) as [keyof typeof AT_START, string][]) {
    if (!isSame(old[key], fresh[key]) && !refused.includes("PayloadLimit would change")) later.push(name);
  }
  const stay = old.daemons.filter(({ name }) => named(fresh, name) !== undefined);
  for (const why of [whyNotEnough(old, stay), whyNotSites(old, fresh)]) if (why !== undefined) refused.push(why);
  return { added, removed, together, later, refused };
}

/**
 * Whether some daemons could decide by the old rule and others, at the same time, by the new one. Not when any two majorities have a daemon
 * in common, as after a change by one.
 */
export function couldDecideTwice(old: SiteConfig, fresh: SiteConfig): boolean {
  const kinds = [old.primaryPolicy.kind, fresh.primaryPolicy.kind];
  // Who lets every side decide, or none, asks for nothing.
  if (kinds.includes("all") || kinds.includes("none")) return false;
  const isSamePolicy = shownPolicy(old.primaryPolicy) === shownPolicy(fresh.primaryPolicy);
  const ids = (site: SiteConfig) => site.daemons.map(({ id }) => id);
  if (isSamePolicy && isSame(ids(old), ids(fresh))) return false;
  if (!isSamePolicy || old.primaryPolicy.kind !== "majority") return true;
  const majority = (site: SiteConfig) => Math.floor(site.daemons.length / 2) + 1;
  const together = new Set([...ids(old), ...ids(fresh)]).size;
  return majority(old) + majority(fresh) <= together;
}

/** Segments are known by their addresses and sites by their names: their numbers may change. */
function placeOf(
  { segments, sites }: SiteConfig,
  { name, id, address, host, port, segment, site }: DaemonConfig,
  withSite: boolean,
): string {
  const own = segments[segment];
  const sameBefore = segments.slice(0, segment).filter((other) => addressOf(other) === addressOf(own)).length;
  const which = sameBefore === 0 ? "" : ` (number ${sameBefore + 1} of that address)`;
  const of = withSite ? ` of site ${sites[site]?.name}` : "";
  return `${name} ${id} at ${host ?? address}:${port} in segment ${addressOf(own)}${which}${of}`;
}

function addressOf(segment: SegmentConfig | undefined): string {
  return `${segment?.address}:${segment?.port}`;
}

/** What comes, goes or changes of sites and of the links between those that stay. */
function changesOfSites(old: SiteConfig, fresh: SiteConfig): string[] {
  const [before, after] = [siteNames(old), siteNames(fresh)];
  const changes = [
    ...after.filter((name) => !before.includes(name)).map((name) => `site ${name} comes`),
    ...before.filter((name) => !after.includes(name)).map((name) => `site ${name} goes`),
  ];
  for (const a of before) {
    for (const b of before.slice(before.indexOf(a) + 1)) {
      if (!after.includes(a) || !after.includes(b)) continue;
      const [was, is] = [shownLink(old, a, b), shownLink(fresh, a, b)];
      if (was !== is) changes.push(`link of ${a} and ${b}: ${was} becomes ${is}`);
    }
  }
  const staysWide = before.length > 0 && after.length > 0;
  if (staysWide && old.wideAreaOrder !== fresh.wideAreaOrder) {
    changes.push(`WideAreaOrder: ${old.wideAreaOrder} becomes ${fresh.wideAreaOrder}`);
  }
  return changes;
}

/** None while there is only one. */
function siteNames({ sites }: SiteConfig): string[] {
  return sites.length > 1 ? sites.map(({ name }) => name) : [];
}

function shownLink({ sites, links }: SiteConfig, ...names: readonly [string, string]): string {
  const ends = names.map((name) => sites.findIndex((site) => site.name === name));
  const link = links.find((one) => ends.every((end) => one.ends.includes(end)));
  if (link === undefined) return "none";
  const { weight, rateMax, silenceMs } = link;
  return `weight ${weight}, ${rateMax === undefined ? "no limit" : `${rateMax / 125} kbit/s`}, silence ${silenceMs} ms`;
}

/** Why those that stay could not work in the new sites: a ring is of one site, and stays in one piece. */
function whyNotSites(old: SiteConfig, fresh: SiteConfig): string | undefined {
  const [before, after] = [siteNames(old).length, siteNames(fresh).length];
  if (before > 0 === after > 0) return undefined;
  const stay = old.daemons.flatMap((daemon) => {
    const now = fresh.daemons.find(({ name }) => name === daemon.name);
    return now === undefined ? [] : [{ was: daemon.site, is: now.site }];
  });
  const several = new Set(stay.map(({ was, is }) => (before > 0 ? was : is))).size > 1;
  if (several && before > 0) return "daemons of several sites would become one site";
  if (several) return "the daemons of one ring would be in several sites: only new ones can be in another";
  if (after > 0 && !isSame(old.timeouts, fresh.timeouts)) {
    return "daemons that run have the timeouts of one site: set TimeoutProfile = sites, start them again one by one, then add sites";
  }
  return undefined;
}

/** What of the old daemons has to stay, so that they can still be asked. */
function whyNotEnough({ daemons, primaryPolicy }: SiteConfig, stay: readonly DaemonConfig[]): string | undefined {
  const need = neededOf(primaryPolicy, daemons.length);
  if (primaryPolicy.kind === "oldest" && stay[0]?.name !== daemons[0]?.name) {
    return `${daemons[0]?.name} decides who is primary (PrimaryPolicy = oldest): it has to stay`;
  }
  if (stay.length >= need) return undefined;
  return `only ${stay.length} of ${daemons.length} daemons would stay, and ${need} have to: replace them in several steps`;
}

function neededOf(policy: PrimaryPolicy, count: number): number {
  if (policy.kind === "majority") return Math.floor(count / 2) + 1;
  return policy.kind === "static" ? policy.size : 1;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
