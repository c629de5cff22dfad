import type { RegionPolicy } from "../../cms/region-policy.ts";
import type { DisseminationSetting } from "../../wire/stream-hello.ts";
import type { Lineage } from "./lineage.ts";
import type { MembershipTimeouts } from "../../membership/timeouts.ts";

/**
 * What all daemons that work together must know: complete, checked, the same for all of them (docs/configuration.md). One site as a rule; several
 * where the file has `Site`s.
 */
export type SiteConfig = {
  readonly segments: readonly SegmentConfig[];
  /** At least one: a file without `Site` is one site, which is called "site". */
  readonly sites: readonly NamedSite[];
  /** All pairs of sites that may have a hop. */
  readonly links: readonly LinkConfig[];
  /** How messages of different sites are put in order: as idle sites answer, or by clocks. */
  readonly wideAreaOrder: "demand" | "clock";
  /** All daemons, in the order of the file: the order of rings and memberships. */
  readonly daemons: readonly DaemonConfig[];
  readonly family: "ipv4" | "ipv6";
  /** Spread's hash of the configuration: monitors send it. */
  readonly spreadHash: number;
  /** Our own hash, in every datagram between daemons; it covers what they must agree on, and only that. */
  readonly hash: number;
  /** The same without what earlier configurations have to do with it: equal for two files that say the same. */
  readonly agreement: number;
  /** Which configurations this one has followed at run time. */
  readonly lineage: Lineage;
  /** The file. */
  readonly text: string;
  /** The version of the datagrams to send, or `undefined` for the newest one. */
  readonly protocolVersion: number | undefined;
  readonly dissemination: DisseminationSetting;
  readonly ignoreMulticastJoinErrors: boolean;
  readonly datagramBytes: number;
  /** It stands in the file: daemons do not look for what gets through. */
  readonly hasOwnDatagramBytes: boolean;
  readonly primaryPolicy: PrimaryPolicy;
  /** How nodes of scalable groups become regions. */
  readonly regions: RegionPolicy;
  readonly timeouts: MembershipTimeouts;
  readonly window: WindowConfig;
  readonly sessions: SessionLimits;
  readonly authentication: AuthenticationConfig;
  /** Whether monitors may cut the network and change the windows. */
  readonly dangerousMonitor: boolean;
  readonly http: { readonly address: string; readonly port: number } | undefined;
  readonly log: LogConfig;
  readonly runtime: RuntimeConfig;
};

/** Segments with one ring: daemons that are near each other. Its number is its index in `SiteConfig.sites`. */
export type NamedSite = {
  readonly name: string;
  readonly daemons: readonly DaemonConfig[];
};

/** A way between two sites, in both directions. */
export type LinkConfig = {
  /** Numbers of its sites, the lesser one first. */
  readonly ends: readonly [number, number];
  /** What it costs to go this way: source trees take the cheapest ways. */
  readonly weight: number;
  /** Bytes per second that each end sends at most; `undefined`: what the link takes. */
  readonly rateMax: number | undefined;
  /** Bytes per second to begin with. */
  readonly rateStart: number;
  /** How long nothing may be heard before the link counts as broken. */
  readonly silenceMs: number;
};

export type SegmentConfig = {
  /** Index of its site. */
  readonly site: number;
  /** The multicast or broadcast address; unicast addresses appear where multicast is not used. */
  readonly address: string;
  readonly multicast: boolean;
  /** Further addresses that the file gives the segment. */
  readonly moreAddresses: readonly string[];
  readonly port: number;
  readonly daemons: readonly DaemonConfig[];
};

export type DaemonConfig = {
  readonly name: string;
  /** The virtual id: from the file, or the hash of the name. */
  readonly id: number;
  /** Index of its segment. */
  readonly segment: number;
  /** Index of its site. */
  readonly site: number;
  /** Position in `SiteConfig.daemons`. */
  readonly index: number;
  /** The unspecified one while the host's name leads nowhere (`hasAddress`). */
  readonly address: string;
  /** The name that the address was looked up by, if the file has only that: it may lead elsewhere later. */
  readonly host: string | undefined;
  /** Data and monitor datagrams and client connections; tokens use `port + 1`. */
  readonly port: number;
  /** The port of its HTTP endpoints, if the site has them. Daemons at one address count up from `HttpPort`. */
  readonly httpPort: number | undefined;
  /** Where it listens. Without a list in the file: clients everywhere, daemons at `address`. */
  readonly interfaces: readonly InterfaceConfig[];
};

export type InterfaceConfig = {
  readonly address: string;
  /** For link-local IPv6 addresses. */
  readonly zone: string | undefined;
  readonly client: boolean;
  readonly daemon: boolean;
  readonly monitor: boolean;
};

/** Which side of a split may decide (architecture.md decision 16). */
export type PrimaryPolicy =
  /** More than half of the configured daemons. */
  | { readonly kind: "majority" }
  /** At least `size` daemons. */
  | { readonly kind: "static"; readonly size: number }
  /** The side with the daemon that the file names first. */
  | { readonly kind: "oldest" }
  /** Every side: for those whose data may diverge, or who have another way to decide. */
  | { readonly kind: "all" }
  /** No side ever: whoever replicates state decides otherwise. */
  | { readonly kind: "none" };

/** A policy as it stands in the file. */
export function shownPolicy(policy: PrimaryPolicy): string {
  return policy.kind === "static" ? `static ${policy.size}` : policy.kind;
}

