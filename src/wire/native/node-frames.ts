import type { NodeId } from "../../base/ids.ts";
import { getU64, setU64 } from "../bytes.ts";
import { TypeBit } from "../spread/codes.ts";
import { dataBytesOf, encodeFrame, groupCountOf, HEADER_BYTES, messageTypeOf } from "../spread/frame.ts";

/*
 * What a node and its daemon tell each other about regions travels as messages to no group (docs/protocols/native-session.md): numbered,
 * acknowledged and repeated like all others. Their message type says which one it is:
 *
 *   1 CHANGE  daemon to node   flags u8 (1: suspended), node u64, and a change (cms/change-codec.ts), or nothing
 *   2 REPORT  node to daemon   what the node has applied, or which view has ended (cms/node-report.ts)
 */

export const NodeFrame = { change: 1, report: 2 } as const;

const SUSPENDED = 1;
const NODE_BYTES = 9;

/** What a node is told. */
export type NodeNews = {
  readonly node: NodeId;
  /** The daemon is in no primary configuration: there will be no changes until it is. */
  readonly suspended: boolean;
  /** Encoded; empty if it is only the suspension that changes. */
  readonly change: Uint8Array;
};

export function encodeNodeNews({ node, suspended, change }: NodeNews): Uint8Array {
  const data = new Uint8Array(NODE_BYTES + change.length);
  data[0] = suspended ? SUSPENDED : 0;
  setU64(data, 1, node);
  data.set(change, NODE_BYTES);
  return encodeFrame(TypeBit.agreed, "", [], NodeFrame.change, data);
}

/** Of a whole frame at `at`; `undefined` if it tells a node nothing. The change is a view of it. */
export function decodeNodeNews(bytes: Uint8Array, at: number): NodeNews | undefined {
  if (groupCountOf(bytes, at) !== 0 || messageTypeOf(bytes, at) !== NodeFrame.change) return undefined;
  const length = dataBytesOf(bytes, at);
  if (length < NODE_BYTES) return undefined;
  const data = at + HEADER_BYTES;
  const node = getU64(bytes, data + 1);
  if (!Number.isSafeInteger(node)) return undefined;
  return {
    node,
    suspended: ((bytes[data] as number) & SUSPENDED) !== 0,
    change: bytes.subarray(data + NODE_BYTES, data + length),
  };
}
