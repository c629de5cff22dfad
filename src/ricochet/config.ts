import type { NodeId } from "../base/ids.ts";
import type { Targets } from "../wire/timely/repairs.ts";

/** Settings of a node's timely groups. Times in ms. */
export type TimelyConfig = {
  readonly me: NodeId;
  readonly cluster: number;
  /** Longest datagram. A repair has to fit, with the longest packet in it and its list of packets: `payloadBytesMax` follows. */
  readonly datagramBytes: number;
  /** r of the rate of fire (r, c): packets in a repair. */
  readonly packetsPerRepair: number;
  readonly targets: Targets;
  /** Members, besides this one, that a region has at least for `auto` to align it. */
  readonly alignedMin: number;
  /** Longest burst of losses that repairs should survive, datagrams in a row; 1: no bursts are expected. */
  readonly burstPackets: number;
  /** A packet waits no longer than this for others to make a repair with. */
  readonly binMs: number;
  /** Packets are kept so long, to rebuild others with; at least as long as repairs are on their way. */
  readonly holdMs: number;
  /** Bytes of them, at most. */
  readonly holdBytes: number;
  /** A sender keeps its own packets so long for those who ask, and so many bytes. */
  readonly sentMs: number;
  readonly sentBytes: number;
  /**
   * A packet that repairs have not brought is asked of its sender when they have mostly come, after this at the latest; again after twice that,
   * and so on (requests.ts).
   */
  readonly nakMs: number;
  /** It is lost when so many requests have had their time, had each been made as late as it may be. */
  readonly nakMax: number;
  /** Repairs that wait for one of the packets that they need. */
  readonly repairsMax: number;
  /** What was missing of a sender that is no member any more may still be rebuilt for so long; then it is lost. */
  readonly departMs: number;
  /** Bytes of packets of senders that this node has not been told of yet. */
  readonly earlyBytes: number;
  /** Packets of one stream that may be missing at once. */
  readonly missingMax: number;
  /** Who has sent the last packet for now says so after this, then after twice that, and so on for as long as it is in the group. */
  readonly stateMs: number;
};

export const timelyDefaults: Omit<TimelyConfig, "me" | "cluster"> = {
  datagramBytes: 1_400,
  packetsPerRepair: 8,
  targets: "auto",
  alignedMin: 5,
  burstPackets: 1,
  binMs: 150,
  holdMs: 500,
  holdBytes: 32 * 1024 * 1024,
  sentMs: 10_000,
  sentBytes: 32 * 1024 * 1024,
  nakMs: 150,
  nakMax: 5,
  repairsMax: 4_096,
  departMs: 400,
  earlyBytes: 1024 * 1024,
  missingMax: 8_192,
  stateMs: 15,
};
