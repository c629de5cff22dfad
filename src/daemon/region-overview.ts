import type { RegionId } from "../base/ids.ts";
import type { Region } from "../cms/region.ts";
import type { Replica } from "../cms/replica.ts";
import type { RegionFigures } from "../wire/native/node-statistics.ts";
import { largest } from "./largest.ts";
import type { Reported } from "./node-ledger.ts";
import { namesOf } from "./region-log.ts";
import type { RegionNodes, ServedSession } from "./region-nodes.ts";
import {
  type AbsentNode,
  type NodeStatus,
  type RegionRates,
  type RegionsStatus,
  type RegionStatus,
  type ServedNodes,
  shownId,
} from "./regions-status.ts";

const REGIONS_MAX = 20;
const NODES_MAX = 50;
const ABSENT_MAX = 20;
const GROUP_NAMES = 5;
/** A change that a node has not reported for so long makes it late. */
const LATE_MS = 1_000;

/** A node of this daemon, with what it has reported. */
type Served = {
  readonly session: ServedSession;
  readonly reported: Reported | undefined;
  readonly region: Region | undefined;
};

/** What is worked out anew only when the replica has gone on. */
type Known = { readonly replica: Replica; readonly n: number; readonly largest: Region[]; readonly ending: number };

/** What the nodes of one region that are served here say, together. */
type Share = {
  reporting: number;
  rates: RegionRates;
  pendingBytes: number;
  keptBytes: number;
  lost: number;
  led: RegionFigures | undefined;
};

/**
 * What there is to see of regions at a daemon. A look costs a pass over the nodes that the daemon serves; which regions are the largest, and
 * how many views are ending, is worked out anew only after the membership has changed.
 */
export class RegionOverview {
  readonly #nodes: RegionNodes;
  #known: Known | undefined;

  constructor(nodes: RegionNodes) {
    this.#nodes = nodes;
  }

  /** `whole`: all regions and all nodes that are served here, however many. */
  status(now: number, whole: boolean): RegionsStatus {
    const { service, log } = this.#nodes;
    const { replica } = service;
    const known = this.#look(replica);
    const served = this.#served(now);
    const shares = sharesOf(served);
    const regions = whole ? largest(replica.map.regions.values(), Number.POSITIVE_INFINITY, sizeOf) : known.largest;
    const most = whole ? Number.POSITIVE_INFINITY : NODES_MAX;
    return {
      epoch: replica.epoch,
      position: replica.n,
      suspended: service.isSuspended,
      nodes: replica.nodes.size,
      regions: replica.map.regions.size,
      groups: replica.map.groups.size,
      endingViews: known.ending,
      changeCount: log.count,
      changes: log.changes,
      failures: log.failures,
      largest: regions.map((region) => regionStatus(region, replica, shares.get(region.id))),
      absent: absentNodes(service.absent(), now),
      served: this.#all(served, now),
      busiest: largest(served, most, (one) => interest(one, now)).map((one) => nodeStatus(one, now)),
    };
  }

  #look(replica: Replica): Known {
    const known = this.#known;
    if (known?.replica === replica && known.n === replica.n) return known;
    this.#known = {
      replica,
      n: replica.n,
      largest: largest(replica.map.regions.values(), REGIONS_MAX, sizeOf),
      ending: replica.lifecycle.endingViews,
    };
    return this.#known;
  }

  #served(now: number): Served[] {
    const { service, ledger } = this.#nodes;
    const { map, nodes } = service.replica;
    const served: Served[] = [];
    for (const session of this.#nodes.sessions()) {
      const { node, isAttached, user } = session;
      // Declared failed while it is away: it will hear of that when it is back.
      if (node !== undefined && !isAttached && service.isActive && !nodes.has(node)) continue;
      const region = node === undefined ? undefined : map.regionOf(node);
      // What one says that has gone is not how things stand.
      const reported = isAttached ? ledger.of(user, now) : undefined;
      served.push({ session, reported, region });
    }
    return served;
  }

  #all(served: readonly Served[], now: number): ServedNodes {
    let [attached, reporting, late, lateMs] = [0, 0, 0, 0];
    let [queuedBytes, unstableBytes, keptBytes] = [0, 0, 0];
    let [roundTripUs, loopDelayUs, least] = [0, 0, Number.POSITIVE_INFINITY];
    let rates = NO_RATES;
    for (const { session, reported } of served) {
      attached += Number(session.isAttached);
      const owedMs = lateMsOf(session, now);
      late += Number(owedMs > LATE_MS);
      lateMs = Math.max(lateMs, owedMs);
      if (reported === undefined) continue;
      const { figures, regions } = reported.statistics;
      reporting++;
      queuedBytes += figures.queuedBytes;
      unstableBytes += figures.unstableBytes;
      keptBytes += figures.keptBytes;
      loopDelayUs = Math.max(loopDelayUs, figures.loopDelayUs);
      if (figures.rateAdmissible > 0) least = Math.min(least, figures.rateAdmissible);
      rates = added(rates, ratesOf(reported));
      for (const region of regions) roundTripUs = Math.max(roundTripUs, region.figures.roundTripUs);
    }
    return {
      count: served.length,
      attached,
      reporting,
      late,
      lateMs,
      totals: this.#nodes.ledger.totals,
      rates,
      queuedBytes,
      unstableBytes,
      keptBytes,
      roundTripMsMax: roundTripUs / 1_000,
      loopDelayMsMax: loopDelayUs / 1_000,
      rateAdmissibleLeast: Number.isFinite(least) ? least : 0,
    };
  }
}

