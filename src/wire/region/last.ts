import type { NodeId, RegionViewId } from "../../base/ids.ts";
import { getU32, getU48, getU64, setU32, setU48 } from "../bytes.ts";
import { isViewIdAt, setViewId, VIEW_ID_BYTES } from "./fields.ts";
import { isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "./head.ts";

/*
 * "My packets in this region view go up to seq": so that the loss of the last ones is noticed (protocols.md, section 0 f). Behind the head:
 *
 *   20 region u64   28 view u32   32 seq u48   38 stamp u32
 *
 * stamp: when it was made, as in data.ts.
 */

const SEQ_AT = NODE_HEAD_BYTES + VIEW_ID_BYTES;
const STAMP_AT = SEQ_AT + 6;
const LAST_BYTES = STAMP_AT + 4;

export type Last = {
  readonly id: RegionViewId;
  /** 0: none yet. */
  readonly seq: number;
  /** When it was made, ms of the sender's clock, modulo 2³². */
  readonly stamp: number;
};

export function encodeLast(cluster: number, origin: NodeId, { id, seq, stamp }: Last): Uint8Array {
  const bytes = new Uint8Array(LAST_BYTES);
  writeHead(bytes, 0, NodeKind.regionLast, cluster, origin);
  setViewId(bytes, NODE_HEAD_BYTES, id);
  setU48(bytes, SEQ_AT, seq);
  setU32(bytes, STAMP_AT, stamp);
  setPacketEnd(bytes, 0, LAST_BYTES);
  return bytes;
}

export function decodeLast(packet: Uint8Array): Last | undefined {
  if (!isPacket(packet, NodeKind.regionLast, LAST_BYTES - NODE_HEAD_BYTES)) return undefined;
  if (!isViewIdAt(packet, NODE_HEAD_BYTES)) return undefined;
  const id = { region: getU64(packet, NODE_HEAD_BYTES), view: getU32(packet, NODE_HEAD_BYTES + 8) };
  return { id, seq: getU48(packet, SEQ_AT), stamp: getU32(packet, STAMP_AT) };
}
