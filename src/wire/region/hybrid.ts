import type { GroupNumber, NodeId, RegionId, RegionViewId } from "../../base/ids.ts";
import { getU16, getU32, getU48, getU64, setU16, setU48, setU64 } from "../bytes.ts";
import { isIdAt, isViewIdAt, setViewId, VIEW_ID_BYTES } from "./fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "./head.ts";

/*
 * A packet to several regions of one group at once (protocols.md A16), behind the head:
 *
 *   20 flags u8 (1: sent again)   21 count u16   23 per entry region u64, view u32, seq u48
 *   group u64   items (items.ts; their groupIndex is 0)
 *
 * In each of the region views the packet has a number of its own; a receiver looks at the entry of its view. Packets that have to say
 * AFTER go to each region by themselves (data.ts).
 */

const FLAGS_AT = NODE_HEAD_BYTES;
const COUNT_AT = FLAGS_AT + 1;
const ENTRIES_AT = COUNT_AT + 2;
const ENTRY_BYTES = VIEW_ID_BYTES + 6;
const GROUP_BYTES = 8;
const RESENT = 1;

/** A packet's number in a region view. */
export type HybridEntry = { readonly id: RegionViewId; readonly seq: number };

export type HybridHead = {
  readonly cluster: number;
  /** The sender. */
  readonly origin: NodeId;
  /** At least one, no region twice. */
  readonly entries: readonly HybridEntry[];
  readonly group: GroupNumber;
};

/** How many entries a datagram can have beside this many bytes of items: who sends to more regions sends several packets. */
export function hybridEntriesMax(datagramBytes: number, itemBytes: number): number {
  return Math.max(0, Math.floor((datagramBytes - hybridHeadBytes(0) - itemBytes) / ENTRY_BYTES));
}

/** Bytes before the items. */
export function hybridHeadBytes(entryCount: number): number {
  return ENTRIES_AT + entryCount * ENTRY_BYTES + GROUP_BYTES;
}

/** Begins a packet at `at` and returns where its items go; `setPacketEnd` has to follow. */
export function writeHybridHead(bytes: Uint8Array, at: number, fields: HybridHead): number {
  const { cluster, origin, entries, group } = fields;
  writeHead(bytes, at, NodeKind.regionHybrid, cluster, origin);
  bytes[at + FLAGS_AT] = 0;
  setU16(bytes, at + COUNT_AT, entries.length);
  let field = at + ENTRIES_AT;
  for (const { id, seq } of entries) {
    setViewId(bytes, field, id);
    setU48(bytes, field + VIEW_ID_BYTES, seq);
    field += ENTRY_BYTES;
  }
  setU64(bytes, field, group);
  return field + GROUP_BYTES;
}

/** Whether this is a packet to several regions of which everything below can be read. */
export function isHybrid(bytes: Uint8Array): boolean {
  if (!isPacket(bytes, NodeKind.regionHybrid, ENTRIES_AT - NODE_HEAD_BYTES)) return false;
  const count = hybridCountOf(bytes);
  if (((bytes[FLAGS_AT] as number) & ~RESENT) !== 0 || count === 0) return false;
  if (hybridHeadBytes(count) > bodyEndOf(bytes)) return false;
  for (let i = 0; i < count; i++) {
    if (!isViewIdAt(bytes, entryAt(i)) || hybridSeqOf(bytes, i) === 0) return false;
  }
  return isIdAt(bytes, entryAt(count));
}

export function isHybridResent(packet: Uint8Array): boolean {
  return ((packet[FLAGS_AT] as number) & RESENT) !== 0;
}

export function hybridCountOf(packet: Uint8Array): number {
  return getU16(packet, COUNT_AT);
}

/** The region of the `entry`-th entry, from 0. */
export function hybridRegionOf(packet: Uint8Array, entry: number): RegionId {
  return getU64(packet, entryAt(entry));
}

export function hybridViewOf(packet: Uint8Array, entry: number): number {
  return getU32(packet, entryAt(entry) + 8);
}

export function hybridSeqOf(packet: Uint8Array, entry: number): number {
  return getU48(packet, entryAt(entry) + VIEW_ID_BYTES);
}

export function hybridGroupOf(packet: Uint8Array): GroupNumber {
  return getU64(packet, entryAt(hybridCountOf(packet)));
}

/** Where the items begin. */
export function hybridItemsAt(packet: Uint8Array): number {
  return hybridHeadBytes(hybridCountOf(packet));
}

/** The packet for one of its regions, to be sent there again: a copy with that entry alone. */
export function asResentHybrid(packet: Uint8Array, entry: number): Uint8Array {
  const group = packet.subarray(entryAt(hybridCountOf(packet)), bodyEndOf(packet));
  const copy = new Uint8Array(entryAt(1) + group.length);
  copy.set(packet.subarray(0, ENTRIES_AT));
  copy[FLAGS_AT] = RESENT;
  setU16(copy, COUNT_AT, 1);
  copy.set(packet.subarray(entryAt(entry), entryAt(entry + 1)), ENTRIES_AT);
  copy.set(group, entryAt(1));
  setPacketEnd(copy, 0, copy.length);
  return copy;
}

function entryAt(entry: number): number {
  return ENTRIES_AT + entry * ENTRY_BYTES;
}
