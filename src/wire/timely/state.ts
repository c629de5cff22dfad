import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { Reader, readU48, Writer, writeU48, writeU64 } from "../bytes.ts";
import { readId } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_STATE, behind the head: 20 flags u8 (1: an answer)   21 count u16, then {group u64, from u48, began u48, last u48} each
 *
 * What a sender has sent in each group, so that the loss of its last packets is noticed (protocols.md B13): `last` is the greatest number;
 * what comes before `from` cannot be had any more; what comes before `began` was sent in earlier views of the group. In an answer it is not for
 * who has asked.
 */

const BYTES_PER_STREAM = 26;
/** Streams in one packet. */
export const STATE_STREAMS_MAX = 50;

export type StreamState = {
  readonly group: GroupNumber;
  readonly from: number;
  readonly began: number;
  readonly last: number;
};

export type TimelyState = { readonly isAnswer: boolean; readonly streams: readonly StreamState[] };

export function encodeTimelyState(
  cluster: number,
  origin: NodeId,
  isAnswer: boolean,
  streams: readonly StreamState[],
): Uint8Array {
  const out = new Writer(NODE_HEAD_BYTES + 3 + BYTES_PER_STREAM * streams.length).raw(new Uint8Array(NODE_HEAD_BYTES));
  out.u8(Number(isAnswer)).u16(streams.length);
  for (const { group, from, began, last } of streams) {
    writeU48(writeU48(writeU48(writeU64(out, group), from), began), last);
  }
  const bytes = out.finish();
  writeHead(bytes, 0, NodeKind.timelyState, cluster, origin);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeTimelyState(packet: Uint8Array): TimelyState | undefined {
  if (!isPacket(packet, NodeKind.timelyState, 3)) return undefined;
  const input = new Reader(packet, NODE_HEAD_BYTES, bodyEndOf(packet));
  const isAnswer = (input.u8() & 1) !== 0;
  const count = input.count(STATE_STREAMS_MAX, BYTES_PER_STREAM);
  const streams: StreamState[] = [];
  for (let i = 0; i < count; i++) {
    const stream = { group: readId(input), from: readU48(input), began: readU48(input), last: readU48(input) };
    const { from, began, last } = stream;
    if (from === 0 || began === 0 || from > last + 1 || began > last + 1) input.fail();
    streams.push(stream);
  }
  return input.failed || input.remaining > 0 ? undefined : { isAnswer, streams };
}
