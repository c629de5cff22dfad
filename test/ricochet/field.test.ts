import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LossModel } from "../../src/sim/loss.ts";
import { type FieldOptions, type FieldResult, runField } from "../../src/sim/timely/field.ts";

const seeds = fc.nat(1_000_000);

function share(part: number, whole: number): number {
  return part / whole;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function run(seed: number, options: Partial<FieldOptions>): FieldResult {
  const result = runField({ seed, ...options });
  expect(result.faults).toEqual([]);
  return result;
}

describe("timely groups", () => {
  test("bring every packet once and as it was, by repairs or when asked (K46, K49)", () => {
    const options = fc.record({
      nodes: fc.integer({ min: 2, max: 12 }),
      groups: fc.constantFrom(0, 3, 12),
      rate: fc.constantFrom(20, 500),
      trafficMs: fc.constant(600),
      loss: fc.oneof(
        fc.double({ min: 0, max: 0.3, noNaN: true }).map((probability) => ({ kind: "uniform" as const, probability })),
        fc.integer({ min: 2, max: 6 }).map((length) => ({ kind: "burst" as const, probability: 0.005, length })),
      ),
      config: fc.record({
        targets: fc.constantFrom("random" as const, "assigned" as const, "aligned" as const, "auto" as const),
        burstPackets: fc.constantFrom(1, 3),
        packetsPerRepair: fc.constantFrom(2, 8),
        nakMax: fc.constant(24),
        sentMs: fc.constant(60_000),
      }),
    });
    fc.assert(
      fc.property(seeds, options, (seed, chosen) => {
        const groupSize = Math.min(chosen.nodes, 4);
        const { lost } = run(seed, { ...chosen, groupSize });
        expect(lost).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  test("spend c/r repairs for each packet that a member has, but for what goes back to its sender", () => {
    for (const [targets, groups, useful] of [
      ["random", 0, 1],
      ["aligned", 0, 1],
      ["assigned", 0, 15 / 16],
      ["random", 16, 1],
      ["assigned", 16, 7 / 8],
    ] as const) {
      const result = run(5, { nodes: 16, groups, groupSize: 8, trafficMs: 1_000, config: { targets, binMs: 1_000 } });
      expect(share(result.overhead, (useful * 5) / 8)).toBeGreaterThan(0.95);
      expect(share(result.overhead, (useful * 5) / 8)).toBeLessThan(1.05);
    }
  });

  test("recover more by aligned repairs than by random ones, sooner, in one large group", () => {
    const of = (targets: "random" | "aligned") => run(7, { trafficMs: 1_000, config: { targets } });
    const [random, aligned] = [of("random"), of("aligned")];
    expect(share(random.rebuilt, random.missed)).toBeGreaterThan(0.975);
    expect(share(aligned.rebuilt, aligned.missed)).toBeGreaterThan(0.995);
    expect(mean(aligned.rebuiltMs)).toBeLessThan(mean(random.rebuiltMs));
    expect(mean(aligned.rebuiltMs)).toBeLessThan(2.5);
    // What random repairs do not bring is asked for as soon as it will not come any more.
    expect(random.resent).toBeGreaterThan(0);
    expect(random.recoveredMs.at(-1)).toBeLessThan(200);
  });

  test("recover more by assigned repairs than by random ones, in many groups", () => {
    const of = (targets: "random" | "assigned") =>
      run(8, { groups: 64, trafficMs: 900, loss: { kind: "uniform", probability: 0.1 }, config: { targets } });
    const [random, assigned] = [of("random"), of("assigned")];
    expect(share(assigned.rebuilt, assigned.missed)).toBeGreaterThan(share(random.rebuilt, random.missed));
    expect(share(assigned.rebuilt, assigned.missed)).toBeGreaterThan(0.98);
  });

  test("hold the recovery that they are set to, at little cost where little is lost (1 % to 20 %, and in bursts)", () => {
    const of = (loss: LossModel, trafficMs: number) =>
      run(3, { nodes: 8, recovery: 0.99, trafficMs, countedFromMs: 4_000, rate: 2_000, loss });
    const [little, much, bursts] = [
      of({ kind: "uniform", probability: 0.01 }, 10_000),
      of({ kind: "uniform", probability: 0.2 }, 5_000),
      of({ kind: "burst", probability: 0.001, length: 10 }, 10_000),
    ];
    for (const { rebuilt, missed } of [little, much, bursts]) expect(share(rebuilt, missed)).toBeGreaterThan(0.985);
    expect(little.overhead).toBeLessThan(0.3);
    expect(bursts.overhead).toBeLessThan(0.7);
  });

  test("recover what eight nodes lose in bursts within 15 ms on average, requests included", () => {
    for (const length of [5, 10]) {
      const loss = { kind: "burst" as const, probability: 0.01 / length, length };
      const { recoveredMs } = run(4, { nodes: 8, trafficMs: 5_000, loss, config: { burstPackets: length } });
      expect(recoveredMs.length).toBeGreaterThan(200);
      expect(mean(recoveredMs)).toBeLessThan(15);
    }
  });

  test("survive bursts that are no longer than they are set for", () => {
    const of = (burstPackets: number) =>
      run(9, {
        nodes: 24,
        trafficMs: 2_000,
        loss: { kind: "burst", probability: 0.001, length: 10 },
        config: { burstPackets, binMs: 400, nakMs: 400 },
      });
    const [without, withStagger] = [of(1), of(10)];
    expect(share(without.rebuilt, without.missed)).toBeLessThan(0.95);
    expect(share(withStagger.rebuilt, withStagger.missed)).toBeGreaterThan(0.98);
  });
});
