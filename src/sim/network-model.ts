import { type LossModel, NO_LOSS } from "./loss.ts";

/** The latency of a link: at least `baseMs`, and up to `jitterMs` more, uniformly. */
export type Latency = { readonly baseMs: number; readonly jitterMs: number };

/** What one direction of a long link carries. */
export type LinkCapacity = {
  readonly bytesPerMs: number;
  /** Bytes that wait for it before it drops. */
  readonly queueBytes: number;
  /** What each datagram takes on it beside its payload: 28 bytes of IP and UDP heads, at least. */
  readonly overheadBytes: number;
};

/** What a simulated network is made of, the same for all nodes unless a link says otherwise (protocols.md Q1, Q2). */
export type NetworkModel = {
  readonly latency: Latency;
  /** Of each node's interface, both ways. */
  readonly bytesPerMs: number;
  /** What a sending interface queues before it drops. */
  readonly interfaceQueueBytes: number;
  /** The kernel's receive buffer of each socket: what arrives while it is full is lost. */
  readonly receiveQueueBytes: number;
  /** What the kernel charges for a datagram beyond its bytes. */
  readonly datagramOverheadBytes: number;
  readonly loss: LossModel;
  /** The chance that a datagram arrives twice. */
  readonly duplicate: number;
  /** The chance that a datagram is overtaken: it takes up to `reorderMs` longer. */
  readonly reorder: number;
  readonly reorderMs: number;
};

/** A LAN: 50 ± 20 µs, 1 Gbit/s, default Linux buffers, no faults. */
export const LAN: NetworkModel = {
  latency: { baseMs: 0.03, jitterMs: 0.04 },
  bytesPerMs: 125_000,
  interfaceQueueBytes: 1_000_000,
  receiveQueueBytes: 212_992,
  datagramOverheadBytes: 512,
  loss: NO_LOSS,
  duplicate: 0,
  reorder: 0,
  reorderMs: 1,
};

/** What a node's processor does to what it handles. All costs are zero on an infinitely fast node. */
export type ProcessorModel = {
  /** Time for one event: a datagram received, one sent, an alarm, a command. */
  readonly eventMs: number;
  readonly byteMs: number;
  /** A collector pauses the node each time this many bytes have been handled; 0: never. */
  readonly pauseEveryBytes: number;
  readonly pauseMs: number;
};

/** About what Node does: 5 µs an event, 1 µs a kilobyte, a pause of 2 ms each 32 MB. */
export const NODE_PROCESSOR: ProcessorModel = {
  eventMs: 0.005,
  byteMs: 0.000_001,
  pauseEveryBytes: 32_000_000,
  pauseMs: 2,
};
