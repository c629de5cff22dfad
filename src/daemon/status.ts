import type { DisseminationSetting } from "../wire/stream-hello.ts";
import type { RegionsStatus } from "./regions-status.ts";
import type { SitesStatus } from "./sites-status.ts";

/**
 * What a daemon says about itself: the answer to a STATUS envelope and to GET /status, and the source of metrics and of
 * the monitor's view. A plain JSON value. Counters count from the daemon's start and never fall; rates are for the
 * reader to take from two of them.
 */
export type DaemonStatus = {
  /** Of the package. */
  readonly version: string;
  readonly name: string;
  readonly id: number;
  /** The daemon's process, where it has one of its own. */
  readonly pid: number | undefined;
  /** When this status was taken, in milliseconds since 1970. Clock skew shows here. */
  readonly atMs: number;
  readonly uptimeMs: number;
  /** Whether the daemon serves clients now: in a configuration, with groups in agreement. */
  readonly ready: boolean;
  readonly membershipState: MembershipStateName;
  readonly groupsState: GroupsStateName;
  readonly site: SiteStatus;
  readonly configuration: ConfigurationStatus;
  /** Where there are several sites. */
  readonly sites?: SitesStatus | undefined;
  readonly ring: RingStatus;
  readonly groups: GroupsStatus;
  readonly regions: RegionsStatus;
  readonly sessions: SessionsStatus;
  /** Regular configurations installed since the start. */
  readonly changeCount: number;
  /** The last of them, newest first, at most fifty. */
  readonly changes: readonly ConfigurationChange[];
  /** What arrived broken or was dropped, by kind: for people who look for a cause. */
  readonly faults: Readonly<Record<string, number>>;
};

/** protocols.md G.9. */
export const MEMBERSHIP_STATES = ["operational", "seg", "represented", "gather", "form", "evs"] as const;
export type MembershipStateName = (typeof MEMBERSHIP_STATES)[number];

/** protocols.md H.2. */
export const GROUPS_STATES = ["operational", "transitional", "gather", "gatherTransitional"] as const;
export type GroupsStateName = (typeof GROUPS_STATES)[number];

export type SiteStatus = {
  /** Our hash of what all daemons must agree on; daemons with different ones do not talk to each other. */
  readonly hash: number;
  /** The same without what earlier configurations have to do with it: that of a file as somebody wrote it. */
  readonly agreement: number;
  /** How many configurations were in force before this one since the file was read: `amalgam reload`. */
  readonly generation: number;
  /** Spread's hash, for its monitors. */
  readonly spreadHash: number;
  readonly segments: number;
  readonly dissemination: DisseminationName;
  /** What the configuration says: `Dissemination`. All daemons of a site have to agree. */
  readonly disseminationSetting: DisseminationSetting;
  /** Why the daemon sends that way, for people. */
  readonly disseminationBecause: string;
  /** What probes measure between this daemon and the others of its segment; empty where nothing is measured. */
  readonly probes: readonly ProbeStatus[];
  /** Streams to other daemons of the site: those that are up, and those that there should be. */
  readonly streams: readonly StreamStatus[];
  /** All streams since the start. Packets are dropped where there is no stream, or it does not take them. */
  readonly streamTraffic: { readonly bytesSent: number; readonly packetsDropped: number };
  readonly payloadBytesMax: number;
  /** As in the file: `majority`, `static 3`, … */
  readonly primaryPolicy: string;
  readonly protocolVersion: number;
  /** Longest packet that the daemon sends, and why that length, for people. */
  readonly datagramBytes: number;
  readonly datagramBytesBecause: string;
  /** What the kernel granted for incoming datagrams. */
  readonly receiveBufferBytes: number;
  readonly datagrams: DatagramsStatus;
  readonly daemons: readonly DaemonName[];
};

/** How datagrams pass between the daemon and its kernel (docs/performance.md). */
export type DatagramsStatus = {
  /** `offload`: many at a time, cut and joined by the kernel. */
  readonly path: "portable" | "offload";
  /** Why that one, for people. */
  readonly because: string;
};

/** How packets reach the own segment: `tcp`, some or all daemons by streams. */
export type DisseminationName = "multicast" | "unicast" | "tcp";

export type StreamStatus = {
  /** The other daemon. */
  readonly daemon: string;
  readonly isUp: boolean;
  /** Why it is down, as far as is known. */
  readonly because: string | undefined;
  /** What waits for the kernel to take it. */
  readonly waitingBytes: number;
};

/** Probes between two daemons of a site. */
export type ProbeStatus = {
  /** The other daemon. */
  readonly daemon: string;
  /** Of its last probes (at most fifteen), how many came here by unicast, by multicast, and over a stream. */
  readonly rounds: number;
  readonly unicast: number;
  readonly multicast: number;
  readonly stream: number;
  /** Whether multicasts from here, and datagrams to it alone, reach it, as it reports. */
  readonly reached: "unknown" | "works" | "fails";
  readonly datagrams: "unknown" | "works" | "fails";
  /** Whether long datagrams reach it where short ones do: they are used if they reach all. */
  readonly large: "unknown" | "works" | "fails";
};

export type DaemonName = {
  readonly name: string;
  readonly id: number;
  readonly address: string;
  readonly port: number;
};

export type ConfigurationStatus = {
  readonly id: { readonly leader: number; readonly time: number };
  readonly primary: boolean;
  /** Names, in the order of the ring. */
  readonly members: readonly string[];
  /** Configured daemons that are not in it. */
  readonly absent: readonly string[];
  /** How long it has been installed. */
  readonly ageMs: number;
};

