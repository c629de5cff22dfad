import type { DaemonId } from "../base/ids.ts";

/**
 * The classes of datagrams between daemons. Each has a socket of its own, so that a host can drain them in order of
 * priority (protocols.md A.11, J7): tokens and membership on one, data and repairs on the other.
 */
export type Channel = "token" | "data";

/**
 * What the daemon's machines ask of the network: to send datagrams that may be lost, repeated or reordered. Who
 * sends `bytes` gives them away: they are never changed afterwards.
 */
export interface Network {
  unicast(to: DaemonId, channel: Channel, bytes: Uint8Array): void;
  /** To every other daemon that is configured in the segment, alive or not. */
  multicast(segment: number, channel: Channel, bytes: Uint8Array): void;
  /** What was sent leaves now: there is work to do before the step ends, when it leaves at the latest. */
  flush?(): void;
}
