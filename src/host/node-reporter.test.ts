import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { noNodeFigures } from "../qsm/statistics.ts";
import { decodeNodeStatistics } from "../wire/native/node-statistics.ts";
import { NodeReporter } from "./node-reporter.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a node reports once a second while something changes, and then is silent", () => {
  const figures = noNodeFigures();
  const told: number[] = [];
  const reporter = new NodeReporter(
    () => ({ figures: { ...figures }, regions: [] }),
    (bytes) => told.push(decodeNodeStatistics(bytes)?.figures.messagesSent ?? -1),
  );
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([0]);
  for (let i = 0; i < 30; i++) {
    figures.messagesSent++;
    vi.advanceTimersByTime(100);
  }
  expect(told).toEqual([0, 10, 20, 30]);
  figures.upMs = 123_456;
  figures.loopDelayUs = 900;
  vi.advanceTimersByTime(10_000);
  expect(told).toHaveLength(4);
  reporter.again();
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([0, 10, 20, 30, 30]);
  reporter.stop();
  figures.messagesSent++;
  vi.advanceTimersByTime(10_000);
  expect(told).toHaveLength(5);
});
