import type { Service } from "../../ordering/service.ts";

/** A line between two sites, the same in both directions but for `mbitBack`. */
export type Line = {
  readonly sites: readonly [number, number];
  readonly delayMs: number;
  readonly jitterMs?: number;
  /** Of the line, heads of IP and UDP counted. Unlimited if not given. */
  readonly mbit?: number;
  /** From the second site to the first, if not the same. */
  readonly mbitBack?: number;
  /** Share of datagrams lost, each for itself. */
  readonly loss?: number;
  /** For the source trees; default: the delay. */
  readonly weight?: number;
};

/** What daemons that send do. */
export type Traffic = {
  /** Positions in the list of all daemons, from 0. */
  readonly senders: readonly number[];
  readonly service: Service;
  /** Bytes of each message. */
  readonly bytes: number;
  /** Messages per second of each sender, evenly but for chance; `max`: as fast as they are taken. */
  readonly perSecond: number | "max";
  readonly priority?: number;
  /** Whether nobody listens but at the sender's own site. */
  readonly isLocal?: boolean;
};

/** Daemons in sites on which nothing fails, under load, for so long. */
export type WideScenario = {
  readonly seed: number;
  /** Daemons of each site, numbered from 1. */
  readonly sites: readonly number[];
  readonly lines: readonly Line[];
  readonly traffic: readonly Traffic[];
  /** One ring spans all sites, as without a wide-area protocol: its window, bytes. */
  readonly oneRing?: { readonly windowBytes: number };
  /** Stamps follow the clocks (`WideAreaConfig.lowLatency`). */
  readonly lowLatency?: boolean;
  /** Greatest version of the wire that the last daemon speaks; all others speak the newest. */
  readonly lastVersion?: number;
  /** How far each site's clocks are ahead, ms. */
  readonly skewMs?: readonly number[];
  /** Measured from then on, after the configuration has been formed, for so long. */
  readonly warmMs: number;
  readonly measureMs: number;
};

/** What a line takes for each datagram beside its payload. */
export const LINE_OVERHEAD_BYTES = 28;
/** What waits before a line: as long as it takes to send this much of time. */
export const LINE_QUEUE_MS = 50;
