import fc from "fast-check";
import { expect, test } from "vitest";
import { type PlatoChurnOptions, runPlatoChurn } from "../../src/sim/plato/plato-churn.ts";

const schedule = fc.record({
  latency: fc.constantFrom({ baseMs: 0.03, jitterMs: 0.04 }, { baseMs: 0.1, jitterMs: 8 }),
  loss: fc.oneof(
    fc.double({ min: 0, max: 0.2, noNaN: true }).map((probability) => ({ kind: "uniform" as const, probability })),
    fc.integer({ min: 2, max: 10 }).map((length) => ({ kind: "burst" as const, probability: 0.01, length })),
  ),
  packetsPerRepair: fc.constantFrom(2, 8),
  repairs: fc.constantFrom(0, 2, 5),
  timely: fc.record({ nakMs: fc.constantFrom(20, 150), nakMax: fc.constantFrom(1, 5) }),
  plato: fc.record({
    optimistic: fc.boolean(),
    commit: fc.constantFrom("ordered" as const, "stable" as const),
    orderMs: fc.constantFrom(0, 3, 10),
    threshold: fc.constantFrom(0.01, 2, { startMs: 2, minMs: 0.02, maxMs: 5, margin: 2.25 }),
    bodyBytesMax: fc.constantFrom(150, 1_100),
    windowMessages: fc.constantFrom(5, 1_024),
  }),
  members: fc.integer({ min: 1, max: 6 }),
  rate: fc.constantFrom(50, 400),
  changes: fc.integer({ min: 1, max: 12 }),
  churnMs: fc.constant(2_500),
  skewMsMax: fc.constantFrom(1, 150),
});

test("members never disagree on what is committed, while others join, leave, crash, stall and are expelled (K50)", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), schedule, (seed, options: Omit<PlatoChurnOptions, "seed">) => {
      expect(runPlatoChurn({ seed, ...options }).faults.slice(0, 5)).toEqual([]);
    }),
    { numRuns: Number(process.env["AMALGAM_PLATO_RUNS"] ?? 25) },
  );
});

test("the schedules do what they are for", () => {
  const result = runPlatoChurn({
    seed: 4,
    latency: { baseMs: 0.03, jitterMs: 0.5 },
    loss: { kind: "uniform", probability: 0.03 },
    packetsPerRepair: 8,
    repairs: 5,
    timely: {},
    plato: { threshold: 0.1 },
    members: 5,
    rate: 400,
    changes: 8,
    churnMs: 4_000,
    skewMsMax: 50,
  });
  expect(result.faults).toEqual([]);
  expect(result.views).toBeGreaterThan(8);
  expect(result.sequencers).toBeGreaterThan(2);
  expect(result.expelled).toBeGreaterThan(1);
  expect(result.rolledBack).toBeGreaterThan(20);
  expect(result.committed).toBeGreaterThan(result.sent);
});
