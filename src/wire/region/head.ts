import type { NodeId } from "../../base/ids.ts";
import { getU16, getU32, getU64, setU16, setU32, setU64 } from "../bytes.ts";
import { MAGIC, type PrefixFault } from "../prefix.ts";
import { isIdAt } from "./fields.ts";

/*
 * Every datagram between nodes begins with
 *
 *    0 magic u16 (0x416D)   2 version u8   3 kind u8   4 cluster u32
 *    8 length u16           10 bodyLength u16          12 origin u64
 *
 * length: of the whole packet with its padding, so that a buffer of several packets can be cut without decoding them.
 * bodyLength: of the body alone. origin: the node that made the packet, also when another one forwards it. cluster: which system the
 * node belongs to. The high bit of kind marks a sealed packet, as between daemons (prefix.ts); nothing seals yet.
 *
 * A packet is checked once (`headFault`, then the check of its kind) and then read in place: nothing is allocated for it.
 */

export const NODE_HEAD_BYTES = 20;

/** The versions of the nodes' wire format that this code reads; it writes the first of them. */
export const NODE_VERSION_MIN = 1;
export const NODE_VERSION_MAX = 1;

export const NodeKind = {
  /** A packet of a sender (data.ts). */
  regionData: 0x30,
  /** The same, sent again by its sender. */
  regionResent: 0x31,
  /** A packet to several regions (hybrid.ts). */
  regionHybrid: 0x32,
  /** How far a sender's packets go (last.ts). */
  regionLast: 0x33,
  /** A piece of a message between two nodes, and what has come of such messages (link.ts). */
  linkData: 0x34,
  linkAck: 0x35,
  /** The exclusive or of some of a region view's packets (repair.ts). */
  regionRepair: 0x36,
  /** A packet of a group of quality `timely` (../timely/data.ts), what repairs such packets, and what asks for them and tells of them. */
  timelyData: 0x40,
  timelyRepair: 0x41,
  timelyState: 0x42,
  timelyNak: 0x43,
  timelyTell: 0x44,
  timelyRate: 0x45,
} as const;

/** Whether it is a packet of timely groups. */
export function isTimelyKind(kind: number): boolean {
  return kind >= NodeKind.timelyData && kind <= NodeKind.timelyRate;
}

const SEALED = 0x80;

/** Begins a packet at `at`; `setPacketEnd` has to follow once its body is there. */
export function writeHead(bytes: Uint8Array, at: number, kind: number, cluster: number, origin: NodeId): void {
  setU16(bytes, at, MAGIC);
  bytes[at + 2] = NODE_VERSION_MIN;
  bytes[at + 3] = kind;
  setU32(bytes, at + 4, cluster);
  setU64(bytes, at + 12, origin);
}

/** Says that the packet at `at` ends at `end`, without padding. */
export function setPacketEnd(bytes: Uint8Array, at: number, end: number): void {
  setU16(bytes, at + 8, end - at);
  setU16(bytes, at + 10, end - at - NODE_HEAD_BYTES);
}

/** Why what stands at `at` is no packet for us. Undefined: it is one, `packetAt` cuts it out, and its head can be read. */
export function headFault(bytes: Uint8Array, at = 0): PrefixFault | undefined {
  if (bytes.length - at < NODE_HEAD_BYTES || getU16(bytes, at) !== MAGIC) return "malformed";
  const length = getU16(bytes, at + 8);
  if (length < NODE_HEAD_BYTES + getU16(bytes, at + 10) || at + length > bytes.length) return "malformed";
  const version = bytes[at + 2] as number;
  if (version < NODE_VERSION_MIN || version > NODE_VERSION_MAX) return "version";
  if (((bytes[at + 3] as number) & SEALED) !== 0) return "sealed";
  return isIdAt(bytes, at + 12) ? undefined : "malformed";
}

/** The packet at `at`, with its padding: the bytes themselves if it fills them. The next one follows at `at` + its length. */
export function packetAt(bytes: Uint8Array, at: number): Uint8Array {
  const length = getU16(bytes, at + 8);
  return at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length);
}

/** A `NodeKind`, or one that a later version has. */
export function kindOf(packet: Uint8Array): number {
  return packet[3] as number;
}

export function clusterOf(packet: Uint8Array): number {
  return getU32(packet, 4);
}

export function originOf(packet: Uint8Array): NodeId {
  return getU64(packet, 12);
}

/** Where the body ends, and padding begins. */
export function bodyEndOf(packet: Uint8Array): number {
  return NODE_HEAD_BYTES + getU16(packet, 10);
}

/** Whether the packet is of this kind, whole, and has at least so many bytes of body. */
export function isPacket(bytes: Uint8Array, kind: number, bodyBytesMin: number): boolean {
  if (bytes.length < NODE_HEAD_BYTES + bodyBytesMin || bytes[3] !== kind) return false;
  const end = bodyEndOf(bytes);
  return end >= NODE_HEAD_BYTES + bodyBytesMin && end <= bytes.length && isIdAt(bytes, 12);
}
