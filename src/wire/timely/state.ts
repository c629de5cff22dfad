import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { Reader, readU48, Writer, writeU48, writeU64 } from "../bytes.ts";
import { readId } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_STATE, behind the head: 20 count u16, then {group u64, joined u48, view u48, from u48, began u48, last u48} each
 *
 * What a sender has sent in each group, so that the loss of its last packets is noticed (protocols.md B13): `last` is the greatest number;
 * what comes before `from` cannot be had any more; `began` is the first number of this view of the group and of those after it. To all members it
 * is told of the present view, to one that asks of the first view that has both: so that one knows with which packet the stream begins for it.
 * joined: the first view of this membership of the sender.
 */

const BYTES_PER_STREAM = 38;
/** Streams in one packet. */
export const STATE_STREAMS_MAX = 32;

export type StreamState = {
  readonly group: GroupNumber;
  readonly joined: number;
  readonly view: number;
  readonly from: number;
  readonly began: number;
  readonly last: number;
};

export function encodeTimelyState(cluster: number, origin: NodeId, streams: readonly StreamState[]): Uint8Array {
  const out = new Writer(NODE_HEAD_BYTES + 2 + BYTES_PER_STREAM * streams.length).raw(new Uint8Array(NODE_HEAD_BYTES));
  out.u16(streams.length);
  for (const { group, joined, view, from, began, last } of streams) {
    writeU64(out, group);
    for (const number of [joined, view, from, began, last]) writeU48(out, number);
  }
  const bytes = out.finish();
  writeHead(bytes, 0, NodeKind.timelyState, cluster, origin);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeTimelyState(packet: Uint8Array): StreamState[] | undefined {
  if (!isPacket(packet, NodeKind.timelyState, 2)) return undefined;
  const input = new Reader(packet, NODE_HEAD_BYTES, bodyEndOf(packet));
  const count = input.count(STATE_STREAMS_MAX, BYTES_PER_STREAM);
  const streams: StreamState[] = [];
  for (let i = 0; i < count; i++) {
    const [group, joined, view] = [readId(input), readU48(input), readU48(input)];
    const [from, began, last] = [readU48(input), readU48(input), readU48(input)];
    if (from === 0 || began === 0 || from > last + 1 || began > last + 1) input.fail();
    streams.push({ group, joined, view, from, began, last });
  }
  return input.failed || input.remaining > 0 ? undefined : streams;
}
