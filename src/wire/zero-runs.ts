import { getU16, setU16 } from "./bytes.ts";

/*
 * Bytes without their longer runs of zeros, for lines on which each byte counts: names in client frames fill 32 bytes with them.
 *
 *   {zeros u8, count u16, count bytes}   again and again, to the end: so many zeros, and then these bytes
 */

/** A shorter run would gain nothing: its head takes three bytes. */
const RUN_MIN = 5;
const RUN_MAX = 255;
const HEAD_BYTES = 3;

/** What bytes without such runs take more than before. */
export const ZERO_RUNS_BYTES_MAX = HEAD_BYTES;

/** Writes `bytes` to `out` from `at` on, which has room for them and `ZERO_RUNS_BYTES_MAX` more. Returns where they end. */
export function dropZeroRuns(bytes: Uint8Array, out: Uint8Array, at: number): number {
  let end = at;
  let zeros = 0;
  for (let from = 0; from < bytes.length || zeros > 0; ) {
    const run = nextRun(bytes, from);
    out[end] = zeros;
    setU16(out, end + 1, run - from);
    out.set(bytes.subarray(from, run), end + HEAD_BYTES);
    end += HEAD_BYTES + run - from;
    from = run;
    while (from < bytes.length && bytes[from] === 0 && from - run < RUN_MAX) from++;
    zeros = from - run;
  }
  return end;
}

/** What `dropZeroRuns` was given. Undefined: malformed, or longer than `bytesMax`. */
export function restoreZeroRuns(packed: Uint8Array, bytesMax: number): Uint8Array | undefined {
  let length = 0;
  for (let at = 0; at < packed.length; ) {
    if (packed.length - at < HEAD_BYTES) return undefined;
    const count = getU16(packed, at + 1);
    if (count > packed.length - at - HEAD_BYTES) return undefined;
    length += (packed[at] as number) + count;
    at += HEAD_BYTES + count;
  }
  if (length > bytesMax) return undefined;
  const bytes = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at < packed.length; ) {
    const count = getU16(packed, at + 1);
    to += packed[at] as number;
    at += HEAD_BYTES;
    bytes.set(packed.subarray(at, at + count), to);
    to += count;
    at += count;
  }
  return bytes;
}

/** Where the next run begins that is worth it; the end if there is none. */
function nextRun(bytes: Uint8Array, from: number): number {
  // Each such run has one of these bytes.
  for (let i = from + RUN_MIN - 1; i < bytes.length; i += RUN_MIN) {
    if (bytes[i] !== 0) continue;
    let start = i;
    while (start > from && bytes[start - 1] === 0) start--;
    let stop = i + 1;
    while (stop < bytes.length && stop - start < RUN_MIN && bytes[stop] === 0) stop++;
    if (stop - start >= RUN_MIN) return start;
  }
  return bytes.length;
}
