import type { DaemonId } from "../base/ids.ts";
import type { EpochRecord } from "../cms/continuity.ts";
import type { Agreement, EvsConfig } from "../membership/config.ts";
import { Layout } from "../membership/layout.ts";
import type { PrimaryPolicy } from "../membership/primary.ts";
import { type SiteLink, type WideAreaConfig, wideAreaConfig } from "../membership/wide-area-config.ts";
import type { AccessRules } from "../session/access.ts";
import type { SessionOptions } from "../session/options.ts";
import type { DisseminationSetting } from "../wire/stream-hello.ts";
import type { NodeSite } from "../wire/native/node-facts.ts";
import { WIRE_VERSION_MAX } from "../wire/prefix.ts";
import { type DaemonConfig, type SiteConfig, usesMulticast } from "./config/site.ts";
import { NO_WINDOW_CHANGE, ringSettings } from "./ring-settings.ts";
import type { DatagramsStatus, DisseminationName, SiteStatus } from "./status.ts";

/** What the host knows of the ways to the other daemons. */
export type Reachability = {
  readonly because: string;
  readonly setting: DisseminationSetting;
  /** Why datagrams are as long as they are. */
  readonly sizeBecause: string;
} & Pick<SiteStatus, "probes" | "streams" | "streamTraffic">;

/** What a daemon has to know besides the site's configuration. */
export type NodeOptions = {
  readonly site: SiteConfig;
  readonly self: DaemonConfig;
  /** Greater at every start of this daemon (host/incarnation.ts). */
  readonly incarnation: number;
  /** The time of day at which `now` is 0, in ms since 1970. */
  readonly clockOriginMs: number;
  /** What the kernel granted for incoming datagrams: the ring's window follows from it. */
  readonly receiveBufferBytes: number;
  /** The path of datagrams between the daemon and its kernel, and why that one: by default the portable one. */
  readonly datagrams?: () => DatagramsStatus;
  /** How long its datagrams are, if not as the file says; asked at each step. */
  readonly datagramBytes?: () => number;
  /** Whom authentication by IP lets in. */
  readonly access: AccessRules;
  /** How segments are reached, for the status; asked at each one. */
  readonly dissemination: () => DisseminationName;
  /** Why so, and what was measured, for the status. */
  readonly reachability?: () => Reachability;
  /** What an earlier life of this daemon has persisted last. */
  readonly epoch?: EpochRecord | undefined;
  /** Settings of hops that are not as the file has them: simulated time is short. */
  readonly wideArea?: Partial<WideAreaConfig>;
  readonly version: string;
  readonly pid: number | undefined;
};

export function evsConfig(options: NodeOptions): EvsConfig {
  const { site, self } = options;
  return {
    me: self.id,
    timeouts: site.timeouts,
    ring: ringSettings(
      site,
      options.receiveBufferBytes,
      isOffloaded(options),
      NO_WINDOW_CHANGE,
      options.datagramBytes?.(),
    ),
    ...agreementOf(site, options.wideArea),
    incarnation: options.incarnation,
    clockOriginSeconds: options.clockOriginMs / 1000,
    versionMax: site.protocolVersion ?? WIRE_VERSION_MAX,
  };
}

/** More than any way over other sites. */
const LAST_RESORT = 1e9;

/**
 * Both directions of each link. What the file takes away costs more than any other way, and is there when no other is left: sites that hear
 * each other would form configurations that could not work, for ever.
 */
function wideAreaOf(
  { sites, links, wideAreaOrder }: SiteConfig,
  otherwise: Partial<WideAreaConfig> = {},
): WideAreaConfig {
  const given: SiteLink[] = [];
  for (let from = 0; from < sites.length; from++) {
    for (let to = 0; to < sites.length; to++) {
      if (from === to) continue;
      const link = links.find(({ ends }) => ends.includes(from) && ends.includes(to));
      if (link === undefined) given.push({ from, to, weight: LAST_RESORT });
      else {
        const { weight, rateMax, rateStart } = link;
        const { silenceMs = link.silenceMs } = otherwise;
        given.push({ from, to, weight, rateStart, silenceMs, ...(rateMax === undefined ? {} : { rateMax }) });
      }
    }
  }
  return wideAreaConfig({ lowLatency: wideAreaOrder === "clock", ...otherwise, links: given });
}

