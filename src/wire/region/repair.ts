import type { NodeId, RegionViewId } from "../../base/ids.ts";
import { getU16, getU32, getU48, getU64, setU16, setU32, setU48, setU64 } from "../bytes.ts";
import { isIdAt, isViewIdAt, setViewId, VIEW_ID_BYTES } from "./fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, originOf, setPacketEnd, writeHead } from "./head.ts";

/*
 * REGION_REPAIR, behind the head: 20 view   32 packets u8   33 lengths u16   35 checksum u32   39 ids   + xor
 *
 * As TIMELY_REPAIR, of packets of one region view: the exclusive or of whole packets, padded with zeros to the longest; lengths and checksum: the
 * XOR of theirs. An id is {sender u64, seq u48}.
 */

const PACKETS_AT = NODE_HEAD_BYTES + VIEW_ID_BYTES;
const LENGTHS_AT = PACKETS_AT + 1;
const CHECKSUM_AT = LENGTHS_AT + 2;
const IDS_AT = CHECKSUM_AT + 4;
const ID_BYTES = 14;
const PACKETS_MAX = 64;

export type RegionRepair = {
  readonly origin: NodeId;
  readonly id: RegionViewId;
  readonly packets: readonly { readonly sender: NodeId; readonly seq: number }[];
  /** The XOR of the packets' lengths, and of their checksums. */
  readonly lengths: number;
  readonly checksum: number;
  /** A view. */
  readonly xor: Uint8Array;
};

/** Bytes of a repair before the XOR. */
export function regionRepairHeadBytes(packets: number): number {
  return IDS_AT + ID_BYTES * packets;
}

/** A repair whose XOR the caller writes, `xorBytes` long, from `regionRepairHeadBytes` on. */
export function encodeRegionRepair(cluster: number, repair: Omit<RegionRepair, "xor">, xorBytes: number): Uint8Array {
  const { origin, id, packets, lengths, checksum } = repair;
  const bytes = new Uint8Array(regionRepairHeadBytes(packets.length) + xorBytes);
  writeHead(bytes, 0, NodeKind.regionRepair, cluster, origin);
  setViewId(bytes, NODE_HEAD_BYTES, id);
  bytes[PACKETS_AT] = packets.length;
  setU16(bytes, LENGTHS_AT, lengths);
  setU32(bytes, CHECKSUM_AT, checksum);
  packets.forEach(({ sender, seq }, i) => {
    setU64(bytes, IDS_AT + ID_BYTES * i, sender);
    setU48(bytes, IDS_AT + ID_BYTES * i + 8, seq);
  });
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeRegionRepair(packet: Uint8Array): RegionRepair | undefined {
  if (!isPacket(packet, NodeKind.regionRepair, IDS_AT - NODE_HEAD_BYTES)) return undefined;
  const count = packet[PACKETS_AT] as number;
  const xorAt = regionRepairHeadBytes(count);
  const end = bodyEndOf(packet);
  if (!isViewIdAt(packet, NODE_HEAD_BYTES) || count === 0 || count > PACKETS_MAX || end <= xorAt) return undefined;
  const packets: { sender: NodeId; seq: number }[] = [];
  for (let at = IDS_AT; at < xorAt; at += ID_BYTES) {
    const seq = getU48(packet, at + 8);
    if (!isIdAt(packet, at) || seq === 0) return undefined;
    packets.push({ sender: getU64(packet, at), seq });
  }
  return {
    origin: originOf(packet),
    id: { region: getU64(packet, NODE_HEAD_BYTES), view: getU32(packet, NODE_HEAD_BYTES + 8) },
    packets,
    lengths: getU16(packet, LENGTHS_AT),
    checksum: getU32(packet, CHECKSUM_AT),
    xor: packet.subarray(xorAt, end),
  };
}
