import type { NodeId } from "../base/ids.ts";
import type { LateralRate } from "./lateral.ts";

/** How a region is divided, and which of a partition's members keep a packet (protocols.md A20, A22). */
export type PartitionPlanName = "byReplication" | "byRingCap";

/**
 * How a round reaches a region's partitions: one after the other, by one token (A25); or all at once, through a tree of their leaders (ADR 6).
 * `bySize`: as a tree in regions of at least `treeMembersMin`.
 */
export type RingMode = "sequential" | "tree" | "bySize";

/** When the leader sends the next token (A41): after the last has come back, or at fixed times. */
export type TokenRelease = "afterReturn" | "periodic";

/** Whether a sender's messages are delivered in its order, or each as soon as it has come (A19). */
export type DeliveryRule = "fifo" | "onReceipt";

export type NodeConfig = {
  readonly me: NodeId;
  /** The same at all nodes of one system: others are not listened to. */
  readonly cluster: number;
  /** Longest datagram, with all headers of ours. */
  readonly datagramBytes: number;
  /** Whether several short messages may share a packet. */
  readonly packing: boolean;
  readonly plan: PartitionPlanName;
  /** Cachers per packet; partitions have at least so many members where the region has. */
  readonly replication: number;
  /** byRingCap: longest ring inside a partition. */
  readonly ringMax: number;
  /** The same at all members of a region view, as all of the plan: others' tokens are not understood. */
  readonly ringMode: RingMode;
  /** Tree: partitions, or parts of partitions, that one head has. At least 2. */
  readonly fanOut: number;
  readonly treeMembersMin: number;
  readonly release: TokenRelease;
  /** Tokens per second and region, without anything that hurries them. */
  readonly tokenRate: number;
  /** A round begins early when so many bytes have come since the last clean-up. */
  readonly roundBytes: number;
  /** A token that has not come back after this time counts as lost; a member that holds one is then gone, or frozen. */
  readonly tokenLossMs: number;
  /** Unacknowledged bytes of a sender in one region view beyond which it waits, and from which on it goes on. */
  readonly windowBytes: number;
  readonly windowResumeBytes: number;
  /**
   * What is younger may still be under way, or wait in a socket: it is not reported missing, and what was sent to repair it is not sent
   * again. Rounds may follow each other faster than that.
   */
  readonly transitMs: number;
  /** Bytes that the lists of missing packets of one sender may take on a token. */
  readonly nakBytes: number;
  /** Packets per second that a new sender may send before it has heard of rates, and that nobody is held below. */
  readonly rateStart: number;
  readonly rateMin: number;
  /** Packets per second of this node, over all regions: the share of the network that it may take. */
  readonly rateMax: number;
  /** Without multicast, this node's packets go to a few members, who pass them on; otherwise to each member by itself. */
  readonly relays: boolean;
  /** Packets of views that are not known yet are kept up to so many bytes. */
  readonly unknownBytes: number;
  readonly delivery: DeliveryRule;
  /** Repairs that members send each other besides the token, unasked (lateral.ts); `undefined`: none are sent. */
  readonly lateral: LateralRate | undefined;
  /** How long a node waits for one that it is in no view with, before it asks the membership service whether that has failed. */
  readonly inquireMs: number;
};

export const nodeDefaults: Omit<NodeConfig, "me" | "cluster"> = {
  datagramBytes: 1400,
  packing: true,
  plan: "byReplication",
  replication: 5,
  ringMax: 25,
  ringMode: "bySize",
  fanOut: 10,
  treeMembersMin: 250,
  release: "afterReturn",
  tokenRate: 1,
  roundBytes: 4 * 1024 * 1024,
  tokenLossMs: 10_000,
  windowBytes: 16 * 1024 * 1024,
  windowResumeBytes: 8 * 1024 * 1024,
  transitMs: 50,
  nakBytes: 1_000,
  rateStart: 2_000,
  rateMin: 10,
  rateMax: 1_000_000,
  relays: true,
  unknownBytes: 4 * 1024 * 1024,
  delivery: "fifo",
  lateral: undefined,
  inquireMs: 5_000,
};
