import { type NodeCounter, RECOVERY_COUNTERS } from "../wire/native/node-statistics.ts";
import { LATENCY_BOUNDS_MS } from "../base/latency-histogram.ts";
import type { RegionsStatus, ServedNodes } from "./regions-status.ts";
import type { LinkStatus, PruningStatus } from "./sites-status.ts";
import { type DaemonStatus, MEMBERSHIP_STATES, type SessionStatus } from "./status.ts";

/** The content type of Prometheus' text exposition format. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Sample = { readonly labels?: Readonly<Record<string, string>>; readonly value: number };

/**
 * A status in Prometheus' text format. Names and labels are stable: dashboards depend on them. No label has a value
 * per client or group, so that the number of series does not grow with the load.
 */
export function metricsText(status: DaemonStatus): string {
  const { configuration, ring, groups, regions, sessions, site } = status;
  const out = new Exposition();

  out.gauge("info", "The daemon's version and names; always 1.", [
    { labels: { version: status.version, daemon: status.name, dissemination: site.dissemination }, value: 1 },
  ]);
  out.gauge("uptime_seconds", "Time since the daemon started.", one(status.uptimeMs / 1_000));
  out.gauge("ready", "1 if the daemon serves clients now.", one(Number(status.ready)));
  out.gauge(
    "membership_state",
    "1 for the state of daemon membership that the daemon is in.",
    MEMBERSHIP_STATES.map((state) => ({ labels: { state }, value: Number(state === status.membershipState) })),
  );

  out.gauge("configuration_members", "Daemons in the configuration.", one(configuration.members.length));
  out.gauge("configuration_configured", "Daemons in the configuration file.", one(site.daemons.length));
  out.gauge("configuration_primary", "1 if the configuration is primary.", one(Number(configuration.primary)));
  out.gauge("configuration_age_seconds", "Time since it was installed.", one(configuration.ageMs / 1_000));
  out.counter("configuration_changes_total", "Configurations installed.", one(status.changeCount));
  const last = status.changes[0];
  if (last !== undefined) {
    out.gauge(
      "configuration_last_outage_seconds",
      "For so long nothing was delivered at the last change.",
      one(last.outageMs / 1_000),
    );
    out.gauge(
      "configuration_last_change_seconds",
      "From the first evidence of the last change to its end.",
      one(last.changeMs / 1_000),
    );
  }

  addStreams(out, site);
  linkMetrics(out, status.sites?.links ?? []);
  pruningMetrics(out, status.sites?.pruning);

  out.counter("ring_token_rounds_total", "Rounds of the token.", one(ring.tokenRounds));
  out.gauge("ring_token_round_seconds", "Time of a token's round, smoothed.", one(ring.tokenRoundMs / 1_000));
  out.gauge("ring_token_round_max_seconds", "Longest recent round.", one(ring.tokenRoundMaxMs / 1_000));
  out.counter("ring_tokens_resent_total", "Tokens passed on twice.", one(ring.tokensResent));
  out.gauge(
    "ring_unstable_packets",
    "Packets that not all daemons are known to have.",
    one(Math.max(0, ring.seq - ring.safe)),
  );
  out.gauge(
    "ring_missing_packets",
    "Packets that this daemon lacks or has with gaps before them.",
    one(Math.max(0, ring.seq - ring.aru)),
  );
  out.gauge("ring_queued_packets", "Packets waiting for the token.", one(ring.queuedPackets));
  out.gauge("ring_window_packets", "The ring's window now.", one(ring.windowPackets));
  const directions = (sent: number, received: number): Sample[] => [
    { labels: { direction: "sent" }, value: sent },
    { labels: { direction: "received" }, value: received },
  ];
  out.counter("ring_packets_total", "Data packets on the ring.", directions(ring.packetsSent, ring.packetsReceived));
  out.counter("ring_bytes_total", "Bytes of data packets.", directions(ring.bytesSent, ring.bytesReceived));
  out.counter("ring_messages_total", "Ordered messages.", [
    { labels: { direction: "sent" }, value: ring.messagesSent },
    { labels: { direction: "delivered" }, value: ring.messagesDelivered },
  ]);
  out.counter(
    "ring_retransmissions_total",
    "Packets asked for, sent again by reach, and received twice.",
    Object.entries(ring.retransmissions).map(([kind, value]) => ({ labels: { kind }, value })),
  );

  out.gauge("groups", "Groups with members.", one(groups.count));
  out.gauge("groups_memberships", "Members of all groups together.", one(groups.memberships));

  addRegions(out, regions);
  addNodes(out, regions.served);

  out.gauge("sessions", "Connected clients.", one(sessions.count));
  out.gauge("sessions_limit", "Greatest number of clients.", one(sessions.limit));
  out.gauge("sessions_detached", "Clients whose connection is gone and who may come back.", one(sessions.detached));
  out.counter("sessions_rejected_total", "Connections refused.", one(sessions.rejected));
  out.counter("sessions_expelled_total", "Clients closed for being slow.", one(sessions.expelled));
  const inOut = (into: number, out_: number): Sample[] => [
    { labels: { direction: "in" }, value: into },
    { labels: { direction: "out" }, value: out_ },
  ];
  out.counter(
    "sessions_messages_total",
    "Messages from and to clients.",
    inOut(sessions.messagesIn, sessions.messagesOut),
  );
  out.counter("sessions_bytes_total", "Bytes from and to clients.", inOut(sessions.bytesIn, sessions.bytesOut));
  const longest = (value: (session: SessionStatus) => number): Sample[] =>
    one(sessions.slowest.reduce((most, session) => Math.max(most, value(session)), 0));
  out.gauge(
    "sessions_longest_queue_messages",
    "The longest queue of a client.",
    longest(({ queuedMessages }) => queuedMessages),
  );
  out.gauge(
    "sessions_longest_queue_bytes",
    "The queue of a client with the most bytes.",
    longest(({ queuedBytes }) => queuedBytes),
  );

  out.counter(
    "faults_total",
    "Malformed or dropped input by kind.",
    Object.entries(status.faults).map(([kind, value]) => ({ labels: { kind }, value })),
  );
  return out.text;
}

