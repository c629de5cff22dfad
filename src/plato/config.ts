import type { NodeId } from "../base/ids.ts";

/** Settings of a totally ordered timely group, the same at all members but for `me`. Times in ms. */
export type PlatoConfig = {
  readonly me: NodeId;
  /** Longest body that is sent. */
  readonly bodyBytesMax: number;
  /** Whether messages are delivered before their place in the order is known, if they are likely to keep it; rolled back if they do not. */
  readonly optimistic: boolean;
  /**
   * When a message is committed. `ordered`: as soon as its place is known; members that stay never disagree, but one that fails may have committed
   * what the others order otherwise. `stable`: when all members are known to have it and its place; nobody ever disagrees.
   */
  readonly commit: "ordered" | "stable";
  /** The sequencer tells the order so often; 0: of each message at once. */
  readonly orderMs: number;
  /** A shorter time between two messages makes their order doubtful. A number, or what is learned of the network, within bounds. */
  readonly threshold: number | Threshold;
  /** A node takes its own messages as come so long after it has sent them, as if from the network. */
  readonly loopbackMs: number;
  /** A member says what it has at most so often. */
  readonly ackMs: number;
  /** What has not come is asked for after this, and again. */
  readonly retryMs: number;
  /** The sequencer repeats how far the order goes so often, until all members have it. */
  readonly idleMs: number;
  /** Messages of one sender that not all members are known to have, at most. */
  readonly windowMessages: number;
  /** Bytes of what came too early: from members that know of a view that this one does not know of yet. */
  readonly earlyBytes: number;
};

/** How the threshold is learned (predictor.ts). Times in ms. */
export type Threshold = {
  /** Until enough is known. */
  readonly startMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** So many times the difference that nine tenths of messages do not exceed. */
  readonly margin: number;
};

export const platoDefaults: Omit<PlatoConfig, "me"> = {
  bodyBytesMax: 1_100,
  optimistic: true,
  commit: "stable",
  orderMs: 10,
  threshold: { startMs: 2, minMs: 0.02, maxMs: 5, margin: 2.25 },
  loopbackMs: 0.05,
  ackMs: 10,
  retryMs: 40,
  idleMs: 100,
  windowMessages: 1_024,
  earlyBytes: 1024 * 1024,
};
