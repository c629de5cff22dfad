import { expect, test } from "vitest";
import { StandingDelay } from "./standing-delay.ts";

const SENDER = 7;

/** Packets that were made every 10 ms from `from` on, and waited so long each; clocks differ by `offset`. */
function come(delay: StandingDelay, from: number, waits: readonly number[], offset = 0, sender = SENDER): void {
  for (const [i, wait] of waits.entries()) delay.sample(sender, (from + 10 * i + offset) >>> 0, from + 10 * i + wait);
}

test("what counts is the least delay of a stretch, beyond the usual one", () => {
  const delay = new StandingDelay();
  come(delay, 0, [3, 2, 5, 40]);
  expect(delay.take()).toBe(0);
  come(delay, 1_000, [60, 52, 90, 70]);
  expect(delay.take()).toBe(50);
  // A queue that was empty for a moment keeps up.
  come(delay, 2_000, [60, 52, 2, 70]);
  expect(delay.take()).toBe(0);
});

test("few packets say nothing", () => {
  const delay = new StandingDelay();
  come(delay, 0, [0, 0, 0, 0]);
  delay.take();
  come(delay, 1_000, [100, 100, 100]);
  expect(delay.take()).toBe(0);
});

test("clocks may be anything, and pass their greatest number", () => {
  for (const offset of [0, 123_456_789, 2 ** 31 - 20, 2 ** 32 - 1_020]) {
    const delay = new StandingDelay();
    come(delay, 0, [1, 1, 1, 1], offset);
    come(delay, 1_000, [31, 41, 51, 61], offset);
    delay.take();
    come(delay, 2_000, [31, 41, 51, 61], offset);
    expect(delay.take()).toBe(30);
  }
});

test("each sender has a usual delay of its own, and the one that waits least says how long the others' wait is this node's", () => {
  const delay = new StandingDelay();
  come(delay, 0, [1, 1, 1, 1], 0, 1);
  come(delay, 0, [9, 9, 9, 9], 500, 2);
  delay.take();
  come(delay, 1_000, [41, 41, 41, 41], 0, 1);
  come(delay, 1_000, [39, 39, 39, 39], 500, 2);
  expect(delay.take()).toBe(30);
});

test("a longer way, or a clock that drifts, becomes usual after a minute", () => {
  const delay = new StandingDelay();
  come(delay, 0, [1, 1, 1, 1]);
  for (let at = 1_000; at < 55_000; at += 1_000) come(delay, at, [41, 41, 41, 41]);
  expect(delay.take()).toBe(0);
  for (let at = 55_000; at < 62_000; at += 1_000) {
    come(delay, at, [41, 41, 41, 41]);
    delay.take();
  }
  come(delay, 62_000, [61, 61, 61, 61]);
  expect(delay.take()).toBe(20);
});

test("a sender of which nothing comes any more is forgotten", () => {
  const delay = new StandingDelay();
  come(delay, 0, [1, 1, 1, 1], 0, 1);
  for (let at = 30_000; at <= 90_000; at += 30_000) come(delay, at, [1, 1, 1, 1], 0, 2);
  delay.take();
  // Its first delays are usual again.
  come(delay, 91_000, [50, 50, 50, 50], 0, 1);
  expect(delay.take()).toBe(0);
});
