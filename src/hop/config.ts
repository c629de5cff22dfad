import type { HopOrigin } from "../wire/hop/hello.ts";

/** Settings of one end of a hop. */
export type HopConfig = {
  /** Version, configuration and daemon that all packets carry. */
  readonly origin: HopOrigin;
  /** This end's life: greater than that of any hop this daemon has had with that peer before. 1 … 2³² − 1. */
  readonly life: number;
  /** Longest datagram, bytes of UDP payload: `hopObjectBytesMax` says what an object may have then. */
  readonly datagramBytes: number;
  /** Bytes per second that this end sends at most, whatever the link takes. */
  readonly rateMax: number;
  /** What it begins with, before anything is known of the link. */
  readonly rateStart: number;
  /** Datagrams that may be sent and not acknowledged, or received beyond a missing one: they are kept in memory. */
  readonly windowPackets: number;
  /** Their bytes. */
  readonly windowBytes: number;
  /** Datagrams received after which an acknowledgement leaves at once. */
  readonly ackPackets: number;
  /** Else it leaves so long after the first of them. */
  readonly ackMs: number;
  /** An end that has nothing to say says so this often. */
  readonly idleMs: number;
  /** How often the other end is called before it answers, or when it has fallen silent. */
  readonly helloMs: number;
  /** A peer that is not heard of for so long has failed. A flap of half a second must not count. */
  readonly silenceMs: number;
  /** Something that is missing for so long though other things arrive: the link has failed (protocols.md G15). */
  readonly missingMs: number;
};

export const hopDefaults: Omit<HopConfig, "origin" | "life"> = {
  datagramBytes: 1_440,
  rateMax: 125_000_000,
  rateStart: 125_000,
  windowPackets: 16_384,
  windowBytes: 16 * 1024 * 1024,
  ackPackets: 20,
  ackMs: 20,
  idleMs: 500,
  helloMs: 100,
  silenceMs: 3_000,
  missingMs: 5_000,
};