const one = (value: number): Sample[] => [{ value }];

function addStreams(out: Exposition, { streams, streamTraffic }: DaemonStatus["site"]): void {
  const up = streams.filter(({ isUp }) => isUp).length;
  const longest = streams.reduce((most, { waitingBytes }) => Math.max(most, waitingBytes), 0);
  out.gauge("streams_up", "Streams to other daemons.", one(up));
  out.gauge("streams_wanted", "Streams that there should be, and those that there are.", one(streams.length));
  out.gauge("streams_longest_queue_bytes", "The stream with the most bytes waiting.", one(longest));
  out.counter("streams_sent_bytes_total", "Bytes sent over streams.", one(streamTraffic.bytesSent));
  out.counter(
    "streams_dropped_packets_total",
    "Packets dropped for want of a stream, or of room before one.",
    one(streamTraffic.packetsDropped),
  );
}

function addRegions(out: Exposition, regions: RegionsStatus): void {
  out.gauge("regions", "Regions of nodes in scalable groups.", one(regions.regions));
  out.gauge("regions_nodes", "Nodes of scalable groups, at all daemons.", one(regions.nodes));
  out.gauge("regions_groups", "Groups with quality scalable.", one(regions.groups));
  out.gauge("regions_epoch", "Epoch of the memberships of scalable groups.", one(regions.epoch));
  out.gauge("regions_suspended", "1 if no such membership is computed here now.", one(Number(regions.suspended)));
  out.gauge("regions_ending_views", "Region views that are replaced and not over yet.", one(regions.endingViews));
  out.counter("regions_changes_total", "Batches of changes of nodes and their groups.", one(regions.changeCount));
  out.counter(
    "regions_failures_total",
    "Nodes declared failed, by cause.",
    Object.entries(regions.failures).map(([cause, value]) => ({ labels: { cause }, value })),
  );
  out.gauge("regions_largest_nodes", "Nodes of the largest region.", one(regions.largest[0]?.nodes ?? 0));
  out.gauge("regions_absent_nodes", "Nodes without a session that this daemon looks for.", one(regions.absent.length));
}

