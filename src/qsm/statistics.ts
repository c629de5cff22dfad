import {
  NODE_COUNTERS,
  NODE_GAUGES,
  type NodeCounter,
  type NodeFigures,
  noFigures,
  REGIONS_MAX,
  type RegionFigures,
  type RegionStatistics,
} from "../wire/native/node-statistics.ts";
import type { LinkStatistics } from "./link.ts";
import type { NodeDrops } from "./arrivals.ts";
import type { RegionMember } from "./region.ts";
import type { Sending } from "./sending.ts";
import type { UnknownViews } from "./unknown-views.ts";

/** What a region view counts at a member. */
export const REGION_COUNTERS = [
  "messagesDelivered",
  "bytesDelivered",
  "packetsReceived",
  "pushed",
  "pulled",
  "pulledElsewhere",
  "forwardedLate",
  "repaired",
  "redundant",
  "naks",
  "lost",
] as const satisfies readonly NodeCounter[];

export type MutableFigures = Record<keyof NodeFigures, number>;
export type RegionCounters = Record<(typeof REGION_COUNTERS)[number], number>;

/** What a member has counted, and its ring, added to what is counted already. */
export function addCounters(sum: Record<NodeCounter, number>, { counters, ring }: RegionMember): void {
  for (const name of REGION_COUNTERS) sum[name] += counters[name];
  sum.tokens += ring.tokens;
  sum.rounds += ring.rounds;
}

/** Everything that a node counts; what its host has to add stays 0. */
export function noNodeFigures(): MutableFigures {
  return { ...noFigures(NODE_COUNTERS), ...noFigures(NODE_GAUGES) };
}

/** One region view as its member sees it. */
function regionStatistics({ id, streams, ring, isLeader, rates }: RegionMember): RegionStatistics {
  let keptPackets = 0;
  let keptBytes = 0;
  let behindPackets = 0;
  for (const { kept, maxSeen, contiguous } of streams.values()) {
    keptPackets += kept.packets;
    keptBytes += kept.bytes;
    behindPackets += maxSeen - contiguous;
  }
  const figures: RegionFigures = {
    leader: Number(isLeader),
    quiet: Number(isLeader && ring.isQuiescent),
    final: Number(ring.isFinal),
    senders: streams.size,
    keptPackets,
    keptBytes,
    behindPackets,
    tokens: ring.tokens,
    rounds: ring.rounds,
    roundTripUs: isLeader ? Math.round(ring.roundTripMs * 1_000) : 0,
    rateLeast: Math.round(rates.least),
    rateAverage: Math.round(rates.average),
    rateGreatest: Math.round(rates.greatest),
  };
  return { id, figures };
}

export type StatisticsParts = {
  /** What the node counts itself, and what views counted that have been retired. */
  readonly counters: Readonly<MutableFigures>;
  /** In the order in which they were entered. */
  readonly regions: readonly RegionMember[];
  readonly sending: Sending;
  readonly drops: NodeDrops;
  readonly links: LinkStatistics;
  readonly unknown: UnknownViews;
  readonly own: Partial<NodeFigures>;
};

/** Everything together. It costs a pass over the node's streams: once a second, not once a packet. */
export function collectStatistics({ counters, regions, sending, drops, links, unknown, own }: StatisticsParts) {
  const figures: MutableFigures = { ...counters, ...own, ...sending.counters };
  const told: RegionStatistics[] = [];
  for (const member of regions) {
    addCounters(figures, member);
    const region = regionStatistics(member);
    for (const name of ["keptPackets", "keptBytes", "behindPackets"] as const) figures[name] += region.figures[name];
    told.push(region);
  }
  figures.views = told.length;
  figures.queuedBytes = sending.queuedBytes;
  for (const sender of sending.senders) {
    figures.sends++;
    figures.unstablePackets += sender.last - sender.stable;
    figures.unstableBytes += sender.unstableBytes;
  }
  figures.rateGranted = Math.round(sending.leastGranted ?? 0);
  figures.controlRepeated = links.piecesRepeated;
  figures.dropsMalformed = drops.malformed + links.refused;
  figures.dropsForeign = drops.foreign;
  figures.dropsCluster = drops.cluster;
  figures.dropsFenced = drops.fenced;
  figures.dropsRetired = drops.retired;
  figures.dropsUntold = drops.untold;
  figures.dropsUnknown = unknown.dropped;
  // The youngest is the present one: whoever has many that are ending tells of the last of them.
  return { figures, regions: told.toReversed().slice(0, REGIONS_MAX) };
}
