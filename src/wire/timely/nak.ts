import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { RangeSet } from "../../base/range-set.ts";
import { Reader, readU48, Writer, writeU48, writeU64 } from "../bytes.ts";
import { readId, SEQ_MAX } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_NAK to a sender, behind the head: 20 count u16, then {group u64, since u48, range set} each: packets of its own that the origin lacks and
 * no repair has brought (protocols.md B16). since: the first view of the group that has both, as the origin knows; what was sent before is not for it.
 * No packets: the origin only wants to know where the stream begins for it. That is answered by a TIMELY_STATE.
 */

/** Groups in one packet, and ranges in each. */
export const NAK_GROUPS_MAX = 32;
export const NAK_RANGES_MAX = 32;
/** Packets that one range set may name. */
const NAK_PACKETS_MAX = 65_536;
/** A group, and a range set of no range. */
const ENTRY_BYTES_MIN = 15;

export type Nak = { readonly group: GroupNumber; readonly since: number; readonly missing: RangeSet };

export function encodeTimelyNak(cluster: number, origin: NodeId, naks: readonly Nak[]): Uint8Array {
  const out = new Writer(128).raw(new Uint8Array(NODE_HEAD_BYTES)).u16(naks.length);
  for (const { group, since, missing } of naks) {
    writeU48(writeU64(out, group), since).rangeSet(missing, NAK_RANGES_MAX);
  }
  const bytes = out.finish();
  writeHead(bytes, 0, NodeKind.timelyNak, cluster, origin);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeTimelyNak(packet: Uint8Array): Nak[] | undefined {
  if (!isPacket(packet, NodeKind.timelyNak, 2)) return undefined;
  const input = new Reader(packet, NODE_HEAD_BYTES, bodyEndOf(packet));
  const count = input.count(NAK_GROUPS_MAX, ENTRY_BYTES_MIN);
  const naks: Nak[] = [];
  for (let i = 0; i < count; i++) {
    const [group, since] = [readId(input), readU48(input)];
    const nak = { group, since, missing: input.rangeSet(NAK_RANGES_MAX, SEQ_MAX) };
    if (nak.missing.has(0) || nak.missing.size > NAK_PACKETS_MAX) input.fail();
    naks.push(nak);
  }
  return input.failed || input.remaining > 0 ? undefined : naks;
}
