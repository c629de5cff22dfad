import type { NodeId, RegionViewId } from "../base/ids.ts";
import { readList, writeList } from "./fields.ts";
import { readSettled, SETTLED_BYTES_MIN, type SettledStream, writeSettled } from "./settled.ts";
import { Reader, readU48, readU64, Writer, writeU48, writeU64 } from "../wire/bytes.ts";

/**
 * What a node tells the membership service, through its daemon: up to which position of the log it has applied changes and what it had sent
 * in the views that they ended for it (region-views.md, rule 2), views that it knows to have ended everywhere (rule 9), and nodes of which it
 * wants to know whether they have failed (rule 4); and as a leader what became of the streams of senders that failed (rule 7).
 */
export type NodeTelling = {
  readonly n: number;
  readonly sealed: readonly { readonly id: RegionViewId; readonly last: number }[];
  readonly retired: readonly RegionViewId[];
  readonly inquired: readonly NodeId[];
  readonly settled: readonly SettledStream[];
};

/** Views, nodes or streams that one message tells of at most. */
const COUNT_MAX = 1 << 16;

/**
 * n varint; count varint, then region u64, view varint, last u48 each; count varint, then region u64, view varint each; count varint, then
 * node u64 each; then streams that were settled (settled.ts).
 */
export function encodeNodeTelling({ n, sealed, retired, inquired, settled }: NodeTelling): Uint8Array {
  const out = new Writer(64).varint(n).varint(sealed.length);
  for (const { id, last } of sealed) writeU48(writeU64(out, id.region).varint(id.view), last);
  out.varint(retired.length);
  for (const { region, view } of retired) writeU64(out, region).varint(view);
  out.varint(inquired.length);
  for (const node of inquired) writeU64(out, node);
  writeList(out, settled, writeSettled);
  return out.finish();
}

export function decodeNodeTelling(bytes: Uint8Array): NodeTelling | undefined {
  const input = new Reader(bytes);
  const n = input.varint();
  const sealed: { id: RegionViewId; last: number }[] = [];
  for (let left = input.varint(COUNT_MAX); left > 0 && !input.failed; left--) {
    sealed.push({ id: { region: readU64(input), view: input.varint() }, last: readU48(input) });
  }
  const retired: RegionViewId[] = [];
  for (let left = input.varint(COUNT_MAX); left > 0 && !input.failed; left--) {
    retired.push({ region: readU64(input), view: input.varint() });
  }
  const inquired: NodeId[] = [];
  for (let left = input.varint(COUNT_MAX); left > 0 && !input.failed; left--) inquired.push(readU64(input));
  const settled = readList(input, SETTLED_BYTES_MIN, readSettled);
  return input.failed || input.remaining > 0 ? undefined : { n, sealed, retired, inquired, settled };
}
