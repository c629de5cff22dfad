/**
 * What work costs the processor of a simulated computer, and how that grows with the memory in use (protocols.md A60, A62). Times are ms.
 * A part of each cost is the runtime's own, for allocating and copying, and grows by `runtimePerMb` with each MB in use; the collector's pauses
 * come by bytes allocated, and grow with what is alive.
 */
export type CostModel = {
  /** A packet of data, sent or received: the whole path through the system and the application; and each of its bytes. */
  readonly sendMs: number;
  readonly sendByteMs: number;
  readonly receiveMs: number;
  readonly receiveByteMs: number;
  /** A copy that is forwarded to another member; its bytes are sent like others. */
  readonly forwardMs: number;
  /** A datagram of control, sent or received, and each byte of it: tokens have lists to be read and written. */
  readonly controlMs: number;
  readonly controlByteMs: number;
  /** One turn of the loop: to look at queues, timers and sockets. */
  readonly turnMs: number;
  /** From the arrival of a datagram at an idle process, or the end of its sleep, to its first instruction. */
  readonly wakeMs: number;
  /** How exact timers are. */
  readonly timerMs: number;
  /** By what share of itself all this is more or less, evenly, in one turn and another: caches, interrupts, other processes. */
  readonly spread: number;
  /** Share of all this that is the runtime's, and by how much of itself that grows per MB in use. */
  readonly runtimeShare: number;
  readonly runtimePerMb: number;
  /** Bytes allocated per packet sent or received, beyond its own. */
  readonly packetAllocation: number;
  /** The collector runs after so many bytes, and pauses for so long: at least, and for each MB in use. */
  readonly collectEveryBytes: number;
  readonly pauseMs: number;
  readonly pausePerMbMs: number;
  /** Memory in use: of a process that does nothing; for each byte that the protocol keeps; for each group that a process sends to. */
  readonly idleMb: number;
  readonly memoryPerKeptByte: number;
  readonly bytesPerGroup: number;
};

/**
 * A Pentium III of 1.3 GHz with the first releases of .NET, as the paper's measurements let one guess: a sender that manages
 * about 8,600 packets of 1 KB per second, receivers that are half idle then, 2 ms from one member of the ring to the next, 3 bytes
 * in use for each byte that waits to be acknowledged, and 5 % of throughput lost to 10 MB more in use.
 */
export const MANAGED_2007: CostModel = {
  sendMs: 0.058,
  sendByteMs: 0.000_04,
  receiveMs: 0.022,
  receiveByteMs: 0.000_02,
  forwardMs: 0.02,
  controlMs: 0.12,
  controlByteMs: 0.0004,
  turnMs: 0.02,
  wakeMs: 0.2,
  timerMs: 1,
  spread: 0.15,
  runtimeShare: 0.4,
  runtimePerMb: 0.012,
  packetAllocation: 1_500,
  collectEveryBytes: 1_000_000,
  pauseMs: 1,
  pausePerMbMs: 0.1,
  idleMb: 4,
  memoryPerKeptByte: 3,
  bytesPerGroup: 22_000,
};

/** The same computer if memory cost nothing: what is left is the protocol. */
export const MEMORY_FREE: CostModel = {
  ...MANAGED_2007,
  runtimePerMb: 0,
  pauseMs: 0,
  pausePerMbMs: 0,
};
