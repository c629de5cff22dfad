import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { getU16, getU32, setU16, setU32 } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";
import { decodeNumbers, type NumbersItem } from "./ring-digest.ts";

/*
 * RING_DATA, behind the prefix:
 *
 *   16 configuration {leader u32, time u32}   24 site u16   26 flags u16
 *   28 siteSeq u32   32 lts u32   36 round u32   40 fragments (wire/fragment.ts)
 *
 * flags: bits 0-3 the greatest priority of the sessions whose messages are in the packet, and those below. round counts the token's visits at the origin
 * (protocols.md G46). RING_UNRELIABLE has the same shape; its siteSeq counts the origin's unreliable packets and its lts is 0.
 *
 * From version 3 on: a packet with LOCAL is for its own site alone. One with DIGEST stands at other sites for the LOCAL packets `round` to `siteSeq` of the site, of which
 * `lts` is the last one's; with SAFE a safe message ends in that. Its body is no fragments (wire/ring-digest.ts). ANNOUNCES: there is an announcement of
 * interest in it (wire/interest.ts).
 */
export const RING_DATA_HEAD_BYTES = PREFIX_BYTES + 24;
/** From this version of the wire on packets may be for one site alone. */
export const PRUNING_VERSION = 3;

const PRIORITY_MASK = 0x0f;
const VERSION_AT = 2;
export const PacketFlag = { local: 0x8000, announces: 0x4000, digest: 0x2000, safe: 0x1000 } as const;

/** One packet of a site's stream: the unit that is stamped, stored and retransmitted. */
export type RingPacket = {
  readonly origin: DaemonId;
  readonly site: number;
  /** Position in the site's stream, from 1 without gaps; of a digest that of the last packet that it stands for. */
  readonly seq: number;
  /** `seq`; of a digest the first that it stands for. */
  readonly first: number;
  /** Lamport stamp; grows strictly with `seq`. */
  readonly lts: number;
  readonly round: number;
  /** The whole datagram, as it is sent again; fragments from RING_DATA_HEAD_BYTES to `end`. */
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Of a digest: what its packets have of numbered sessions. */
  readonly numbers: readonly NumbersItem[] | undefined;
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
  flags: number,
): void {
  setU32(bytes, 16, configuration.leader);
  setU32(bytes, 20, configuration.time);
  setU16(bytes, 24, site);
  setU16(bytes, 26, flags);
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
  return (getU16(bytes, 26) & PRIORITY_MASK) > 0;
}

export function configurationOf(bytes: Uint8Array): ConfigurationId {
  return { leader: getU32(bytes, 16), time: getU32(bytes, 20) };
}

export function isRingData(prefix: Prefix): boolean {
  return prefix.bodyLength >= RING_DATA_HEAD_BYTES - PREFIX_BYTES;
}

/** Whether a packet is only for the site that it was made in. */
export function isLocal(bytes: Uint8Array): boolean {
  return (getU16(bytes, 26) & PacketFlag.local) !== 0;
}

/** Whether a packet (RING_DATA, or one of that shape) stands for others. In rings that speak an older version its flags are a priority alone. */
export function isDigest(bytes: Uint8Array): boolean {
  return (bytes[VERSION_AT] as number) >= PRUNING_VERSION && (getU16(bytes, 26) & PacketFlag.digest) !== 0;
}

/** For how many packets it stands; 0: it is none that does. */
export function packetsOfDigest(bytes: Uint8Array): number {
  return isDigest(bytes) ? Math.max(0, getU32(bytes, 28) - getU32(bytes, 36) + 1) : 0;
}

/** Whether a safe message ends in the last packet of a digest. */
export function isSafeDigest(bytes: Uint8Array): boolean {
  return (getU16(bytes, 26) & PacketFlag.safe) !== 0;
}

/** Whether somebody says in it in which groups it is interested. */
export function announces(bytes: Uint8Array): boolean {
  return (getU16(bytes, 26) & PacketFlag.announces) !== 0;
}

/** Whether a packet is a digest that stands for nothing. */
export function isMalformed({ first }: RingPacket): boolean {
  return first === 0;
}

/** The packet in a datagram for which `isRingData` holds; `bytes` is kept. A digest that is malformed has `first` 0, which is no packet's. */
export function ringPacket(prefix: Prefix, bytes: Uint8Array): RingPacket {
  const seq = getU32(bytes, 28);
  const lts = getU32(bytes, 32);
  const round = getU32(bytes, 36);
  const end = PREFIX_BYTES + prefix.bodyLength;
  const stands = isDigest(bytes);
  const numbers = stands ? decodeNumbers(bytes, RING_DATA_HEAD_BYTES, end, round, { seq, lts }) : undefined;
  return {
    origin: prefix.origin,
    site: getU16(bytes, 24),
    seq,
    first: !stands ? seq : numbers === undefined ? 0 : round,
    lts,
    round: stands ? 0 : round,
    bytes,
    end,
    numbers,
    early: undefined,
    assembled: false,
  };
}
