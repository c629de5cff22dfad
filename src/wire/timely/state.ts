import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { Reader, readU48, Writer, writeU48, writeU64 } from "../bytes.ts";
import { readId } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_STATE, behind the head: 20 count u16, then {group u64, from u48, last u48} each
 *
 * What a sender has sent in each group, so that the loss of its last packets is noticed (protocols.md B13): `last` is the greatest number;
 * what comes before `from` is not for whoever has not got it: it was sent before the present view of the group, or is not kept any more.
 */

const BYTES_PER_STREAM = 20;
/** Streams in one packet. */
export const STATE_STREAMS_MAX = 60;

export type StreamState = { readonly group: GroupNumber; readonly from: number; readonly last: number };

export function encodeTimelyState(cluster: number, origin: NodeId, streams: readonly StreamState[]): Uint8Array {
  const out = new Writer(NODE_HEAD_BYTES + 2 + BYTES_PER_STREAM * streams.length).raw(new Uint8Array(NODE_HEAD_BYTES));
  out.u16(streams.length);
  for (const { group, from, last } of streams) writeU48(writeU48(writeU64(out, group), from), last);
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
    const stream = { group: readId(input), from: readU48(input), last: readU48(input) };
    if (stream.from === 0 || stream.from > stream.last + 1) input.fail();
    streams.push(stream);
  }
  return input.failed || input.remaining > 0 ? undefined : streams;
}