/** What the nodes say that this daemon serves. Counters of theirs are summed up while it serves them, and never fall. */
function addNodes(out: Exposition, served: ServedNodes): void {
  const { totals } = served;
  const kinds = (names: Readonly<Record<string, NodeCounter>>, label: string): Sample[] =>
    Object.entries(names).map(([kind, name]) => ({ labels: { [label]: kind }, value: totals[name] }));
  out.gauge("nodes", "Sessions of this daemon that are nodes.", one(served.count));
  out.gauge("nodes_attached", "Those that are connected.", one(served.attached));
  out.gauge("nodes_reporting", "Those that have told what they count.", one(served.reporting));
  out.gauge("nodes_late", "Those that owe the report of a change for more than a second.", one(served.late));
  out.gauge("nodes_late_seconds", "For how long the slowest of them has.", one(served.lateMs / 1_000));
  out.gauge("nodes_queued_bytes", "Payload that waits to be sent.", one(served.queuedBytes));
  out.gauge("nodes_unstable_bytes", "Packets sent that not all are known to have.", one(served.unstableBytes));
  out.gauge("nodes_kept_bytes", "Packets kept to repair others.", one(served.keptBytes));
  out.gauge(
    "nodes_token_round_max_seconds",
    "Longest last round of a region's token.",
    one(served.roundTripMsMax / 1_000),
  );
  out.gauge(
    "nodes_loop_delay_max_seconds",
    "Median lateness of the slowest event loop.",
    one(served.loopDelayMsMax / 1_000),
  );
  out.gauge(
    "nodes_admissible_rate_min",
    "Packets per second that the slowest node can take.",
    one(served.rateAdmissibleLeast),
  );
  out.counter(
    "nodes_messages_total",
    "Messages sent by nodes, known to be everywhere, and delivered to them.",
    kinds({ sent: "messagesSent", stable: "messagesStable", delivered: "messagesDelivered" }, "event"),
  );
  const directions = { sent: "packetsSent", received: "packetsReceived" } as const;
  out.counter("nodes_packets_total", "Packets with messages, for the first time.", kinds(directions, "direction"));
  const bytes = { sent: "bytesSent", received: "bytesReceived" } as const;
  out.counter("nodes_bytes_total", "Bytes of all datagrams between nodes.", kinds(bytes, "direction"));
  out.counter("nodes_token_rounds_total", "Rounds of tokens.", one(totals.rounds));
  out.counter(
    "nodes_repairs_total",
    "Packets sent to repair losses, by kind; received of those, and in vain.",
    kinds(REPAIRS, "kind"),
  );
  out.counter("nodes_lost_packets_total", "Packets given up because nobody has them.", one(totals.lost));
  addTimely(out, totals, kinds);
  out.counter("nodes_drops_total", "Datagrams dropped by nodes, by reason.", kinds(DROPS, "reason"));
}

/** Timely groups, and those of them that are totally ordered. */
function addTimely(
  out: Exposition,
  totals: ServedNodes["totals"],
  kinds: (names: Readonly<Record<string, NodeCounter>>, label: string) => Sample[],
): void {
  const arrivals = { received: "timelyReceived", rebuilt: "timelyRebuilt", resent: "timelyResent" } as const;
  out.counter("nodes_timely_sent_total", "Packets sent to timely groups.", one(totals.timelySent));
  out.counter("nodes_timely_packets_total", "Packets of timely groups, by how they came.", kinds(arrivals, "arrival"));
  out.counter("nodes_timely_lost_total", "Packets of timely groups that will not come.", one(totals.timelyLost));
  const repairs = {
    sent: "timelyRepairsSent",
    received: "timelyRepairsReceived",
    useless: "timelyRepairsUseless",
    failed: "timelyRepairsFailed",
  } as const;
  out.counter(
    "nodes_timely_repairs_total",
    "Repairs of timely groups; of those received: in vain.",
    kinds(repairs, "event"),
  );
  out.counter("nodes_timely_naks_total", "Requests to senders in timely groups.", one(totals.timelyNaks));
  out.histogram(
    "nodes_timely_recovery_seconds",
    "How long missing packets of timely groups were waited for.",
    LATENCY_BOUNDS_MS.map((ms) => ms / 1_000),
    RECOVERY_COUNTERS.map((name) => totals[name]),
    totals.recoveredUs / 1e6,
  );
  const ordered = {
    all: "orderedDelivered",
    optimistic: "orderedOptimistic",
    rolledBack: "orderedRolledBack",
  } as const;
  out.counter("nodes_ordered_messages_total", "Deliveries in totally ordered groups.", kinds(ordered, "event"));
}

