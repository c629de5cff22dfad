import type { RegionViewId } from "../../base/ids.ts";
import { Reader, Writer } from "../bytes.ts";

/*
 * NODE_STATISTICS, from a node to its daemon (docs/wire.md): what the node counts, for people. Numbers are varints.
 *
 *   version u8, figures, count of regions, per region: region, view, figures
 *
 * Figures are a count and that many numbers, in the order of the lists below. Later versions append to these lists: a reader takes
 * what it knows, and what is not there is 0.
 */

/** The counters of times of recovery, in the order of their buckets. */
export const RECOVERY_COUNTERS = [
  "recovered500us",
  "recovered1ms",
  "recovered2ms",
  "recovered5ms",
  "recovered10ms",
  "recovered20ms",
  "recovered50ms",
  "recovered100ms",
  "recovered200ms",
  "recovered500ms",
  "recovered1s",
  "recoveredLater",
] as const;

/** What a node counts since it began: none of it ever falls. */
export const NODE_COUNTERS = [
  /** Milliseconds. */
  "upMs",
  "messagesSent",
  /** Of those: everybody has them. */
  "messagesStable",
  "messagesDelivered",
  /** Payload of the messages that were delivered. */
  "bytesDelivered",
  /** Packets with messages: sent for the first time, and received from their senders for the first time. */
  "packetsSent",
  "packetsReceived",
  /** Everything on the network, tokens and repairs too. A multicast is one datagram. */
  "datagramsSent",
  "datagramsReceived",
  "bytesSent",
  "bytesReceived",
  /** Packets that this node sent again as their sender, because a whole partition lacked them. */
  "resent",
  /** Packets of others that it forwarded: to its predecessor on the ring, which lacked them; */
  "pushed",
  /** to its successor, which asked for them; */
  "pulled",
  /** to members of other partitions, which asked; */
  "pulledElsewhere",
  /** to who had asked before they came. */
  "forwardedLate",
  /** Packets that came here from other members, and were new. */
  "repaired",
  /** And those that were not. */
  "redundant",
  /** Requests to senders for what a partition lacks. */
  "naks",
  /** Packets given up because nobody has them. */
  "lost",
  /** Visits of tokens; rounds that this node has led to their end. */
  "tokens",
  "rounds",
  /** Pieces of control messages that were sent again for want of an acknowledgement. */
  "controlRepeated",
  /** Dropped: not well formed; of another version; of another cluster; of a failed node; of a view that is over; too early; */
  "dropsMalformed",
  "dropsForeign",
  "dropsCluster",
  "dropsFenced",
  "dropsRetired",
  "dropsUnknown",
  /** what could not be told or forwarded, since too much waits; what came in faster than it is processed; */
  "dropsUntold",
  "dropsOverrun",
  /** what the kernel did not take. */
  "dropsUnsent",
  /** Packets of timely groups: sent; that came by themselves, were rebuilt from repairs, were asked for; and will not come. */
  "timelySent",
  "timelyReceived",
  "timelyRebuilt",
  "timelyResent",
  "timelyLost",
  /** Repairs: sent; received; of these those that told nothing new; and those that named what is not here any more, or did not fit. */
  "timelyRepairsSent",
  "timelyRepairsReceived",
  "timelyRepairsUseless",
  "timelyRepairsFailed",
  /** Requests to senders. */
  "timelyNaks",
  /** Messages of totally ordered groups: delivered, before their order was known, taken back. */
  "orderedDelivered",
  "orderedOptimistic",
  "orderedRolledBack",
  /** How long a missing packet was waited for until it was rebuilt or came: counts by base/latency-histogram.ts, and their sum in µs. */
  ...RECOVERY_COUNTERS,
  "recoveredUs",
] as const;

