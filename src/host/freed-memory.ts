import { cLibrary } from "./c-library.ts";

/**
 * The C library gives memory back to the kernel once so much of it is free at the end of its heap, bytes; by default 128 KB, or twice the largest
 * piece that was freed. A daemon under load frees and takes as much within milliseconds.
 */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Pieces from this size on are not taken from the heap, and given back as soon as they are freed, bytes. */
const APART_FROM_BYTES = 8 * 1024 * 1024;

// Of the GNU C library (malloc.h).
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;

/**
 * Has the C library keep what this process frees, {@link KEPT_BYTES} of it at most, from now on: for a process that is a daemon, or a simulator, and nothing else. Programs are
 * started with `MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` for the same.
 *
 * What comes from the kernel comes page by page, at the first touch of each: 0.25 us for 4 KB on bare hardware, 10 on some virtual machines, and every datagram
 * is read into memory of its own.
 *
 * @returns whether it does: not without the optional dependency `koffi`, nor with another C library.
 */
export function keepFreedMemory(): boolean {
  if (process.platform !== "linux") return false;
  try {
    const mallopt = cLibrary().func("int mallopt(int, int)");
    return mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) === 1 && mallopt(M_MMAP_THRESHOLD, APART_FROM_BYTES) === 1;
  } catch {
    return false;
  }
}
