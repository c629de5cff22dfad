import type { DaemonId } from "../base/ids.ts";
import type { Random } from "../base/random.ts";
import type { Machine } from "../machine/machine.ts";
import type { Channel, Network } from "../machine/network.ts";
import type { StreamEnd } from "./stream.ts";

/** The sockets of a simulated node: those of daemons, and one for what members of regions forward to each other. */
export type SimChannel = Channel | "repair";

/** A process on a simulated node: any machine that takes datagrams, and connections if it likes. */
export interface SimProcess extends Machine {
  /** A datagram. Its bytes are shared with other receivers: they must not be changed. */
  receive(channel: SimChannel, bytes: Uint8Array, now: number): void;
  /**
   * The channel to drain first while both have datagrams waiting (protocols.md G46); read before each datagram.
   * Tokens first if there is none, then repairs.
   */
  readonly preferred?: Channel;
  /** A connection from a client. Without this method the node refuses connections. */
  accept?(stream: StreamEnd, now: number): void;
}

/** What a process gets of its node when it starts. */
export type ProcessEnvironment = {
  readonly self: DaemonId;
  readonly network: Network;
  /** The process's own source of chance. */
  readonly random: Random;
  /** The node's wall clock in whole seconds when the process starts: greater at every start than at the one before. */
  readonly bootTimeSeconds: number;
  /** The node's monotonic clock, in ms: it runs on through restarts, at the node's own speed. */
  readonly now: number;
  /** What survives a crash, unless the disk is lost too. Empty at first. */
  readonly disk: Map<string, Uint8Array>;
  /** Calls `action` in the node's loop as soon as it is free, unless the process has ended by then. */
  run(action: (now: number) => void): void;
};

/** Starts a process; called anew at every restart of its node. */
export type ProcessFactory = (environment: ProcessEnvironment) => SimProcess;