/** How things stand at a node. */
export const NODE_GAUGES = [
  /** Position in the membership service's log up to which it has applied changes. */
  "applied",
  /** Payload that waits for its first packet. */
  "queuedBytes",
  /** Packets of its own that not everybody is known to have. */
  "unstablePackets",
  "unstableBytes",
  /** What it keeps for itself and others of what it has received. */
  "keptPackets",
  "keptBytes",
  /** Packets known to exist in its regions up to the last one of each sender, and not here or not in order. */
  "behindPackets",
  /** Copies for other members that wait for the network. */
  "forwarding",
  /** Region views that it is in, those that are ending too; and those that it sends in. */
  "views",
  "sends",
  /** Packets per second: what it says it can take (0: nothing known), the least that a region grants it (0: none), its own limit. */
  "rateAdmissible",
  "rateGranted",
  "rateMax",
  /** Median lateness of its event loop, microseconds. */
  "loopDelayUs",
  /** Smallest socket buffer that the kernel granted, bytes; its longest datagram; whether it multicasts (1) or sends copies (0). */
  "receiveBufferBytes",
  "datagramBytes",
  "multicast",
  /** 1: its application is behind, and holds its senders. */
  "held",
  /** Timely groups that it is in; packets known to be missing there; bytes kept to rebuild others with, and for those who ask. */
  "timelyGroups",
  "timelyMissing",
  "timelyHeldBytes",
] as const;

/** Of one region view that a node is in. */
export const REGION_FIGURES = [
  /** 1: it leads, being the lowest living member; whether the view is quiet, rounds and rates are known only there. */
  "leader",
  /** 1: no token goes round, for there is nothing to do. */
  "quiet",
  /** 1: the view is ending, and nothing new can be sent in it. */
  "final",
  "senders",
  "keptPackets",
  "keptBytes",
  "behindPackets",
  "tokens",
  "rounds",
  /** Of the token's last round, microseconds. */
  "roundTripUs",
  /** What members say they can take, packets per second. */
  "rateLeast",
  "rateAverage",
  "rateGreatest",
] as const;

export type NodeCounter = (typeof NODE_COUNTERS)[number];
export type NodeGauge = (typeof NODE_GAUGES)[number];
export type RegionFigure = (typeof REGION_FIGURES)[number];

export type NodeFigures = Readonly<Record<NodeCounter | NodeGauge, number>>;
export type RegionFigures = Readonly<Record<RegionFigure, number>>;

/** All figures of a node, as whole numbers. */
export type NodeStatistics = {
  readonly figures: NodeFigures;
  /** The views that it is in, the present one first; at most `REGIONS_MAX`. */
  readonly regions: readonly RegionStatistics[];
};

export type RegionStatistics = { readonly id: RegionViewId; readonly figures: RegionFigures };

const VERSION = 1;
/** A node is in one region; others are views that are ending. */
export const REGIONS_MAX = 16;
/** Beyond these no list will grow. */
const FIGURES_MAX = 1_024;

const NODE_LISTS = [NODE_COUNTERS, NODE_GAUGES] as const;

export function encodeNodeStatistics({ figures, regions }: NodeStatistics): Uint8Array {
  const out = new Writer(256).u8(VERSION);
  for (const names of NODE_LISTS) writeFigures(out, names, figures);
  const told = regions.slice(0, REGIONS_MAX);
  out.varint(told.length);
  for (const { id, figures: own } of told) writeFigures(out.varint(id.region).varint(id.view), REGION_FIGURES, own);
  return out.finish();
}

/** `undefined` if the bytes are not well formed. What stands behind what is known here is passed over. */
export function decodeNodeStatistics(bytes: Uint8Array): NodeStatistics | undefined {
  const input = new Reader(bytes);
  if (input.u8() < VERSION) return undefined;
  const [counters, gauges] = [readFigures(input, NODE_COUNTERS), readFigures(input, NODE_GAUGES)];
  const regions: RegionStatistics[] = [];
  for (let left = input.varint(); left > 0 && !input.failed; left--) {
    if (regions.length === REGIONS_MAX) return undefined;
    const id = { region: input.varint(), view: input.varint() };
    regions.push({ id, figures: readFigures(input, REGION_FIGURES) });
  }
  return input.failed ? undefined : { figures: { ...counters, ...gauges }, regions };
}

/** All figures of a list, 0 each. */
export function noFigures<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

function writeFigures<Name extends string>(
  out: Writer,
  names: readonly Name[],
  figures: Readonly<Record<Name, number>>,
): void {
  out.varint(names.length);
  for (const name of names) out.varint(figures[name]);
}

function readFigures<Name extends string>(input: Reader, names: readonly Name[]): Record<Name, number> {
  const figures = noFigures(names);
  const count = input.varint();
  if (count > FIGURES_MAX) input.fail();
  for (let i = 0; i < count && !input.failed; i++) {
    const value = input.varint();
    const name = names[i];
    if (name !== undefined) figures[name] = value;
  }
  return figures;
}
