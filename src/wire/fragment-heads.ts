import { getU16, getU32, setU16, setU32 } from "./bytes.ts";
import {
  FIRST,
  FRAGMENT_HEAD_BYTES,
  type FragmentCursor,
  fragmentHeadBytes,
  PARTIAL_BYTES,
  WHOLE,
} from "./fragment.ts";
import { RING_DATA_HEAD_BYTES } from "./ring-data.ts";

/*
 * Fragments relative to heads that are known: how a message of a client begins hardly changes from one to the next.
 *
 * A known head is 24 bytes of a fragment's head, as one of a long message has it (of a whole one, total is its length, and message and
 * offset are 0), and the first 104 of the message: what a client's frame for one group has before its payload. In a relative fragment
 *
 *   its head, and of a first fragment up to 104 bytes of the message, are taken (XOR) relative to the known head,
 *   length is relative to what is left of the message, of a whole one to the known total, but no more than the packet has room for,
 *   previous is the packet's siteSeq less what it was.
 */

const HEAD_BYTES = FRAGMENT_HEAD_BYTES + PARTIAL_BYTES;
const BEGIN_BYTES = 104;
export const KNOWN_HEAD_BYTES = HEAD_BYTES + BEGIN_BYTES;
const SEQ_AT = 28;
const LENGTH_AT = 2;
const PREVIOUS_AT = 8;
const OFFSET_AT = 16;
const TOTAL_AT = 20;

/** What a fragment is relative to if nothing better is known. */
export const NO_HEAD = new Uint8Array(KNOWN_HEAD_BYTES);

/** The head of the first fragment of a message, at `at` in `packet`, for others to be relative to. */
export function readKnownHead(packet: Uint8Array, at: number, out: Uint8Array): void {
  const flags = packet[at] as number;
  const length = getU16(packet, at + LENGTH_AT);
  const dataAt = at + fragmentHeadBytes(flags);
  const isWhole = (flags & WHOLE) === WHOLE;
  out.fill(0);
  out.set(packet.subarray(at, at + (isWhole ? FRAGMENT_HEAD_BYTES : HEAD_BYTES)));
  if (isWhole) setU32(out, TOTAL_AT, length);
  out.set(packet.subarray(dataAt, dataAt + Math.min(length, BEGIN_BYTES)), HEAD_BYTES);
}

/** Makes the fragment that the cursor is at relative to `known`, in `relative`, a copy of the packet. */
export function takeFragment(
  packet: Uint8Array,
  end: number,
  { start, dataStart, next, flags, previous }: FragmentCursor,
  known: Uint8Array,
  relative: Uint8Array,
): void {
  const length = next - dataStart;
  takeXor(relative, start, known, 0, ownHeadBytes(flags));
  setU16(relative, start + LENGTH_AT, length ^ expectedLength(packet, start, dataStart, end, known));
  setU32(relative, start + PREVIOUS_AT, getU32(packet, SEQ_AT) - previous);
  if ((flags & FIRST) !== 0) takeXor(relative, dataStart, known, HEAD_BYTES, Math.min(length, BEGIN_BYTES));
}

/** Makes the fragment at `at` of a packet as it was, in place; what is before it already is. Returns where the next one is; undefined: malformed. */
export function restoreFragment(packet: Uint8Array, at: number, end: number, known: Uint8Array): number | undefined {
  if (end - at < FRAGMENT_HEAD_BYTES) return undefined;
  const flags = (packet[at] as number) ^ (known[0] as number);
  const dataAt = at + fragmentHeadBytes(flags);
  if (dataAt > end) return undefined;
  const length = getU16(packet, at + LENGTH_AT);
  const previous = getU32(packet, at + PREVIOUS_AT);
  takeXor(packet, at, known, 0, ownHeadBytes(flags));
  const restored = length ^ expectedLength(packet, at, dataAt, end, known);
  setU16(packet, at + LENGTH_AT, restored);
  setU32(packet, at + PREVIOUS_AT, getU32(packet, SEQ_AT) - previous);
  if (dataAt + restored > end) return undefined;
  if ((flags & FIRST) !== 0) takeXor(packet, dataAt, known, HEAD_BYTES, Math.min(restored, BEGIN_BYTES));
  return dataAt + restored;
}

/** Where the first fragment is. */
export const FRAGMENTS_AT = RING_DATA_HEAD_BYTES;

/** The part of a fragment's head that known heads have, too: not what a causal message depends on. */
function ownHeadBytes(flags: number): number {
  return (flags & WHOLE) === WHOLE ? FRAGMENT_HEAD_BYTES : HEAD_BYTES;
}

/** Of the fragment at `at`, whose flags, offset and total are as they were. */
function expectedLength(packet: Uint8Array, at: number, dataAt: number, end: number, known: Uint8Array): number {
  const isWhole = ((packet[at] as number) & WHOLE) === WHOLE;
  const left = isWhole ? getU32(known, TOTAL_AT) : getU32(packet, at + TOTAL_AT) - getU32(packet, at + OFFSET_AT);
  return Math.min(left, end - dataAt) & 0xffff;
}

function takeXor(bytes: Uint8Array, at: number, known: Uint8Array, from: number, count: number): void {
  for (let i = 0; i < count; i++) bytes[at + i] = (bytes[at + i] as number) ^ (known[from + i] as number);
}
