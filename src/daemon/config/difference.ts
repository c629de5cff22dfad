import { type DaemonConfig, type PrimaryPolicy, shownPolicy, type SiteConfig } from "./site.ts";

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
  for (const daemon of old.daemons) {
    const now = named(fresh, daemon.name);
    if (now === undefined) continue;
    const moved = placeOf(daemon) !== placeOf(now);
    if (moved) refused.push(`${daemon.name} would move from ${placeOf(daemon)} to ${placeOf(now)}`);
    if (JSON.stringify(daemon.interfaces) !== JSON.stringify(now.interfaces))
      later.push(`interfaces of ${daemon.name}`);
  }
  old.segments.forEach((segment, index) => {
    const now = fresh.segments[index];
    if (now !== undefined && (now.address !== segment.address || now.port !== segment.port)) {
      refused.push(`the segment ${segment.address}:${segment.port} would become ${now.address}:${now.port}`);
    }
  });
  if (old.family !== fresh.family) refused.push("all addresses would be of the other family");
  if (old.sessions.payloadBytesMax !== fresh.sessions.payloadBytesMax) refused.push("PayloadLimit would change");
  if (!isSame(old.regions, fresh.regions)) refused.push("GroupAddresses or RegionWaste would change");
  if (old.sites.length > 1) refused.push("daemons in several sites cannot be changed while they run yet");
  else if (!isSame(sitesOf(old), sitesOf(fresh))) refused.push("sites, or weights of links, would change");
  for (const [key, name] of Object.entries(AT_START) as [keyof typeof AT_START, string][]) {
    if (!isSame(old[key], fresh[key]) && !refused.includes("PayloadLimit would change")) later.push(name);
  }
  const stay = old.daemons.filter(({ name }) => named(fresh, name) !== undefined);
  const why = whyNotEnough(old, stay);
  if (why !== undefined) refused.push(why);
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

function placeOf({ name, id, address, host, port, segment }: DaemonConfig): string {
  return `${name} ${id} at ${host ?? address}:${port} in segment ${segment + 1}`;
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

function sitesOf({ sites, links, wideAreaOrder }: SiteConfig): unknown {
  return [
    sites.length > 1 ? sites.map(({ name }) => name) : [],
    links.map(({ ends, weight }) => [ends, weight]),
    wideAreaOrder,
  ];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
