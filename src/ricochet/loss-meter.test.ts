import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { LossMeter } from "./loss-meter.ts";

/** A packet each millisecond, some of them lost in bursts, of which one learns 50 ms later. */
function measured(meter: LossMeter, packets: number, loss: number, burst: number, from = 0): LossMeter {
  const random = new Random(3);
  const late: number[] = [];
  let left = 0;
  for (let now = from; now < from + packets; now++) {
    if (left === 0 && random.chance(loss / burst / (1 - loss))) left = burst;
    if (left > 0) late.push(now);
    else meter.came(now);
    left = Math.max(0, left - 1);
    while (late.length > 0 && (late[0] as number) < now - 50) meter.missed(late.shift() as number);
  }
  return meter;
}

test("the share of packets that are lost is measured, and a rise is seen sooner than a fall", () => {
  for (const loss of [0.005, 0.05, 0.2]) {
    const seen = measured(new LossMeter(), 20_000, loss, 1).loss;
    expect(seen).toBeGreaterThan(0.7 * loss);
    expect(seen).toBeLessThan(1.6 * loss);
  }
  const meter = measured(new LossMeter(), 10_000, 0.001, 1);
  measured(meter, 1_000, 0.1, 1, 10_000);
  expect(meter.loss).toBeGreaterThan(0.07);
  measured(meter, 2_000, 0, 1, 11_000);
  expect(meter.loss).toBeGreaterThan(0.01);
  measured(meter, 10_000, 0, 1, 13_000);
  expect(meter.loss).toBeLessThan(0.0005);
});

test("losses one by one are told from losses in a row", () => {
  expect(measured(new LossMeter(), 20_000, 0.01, 1).burst).toBeLessThan(2);
  expect(measured(new LossMeter(), 20_000, 0.1, 1).burst).toBeLessThan(2);
  for (const burst of [5, 10, 20]) {
    const seen = measured(new LossMeter(), 20_000, 0.02, burst).burst;
    expect(seen).toBeGreaterThan(0.6 * burst);
    expect(seen).toBeLessThan(1.7 * burst);
  }
});

test("what came by itself after it had been rebuilt was not lost", () => {
  const meter = new LossMeter();
  for (let now = 0; now < 500; now++) {
    meter.came(now);
    if (now % 10 === 0) meter.missed(now);
  }
  const { loss, packets } = meter;
  for (let now = 0; now < 500; now += 10) meter.cameAfterAll(now);
  expect(loss).toBeGreaterThan(0.05);
  expect(meter.loss).toBeLessThan(0.005);
  expect(meter.packets).toBe(packets);
});
