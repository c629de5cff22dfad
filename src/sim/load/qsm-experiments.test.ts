import { describe, expect, test } from "vitest";
import { MANAGED_2007, MEMORY_FREE } from "./cost-model.ts";
import type { Outcome } from "./experiment.ts";
import { runLoad } from "./load-run.ts";
import { experiments } from "./qsm-experiments.ts";
import { type LoadScenario, oneRegion, PAPER_CONFIG, scenario } from "./scenario.ts";

/** The experiments of the report, made small enough for the gate: few nodes, few seconds. */
function measured(nodes: number, changes: Partial<LoadScenario> = {}) {
  return runLoad(scenario(nodes, { warmUpMs: 3_000, measureMs: 5_000, ...changes }));
}

describe("in a small region, as in the large ones of the report", () => {
  const few = measured(8);
  const many = measured(32);

  test("the token's round trip grows in proportion to the nodes", () => {
    const perNode = many.roundTrip.mean / few.roundTrip.mean / (32 / 8);
    expect(perNode).toBeGreaterThan(0.6);
    expect(perNode).toBeLessThan(1.4);
  });

  test("more nodes mean more unacknowledged messages, more memory, and less throughput", () => {
    expect(many.pending.mean).toBeGreaterThan(few.pending.mean * 1.03);
    expect(many.senderMemory.mean).toBeGreaterThan(few.senderMemory.mean);
    expect(many.throughput.mean).toBeLessThan(few.throughput.mean);
    expect(many.throughput.mean).toBeGreaterThan(0.97 * few.throughput.mean);
  });

  test("without a cost of memory throughput is higher, and nodes cost less of it", () => {
    const free = { few: measured(8, { costs: MEMORY_FREE }), many: measured(32, { costs: MEMORY_FREE }) };
    expect(free.few.throughput.mean).toBeGreaterThan(few.throughput.mean);
    const lostFree = 1 - free.many.throughput.mean / free.few.throughput.mean;
    expect(lostFree).toBeLessThan(1 - many.throughput.mean / few.throughput.mean);
  });

  test("five tokens a second instead of one leave fewer messages unacknowledged", () => {
    const often = measured(8, { config: { ...PAPER_CONFIG, tokenRate: 5 } });
    expect(often.pending.mean).toBeLessThan(0.7 * few.pending.mean);
    expect(often.throughput.mean / few.throughput.mean).toBeGreaterThan(1);
    expect(often.throughput.mean / few.throughput.mean).toBeLessThan(1.1);
  });

  test("receivers with much memory in use pass the token on later", () => {
    const heavy = measured(8, { receiverExtraMb: 150 });
    expect(heavy.roundTrip.mean).toBeGreaterThan(1.3 * few.roundTrip.mean);
  });

  test("a token that stands in line with data behind a node that sleeps takes longer than one that goes first", () => {
    const perturbation = { kind: "sleep", node: 7, everyMs: 1_100, forMs: 300 } as const;
    const config = { ...PAPER_CONFIG, tokenRate: 5 };
    const [three, one] = (["three", "one"] as const).map((classes) => measured(10, { perturbation, classes, config }));
    expect(one?.roundTrip.mean).toBeGreaterThan(1.3 * (three?.roundTrip.mean ?? Number.POSITIVE_INFINITY));
  });

  test("groups that cost a sender much memory cost throughput, and those of ours do not", () => {
    const groupsOf = oneRegion(8, 4_000);
    const theirs = measured(8, { groupsOf });
    const ours = measured(8, { groupsOf, costs: { ...MANAGED_2007, bytesPerGroup: 1_500 } });
    expect(theirs.throughput.mean).toBeLessThan(0.8 * few.throughput.mean);
    expect(ours.throughput.mean).toBeGreaterThan(0.95 * few.throughput.mean);
  });

  test("each experiment has figures of its own, also of runs that it has", () => {
    const names = experiments.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const figures = experiments.flatMap((experiment) => {
      const outcomes = experiment.sweeps.map((sweep): [string, Outcome[]] => [
        sweep.name,
        sweep.points.map(({ series, x }) => ({ series, x, result: few })),
      ]);
      return experiment.figures(new Map(outcomes));
    });
    expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length);
    for (const { name, curves } of figures) {
      for (const curve of curves) {
        expect(`${name}: ${curve.name} has ${curve.points.length === 0 ? "no" : "some"} points`).toMatch(/some points/);
      }
    }
  });
});
