import { expect, test } from "vitest";
import { LATENCY_BOUNDS_MS, LatencyHistogram } from "./latency-histogram.ts";

test("each time is counted in the bucket whose bound is the least that it does not exceed", () => {
  const histogram = new LatencyHistogram();
  for (const ms of [0, 0.5, 0.6, 10, 10.1, 5_000]) histogram.add(ms);
  const counts = Object.fromEntries(histogram.counts.map((count, i) => [LATENCY_BOUNDS_MS[i] ?? "more", count]));
  expect(counts).toMatchObject({ 0.5: 2, 1: 1, 10: 1, 20: 1, more: 1 });
  expect(histogram.counts.reduce((sum, count) => sum + count)).toBe(6);
  expect(histogram.sumMs).toBeCloseTo(5_021.2);
});
