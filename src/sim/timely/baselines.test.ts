import { describe, expect, test } from "vitest";
import { type FieldOptions, runField } from "./field.ts";
import { measureField } from "./field-measures.ts";
import { experiments } from "./ricochet-experiments.ts";

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function run(baseline: "srm" | "senderNak", options: Partial<FieldOptions> = {}) {
  const result = runField({ seed: 3, nodes: 12, trafficMs: 1_500, countedMs: 800, baseline, ...options });
  expect(result.faults).toEqual([]);
  return result;
}

describe("what Ricochet is compared with", () => {
  test.each(["srm", "senderNak"] as const)(
    "recovers everything, once a later packet shows the loss: %s",
    (baseline) => {
      const one = run(baseline);
      expect(one.missed).toBeGreaterThan(50);
      expect(one.recoveredMs.length).toBe(one.missed);
      // Of each of 11 senders a packet comes each 11 ms.
      expect(mean(one.recoveredMs)).toBeGreaterThan(6);
      expect(mean(one.recoveredMs)).toBeLessThan(25);
      const groups = run(baseline, { groups: 12, trafficMs: 3_000 });
      expect(mean(groups.recoveredMs)).toBeGreaterThan(4 * mean(one.recoveredMs));
    },
  );

  test("SRM asks and repairs no more often than there are losses, within a few, as members keep still for each other", () => {
    const { missed, naks } = run("srm", { countedMs: 1_500, trafficMs: 1_500 });
    expect(naks).toBeLessThan(3 * missed);
  });
});

test("each experiment has figures of its own, of runs that it has", () => {
  const result = measureField({ ...pointOf(), seeds: 1, nodes: 8, trafficMs: 300 });
  expect(result.rebuilt.mean).toBeGreaterThan(0.8);
  const names: string[] = [];
  for (const experiment of experiments) {
    const outcomes = new Map(
      experiment.sweeps.map((sweep) => [sweep.name, sweep.points.map(({ series, x }) => ({ series, x, result }))]),
    );
    for (const { name, curves } of experiment.figures(outcomes)) {
      names.push(name);
      for (const curve of curves) expect([name, curve.name, curve.points.length > 0]).toEqual([name, curve.name, true]);
    }
  }
  expect(new Set(names).size).toBe(names.length);
});

function pointOf() {
  const scenario = experiments[0]?.sweeps[0]?.points[0]?.scenario;
  if (scenario === undefined) throw new Error("there is a first experiment");
  return { ...scenario, groups: 0 };
}
