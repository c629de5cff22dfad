import type { Groups } from "../groups/groups.ts";
import type { Evs } from "../membership/evs.ts";
import type { EvsEvent, MembershipStateName } from "../membership/events.ts";
import type { SessionEvent } from "../session/outbox.ts";
import type { Sessions } from "../session/sessions.ts";
import type { ChangeLog } from "./change-log.ts";
import { sitesStatus } from "./sites-status.ts";
import { shownPolicy } from "./config/site.ts";
import { nameOf, type NodeOptions } from "./node-config.ts";
import type { GroupsOverview } from "./groups-overview.ts";
import type { RegionNodes } from "./region-nodes.ts";
import type { RegionOverview } from "./region-overview.ts";
import type { DaemonStatus, GroupsStateName, MembershipStateName as StatusStateName, SessionStatus } from "./status.ts";

/** What a daemon counts of its clients beyond what its parts count themselves. */
export class NodeCounters {
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  delivered = 0;
  rejected = 0;
  expelled = 0;
  detached = 0;
  malformedNotices = 0;
  configurationAt = 0;

  /** Takes from a session's event what is counted. */
  count(event: SessionEvent): void {
    switch (event.kind) {
      case "rejected":
      case "timedOut":
        this.rejected += 1;
        break;
      case "detached":
        this.detached += 1;
        break;
      case "resumed":
        this.detached = Math.max(0, this.detached - 1);
        break;
      case "ending":
        if (event.reason === "slow") this.expelled += 1;
        if (event.wasDetached) this.detached = Math.max(0, this.detached - 1);
        break;
      case "accepted":
        break;
    }
  }

  /** A configuration was installed at `now`. */
  configured(_event: Extract<EvsEvent, { kind: "configuration" }>, now: number): void {
    this.configurationAt = now;
  }
}

export type NodeParts = {
  readonly options: NodeOptions;
  readonly evs: Evs;
  readonly groups: Groups;
  readonly sessions: Sessions;
  readonly regions: RegionNodes;
  readonly groupsOverview: GroupsOverview;
  readonly overview: RegionOverview;
  readonly counters: NodeCounters;
  readonly changes: ChangeLog;
  readonly startedAt: number;
};

/** What the daemon says about itself now; `whole`: with all regions and nodes. */
export function nodeStatus(parts: NodeParts, now: number, whole: boolean): DaemonStatus {
  const { options, evs, groups, sessions, regions, groupsOverview, overview, counters, changes } = parts;
  const { site, self } = options;
  const { configuration } = evs;
  const reachability = options.reachability?.();
  const names = (daemons: readonly number[]): string[] => daemons.map((daemon) => nameOf(site, daemon));
  // The leader of a ring that lacks daemons looks for them every other second, in state gather, and goes on serving.
  const ready = evs.isServing && groups.state === "GOP";
  return {
    version: options.version,
    name: self.name,
    id: self.id,
    pid: options.pid,
    atMs: Math.round(options.clockOriginMs + now),
    uptimeMs: now - parts.startedAt,
    ready,
    membershipState: membershipState(evs.state),
    groupsState: groupsState(groups.state),
    site: {
      hash: site.hash,
      agreement: site.agreement,
      generation: site.lineage.generation,
      spreadHash: site.spreadHash,
      segments: site.segments.length,
      dissemination: options.dissemination(),
      disseminationSetting: reachability?.setting ?? site.dissemination,
      disseminationBecause: reachability?.because ?? "",
      probes: reachability?.probes ?? [],
      streams: reachability?.streams ?? [],
      streamTraffic: reachability?.streamTraffic ?? { bytesSent: 0, packetsDropped: 0 },
      payloadBytesMax: site.sessions.payloadBytesMax,
      primaryPolicy: shownPolicy(site.primaryPolicy),
      protocolVersion: evs.version,
      datagramBytes: evs.ringConfig.datagramBytes,
      datagramBytesBecause: reachability?.sizeBecause ?? "",
      receiveBufferBytes: options.receiveBufferBytes,
      datagrams: options.datagrams?.() ?? { path: "portable", because: "the host has no other" },
      daemons: site.daemons.map(({ name, id, address, host, port }) => ({ name, id, address: host ?? address, port })),
    },
    configuration: {
      id: configuration.id,
      primary: evs.isPrimary,
      members: names(configuration.members),
      absent: site.daemons.filter(({ id }) => !configuration.members.includes(id)).map(({ name }) => name),
      ageMs: now - counters.configurationAt,
    },
    sites: sitesStatus(site, self.site, evs, (daemon) => nameOf(site, daemon)),
    ring: ringStatus(parts),
    groups: groupsOverview.status(),
    regions: overview.status(now, whole),
    sessions: {
      count: sessions.sessionCount,
      limit: site.sessions.sessionsMax,
      detached: counters.detached,
      rejected: counters.rejected,
      expelled: counters.expelled,
      messagesIn: counters.messagesIn,
      messagesOut: counters.messagesOut,
      bytesIn: counters.bytesIn,
      bytesOut: counters.bytesOut,
      slowest: slowest(parts),
    },
    changeCount: changes.count,
    changes: changes.changes,
    faults: {
      ...evs.drops,
      groupsMalformed: groups.malformed,
      noticesMalformed: counters.malformedNotices,
      regionsMalformed: regions.malformed,
    },
  };
}

