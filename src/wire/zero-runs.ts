/*
 * Bytes without their longer runs of zeros, for lines on which each byte counts: names in client frames fill 32 bytes with them.
 *
 *   {zeros u8, count, count bytes}   again and again, to the end: so many zeros, and then these bytes
 *
 * count: one byte up to 127, else two, most significant first, with the highest bit set.
 */

/** A shorter run would gain nothing: its head takes three bytes, or two. */
const RUN_MIN = 4;
const RUN_MAX = 255;
const SHORT_MAX = 0x7f;
const COUNT_MAX = 0x7fff;

/** What up to 64 KiB without such runs take more than before: three bytes for each 32 KiB that have begun. */
export const ZERO_RUNS_BYTES_MAX = 9;

/** Writes `bytes` to `out` from `at` on, which has room for them and `ZERO_RUNS_BYTES_MAX` more. Returns where they end. */
export function dropZeroRuns(bytes: Uint8Array, out: Uint8Array, at: number): number {
  let end = at;
  let zeros = 0;
  for (let from = 0; from < bytes.length || zeros > 0; ) {
    const run = Math.min(nextRun(bytes, from), from + COUNT_MAX);
    const count = run - from;
    out[end++] = zeros;
    if (count > SHORT_MAX) out[end++] = 0x80 | (count >>> 8);
    out[end++] = count;
    out.set(bytes.subarray(from, run), end);
    end += count;
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
    const bytesAt = countedAt(packed, at);
    const count = countAt(packed, at);
    if (count > packed.length - bytesAt) return undefined;
    length += (packed[at] as number) + count;
    at = bytesAt + count;
  }
  if (length > bytesMax) return undefined;
  const bytes = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at < packed.length; ) {
    const bytesAt = countedAt(packed, at);
    const count = countAt(packed, at);
    to += packed[at] as number;
    bytes.set(packed.subarray(bytesAt, bytesAt + count), to);
    to += count;
    at = bytesAt + count;
  }
  return bytes;
}

/** Of the head at `at`: how many bytes follow it; more than there are if it is cut off. */
function countAt(packed: Uint8Array, at: number): number {
  const first = packed[at + 1] ?? COUNT_MAX;
  return first > SHORT_MAX ? ((first & SHORT_MAX) << 8) | (packed[at + 2] ?? 0xff) : first;
}

/** Where they begin. */
function countedAt(packed: Uint8Array, at: number): number {
  return at + ((packed[at + 1] ?? 0) > SHORT_MAX ? 3 : 2);
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
