import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { getU48, getU64, setU48, setU64 } from "../bytes.ts";
import { isIdAt } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_DATA, behind the head of nodes' datagrams: 20 group u64   28 seq u48   34 before u8   35 view u48   41 joined u48   47 payload
 *
 * A sender numbers its packets in each group, ascending by one, also when it leaves and comes back (protocols.md B11). One that is sent again is the
 * same bytes. view: of the group, as the sender knew it; the packet is for the other members of that view. joined: the first view of this membership of the
 * sender. before: so many packets has it sent in that view before this one, `BEFORE_MAX`: that many or more. So whoever hears of a sender for the first
 * time knows what it lacks.
 */

const GROUP_AT = NODE_HEAD_BYTES;
const SEQ_AT = GROUP_AT + 8;
const BEFORE_AT = SEQ_AT + 6;
const VIEW_AT = BEFORE_AT + 1;
const JOINED_AT = VIEW_AT + 6;
/** Bytes before the payload. */
export const TIMELY_DATA_HEAD_BYTES = JOINED_AT + 6;
export const BEFORE_MAX = 255;

/** Which packet: its sender's number in the group. */
export type PacketId = { readonly sender: NodeId; readonly group: GroupNumber; readonly seq: number };

/** When a packet was sent: in which view, after so many others in it, by a member since that one. */
export type SentIn = { readonly view: number; readonly before: number; readonly joined: number };

export function encodeTimelyData(
  cluster: number,
  id: PacketId,
  { view, before, joined }: SentIn,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(TIMELY_DATA_HEAD_BYTES + payload.length);
  writeHead(bytes, 0, NodeKind.timelyData, cluster, id.sender);
  setU64(bytes, GROUP_AT, id.group);
  setU48(bytes, SEQ_AT, id.seq);
  bytes[BEFORE_AT] = Math.min(before, BEFORE_MAX);
  setU48(bytes, VIEW_AT, view);
  setU48(bytes, JOINED_AT, joined);
  bytes.set(payload, TIMELY_DATA_HEAD_BYTES);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Whether the fields below can be read. */
export function isTimelyData(packet: Uint8Array): boolean {
  if (!isPacket(packet, NodeKind.timelyData, TIMELY_DATA_HEAD_BYTES - NODE_HEAD_BYTES)) return false;
  return isIdAt(packet, GROUP_AT) && timelySeqOf(packet) > 0;
}

export function timelyGroupOf(packet: Uint8Array): GroupNumber {
  return getU64(packet, GROUP_AT);
}

export function timelySeqOf(packet: Uint8Array): number {
  return getU48(packet, SEQ_AT);
}

export function timelyBeforeOf(packet: Uint8Array): number {
  return packet[BEFORE_AT] as number;
}

export function timelyViewOf(packet: Uint8Array): number {
  return getU48(packet, VIEW_AT);
}

export function timelyJoinedOf(packet: Uint8Array): number {
  return getU48(packet, JOINED_AT);
}

/**
 * A view; never of Node's own kind of byte arrays, whose `slice` does not copy: what a program then writes there would get into repairs of the
 * packet.
 */
export function timelyPayloadOf(packet: Uint8Array): Uint8Array {
  const { buffer, byteOffset } = packet;
  return new Uint8Array(buffer, byteOffset + TIMELY_DATA_HEAD_BYTES, bodyEndOf(packet) - TIMELY_DATA_HEAD_BYTES);
}
