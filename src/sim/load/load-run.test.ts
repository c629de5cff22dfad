import { expect, test } from "vitest";
import { MEMORY_FREE } from "./cost-model.ts";
import { LoadRun, runLoad } from "./load-run.ts";
import { estimate, quantiles } from "./measures.ts";
import { type LoadScenario, oneRegion, scenario } from "./scenario.ts";
import type { Station } from "./station.ts";

/** Small enough for the gate: messages of 8 KB stand for eight of 1 KB. */
function small(nodes: number, changes: Partial<LoadScenario> = {}): LoadScenario {
  return scenario(nodes, { packetsAsOne: 8, warmUpMs: 3_000, measureMs: 4_000, ...changes });
}

test("the same scenario runs the same way twice, and another seed runs another way", () => {
  const once = runLoad(small(6));
  expect(runLoad(small(6))).toEqual(once);
  expect(runLoad(small(6, { seed: 2 })).traceHash).not.toBe(once.traceHash);
});

test("a sender that is not limited is busy all the time, its receivers are not, and nothing is lost", () => {
  const result = runLoad(small(8));
  expect(result.senderBusy.mean).toBeGreaterThan(0.97);
  expect(result.receiverBusy.mean).toBeGreaterThan(0.4);
  expect(result.receiverBusy.mean).toBeLessThan(0.75);
  expect(result.otherLoss).toBe(0);
  // Everybody has a beginning of what was sent: there are no ranges.
  expect(result.clearable.mean).toBe(0);
  expect(result.forwarded).toBe(0);
  expect(result.duplicates).toBe(0);
});

test("a sender with a rate is held to it", () => {
  const { throughput, backlog } = runLoad(small(4, { workload: { perSecond: 2_000 } }));
  expect(throughput.mean).toBeCloseTo(2_000, -2);
  expect(backlog.mean).toBeLessThan(20);
});

test("messages are acknowledged half a token period and a round trip after they were sent", () => {
  const { acknowledged, roundTrip, pending, throughput } = runLoad(small(12, { measureMs: 8_000 }));
  expect(acknowledged.mean).toBeGreaterThan(450 + roundTrip.mean);
  expect(acknowledged.mean).toBeLessThan(600 + roundTrip.mean);
  // Little's law.
  expect(pending.mean / ((throughput.mean * acknowledged.mean) / 1_000)).toBeCloseTo(1, 1);
});

test("memory that costs nothing makes the sender faster", () => {
  const costly = runLoad(small(5, { groupsOf: oneRegion(5, 2_000) }));
  const free = runLoad(small(5, { groupsOf: oneRegion(5, 2_000), costs: MEMORY_FREE }));
  expect(costly.senderMemory.mean).toBeGreaterThan(45);
  expect(free.throughput.mean).toBeGreaterThan(1.2 * costly.throughput.mean);
});

test("a node that loses what comes in the tenth part of a second gets all of it from others", () => {
  const perturbation = { kind: "loss", node: 3, everyMs: 1_000, forMs: 100 } as const;
  const result = runLoad(small(12, { perturbation, measureMs: 6_000 }));
  expect(result.perturbedLoss).toBeGreaterThan(0.05);
  expect(result.otherLoss).toBe(0);
  expect(result.forwarded).toBeGreaterThan(0.05);
  expect(result.duplicates).toBeLessThan(0.005);
  expect(result.resent).toBe(0);
  // Reported two rounds after it was sent, at most; copies come at once then.
  expect(result.repair.mean).toBeLessThan(2_500);
  // What waits for a repair holds up the acknowledgement of all that has come since; ranges could name that.
  expect(result.clearable.mean).toBeGreaterThan(0.1 * result.pending.mean);
  expect(result.clearable.mean).toBeLessThan(result.pending.mean);
  expect(result.ackRanges).toBeGreaterThan(0.5);
});

test("a node that sleeps longer than its socket can hold loses the rest", () => {
  const perturbation = { kind: "sleep", node: 2, everyMs: 2_000, forMs: 800 } as const;
  const result = runLoad(small(6, { perturbation }));
  expect(result.perturbedLoss).toBeGreaterThan(0.1);
  expect(result.perturbedLoss).toBeLessThan(0.35);
});

test("after crashes, freezes and losses all that live have all that was sent", () => {
  const run = new LoadRun(
    small(24, {
      groupsOf: oneRegion(24, 100),
      incidents: [
        { kind: "freeze", at: 2_000, nodes: [5, 9, 17], forMs: 700 },
        { kind: "loss", at: 3_500, nodes: [3, 4, 5, 6, 7, 8, 12, 13], forMs: 60 },
        // The leader of the second partition, and two of the third.
        { kind: "crash", at: 4_500, nodes: [1, 6, 14], forMs: 0 },
      ],
    }),
  );
  run.runTo(8_000);
  const [sender] = run.stations as [Station];
  sender.quiet();
  run.runTo(16_000);
  expect(sender.sentCount).toBeGreaterThan(5_000);
  expect(sender.pending).toBe(0);
  run.stations.forEach((station, index) => {
    if ([1, 6, 14].includes(index)) return;
    const [region] = station.node.regions;
    expect(region?.streams.get(1)?.passed, `node ${index}`).toBe(sender.sentCount);
    expect(region?.counters.lost).toBe(0);
  });
});

test("an estimate has a mean and a confidence interval", () => {
  expect(estimate([])).toEqual({ mean: 0, ci95: 0, deviation: 0 });
  const { mean, ci95 } = estimate([1, 2, 3]);
  expect(mean).toBe(2);
  expect(ci95).toBeCloseTo(2.48, 1);
  expect(quantiles([4, 1, 3, 2], [0, 0.5, 1])).toEqual([1, 3, 4]);
});

test("twenty nodes that lose 5 % in bursts, on links that are just as fast as their sender's, hold it up by little more than that", () => {
  const ours = { tokenRate: 5 };
  const links = {
    packetsAsOne: 1,
    bytesPerMs: 6_250,
    ratesAdapt: true,
    config: ours,
    warmUpMs: 3_000,
    measureMs: 3_000,
  };
  const calm = runLoad(scenario(20, links));
  const lossy = runLoad(scenario(20, { ...links, loss: { share: 0.05, burst: 10 } }));
  // Copies for others take as much of each link as was lost; what is left is for rates that are found by trying.
  expect(lossy.throughput.mean / calm.throughput.mean).toBeGreaterThan(0.87);
  expect(lossy.duplicates).toBeLessThan(0.005);
  // Packets do not wait at the links of receivers, so neither do tokens.
  expect(Math.max(...lossy.roundTrips)).toBeLessThan(1_000);
});
