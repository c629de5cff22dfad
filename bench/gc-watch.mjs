/* The garbage collector's pauses in this process, from the time of import on. */
import { PerformanceObserver } from "node:perf_hooks";

let pauses = 0;
let totalMs = 0;
let longestMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    pauses += 1;
    totalMs += duration;
    longestMs = Math.max(longestMs, duration);
  }
}).observe({ entryTypes: ["gc"] });

/** Since the last call. */
export function takePauses() {
  const taken = { pauses, totalMs, longestMs };
  pauses = 0;
  totalMs = 0;
  longestMs = 0;
  return taken;
}
