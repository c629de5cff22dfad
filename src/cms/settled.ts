import type { NodeId, RegionViewId } from "../base/ids.ts";
import type { Range } from "../base/range-set.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import { readList, writeList } from "./fields.ts";

/**
 * What the members of a region view have accepted of a node that failed (region-views.md, rules 4 and 7): everything up to a number, but what
 * was lost.
 */
export type SettledStream = {
  readonly id: RegionViewId;
  readonly sender: NodeId;
  readonly seq: number;
  /** Ascending. */
  readonly lost: readonly Range[];
};

/** Bytes of the least of them. */
export const SETTLED_BYTES_MIN = 5;

/** region, view, sender, seq, lost ranges (first, how many more), all varints. */
export function writeSettled(out: Writer, { id, sender, seq, lost }: SettledStream): void {
  out.varint(id.region).varint(id.view).varint(sender).varint(seq);
  writeList(out, lost, (to, [low, high]) => void to.varint(low).varint(high - low));
}

export function readSettled(input: Reader): SettledStream {
  const id = { region: input.varint(), view: input.varint() };
  const [sender, seq] = [input.varint(), input.varint()];
  const lost = readList(input, 2, (from): Range => {
    const low = from.varint();
    return [low, low + from.varint()];
  });
  return { id, sender, seq, lost };
}

/** As a node is told when it is expelled: a count and so many of them; nothing for none. */
export function encodeSettled(settled: readonly SettledStream[]): Uint8Array {
  if (settled.length === 0) return NOTHING;
  const out = new Writer(64);
  writeList(out, settled, writeSettled);
  return out.finish();
}

export function decodeSettled(bytes: Uint8Array): readonly SettledStream[] | undefined {
  if (bytes.length === 0) return [];
  const input = new Reader(bytes);
  const settled = readList(input, SETTLED_BYTES_MIN, readSettled);
  return input.failed || input.remaining > 0 ? undefined : settled;
}

const NOTHING = new Uint8Array(0);