const sizeOf = ({ view }: Region): number => view.members.length;

function sharesOf(served: readonly Served[]): Map<RegionId, Share> {
  const shares = new Map<RegionId, Share>();
  for (const { reported, region } of served) {
    if (reported === undefined || region === undefined) continue;
    const { figures, regions } = reported.statistics;
    let share = shares.get(region.id);
    if (share === undefined) {
      share = { reporting: 0, rates: NO_RATES, pendingBytes: 0, keptBytes: 0, lost: 0, led: undefined };
      shares.set(region.id, share);
    }
    share.reporting++;
    share.rates = added(share.rates, ratesOf(reported));
    share.pendingBytes += figures.queuedBytes + figures.unstableBytes;
    share.keptBytes += figures.keptBytes;
    share.lost += figures.lost;
    const { view } = region.view.id;
    share.led ??= regions.find(
      ({ id, figures: own }) => id.region === region.id && id.view === view && own.leader === 1,
    )?.figures;
  }
  return shares;
}

function regionStatus(region: Region, { map }: Replica, share: Share | undefined): RegionStatus {
  const { id, groups, address, view } = region;
  const names = groups.slice(0, GROUP_NAMES).map((number) => map.groups.get(number)?.name ?? shownId(number));
  return {
    id: shownId(id),
    view: view.id.view,
    address,
    groups: { count: groups.length, first: names },
    nodes: view.members.length,
    members: namesOf(view.members),
    leader: view.members[0]?.name ?? "",
    reporting: share?.reporting ?? 0,
    rates: share?.rates ?? NO_RATES,
    pendingBytes: share?.pendingBytes ?? 0,
    keptBytes: share?.keptBytes ?? 0,
    lost: share?.lost ?? 0,
    led: share?.led,
  };
}

function nodeStatus({ session, reported, region }: Served, now: number): NodeStatus {
  return {
    name: session.name,
    id: session.node === undefined ? undefined : shownId(session.node),
    region: region && shownId(region.id),
    attached: session.isAttached,
    lateMs: lateMsOf(session, now),
    figures: reported?.statistics.figures,
    reportAgeMs: reported?.ageMs,
    rates: reported === undefined ? NO_RATES : ratesOf(reported),
  };
}

/** What makes a node worth a look: that it does not follow, then what waits at it, then its traffic. */
function interest({ session, reported }: Served, now: number): number {
  const lateMs = lateMsOf(session, now);
  if (lateMs > LATE_MS) return 1e15 + lateMs;
  if (reported === undefined) return 0;
  const { figures } = reported.statistics;
  const { sent, delivered } = ratesOf(reported);
  return 1 + figures.queuedBytes + figures.unstableBytes + figures.keptBytes + sent + delivered;
}

function lateMsOf({ owesSince }: ServedSession, now: number): number {
  return owesSince === undefined ? 0 : now - owesSince;
}

function absentNodes(
  absent: Iterable<{ readonly node: { name: string }; readonly until: number }>,
  now: number,
): AbsentNode[] {
  return largest(absent, ABSENT_MAX, ({ until }) => -until).map(({ node, until }) => ({
    name: node.name,
    failsInMs: Math.max(0, until - now),
  }));
}

const NO_RATES: RegionRates = { sent: 0, received: 0, delivered: 0, deliveredBytes: 0, repaired: 0, resent: 0 };

function ratesOf({ rates }: Reported): RegionRates {
  return {
    sent: rates.messagesSent,
    received: rates.packetsReceived,
    delivered: rates.messagesDelivered,
    deliveredBytes: rates.bytesDelivered,
    repaired: rates.repaired,
    resent: rates.resent,
  };
}

function added(a: RegionRates, b: RegionRates): RegionRates {
  return {
    sent: a.sent + b.sent,
    received: a.received + b.received,
    delivered: a.delivered + b.delivered,
    deliveredBytes: a.deliveredBytes + b.deliveredBytes,
    repaired: a.repaired + b.repaired,
    resent: a.resent + b.resent,
  };
}