/** Whether the network takes whole batches of packets. */
export function isOffloaded(options: NodeOptions): boolean {
  return options.datagrams?.().path === "offload";
}

/** What daemons of this site have agreed on; `wideArea` as in `NodeOptions`. */
export function agreementOf(site: SiteConfig, wideArea?: Partial<WideAreaConfig>): Agreement {
  const layout = new Layout(site.daemons.map(({ id, segment, site: number }) => ({ id, segment, site: number })));
  return { layout, primary: primaryOf(site), confHash: site.hash, wideArea: wideAreaOf(site, wideArea) };
}

/** By the file's rule, and while it may still be used by others also by that of the file before. */
function primaryOf({ primaryPolicy, lineage: { before } }: SiteConfig): PrimaryPolicy {
  const now = ruleOf(primaryPolicy);
  if (before === undefined) return now;
  const [kind = "", size] = before.policy.split(" ");
  const layoutBefore = new Layout(before.daemons.map((id) => ({ id, segment: 0 })));
  const policy = { kind, size: Number(size) } as SiteConfig["primaryPolicy"];
  return { name: "joint", now, before: ruleOf(policy), layoutBefore };
}

function ruleOf(primaryPolicy: SiteConfig["primaryPolicy"]): PrimaryPolicy {
  switch (primaryPolicy.kind) {
    case "static":
      return { name: "static", daemons: primaryPolicy.size };
    case "majority":
    case "oldest":
    case "all":
    case "none":
      return { name: primaryPolicy.kind };
  }
}

export function sessionOptions({ site, self, access }: NodeOptions): Partial<SessionOptions> & { daemon: string } {
  return {
    daemon: self.name,
    sessionsMax: site.sessions.sessionsMax,
    allowedMethods: site.authentication.allowed,
    requiredMethods: site.authentication.required,
    access,
    queueMessagesMax: site.sessions.messagesMax,
    nativeQueueMessagesMax: site.sessions.nativeMessagesMax,
    slowPatienceMs: site.sessions.slowPatienceMs,
    queueBytesMax: site.sessions.bytesMax,
    deliveryWindowBytes: site.sessions.deliveryWindowBytes,
    graceMs: site.sessions.resumeGraceMs,
    retentionBytesMax: site.sessions.resumeBytesMax,
    retentionTotalBytesMax: site.sessions.resumeTotalBytesMax,
    payloadBytesMax: site.sessions.payloadBytesMax,
  };
}

/**
 * What nodes of this site have in common (docs/protocols/regions.md). Regions have multicast addresses where the daemons have one: with
 * several segments it is not known which of them a multicast reaches.
 */
export function nodeSite({ site, dissemination }: Pick<NodeOptions, "site" | "dissemination">): NodeSite {
  const { family, segments } = site;
  // Of the first configuration: what nodes have in common outlives changes of it at run time.
  const { root: hash } = site.lineage;
  const [segment] = segments;
  const hasPool = segments.length === 1 && segment?.multicast === true && usesMulticast(site.dissemination);
  if (!hasPool || family !== "ipv4") return { cluster: hash, pool: undefined, usesMulticast: false };
  // A block of its own for each site, most likely, in the range for organisations (RFC 2365).
  const base = POOL_BASE + (hash % POOL_BLOCKS) * POOL_SIZE;
  const pool = { base, size: POOL_SIZE, port: segment.port + 2, ttl: 1 };
  return { cluster: hash, pool, usesMulticast: dissemination() === "multicast" };
}

/** 239.192.0.0, and as many blocks of 2¹⁶ addresses as there are below 239.252.0.0. */
const POOL_BASE = 0xefc0_0000;
const POOL_SIZE = 0x1_0000;
const POOL_BLOCKS = 60;

/** `name` of a configured daemon; a number for one that is not. */
export function nameOf(site: SiteConfig, daemon: DaemonId): string {
  return site.daemons.find(({ id }) => id === daemon)?.name ?? `#${daemon}`;
}
