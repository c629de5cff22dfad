import { expect, test } from "vitest";
import type { Outcome } from "../load/experiment.ts";
import { experiments } from "./plato-experiments.ts";
import { platoScenario } from "./plato-load.ts";
import { measurePlato, type PlatoPoint, ratio } from "./plato-measures.ts";

/** The experiments of the report, made small enough for the gate. */
function measured(changes: Partial<PlatoPoint> = {}) {
  return measurePlato({ ...platoScenario, seeds: 2, members: 5, senders: 5, trafficMs: 3_000, ...changes });
}

const FIXED = { optimistic: false, commit: "ordered" } as const;
const plato = measured();

test("predicted order is several times sooner than a fixed sequencer's, and nothing is taken back without loss", () => {
  expect(plato.rolledBack.mean).toBe(0);
  expect(ratio(measured({ plato: FIXED }), plato).mean).toBeGreaterThan(4);
});

test("loss is answered by few rollbacks", () => {
  const lossy = measured({ loss: { kind: "uniform", probability: 0.01 } });
  expect(lossy.rolledBack.mean).toBeGreaterThan(0);
  expect(lossy.rolledBack.mean).toBeLessThan(0.04);
});

test("a threshold below the jitter costs rollbacks, one far above it time", () => {
  expect(measured({ rate: 2_000, plato: { threshold: 0.001 } }).rolledBack.mean).toBeGreaterThan(0.003);
  expect(measured({ plato: { threshold: 2 } }).latency.mean).toBeGreaterThan(2 * plato.latency.mean);
});

test("the daemons' ring takes the same load", () => {
  const ring = measured({ ring: true, seeds: 1, trafficMs: 1_500 });
  expect(ring.latency.mean).toBeGreaterThan(0.05);
  expect(ring.latency.mean).toBeLessThan(20);
});

test("each experiment has figures of its own, of runs that it has", () => {
  const names = experiments.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const figures = experiments.flatMap((experiment) => {
    const outcomes = experiment.sweeps.map((sweep): [string, Outcome<typeof plato>[]] => [
      sweep.name,
      sweep.points.map(({ series, x }) => ({ series, x, result: plato })),
    ]);
    return experiment.figures(new Map(outcomes));
  });
  expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length);
  for (const { name, curves } of figures) {
    for (const curve of curves) expect([name, curve.name, curve.points.length > 0]).toEqual([name, curve.name, true]);
  }
});
