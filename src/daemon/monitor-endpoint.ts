import { decodeMonitorRequest, encodeMonitorStatus, type MonitorStatus } from "../wire/spread/monitor.ts";
import { daemonWithId, type SiteConfig } from "./config/site.ts";
import { type DaemonStatus, GROUPS_STATES, MEMBERSHIP_STATES } from "./status.ts";

/** What a datagram of the monitor protocol asks the daemon to do. */
export type MonitorAction =
  | { readonly kind: "reply"; readonly address: string; readonly port: number; readonly bytes: Uint8Array }
  /**
   * Ignore the datagrams of daemons of another component, by index in the configuration, until `durationMs` have
   * passed without another such request. The same component everywhere ends it. `exit`: stop at once, without leave.
   */
  | { readonly kind: "partition"; readonly components: Int16Array; readonly exit: boolean; readonly durationMs: number }
  /** New windows in packets; `undefined` leaves one as it is. */
  | {
      readonly kind: "flowControl";
      readonly global: number | undefined;
      readonly personal: number | undefined;
      readonly accelerated: number | undefined;
    }
  | { readonly kind: "reload" }
  /** Not for us; the reason is for the log. */
  | { readonly kind: "ignore"; readonly reason: string };

/**
 * Decides on a monitor's datagram as a Spread daemon does (spread-client-protocol.md section 8): the hash must be
 * ours, the monitor must run at the address of the daemon that it says to be.
 */
export function monitorAction(
  datagram: Uint8Array,
  from: string,
  site: SiteConfig,
  self: number,
  status: () => DaemonStatus,
): MonitorAction {
  const ignore = (reason: string): MonitorAction => ({ kind: "ignore", reason });
  const request = decodeMonitorRequest(datagram);
  if (request === undefined) return ignore("not a monitor request");
  if (request.configHash !== site.spreadHash) {
    return ignore(
      `a monitor at ${from} has another configuration (hash ${request.configHash}, ours ${site.spreadHash})`,
    );
  }
  const transmitter = daemonWithId(site, request.transmitter);
  if (transmitter === undefined)
    return ignore(`a monitor at ${from} runs as daemon ${request.transmitter}, which is not configured`);
  if (transmitter.address !== from)
    return ignore(`a monitor at ${from} runs as ${transmitter.name}, which is at ${transmitter.address}`);
  const index = site.daemons.findIndex((daemon) => daemon.id === self);

  switch (request.kind) {
    case "status": {
      // The target names where the reply goes; only a configured address can be named, so this reflects to nobody else.
      const target = daemonWithId(site, request.target);
      if (target === undefined || request.replyPort === 0)
        return ignore(`a monitor at ${from} wants its reply nowhere`);
      const bytes = encodeMonitorStatus(self, monitorStatus(status(), site));
      return { kind: "reply", address: target.address, port: request.replyPort, bytes };
    }
    case "reload":
      return { kind: "reload" };
    case "partition":
      if (!site.dangerousMonitor) return ignore("a monitor asked for a split; DangerousMonitor is not set");
      return {
        kind: "partition",
        components: request.components.slice(0, site.daemons.length),
        exit: request.components[index] === -1,
        durationMs: 60_000,
      };
    case "flowControl": {
      if (!site.dangerousMonitor) return ignore("a monitor asked for other windows; DangerousMonitor is not set");
      const given = (value: number | undefined, min: number) =>
        value === undefined || value < min ? undefined : value;
      return {
        kind: "flowControl",
        global: given(request.personal[site.daemons.length], 1),
        personal: given(request.personal[index], 1),
        accelerated: given(request.accelerated[index], 0),
      };
    }
  }
}

/** A status in the terms of Spread's monitor. */
export function monitorStatus(status: DaemonStatus, site: SiteConfig): MonitorStatus {
  const { ring } = status;
  const { unicast, segment, multicast } = ring.retransmissions;
  const [major = 0, minor = 0, patch = 0] = status.version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  return {
    uptimeSeconds: Math.floor(status.uptimeMs / 1_000),
    state: MEMBERSHIP_STATES.indexOf(status.membershipState) + 1,
    groupsState: GROUPS_STATES.indexOf(status.groupsState) + 1,
    packetsSent: ring.packetsSent,
    packetsReceived: ring.packetsReceived,
    packetsDelivered: ring.aru,
    retransmissions: unicast + segment + multicast,
    unicastRetransmissions: unicast,
    segmentRetransmissions: segment,
    broadcastRetransmissions: multicast,
    aru: ring.safe,
    myAru: ring.aru,
    highestSeq: ring.seq,
    tokenHurries: ring.tokensResent,
    tokenRounds: ring.tokenRounds,
    myId: status.id,
    leaderId: site.daemons.find((daemon) => daemon.name === status.configuration.members[0])?.id ?? status.id,
    messagesDelivered: ring.messagesDelivered,
    membershipChanges: status.changeCount,
    daemons: status.configuration.members.length,
    segments: status.site.segments,
    window: ring.windowPackets,
    personalWindow: ring.personalWindowPackets,
    acceleratedRing: Number(ring.strategy === "accelerated"),
    acceleratedWindow: ring.acceleratedPackets,
    sessions: status.sessions.count,
    groups: status.groups.count,
    versionMajor: major,
    versionMinor: minor,
    versionPatch: patch,
  };
}