/** Of the representative of a site. Counters begin anew with each configuration. */
function pruningMetrics(out: Exposition, pruning: PruningStatus | undefined): void {
  const one = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ labels: {}, value }]);
  out.counter("site_pruned_packets_total", "Packets of the site that were for it alone.", one(pruning?.pruned));
  out.counter(
    "site_passed_over_packets_total",
    "Packets of other sites that were not for it.",
    one(pruning?.passedOver),
  );
}

/** Of the representative of a site. Counters begin anew with each configuration. */
function linkMetrics(out: Exposition, links: readonly LinkStatus[]): void {
  const each = (value: (link: LinkStatus) => number): Sample[] =>
    links.map((link) => ({ labels: { site: link.site }, value: value(link) }));
  out.gauge(
    "link_open",
    "1 if the link to the site is open.",
    each((link) => Number(link.isOpen)),
  );
  out.gauge(
    "link_round_trip_seconds",
    "Round trip, smoothed.",
    each((link) => link.roundTripMs / 1_000),
  );
  out.gauge(
    "link_rate_bytes",
    "Bytes per second that get through, as far as was tried.",
    each(({ rate }) => rate),
  );
  out.gauge(
    "link_waiting_bytes",
    "Bytes that wait for the link.",
    each(({ waitingBytes }) => waitingBytes),
  );
  out.counter(
    "link_sent_bytes_total",
    "Bytes sent over the link.",
    each(({ sentBytes }) => sentBytes),
  );
  out.counter(
    "link_sent_datagrams_total",
    "Datagrams sent.",
    each(({ sentDatagrams }) => sentDatagrams),
  );
  out.counter(
    "link_resent_datagrams_total",
    "Of these, sent again.",
    each(({ resentDatagrams }) => resentDatagrams),
  );
  out.counter(
    "link_received_datagrams_total",
    "Datagrams received.",
    each((link) => link.receivedDatagrams),
  );
}

const REPAIRS = {
  pushed: "pushed",
  pulled: "pulled",
  pulledElsewhere: "pulledElsewhere",
  forwardedLate: "forwardedLate",
  resent: "resent",
  received: "repaired",
  redundant: "redundant",
} as const satisfies Record<string, NodeCounter>;

const DROPS = {
  malformed: "dropsMalformed",
  foreign: "dropsForeign",
  cluster: "dropsCluster",
  fenced: "dropsFenced",
  retired: "dropsRetired",
  unknown: "dropsUnknown",
  untold: "dropsUntold",
  overrun: "dropsOverrun",
  unsent: "dropsUnsent",
} as const satisfies Record<string, NodeCounter>;

class Exposition {
  text = "";

  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.#metric("gauge", name, help, samples);
  }

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.#metric("counter", name, help, samples);
  }

  /** `counts`: by bucket, not added up, with one more than there are bounds. */
  histogram(name: string, help: string, bounds: readonly number[], counts: readonly number[], sum: number): void {
    const full = `amalgam_${name}`;
    this.text += `# HELP ${full} ${help}\n# TYPE ${full} histogram\n`;
    let below = 0;
    counts.forEach((count, i) => {
      below += count;
      this.text += `${full}_bucket{le="${bounds[i] ?? "+Inf"}"} ${below}\n`;
    });
    this.text += `${full}_sum ${sum}\n${full}_count ${below}\n`;
  }

  #metric(type: "gauge" | "counter", name: string, help: string, samples: readonly Sample[]): void {
    if (samples.length === 0) return;
    const full = `amalgam_${name}`;
    this.text += `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n`;
    for (const { labels = {}, value } of samples) {
      const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
      this.text += `${full}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
    }
  }
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
