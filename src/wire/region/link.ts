import type { NodeId } from "../../base/ids.ts";
import type { RangeSet } from "../../base/range-set.ts";
import {
  getU32,
  getU48,
  getU64,
  Reader,
  readU48,
  setU32,
  setU48,
  setU64,
  Writer,
  writeU48,
  writeU64,
} from "../bytes.ts";
import { isIdAt, readId, SEQ_MAX } from "./fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "./head.ts";

/*
 * The frames of the reliable link between two nodes, behind the head:
 *
 *   LINK_DATA  20 receiver u64   28 message u48   34 offset u32   38 total u32   42 bytes
 *   LINK_ACK   20 receiver u64   28 upTo u48      34 count u8, then per message varint (its number less the one before; at
 *              first less upTo), range set of the bytes that have come
 *
 * Messages of a pair of nodes are numbered from 1 in each direction. An id of a node is one life of it, so a frame for another receiver
 * is of the past. Acknowledgements name bytes, not fragments: they hold however a message is cut when it is sent again.
 * What has come and is not named is sent again once more, so an acknowledgement may leave out what does not fit.
 */

const RECEIVER_AT = NODE_HEAD_BYTES;
const MESSAGE_AT = RECEIVER_AT + 8;
const OFFSET_AT = MESSAGE_AT + 6;
const TOTAL_AT = OFFSET_AT + 4;

/** Bytes of LINK_DATA before the message's own. */
export const LINK_DATA_HEAD_BYTES = TOTAL_AT + 4;
/** Longest message: what its receiver has to find room for. */
export const LINK_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Messages that an acknowledgement names, and ranges of each: it stays below 1,300 bytes. */
export const LINK_ACK_MESSAGES_MAX = 16;
export const LINK_ACK_RANGES_MAX = 8;

/** A piece of a message. */
export type LinkData = {
  readonly receiver: NodeId;
  readonly message: number;
  /** Where in the message the piece begins. */
  readonly offset: number;
  /** Length of the message, 1 … `LINK_MESSAGE_BYTES_MAX`. */
  readonly total: number;
  /** Not empty. Decoded: a view of the packet. */
  readonly bytes: Uint8Array;
};

export type LinkAck = {
  readonly receiver: NodeId;
  /** All messages up to this one have come whole. */
  readonly upTo: number;
  /** What has come of later ones, ascending. Only the first `LINK_ACK_MESSAGES_MAX` are sent, and of each `LINK_ACK_RANGES_MAX`. */
  readonly parts: readonly LinkPart[];
};

export type LinkPart = {
  readonly message: number;
  /** The bytes that have come, counted from 0. */
  readonly received: RangeSet;
};

export function encodeLinkData(cluster: number, origin: NodeId, data: LinkData): Uint8Array {
  const bytes = new Uint8Array(LINK_DATA_HEAD_BYTES + data.bytes.length);
  writeHead(bytes, 0, NodeKind.linkData, cluster, origin);
  setU64(bytes, RECEIVER_AT, data.receiver);
  setU48(bytes, MESSAGE_AT, data.message);
  setU32(bytes, OFFSET_AT, data.offset);
  setU32(bytes, TOTAL_AT, data.total);
  bytes.set(data.bytes, LINK_DATA_HEAD_BYTES);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

export function decodeLinkData(packet: Uint8Array): LinkData | undefined {
  if (!isPacket(packet, NodeKind.linkData, LINK_DATA_HEAD_BYTES + 1 - NODE_HEAD_BYTES)) return undefined;
  const message = getU48(packet, MESSAGE_AT);
  const offset = getU32(packet, OFFSET_AT);
  const total = getU32(packet, TOTAL_AT);
  const bytes = packet.subarray(LINK_DATA_HEAD_BYTES, bodyEndOf(packet));
  if (!isIdAt(packet, RECEIVER_AT) || message === 0) return undefined;
  if (total > LINK_MESSAGE_BYTES_MAX || offset + bytes.length > total) return undefined;
  return { receiver: getU64(packet, RECEIVER_AT), message, offset, total, bytes };
}

export function encodeLinkAck(cluster: number, origin: NodeId, { receiver, upTo, parts }: LinkAck): Uint8Array {
  const out = new Writer(64).raw(new Uint8Array(NODE_HEAD_BYTES));
  writeU48(writeU64(out, receiver), upTo).u8(Math.min(parts.length, LINK_ACK_MESSAGES_MAX));
  let previous = upTo;
  for (const { message, received } of parts.slice(0, LINK_ACK_MESSAGES_MAX)) {
    out.varint(message - previous).rangeSet(received, LINK_ACK_RANGES_MAX);
    previous = message;
  }
  const bytes = out.finish();
  writeHead(bytes, 0, NodeKind.linkAck, cluster, origin);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

export function decodeLinkAck(packet: Uint8Array): LinkAck | undefined {
  if (!isPacket(packet, NodeKind.linkAck, 0)) return undefined;
  const input = new Reader(packet, NODE_HEAD_BYTES, bodyEndOf(packet));
  const receiver = readId(input);
  const upTo = readU48(input);
  const count = input.u8();
  if (count > LINK_ACK_MESSAGES_MAX) return undefined;
  const parts: LinkPart[] = [];
  let previous = upTo;
  for (let i = 0; i < count; i++) {
    const message = previous + input.varint(SEQ_MAX - previous);
    if (message === previous) input.fail();
    parts.push({ message, received: input.rangeSet(LINK_ACK_RANGES_MAX, LINK_MESSAGE_BYTES_MAX - 1) });
    previous = message;
  }
  return input.failed || input.remaining > 0 ? undefined : { receiver, upTo, parts };
}
