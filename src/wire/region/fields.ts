import type { RegionViewId } from "../../base/ids.ts";
import type { RangeSet } from "../../base/range-set.ts";
import { getU32, type Reader, readU64, setU32, setU64, type Writer, writeU64 } from "../bytes.ts";

/** Fields that several formats between nodes have. */

/** Greatest sequence number: 48 bits. Numbers count from 1. */
export const SEQ_MAX = 2 ** 48 - 1;
/** Ranges that one list of packets may have, and packets that it may name: many times what a sender may have under way. */
export const SEQ_RANGES_MAX = 2 ** 20;
export const SEQ_COUNT_MAX = 2 ** 24;

/** A rate in packets per second as it is sent: a whole number of 32 bits. */
export function asRate(rate: number): number {
  return Math.min(Math.floor(rate), 0xffff_ffff);
}

/** Bytes of a region view's id. */
export const VIEW_ID_BYTES = 12;

/** Whether the 64 bits at `at` can be an id: not 0, and no more than JavaScript holds exactly. */
export function isIdAt(bytes: Uint8Array, at: number): boolean {
  const high = getU32(bytes, at);
  return high <= 0x1f_ffff && (high !== 0 || getU32(bytes, at + 4) !== 0);
}

/** Whether the 12 bytes at `at` can be the id of a region view. */
export function isViewIdAt(bytes: Uint8Array, at: number): boolean {
  return isIdAt(bytes, at) && getU32(bytes, at + 8) !== 0;
}

export function setViewId(bytes: Uint8Array, at: number, id: RegionViewId): void {
  setU64(bytes, at, id.region);
  setU32(bytes, at + 8, id.view);
}

/** Reads a NodeId, RegionId or GroupNumber. */
export function readId(input: Reader): number {
  const id = readU64(input);
  if (id === 0) input.fail();
  return id;
}

export function readViewId(input: Reader): RegionViewId {
  const id = { region: readId(input), view: input.u32() };
  if (id.view === 0) input.fail();
  return id;
}

export function writeViewId(out: Writer, id: RegionViewId): Writer {
  return writeU64(out, id.region).u32(id.view);
}

/** Reads a sequence number written as varint, or 0 for none. */
export function readSeq(input: Reader): number {
  return input.varint(SEQ_MAX);
}

/** Reads a set of sequence numbers. */
export function readSeqs(input: Reader): RangeSet {
  const seqs = input.rangeSet(SEQ_RANGES_MAX, SEQ_MAX);
  if (seqs.has(0) || seqs.size > SEQ_COUNT_MAX) input.fail();
  return seqs;
}