export type RingStatus = {
  readonly strategy: "accelerated" | "original";
  readonly tokenRounds: number;
  /** Time of a token's round as this daemon sees it: smoothed, and the longest of the last second or so. */
  readonly tokenRoundMs: number;
  readonly tokenRoundMaxMs: number;
  /** Tokens passed on twice because the successor gave no sign. */
  readonly tokensResent: number;
  /** Whether the token is held because there is nothing to send. */
  readonly idle: boolean;
  /** Greatest sequence number, own aru, and what all have. */
  readonly seq: number;
  readonly aru: number;
  readonly safe: number;
  readonly windowPackets: number;
  readonly personalWindowPackets: number;
  readonly acceleratedPackets: number;
  /** Packets of this daemon waiting for the token. */
  readonly queuedPackets: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Messages of local sessions that were multicast, and messages delivered to this daemon's groups layer. */
  readonly messagesSent: number;
  readonly messagesDelivered: number;
  readonly retransmissions: {
    /** Sequence numbers this daemon asked for. */
    readonly requested: number;
    /** Packets it sent again: to one daemon, to a segment, to all. */
    readonly unicast: number;
    readonly segment: number;
    readonly multicast: number;
    /** Packets that arrived again though it had them. */
    readonly duplicates: number;
  };
};

export type GroupsStatus = {
  readonly count: number;
  /** Memberships of all groups together. */
  readonly memberships: number;
  /** The greatest groups, at most a hundred. */
  readonly largest: readonly { readonly name: string; readonly members: number; readonly localMembers: number }[];
};

export type SessionsStatus = {
  readonly count: number;
  readonly limit: number;
  /** Sessions whose connection is gone and who may still come back. */
  readonly detached: number;
  readonly rejected: number;
  /** Closed by the slow-client policy. */
  readonly expelled: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Those with the longest queues, at most a hundred. */
  readonly slowest: readonly SessionStatus[];
};

export type SessionStatus = {
  readonly name: string;
  readonly protocol: "spread" | "native";
  /** The client's address, `unix`, `process` (the daemon's own), or `detached` while it has no connection and may come back. */
  readonly address: string;
  readonly groups: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Messages dropped by the slow-receiver policy of their group. */
  readonly dropped: number;
};

/** A change of the daemons' configuration, and why it came about. */
export type ConfigurationChange = {
  /** When it was installed, in milliseconds since 1970. */
  readonly atMs: number;
  readonly id: { readonly leader: number; readonly time: number };
  readonly primary: boolean;
  readonly members: readonly string[];
  readonly joined: readonly string[];
  readonly left: readonly string[];
  readonly cause: ChangeCause;
  /**
   * For so long nothing was delivered: from the last sign of the old ring's token to the new regular configuration. The
   * silence until somebody noticed (`cause.lateMs` for a lost token) is part of it, and so is the change.
   */
  readonly outageMs: number;
  /** From the first evidence to the new regular configuration; the old ring may have worked in the beginning. */
  readonly changeMs: number;
  /** Forms of a new ring that this daemon took part in; more than one if some did not come to an end. */
  readonly attempts: number;
};

/** The evidence that made this daemon leave its ring. */
export type ChangeCause = {
  readonly kind:
    | "start"
    | "tokenLoss"
    /** Nothing was heard over the link to the daemon, another site's representative; or something stayed missing though other things came. */
    | "linkSilent"
    | "linkStuck"
    | "memberLost"
    | "join"
    | "foreign"
    | "leave"
    | "formFailed"
    | "request"
    | "reload";
  /** The daemon that the evidence names, if any. */
  readonly daemon: string | undefined;
  /** How long there had been no token or no progress, for `tokenLoss`, `linkSilent`, `linkStuck` and `formFailed`. */
  readonly lateMs: number | undefined;
};

/** A change in one line, as tools and logs show it. */
export function describeChange(change: ConfigurationChange): string {
  const parts = [
    ...(change.joined.length > 0 ? [`${change.joined.join(", ")} joined`] : []),
    ...(change.left.length > 0 ? [`${change.left.join(", ")} left`] : []),
  ];
  const who = parts.length > 0 ? parts.join("; ") : change.cause.kind === "start" ? "alone" : "same members";
  const outage = change.cause.kind === "start" ? "" : `; nothing was delivered for ${shownMs(change.outageMs)}`;
  const attempts = change.attempts > 1 ? `; ${change.attempts} attempts` : "";
  return `${who}: ${describeCause(change.cause)}${outage}${attempts}; ${change.primary ? "primary" : "not primary"}`;
}

export function describeCause({ kind, daemon, lateMs }: ChangeCause): string {
  const late = lateMs === undefined ? "" : ` for ${shownMs(lateMs)}`;
  const who = daemon ?? "a daemon";
  switch (kind) {
    case "start":
      return "this daemon started";
    case "tokenLoss":
      return `the token did not come${late}${daemon === undefined ? "" : `, last passed on to ${daemon}`}`;
    case "linkSilent":
      return `nothing came over the link from ${who}${late}`;
    case "linkStuck":
      return `what was missing did not come over the link from ${who}${late}, though other things did`;
    case "memberLost":
      return `${who} said that it has no ring any more`;
    case "join":
      return `${who} asked to join`;
    case "foreign":
      return `messages of ${who} from outside the ring were heard`;
    case "leave":
      return `${who} said that it leaves`;
    case "formFailed":
      return `a new ring could not be formed${late}`;
    case "reload":
      return "another configuration was put in force";
    case "request":
      return daemon === undefined ? "a new ring was needed" : `${daemon} called for a new ring`;
  }
}

function shownMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
