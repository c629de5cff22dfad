import fc from "fast-check";
import { expect, test } from "vitest";
import { type ChurnOptions, runChurn } from "../../src/sim/timely/churn.ts";

const schedule = fc.record({
  machines: fc.integer({ min: 2, max: 9 }),
  groups: fc.integer({ min: 1, max: 5 }),
  repairs: fc.oneof(
    fc.record({
      every: fc.constantFrom(2, 8),
      copies: fc.constantFrom(0, 2, 5),
      targets: fc.constantFrom("random" as const, "assigned" as const, "aligned" as const, "auto" as const),
    }),
    fc.constant({ every: 8, copies: 5, targets: "auto" as const, recovery: 0.95 }),
  ),
  loss: fc.oneof(
    fc.double({ min: 0, max: 0.1, noNaN: true }).map((probability) => ({ kind: "uniform" as const, probability })),
    fc.integer({ min: 2, max: 8 }).map((length) => ({ kind: "burst" as const, probability: 0.005, length })),
  ),
  policy: fc.record({
    dissemination: fc.constantFrom("regions" as const, "auto" as const),
    wasteLimit: fc.constantFrom(0, 0.3),
  }),
  config: fc.record({
    burstPackets: fc.constantFrom(1, 3),
    // Whoever asks is not given up, however much is lost: what is missing in the end is missing by mistake.
    nakMax: fc.constant(20),
    sentMs: fc.constant(60_000),
  }),
  rate: fc.constantFrom(60, 400),
  changes: fc.integer({ min: 1, max: 8 }),
  churnMs: fc.constant(4_000),
  pathMsMax: fc.constantFrom(5, 200),
});

test("members of timely groups have what was sent to them, once, while others join, leave and crash (K46, K47, K49)", () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), schedule, (seed, options: Omit<ChurnOptions, "seed">) => {
      expect(runChurn({ seed, ...options }).faults.slice(0, 5)).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

test("the schedules do what they are for", () => {
  const result = runChurn({
    seed: 1,
    machines: 8,
    groups: 3,
    repairs: { every: 8, copies: 5, targets: "auto" },
    loss: { kind: "uniform", probability: 0.03 },
    policy: { dissemination: "auto", wasteLimit: 0 },
    config: {},
    rate: 400,
    changes: 6,
    churnMs: 5_000,
    pathMsMax: 100,
  });
  expect(result.faults).toEqual([]);
  expect(result.crashes).toBeGreaterThan(0);
  expect(result.views).toBeGreaterThan(50);
  expect(result.rebuilt).toBeGreaterThan(50);
});
