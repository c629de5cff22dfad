import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { getU16, getU32, setU16, setU32 } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/*
 * RING_DATA, behind the prefix:
 *
 *   16 configuration {leader u32, time u32}   24 site u16   26 priority u16
 *   28 siteSeq u32   32 lts u32   36 round u32   40 fragments (wire/fragment.ts)
 *
 * priority: the greatest of the sessions whose messages are in the packet. round counts the token's visits at the origin (protocols.md G46). RING_UNRELIABLE has the same shape; its siteSeq
 * counts the origin's unreliable packets and its lts is 0.
 */
export const RING_DATA_HEAD_BYTES = PREFIX_BYTES + 24;

/** One packet of a site's stream: the unit that is stamped, stored and retransmitted. */
export type RingPacket = {
  readonly origin: DaemonId;
  readonly site: number;
  /** Position in the site's stream, from 1 without gaps. */
  readonly seq: number;
  /** Lamport stamp; grows strictly with `seq`. */
  readonly lts: number;
  readonly round: number;
  /** The whole datagram, as it is sent again; fragments from RING_DATA_HEAD_BYTES to `end`. */
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Offsets of fragments with which a message ended that was delivered ahead of the packet's turn. */
  early: number[] | undefined;
  /** Whether its parts of long messages have been put into their assemblies. */
  assembled: boolean;
};

export function writeRingDataHead(
  bytes: Uint8Array,
  configuration: ConfigurationId,
  site: number,
  seq: number,
  lts: number,
  round: number,
  priority: number,
): void {
  setU32(bytes, 16, configuration.leader);
  setU32(bytes, 20, configuration.time);
  setU16(bytes, 24, site);
  setU16(bytes, 26, priority);
  setU32(bytes, 28, seq);
  setU32(bytes, 32, lts);
  setU32(bytes, 36, round);
}

/** Whether the packet belongs to the configuration; the packet is long enough (`isRingData`). */
export function isOfConfiguration(bytes: Uint8Array, id: ConfigurationId): boolean {
  return getU32(bytes, 16) === id.leader && getU32(bytes, 20) === id.time;
}

/** Whether the packet goes before others where they wait: it has a message of a session with a priority above 0. */
export function isUrgent(bytes: Uint8Array): boolean {
  return getU16(bytes, 26) > 0;
}

export function configurationOf(bytes: Uint8Array): ConfigurationId {
  return { leader: getU32(bytes, 16), time: getU32(bytes, 20) };
}

export function isRingData(prefix: Prefix): boolean {
  return prefix.bodyLength >= RING_DATA_HEAD_BYTES - PREFIX_BYTES;
}

/** The packet in a datagram for which `isRingData` holds; `bytes` is kept. */
export function ringPacket(prefix: Prefix, bytes: Uint8Array): RingPacket {
  return {
    origin: prefix.origin,
    site: getU16(bytes, 24),
    seq: getU32(bytes, 28),
    lts: getU32(bytes, 32),
    round: getU32(bytes, 36),
    bytes,
    end: PREFIX_BYTES + prefix.bodyLength,
    early: undefined,
    assembled: false,
  };
}
