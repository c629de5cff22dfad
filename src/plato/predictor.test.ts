import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { GapPredictor } from "./predictor.ts";

const SETTINGS = { startMs: 2, minMs: 0.02, maxMs: 5, margin: 2.25 };

/** Messages 1 ms apart, that each of two members sees up to `jitterMs` late. */
function learned(jitterMs: number, count: number, clock = 0, predictor = new GapPredictor(SETTINGS)): GapPredictor {
  const random = new Random(count);
  for (let i = 0; i < count; i++) {
    predictor.learn({ mine: i + random.unit() * jitterMs, theirs: clock + i + random.unit() * jitterMs });
  }
  return predictor;
}

test("the threshold is a little less than twice the jitter once enough has been seen, whatever the clocks say", () => {
  expect(learned(0.04, 10).thresholdMs).toBe(2);
  for (const clock of [0, 1e9]) {
    expect(learned(0.04, 2_000, clock).thresholdMs).toBeGreaterThan(0.06);
    expect(learned(0.04, 2_000, clock).thresholdMs).toBeLessThan(0.1);
  }
});

test("messages that come farther apart than the threshold are seen in the same order elsewhere", () => {
  for (const count of [256, 300, 500, 1_000]) {
    const { thresholdMs } = learned(0.04, count);
    const random = new Random(count + 1);
    const transit = (): number => random.unit() * 0.04;
    let farthest = 0;
    for (let pair = 0; pair < 20_000; pair++) {
      const apart = random.unit() * 0.2;
      const [mine, theirs] = [apart + transit() - transit(), apart + transit() - transit()];
      if (Math.sign(mine) !== Math.sign(theirs)) farthest = Math.max(farthest, Math.abs(mine));
    }
    expect(farthest).toBeGreaterThan(0.02);
    expect(farthest).toBeLessThan(thresholdMs);
  }
});

test("the threshold stays within its bounds", () => {
  expect(learned(0, 100).thresholdMs).toBe(0.02);
  expect(learned(90, 100).thresholdMs).toBe(5);
});

test("the threshold falls again when the network calms down", () => {
  const predictor = learned(2, 1_000);
  expect(predictor.thresholdMs).toBeGreaterThan(2.5);
  expect(learned(0.04, 1_500, 0, predictor).thresholdMs).toBeLessThan(0.1);
});

test("a process that does not run now and then makes no difference", () => {
  const predictor = new GapPredictor(SETTINGS);
  const random = new Random(5);
  for (let i = 0; i < 600; i++) {
    // Of each 30 messages two come together with the one after them.
    const mine = i % 30 < 2 ? i + 2 - (i % 30) : i;
    predictor.learn({ mine: mine + random.unit() * 0.04, theirs: i + random.unit() * 0.04 });
  }
  expect(predictor.thresholdMs).toBeLessThan(0.2);
});

test("what came late says nothing", () => {
  const predictor = learned(0.04, 200);
  const before = predictor.thresholdMs;
  predictor.learn({ mine: 300, theirs: 300 });
  predictor.learn(undefined);
  predictor.learn({ mine: 301, theirs: 309 });
  expect(predictor.thresholdMs).toBe(before);
});
