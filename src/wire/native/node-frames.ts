import type { NodeId } from "../../base/ids.ts";
import { getU64, setU64 } from "../bytes.ts";
import { TypeBit } from "../spread/codes.ts";
import { dataBytesOf, encodeFrame, groupCountOf, HEADER_BYTES, messageTypeOf } from "../spread/frame.ts";

/*
 * What a node and its daemon tell each other about regions travels as messages to no group (docs/protocols/native-session.md): numbered,
 * acknowledged and repeated like all others. Their message type says which one it is:
 *
 *   1 CHANGE        daemon to node   flags u8 (1: suspended, 2: expelled), node u64, and a change (cms/change-codec.ts), or
 *                                  nothing; with flag 2 what was accepted of the node (cms/settled.ts)
 *   2 REPORT        node to daemon   what the node has applied, or which view has ended (cms/node-report.ts)
 *   3 ACKNOWLEDGED  daemon to node   a report, as in REPORT: the node need not repeat it
 *   4 SITE, 5 FACTS                 wire/native/node-facts.ts
 */

export const NodeFrame = { change: 1, report: 2, acknowledged: 3, site: 4, facts: 5 } as const;

const SUSPENDED = 1;
const EXPELLED = 2;
const NODE_BYTES = 9;

/** What a node is told. */
export type NodeNews = {
  /** 0 for a session that is to be a node and is none yet. */
  readonly node: NodeId;
  /** The daemon is in no primary configuration: there will be no changes until it is. */
  readonly suspended: boolean;
  /** The session is that node no more: it sends nothing in its views from now on, and may join without a place, as a new one. */
  readonly expelled: boolean;
  /**
   * Encoded; empty if it is only told which node it is, or one of the flags changes. With `expelled`: what the others have accepted of it, as
   * far as it is known.
   */
  readonly change: Uint8Array;
};

export function encodeNodeNews({ node, suspended, expelled, change }: NodeNews): Uint8Array {
  const data = new Uint8Array(NODE_BYTES + change.length);
  data[0] = (suspended ? SUSPENDED : 0) | (expelled ? EXPELLED : 0);
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
  const flags = bytes[data] as number;
  return {
    node,
    suspended: (flags & SUSPENDED) !== 0,
    expelled: (flags & EXPELLED) !== 0,
    change: bytes.subarray(data + NODE_BYTES, data + length),
  };
}

/** A report (cms/node-report.ts) to the daemon, or from there as acknowledged. */
export function encodeNodeReport(kind: "report" | "acknowledged", report: Uint8Array): Uint8Array {
  return encodeFrame(TypeBit.agreed, "", [], NodeFrame[kind], report);
}

/** The report in a whole frame at `at`, a view of it; `undefined` if it is a message of another kind. */
export function decodeNodeReport(
  kind: "report" | "acknowledged",
  bytes: Uint8Array,
  at: number,
): Uint8Array | undefined {
  if (groupCountOf(bytes, at) !== 0 || messageTypeOf(bytes, at) !== NodeFrame[kind]) return undefined;
  const data = at + HEADER_BYTES;
  return bytes.subarray(data, data + dataBytesOf(bytes, at));
}