const SLOWEST_MAX = 100;

function slowest({ options, groups, sessions }: NodeParts): SessionStatus[] {
  return sessions.longestBacklogs(SLOWEST_MAX).map((backlog) => ({
    name: backlog.privateGroup,
    protocol: backlog.protocol,
    address: backlog.address,
    groups: groups.directory.member(options.self.id, backlog.user)?.groups.length ?? 0,
    queuedMessages: backlog.queuedMessages,
    queuedBytes: backlog.queuedBytes,
    dropped: backlog.dropped,
  }));
}

function ringStatus({ evs, counters }: NodeParts): DaemonStatus["ring"] {
  const { ring, configuration, ringStatistics: statistics, ringConfig: settings } = evs;
  const { datagramBytes } = settings;
  const windowBytes = ring?.windowBytes ?? settings.windowBytesStart;
  return {
    strategy: settings.acceleratedPackets > 0 ? "accelerated" : "original",
    tokenRounds: statistics.tokens,
    tokenRoundMs: statistics.rotationMs,
    tokenRoundMaxMs: statistics.rotationMs,
    tokensResent: statistics.tokenResends,
    idle: ring?.holdsToken ?? false,
    seq: configuration.local.high,
    aru: configuration.local.prefix,
    safe: configuration.stable,
    windowPackets: Math.floor(windowBytes / datagramBytes),
    personalWindowPackets: Math.floor(
      Math.min(ring?.shareBytes ?? windowBytes, settings.personalBytesMax) / datagramBytes,
    ),
    acceleratedPackets: settings.acceleratedPackets,
    queuedPackets: Math.ceil(evs.queuedBytes / datagramBytes),
    packetsSent: statistics.packetsSent,
    packetsReceived: statistics.packetsReceived,
    bytesSent: statistics.bytesSent,
    bytesReceived: counters.bytesIn,
    messagesSent: counters.messagesIn,
    messagesDelivered: counters.delivered,
    retransmissions: {
      requested: statistics.requested,
      unicast: 0,
      segment: statistics.retransmitted,
      multicast: 0,
      duplicates: statistics.duplicates,
    },
  };
}

function membershipState(state: MembershipStateName): StatusStateName {
  switch (state) {
    case "segment":
    case "left":
      return "seg";
    case "recovery":
      return "evs";
    case "operational":
    case "represented":
    case "gather":
    case "form":
      return state;
  }
}

function groupsState(state: Groups["state"]): GroupsStateName {
  switch (state) {
    case "GOP":
      return "operational";
    case "GTRANS":
      return "transitional";
    case "GGATHER":
      return "gather";
    case "GGT":
      return "gatherTransitional";
  }
}
