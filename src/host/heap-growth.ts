import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";

/**
 * Each datagram is memory outside of the heap. V8 counts it towards the limit at which it collects the old generation, and derives that limit from
 * what survives, which in a daemon is little: several full collections a second under load, which cost a third of its time. So much may be
 * allocated between two of them instead, bytes.
 */
const BETWEEN_COLLECTIONS = 256 * 1024 * 1024;
/** What a small heap may grow to, and what a large one has to be allowed, percent of what survives. */
const PERCENT_MAX = 900;
const PERCENT_MIN = 50;

/** A heap takes its first size from the flags of the moment at which it is made. To be called around the making of a thread. */
export function withLargeHeap<T>(make: () => T): T {
  setFlagsFromString(`--initial-heap-size=${BETWEEN_COLLECTIONS / 1024 ** 2}`);
  try {
    return make();
  } finally {
    setFlagsFromString("--initial-heap-size=0");
  }
}

/** Lets all heaps of this process grow, from now on: for a process that is a daemon and nothing else. */
export function growHeap(): void {
  const adapt = (): void =>
    setFlagsFromString(`--heap-growing-percent=${growthPercent(getHeapStatistics().used_heap_size)}`);
  adapt();
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some(isMajor)) adapt();
  });
  observer.observe({ entryTypes: ["gc"] });
}

/** By what part of what survives, bytes, the heap may grow before the next full collection. */
export function growthPercent(usedBytes: number): number {
  return Math.max(PERCENT_MIN, Math.min(PERCENT_MAX, Math.round((100 * BETWEEN_COLLECTIONS) / usedBytes)));
}

function isMajor(entry: PerformanceEntry): boolean {
  const { kind } = (entry as unknown as { readonly detail: { readonly kind: number } }).detail;
  return kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