/** Windows of the ring in packets of `datagramBytes`: upper bounds of what adapts, `undefined` where the file has none. */
export type WindowConfig = {
  readonly global: number | undefined;
  readonly personal: number | undefined;
  readonly accelerated: boolean;
  readonly acceleratedPackets: number;
};

export type SessionLimits = {
  readonly sessionsMax: number;
  /** Messages queued for a client before its policy applies. */
  readonly messagesMax: number;
  /** The same for a client of the native protocol. */
  readonly nativeMessagesMax: number;
  /** How long the groups of a client that is behind wait before it is ended, in ms. */
  readonly slowPatienceMs: number;
  /** Bytes queued for a client before its policy applies. */
  readonly bytesMax: number;
  readonly payloadBytesMax: number;
  /** Bytes delivered to a native client ahead of what it has consumed. */
  readonly deliveryWindowBytes: number;
  /** How long a native session waits for its client to come back, in ms. */
  readonly resumeGraceMs: number;
  /** Bytes kept for one native client that may come back, and for all. */
  readonly resumeBytesMax: number;
  readonly resumeTotalBytesMax: number;
  /** Where the Unix socket with the port's name is made. */
  readonly unixDirectory: string;
  readonly portReuse: "on" | "off" | "auto";
};

export type AuthenticationConfig = {
  /** Methods a client may choose from, in the order they are offered. */
  readonly allowed: readonly AuthenticationMethod[];
  /** Methods every client must pass as well. */
  readonly required: readonly AuthenticationMethod[];
  readonly accessFile: string;
  /** Users and passwords of the method PWORD, which is offered only with it. */
  readonly passwordFile: string | undefined;
};

export const AUTHENTICATION_METHODS = ["NULL", "IP", "PWORD"] as const;
export type AuthenticationMethod = (typeof AUTHENTICATION_METHODS)[number];

export type LogConfig = {
  readonly level: "debug" | "info" | "warning" | "error" | "critical" | "fatal";
  /** Spread's event classes. Ours are not told apart by them, except that NONE silences the log. */
  readonly flags: readonly string[];
  /** `undefined` is the standard error. `%h` and `%H` stand for the host's name. */
  readonly file: string | undefined;
};

/** Whom a daemon that is started as root becomes once it listens; `undefined` where the file does not say. */
export type RuntimeConfig = {
  readonly user: string | undefined;
  readonly group: string | undefined;
};

/** Whether packets may go to groups' addresses. */
export function usesMulticast(setting: DisseminationSetting): boolean {
  return setting === "auto" || setting === "multicast";
}

/** The daemon of that name. */
export function daemonNamed(site: SiteConfig, name: string): DaemonConfig | undefined {
  return site.daemons.find((daemon) => daemon.name === name);
}

/** The daemon with that virtual id. */
export function daemonWithId(site: SiteConfig, id: number): DaemonConfig | undefined {
  return site.daemons.find((daemon) => daemon.id === id);
}

/** What stands for the address of a host whose name leads nowhere now. */
export const UNKNOWN_ADDRESS = { ipv4: "0.0.0.0", ipv6: "::" } as const;

/** Whether it is known where the daemon is. */
export function hasAddress({ address }: Pick<DaemonConfig, "address">): boolean {
  return address !== UNKNOWN_ADDRESS.ipv4 && address !== UNKNOWN_ADDRESS.ipv6;
}

/** Where to look for the daemon: the name of its host, where the file has one, follows it. */
export function placeOf({ address, host, port }: Pick<DaemonConfig, "address" | "host" | "port">): string {
  return `${port}@${host ?? address}`;
}

/**
 * The daemon to run on this host: the one that `name` names, or the only one whose address `isLocal`. Otherwise a
 * text that says what there is to choose from.
 */
export function chooseDaemon(
  site: SiteConfig,
  name: string | undefined,
  isLocal: (address: string) => boolean,
): DaemonConfig | string {
  const names = (daemons: readonly DaemonConfig[]) =>
    daemons.map((daemon) => `${daemon.name} (${hasAddress(daemon) ? daemon.address : daemon.host})`).join(", ");
  if (name !== undefined) {
    const named = daemonNamed(site, name);
    if (named === undefined)
      return `the configuration has no daemon ${JSON.stringify(name)}; it has ${names(site.daemons)}`;
    return hasAddress(named) ? named : `the name ${named.host}, where ${name} is to run, leads nowhere now`;
  }
  const local = site.daemons.filter((daemon) => isLocal(daemon.address));
  const [only] = local;
  if (only !== undefined && local.length === 1) return only;
  if (only === undefined)
    return `no daemon of the configuration has an address of this host; it has ${names(site.daemons)}`;
  return `several daemons of the configuration have addresses of this host: ${names(local)}`;
}

/** The same site with HTTP endpoints of one daemon at this port; 0 takes them away. */
export function withHttpPort(site: SiteConfig, name: string, httpPort: number): SiteConfig {
  const port = httpPort === 0 ? undefined : httpPort;
  const changed = (daemon: DaemonConfig) => (daemon.name === name ? { ...daemon, httpPort: port } : daemon);
  return {
    ...site,
    daemons: site.daemons.map(changed),
    segments: site.segments.map((segment) => ({ ...segment, daemons: segment.daemons.map(changed) })),
    sites: site.sites.map((one) => ({ ...one, daemons: one.daemons.map(changed) })),
    http: port === undefined ? undefined : { address: site.http?.address ?? "127.0.0.1", port },
  };
}
