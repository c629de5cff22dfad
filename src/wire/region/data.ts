import type { NodeId, RegionId, RegionViewId } from "../../base/ids.ts";
import { getU32, getU48, getU64, setU32, setU48 } from "../bytes.ts";
import { isViewIdAt, setViewId, VIEW_ID_BYTES } from "./fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, writeHead } from "./head.ts";

/*
 * A packet of a sender to a region (protocols.md A15), behind the head:
 *
 *   20 region u64   28 view u32   32 seq u48   38 flags u8
 *   -- AFTER:  count u8, then per entry region u64, view u32, last u48
 *   -- STAMP:  stamp u32
 *   items (items.ts)
 *
 * AFTER names region views in which the sender cannot assign anything any more: who is a member of one delivers this packet only after
 * the sender's packets there up to `last` (region-views.md, rule 11). STAMP, on some packets, is when the sender made it, in ms of a
 * clock of its own, modulo 2³²: receivers find from that how long packets wait. RELAYED, without a field: who gets the packet as data passes it on
 * (qsm/relay-tree.ts). A sender that sends the packet again changes its kind and
 * nothing else.
 */

/** Bytes of a data packet before its items, if it has no flags. */
export const DATA_HEAD_BYTES = NODE_HEAD_BYTES + VIEW_ID_BYTES + 7;
/** Bytes of an entry of AFTER; the count is one more. */
export const AFTER_BYTES = VIEW_ID_BYTES + 6;
export const AFTER_MAX = 0xff;
const STAMP_BYTES = 4;

const SEQ_AT = NODE_HEAD_BYTES + VIEW_ID_BYTES;
const FLAGS_AT = SEQ_AT + 6;
const AFTER = 1;
const STAMP = 2;
const RELAYED = 4;

/** A region view that a sender has sealed: the last number that it assigned there. */
export type SealedView = { readonly id: RegionViewId; readonly last: number };

export type DataHead = {
  readonly cluster: number;
  /** The sender. */
  readonly origin: NodeId;
  readonly id: RegionViewId;
  /** From 1, for each sender and region view. */
  readonly seq: number;
  /** At most `AFTER_MAX`; usually none. */
  readonly after: readonly SealedView[];
  /** When it was made, ms of the sender's clock; `undefined`: not told. */
  readonly stamp: number | undefined;
  /** Receivers are to pass it on. */
  readonly isRelayed: boolean;
};

/** Bytes that `writeDataHead` will write. */
export function dataHeadBytes(after: readonly SealedView[], isStamped: boolean): number {
  return DATA_HEAD_BYTES + (after.length > 0 ? 1 + after.length * AFTER_BYTES : 0) + (isStamped ? STAMP_BYTES : 0);
}

/** Begins a data packet at `at` and returns where its items go; `setPacketEnd` has to follow. */
export function writeDataHead(bytes: Uint8Array, at: number, fields: DataHead): number {
  const { cluster, origin, id, seq, after, stamp, isRelayed } = fields;
  writeHead(bytes, at, NodeKind.regionData, cluster, origin);
  setViewId(bytes, at + NODE_HEAD_BYTES, id);
  setU48(bytes, at + SEQ_AT, seq);
  bytes[at + FLAGS_AT] = (after.length > 0 ? AFTER : 0) | (stamp === undefined ? 0 : STAMP) | (isRelayed ? RELAYED : 0);
  let field = at + DATA_HEAD_BYTES;
  if (after.length > 0) {
    bytes[field++] = after.length;
    for (const sealed of after) {
      setViewId(bytes, field, sealed.id);
      setU48(bytes, field + VIEW_ID_BYTES, sealed.last);
      field += AFTER_BYTES;
    }
  }
  if (stamp !== undefined) {
    setU32(bytes, field, stamp);
    field += STAMP_BYTES;
  }
  return field;
}

/** Whether this is a data packet, sent for the first time or again, of which everything below can be read. */
export function isData(bytes: Uint8Array): boolean {
  const kind = bytes[3] === NodeKind.regionResent ? NodeKind.regionResent : NodeKind.regionData;
  if (!isPacket(bytes, kind, DATA_HEAD_BYTES - NODE_HEAD_BYTES)) return false;
  if (!isViewIdAt(bytes, NODE_HEAD_BYTES) || getU48(bytes, SEQ_AT) === 0) return false;
  const flags = bytes[FLAGS_AT] as number;
  if (flags === 0) return true;
  if ((flags & ~(AFTER | STAMP | RELAYED)) !== 0) return false;
  return ((flags & AFTER) === 0 || hasAfter(bytes)) && itemsAt(bytes) <= bodyEndOf(bytes);
}

export function regionOf(packet: Uint8Array): RegionId {
  return getU64(packet, NODE_HEAD_BYTES);
}

/** The number of the region's view. */
export function viewOf(packet: Uint8Array): number {
  return getU32(packet, NODE_HEAD_BYTES + 8);
}

export function seqOf(packet: Uint8Array): number {
  return getU48(packet, SEQ_AT);
}

/** The views whose packets come first. */
export function afterOf(packet: Uint8Array): readonly SealedView[] {
  if (((packet[FLAGS_AT] as number) & AFTER) === 0) return NONE;
  const after: SealedView[] = [];
  const end = afterEnd(packet);
  for (let at = DATA_HEAD_BYTES + 1; at < end; at += AFTER_BYTES) {
    const id = { region: getU64(packet, at), view: getU32(packet, at + 8) };
    after.push({ id, last: getU48(packet, at + VIEW_ID_BYTES) });
  }
  return after;
}

/** When the sender made the packet, ms of its clock modulo 2³²; `undefined` if the packet does not tell. */
export function stampOf(packet: Uint8Array): number | undefined {
  return ((packet[FLAGS_AT] as number) & STAMP) === 0 ? undefined : getU32(packet, afterEnd(packet));
}

/** Whether who gets this data packet is to pass it on. */
export function isRelayed(packet: Uint8Array): boolean {
  return ((packet[FLAGS_AT] as number) & RELAYED) !== 0;
}

/** Where the items begin. */
export function itemsAt(packet: Uint8Array): number {
  return afterEnd(packet) + (((packet[FLAGS_AT] as number) & STAMP) === 0 ? 0 : STAMP_BYTES);
}

/** A copy that says that it is sent again. The packet itself stays as it is: who got its bytes may still need them. */
export function asResent(packet: Uint8Array): Uint8Array {
  const copy = packet.slice();
  copy[3] = NodeKind.regionResent;
  return copy;
}

function afterEnd(packet: Uint8Array): number {
  if (((packet[FLAGS_AT] as number) & AFTER) === 0) return DATA_HEAD_BYTES;
  return DATA_HEAD_BYTES + 1 + (packet[DATA_HEAD_BYTES] as number) * AFTER_BYTES;
}

function hasAfter(bytes: Uint8Array): boolean {
  const bodyEnd = bodyEndOf(bytes);
  if (bodyEnd <= DATA_HEAD_BYTES || afterEnd(bytes) > bodyEnd) return false;
  for (let at = DATA_HEAD_BYTES + 1; at < afterEnd(bytes); at += AFTER_BYTES) {
    if (!isViewIdAt(bytes, at)) return false;
  }
  return true;
}

const NONE: readonly SealedView[] = [];
