import type { FailureCause } from "../cms/happening.ts";
import type { NodeCounter, NodeFigures, RegionFigures } from "../wire/native/node-statistics.ts";

/**
 * Membership of the groups with quality "scalable", as this daemon has it, and what the nodes that it serves say of themselves. Lists
 * are of the largest or most remarkable only, unless the whole was asked for: no status grows with the number of groups.
 */
export type RegionsStatus = {
  /** Grows with every primary configuration in which memberships are computed; 0 before the first one. */
  readonly epoch: number;
  /** Position in the membership service's log. */
  readonly position: number;
  /** No membership is computed now: the daemon is in no primary configuration, or one is only about to begin. */
  readonly suspended: boolean;
  /** Of all daemons together. */
  readonly nodes: number;
  readonly regions: number;
  readonly groups: number;
  /** Superseded region views in which somebody may still send, or something may be missing somewhere. */
  readonly endingViews: number;
  /** Batches applied since the daemon started, and the last of them, newest first, at most fifty. */
  readonly changeCount: number;
  readonly changes: readonly RegionsChange[];
  /** Nodes declared failed since the daemon started. */
  readonly failures: Readonly<Record<FailureCause, number>>;
  readonly largest: readonly RegionStatus[];
  /** Nodes that this daemon looks for, which are in no session now, and fail if they do not come back; the first to fail first. */
  readonly absent: readonly AbsentNode[];
  readonly served: ServedNodes;
  /** Nodes that this daemon serves: first those that lag behind, then the busiest. */
  readonly busiest: readonly NodeStatus[];
};

/** A change of regions: a batch, the begin of an epoch, or its end here. */
export type RegionsChange = {
  /** When it was applied here, in milliseconds since 1970. */
  readonly atMs: number;
} & (
  | { readonly kind: "epoch"; readonly epoch: number; readonly anew: boolean }
  | { readonly kind: "suspended" }
  | {
      readonly kind: "batch";
      readonly position: number;
      readonly came: Names;
      readonly went: Names;
      readonly moved: Names;
      readonly failed: Names;
      /** Of those that failed, by cause; without the causes of none. */
      readonly causes: Readonly<Partial<Record<FailureCause, number>>>;
      readonly regionsCreated: number;
      readonly regionsChanged: number;
      readonly regionsEnded: number;
    }
);

/** How many, and the first of them. */
export type Names = { readonly count: number; readonly first: readonly string[] };

/** A region as the membership service has it, with what its nodes at this daemon say. */
export type RegionStatus = {
  /** As people read it: `epoch:counter`. */
  readonly id: string;
  readonly view: number;
  /** Index into the pool of multicast addresses. */
  readonly address: number;
  readonly groups: Names;
  readonly nodes: number;
  readonly members: Names;
  /** The lowest member, who leads unless it has failed a moment ago. */
  readonly leader: string;
  /** Members that this daemon serves and that have reported. */
  readonly reporting: number;
  /** Of those together, per second. */
  readonly rates: RegionRates;
  /** Of those together: bytes that wait to be sent, or for acknowledgements; and what is kept to repair others. */
  readonly pendingBytes: number;
  readonly keptBytes: number;
  /** Packets given up since those nodes began. */
  readonly lost: number;
  /** What the leader says, where this daemon serves it and has heard of this view. */
  readonly led: RegionFigures | undefined;
};

/** Events per second. */
export type RegionRates = {
  readonly sent: number;
  readonly received: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  /** Copies that came from other members. */
  readonly repaired: number;
  /** Packets that senders sent again. */
  readonly resent: number;
};

export type AbsentNode = { readonly name: string; readonly failsInMs: number };

/** All nodes that a daemon serves. */
export type ServedNodes = {
  /** Sessions that are nodes, or ask to be; those of them with a connection; those that have reported. */
  readonly count: number;
  readonly attached: number;
  readonly reporting: number;
  /** Those that have not said for more than a second that they have applied a change, and for how long the slowest has not. */
  readonly late: number;
  readonly lateMs: number;
  /** Sums of what nodes count, since the daemon started and while it served them. */
  readonly totals: Readonly<Record<NodeCounter, number>>;
  readonly rates: RegionRates;
  readonly queuedBytes: number;
  readonly unstableBytes: number;
  readonly keptBytes: number;
  /** The longest of the last token rounds that they have led, and the latest loop. */
  readonly roundTripMsMax: number;
  readonly loopDelayMsMax: number;
  /** The least that one says it can take, packets per second; 0: nobody knows. */
  readonly rateAdmissibleLeast: number;
};

export type NodeStatus = {
  readonly name: string;
  /** `epoch:counter`; `undefined` until it is registered. */
  readonly id: string | undefined;
  /** Its region, if it is in one. */
  readonly region: string | undefined;
  /** Its session has a connection. */
  readonly attached: boolean;
  /** How long it has owed the report of a change; 0: it owes none. */
  readonly lateMs: number;
  /** `undefined`: it has not reported. */
  readonly figures: NodeFigures | undefined;
  readonly reportAgeMs: number | undefined;
  readonly rates: RegionRates;
};

/** Ids of nodes, regions and groups as people read them: what epoch gave it out, and which of its ids it is. */
export function shownId(id: number): string {
  return `${Math.floor(id / 2 ** 32)}:${id % 2 ** 32}`;
}

/** A change in one line, as tools and logs show it. */
export function describeRegionsChange(change: RegionsChange): string {
  switch (change.kind) {
    case "suspended":
      return "memberships are suspended: no primary configuration";
    case "epoch":
      return change.anew && change.epoch > 1
        ? `epoch ${change.epoch} begins anew: nobody here knows what the last one had, all nodes come back as new ones`
        : `epoch ${change.epoch} begins`;
    case "batch": {
      const who = [
        ...named(change.came, "joined"),
        ...named(change.moved, "changed groups"),
        ...named(change.went, "left all groups"),
        ...named(change.failed, `failed (${describeCauses(change.causes)})`),
      ];
      const regions = [
        ...counted(change.regionsCreated, "new"),
        ...counted(change.regionsChanged, "changed"),
        ...counted(change.regionsEnded, "ended"),
      ];
      return `${who.length > 0 ? who.join("; ") : "views renewed"}; regions: ${regions.length > 0 ? regions.join(", ") : "none concerned"}`;
    }
  }
}

const CAUSES: Readonly<Record<FailureCause, string>> = {
  session: "session ended",
  absent: "no session for too long",
  replaced: "came back as a new node",
  unreported: "did not report what it was told",
  unknown: "before this daemon knew",
};

function describeCauses(causes: Readonly<Partial<Record<FailureCause, number>>>): string {
  const told = Object.entries(causes) as [FailureCause, number][];
  const [first] = told;
  if (told.length === 1 && first !== undefined) return CAUSES[first[0]];
  return told.map(([cause, count]) => `${count} ${CAUSES[cause]}`).join(", ");
}

function named({ count, first }: Names, what: string): string[] {
  if (count === 0) return [];
  const others = count - first.length;
  return [`${first.join(", ")}${others > 0 ? ` and ${others} more` : ""} ${what}`];
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} ${what}`];
}
