import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { getU16, getU32, getU48, getU64, setU16, setU32, setU48, setU64 } from "../bytes.ts";
import { isIdAt } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";
import type { PacketId } from "./data.ts";

/*
 * TIMELY_REPAIR, behind the head: 20 packets u8   21 lasts u8   22 lengths u16   24 checksum u32   28 ids   + lasts   + xor
 *
 * The exclusive or of so many packets, whole datagrams from their first byte on, padded with zeros to the longest; lengths and checksum:
 * the XOR of theirs (protocols.md B12). An id is {sender u64, group u64, seq u48}. lasts: further packets that the origin has, the last of their
 * streams; they tell the receiver what it may lack and are not in the XOR.
 */

const PACKETS_AT = NODE_HEAD_BYTES;
const LASTS_AT = PACKETS_AT + 1;
const LENGTHS_AT = LASTS_AT + 1;
const CHECKSUM_AT = LENGTHS_AT + 2;
const IDS_AT = CHECKSUM_AT + 4;
const ID_BYTES = 22;

/** Packets in a repair, at most; also streams whose last packet it tells. */
export const REPAIR_PACKETS_MAX = 64;

/** Bytes of a repair before the XOR. */
export function repairHeadBytes(packets: number, lasts: number): number {
  return IDS_AT + ID_BYTES * (packets + lasts);
}

export type Repair = {
  readonly origin: NodeId;
  readonly packets: readonly PacketId[];
  readonly lasts: readonly PacketId[];
  /** The XOR of the packets' lengths, and of their checksums. */
  readonly lengths: number;
  readonly checksum: number;
  /** A view. */
  readonly xor: Uint8Array;
};

/** A repair whose XOR the caller writes, `xorBytes` long, from `repairHeadBytes` on. */
export function encodeRepair(
  cluster: number,
  origin: NodeId,
  packets: readonly PacketId[],
  lasts: readonly PacketId[],
  { lengths, checksum }: { readonly lengths: number; readonly checksum: number },
  xorBytes: number,
): Uint8Array {
  const xorAt = repairHeadBytes(packets.length, lasts.length);
  const bytes = new Uint8Array(xorAt + xorBytes);
  writeHead(bytes, 0, NodeKind.timelyRepair, cluster, origin);
  bytes[PACKETS_AT] = packets.length;
  bytes[LASTS_AT] = lasts.length;
  setU16(bytes, LENGTHS_AT, lengths);
  setU32(bytes, CHECKSUM_AT, checksum);
  let at = IDS_AT;
  for (const list of [packets, lasts]) {
    for (const { sender, group, seq } of list) {
      setU64(bytes, at, sender);
      setU64(bytes, at + 8, group);
      setU48(bytes, at + 16, seq);
      at += ID_BYTES;
    }
  }
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Whether the fields below can be read; ids in it may still be none. */
export function isRepair(packet: Uint8Array): boolean {
  if (!isPacket(packet, NodeKind.timelyRepair, IDS_AT - NODE_HEAD_BYTES)) return false;
  const count = repairPacketsOf(packet);
  const lasts = repairLastsOf(packet);
  if (count === 0 || count > REPAIR_PACKETS_MAX || lasts > REPAIR_PACKETS_MAX) return false;
  return bodyEndOf(packet) > repairHeadBytes(count, lasts);
}

/** Packets in the XOR; and further ones that are told of. */
export function repairPacketsOf(packet: Uint8Array): number {
  return packet[PACKETS_AT] as number;
}

export function repairLastsOf(packet: Uint8Array): number {
  return packet[LASTS_AT] as number;
}

/** Of the packet in the XOR with this index, in place: most repairs are looked at and forgotten. */
export function repairSenderAt(packet: Uint8Array, index: number): NodeId {
  return getU64(packet, IDS_AT + ID_BYTES * index);
}

export function repairGroupAt(packet: Uint8Array, index: number): GroupNumber {
  return getU64(packet, IDS_AT + ID_BYTES * index + 8);
}

export function repairSeqAt(packet: Uint8Array, index: number): number {
  return getU48(packet, IDS_AT + ID_BYTES * index + 16);
}

/** Undefined: malformed. */
export function decodeRepair(packet: Uint8Array): Repair | undefined {
  if (!isRepair(packet)) return undefined;
  const count = repairPacketsOf(packet);
  const lastCount = repairLastsOf(packet);
  const xorAt = repairHeadBytes(count, lastCount);
  const end = bodyEndOf(packet);
  const packets = idsAt(packet, IDS_AT, count);
  const lasts = idsAt(packet, IDS_AT + ID_BYTES * count, lastCount);
  if (packets === undefined || lasts === undefined) return undefined;
  const origin = getU64(packet, NODE_HEAD_BYTES - 8);
  return {
    origin,
    packets,
    lasts,
    lengths: getU16(packet, LENGTHS_AT),
    checksum: getU32(packet, CHECKSUM_AT),
    xor: packet.subarray(xorAt, end),
  };
}

function idsAt(packet: Uint8Array, from: number, count: number): PacketId[] | undefined {
  const ids: PacketId[] = [];
  for (let at = from; ids.length < count; at += ID_BYTES) {
    if (!isIdAt(packet, at) || !isIdAt(packet, at + 8)) return undefined;
    const seq = getU48(packet, at + 16);
    if (seq === 0) return undefined;
    ids.push({ sender: getU64(packet, at), group: getU64(packet, at + 8), seq });
  }
  return ids;
}
