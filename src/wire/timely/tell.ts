import type { GroupNumber, NodeId } from "../../base/ids.ts";
import { getU64, setU64 } from "../bytes.ts";
import { isIdAt } from "../region/fields.ts";
import { bodyEndOf, isPacket, NODE_HEAD_BYTES, NodeKind, setPacketEnd, writeHead } from "../region/head.ts";

/*
 * TIMELY_TELL from one member of a timely group to another, behind the head: 20 group u64   28 body, to the end
 *
 * What members say to each other besides packets to all (plato/bodies.ts). It may be lost.
 */

const GROUP_AT = NODE_HEAD_BYTES;
const BODY_AT = GROUP_AT + 8;

export type Telling = { readonly group: GroupNumber /** A view. */; readonly body: Uint8Array };

export function encodeTimelyTell(cluster: number, origin: NodeId, { group, body }: Telling): Uint8Array {
  const bytes = new Uint8Array(BODY_AT + body.length);
  writeHead(bytes, 0, NodeKind.timelyTell, cluster, origin);
  setU64(bytes, GROUP_AT, group);
  bytes.set(body, BODY_AT);
  setPacketEnd(bytes, 0, bytes.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeTimelyTell(packet: Uint8Array): Telling | undefined {
  if (!isPacket(packet, NodeKind.timelyTell, BODY_AT - NODE_HEAD_BYTES) || !isIdAt(packet, GROUP_AT)) return undefined;
  return { group: getU64(packet, GROUP_AT), body: packet.subarray(BODY_AT, bodyEndOf(packet)) };
}
