import { describe, expect, test } from "vitest";
import { coverageReport } from "../../src/base/coverage.ts";
import { REGION_CELLS } from "../../src/sim/regions/cells.ts";
import { exactRegions } from "../../src/cms/region-policy.ts";
import { generateRegions } from "../../src/sim/regions/generate.ts";
import { type RegionsResult, replayRegions, runRegions } from "../../src/sim/regions/run-regions.ts";
import {
  DAEMONS_FROM,
  type GroupAct,
  type RegionFault,
  type RegionSchedule,
  type RegionSend,
} from "../../src/sim/regions/schedule.ts";
import { FIRST_SEED } from "../seeds.ts";
import { explain } from "./explain.ts";

/**
 * Those from 9 on failed once: 9, 26 and 42 by who leaves and comes back, 23 and 1298 by the order over views, 1, 88, 1145, 2207 and 2220 by
 * views that did not end, 1156 by too many views named in a packet, 2029 and 2041 by packets that nobody alive kept, 3033, 3041 and 3341
 * by tokens that were late or listed too little, 819199078 by data that were passed on before repairs.
 */
const FIXED_SEEDS = [
  1, 2, 3, 9, 23, 26, 42, 88, 1145, 1156, 1298, 2029, 2041, 2207, 2220, 3033, 3041, 3341, 5041, 5352, 819199078,
];
/** Rounds as trees of two to five levels. */
const TREE_SEEDS = [7, 12, 23, 100, 2041];
const DAEMON_SEEDS = [31, 39, 50, 55];
/** Ricochet over the token. */
const LATERAL_SEEDS = [11, 17];
/** Groups with addresses of their own; 13 and 19 failed once, by messages that overtook those that waited for the address. */
const HYBRID_SEEDS = [4, 13, 19];
/** Approximate regions. */
const APPROXIMATE_SEEDS = [21, 25, 28];
/** About 20 s of processor time. */
const SEEDS = 40;
const SEEDS_LIMIT_MS = 300_000;
const SHRINK_RUNS = 150;

/** Nothing was broken; and nothing was reached that must never be, or that the list of situations does not have. */
async function expectPassed(result: RegionsResult): Promise<void> {
  const { fatalHit, unlisted } = coverageReport(REGION_CELLS, result.coverage);
  expect([fatalHit, unlisted.filter((cell) => cell.startsWith("regions "))]).toEqual([[], []]);
  if (result.verdict === "failed") expect.fail(await explain("regions", result, SHRINK_RUNS));
}

describe("nodes in regions keep what a group member is promised, under random faults", () => {
  test.each(FIXED_SEEDS)("seed %i", async (seed) => {
    for (const service of ["model", "replica"] as const) {
      const as = { ringMode: "sequential", policy: exactRegions, ambushes: false, troubles: false, service } as const;
      await expectPassed(runRegions(seed, as));
    }
  });

  test.each(TREE_SEEDS)("seed %i, rounds as a tree", (seed) =>
    expectPassed(runRegions(seed, { ringMode: "tree", troubles: false })),
  );

  test.each(LATERAL_SEEDS)("seed %i, with repairs between receivers over the token", (seed) => {
    const schedule = generateRegions(seed, { service: "model", troubles: false });
    return expectPassed(
      replayRegions({ ...schedule, config: { ...schedule.config, lateral: { every: 4, copies: 3 } } }),
    );
  });

  test.each(HYBRID_SEEDS)("seed %i, groups with addresses of their own", (seed) =>
    expectPassed(runRegions(seed, { policy: { dissemination: "hybrid", wasteLimit: 0 }, troubles: false })),
  );

  test("seed 7013: what a view that ended elsewhere has left out is lost, and told before what follows it", () =>
    expectPassed(runRegions(7013, { policy: { dissemination: "regions", wasteLimit: 0.1 }, troubles: false })));

  test("seed 50000414: a view that some have retired does not end before its leader says so", () =>
    expectPassed(runRegions(50000414, { troubles: false })));

  test("seed 50000888: what a failed sender names of a view that has ended without is told as lost", () =>
    expectPassed(runRegions(50000888, { troubles: false })));

  test("seed 50001616: what was given up is not accepted, though the leader of the view has it", () =>
    expectPassed(runRegions(50001616, { troubles: false })));

  test("seed 750902566: packets that came before their view was known count as come", () =>
    expectPassed(runRegions(750902566, { troubles: false })));

  test("seed 60000255: what a session asked for before it lost its connection takes no node from where that is now", () =>
    expectPassed(runRegions(60000255, { troubles: false })));

  test("seed 776645249: an application that falls behind while its machine is frozen keeps up again afterwards", () =>
    expectPassed(runRegions(776645249)));

  test("seed 82000018: a machine so busy that its timers have no turn is not said to be silent", () =>
    expectPassed(runRegions(82000018)));

  test("seed 83000142: packets for a former life of a machine are not passed on round and round by its present one", () =>
    expectPassed(runRegions(83000142)));

  test.each(APPROXIMATE_SEEDS)("seed %i, approximate regions", (seed) =>
    expectPassed(runRegions(seed, { policy: { dissemination: "auto", wasteLimit: 0.6 }, troubles: false })),
  );

  test(
    `${SEEDS} fresh seeds, from ${FIRST_SEED} on`,
    async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) await expectPassed(runRegions(seed));
    },
    SEEDS_LIMIT_MS,
  );
});

test("the same seed gives the same run, and so does its schedule after it was written down", () => {
  const once = runRegions(3);
  expect(once.stats.delivered).toBeGreaterThan(100);
  const again = replayRegions(JSON.parse(JSON.stringify(generateRegions(3))) as RegionSchedule);
  expect(again.traceHash).toBe(once.traceHash);
  expect(again.stats).toEqual(once.stats);
  expect(runRegions(4).traceHash).not.toBe(once.traceHash);
});

const TOKEN_PERIOD_MS = 50;
const FAILURE_MS = 400;

/** Machines that are all in group `g`, tokens 20 times a second, and nothing that goes wrong. */
function calm(machines: number, changes: Partial<RegionSchedule>): RegionSchedule {
  return {
    seed: 1,
    machines,
    acts: everybody(machines),
    sends: chatter(range(1, machines), 100, 1_500, 10),
    faults: [],
    policy: exactRegions,
    quietAt: 2_000,
    endAt: 30_000,
    config: { tokenRate: 1_000 / TOKEN_PERIOD_MS, tokenLossMs: 200, replication: 2, transitMs: 20 },
    twoClass: false,
    failureMs: FAILURE_MS,
    endTells: true,
    batchMs: 0,
    pathMs: 2,
    service: "model",
    ...changes,
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function everybody(machines: number, group = "g"): GroupAct[] {
  return range(1, machines).map((machine) => ({ at: 1, machine, group, what: "join" }));
}

/** Each sender sends once in so many ms, one after the other. */
function chatter(senders: readonly number[], from: number, until: number, everyMs: number): RegionSend[] {
  const sends: RegionSend[] = [];
  for (let at = from, i = 0; at < until; at += everyMs / senders.length, i++) {
    sends.push({ at, machine: senders[i % senders.length] as number, group: "g", bytes: 100 });
  }
  return sends;
}

describe("over daemons", () => {
  const daemon = (number: number): number => DAEMONS_FROM + number;
  const over = (changes: Partial<RegionSchedule>): RegionSchedule =>
    calm(6, { service: "daemons", daemons: 3, ...changes });
  const churn: readonly GroupAct[] = [
    ...everybody(5),
    { at: 900, machine: 6, group: "g", what: "join" },
    { at: 1_200, machine: 5, group: "g", what: "leave" },
  ];

  test.each(DAEMON_SEEDS)("seed %i", (seed) => expectPassed(runRegions(seed, { service: "daemons", troubles: false })));

  test.each([1, 2, 3])("daemon %i fails at any time while views change, and comes back", async (number) => {
    for (let at = 890; at < 1_000; at += 35) {
      const faults: RegionFault[] = [
        { kind: "crash", at, daemon: daemon(number) },
        { kind: "restart", at: at + 300, daemon: daemon(number) },
      ];
      const result = replayRegions(over({ acts: churn, faults }));
      await expectPassed(result);
      expect(result.stats.failed).toBe(0);
    }
  });

  test("a node goes to another daemon between a change and its report", async () => {
    for (let at = 900; at < 1_020; at += 10) {
      const result = replayRegions(over({ acts: churn, faults: [{ kind: "failOver", at, daemon: 2, forMs: 100 }] }));
      await expectPassed(result);
      expect(result.stats.failed).toBe(0);
    }
  });

  test("a minority keeps its old views, says so, goes on among its own, and comes back as the nodes that they were", async () => {
    // Machine m is served by daemon (m mod 3) + 1: machines 3 and 6 by the first one, which is cut off with them.
    const split: RegionFault = {
      kind: "split",
      at: 800,
      parts: [
        [3, 6, daemon(1)],
        [1, 2, 4, 5, daemon(2), daemon(3)],
      ],
    };
    const schedule = over({
      acts: [...everybody(6), { at: 1_000, machine: 1, group: "h", what: "join" }],
      faults: [split, { kind: "heal", at: 1_100 }],
    });
    const told: boolean[] = [];
    let deliveredThere = 0;
    const machines = new Map<number, number>();
    const result = replayRegions(schedule, (event) => {
      if (event.kind === "start") machines.set(event.node, event.machine);
      if (event.kind === "suspended") told.push(event.isSuspended);
      const isThere = "node" in event && [3, 6].includes(machines.get(event.node) ?? 0);
      if (event.kind === "deliver" && isThere && event.at > 950 && event.at < 1_100) deliveredThere++;
    });
    await expectPassed(result);
    expect(told).toEqual([true, true, false, false]);
    expect(deliveredThere).toBeGreaterThan(10);
    expect(result.stats.failed).toBe(0);
  });
});

describe("what region-views.md asks for", () => {
  const churn: readonly GroupAct[] = [
    ...everybody(5),
    { at: 600, machine: 6, group: "g", what: "join" },
    { at: 650, machine: 5, group: "g", what: "leave" },
  ];

  test("a sender that is frozen over a change of views, for more than two token periods", async () => {
    const freeze: RegionFault = { kind: "freeze", at: 595, daemon: 2, forMs: 3 * TOKEN_PERIOD_MS };
    const result = replayRegions(calm(6, { acts: churn, faults: [freeze] }));
    await expectPassed(result);
    expect(result.stats.failed).toBe(0);
  });

  test("a sender that is frozen over a change of views, for longer than the failure timeout", async () => {
    const freeze: RegionFault = { kind: "freeze", at: 595, daemon: 2, forMs: 2.5 * FAILURE_MS };
    const result = replayRegions(calm(6, { acts: churn, faults: [freeze] }));
    await expectPassed(result);
    expect(result.stats.failed).toBe(1);
  });

  test("a node that was only frozen hears what was accepted of it, and what was not is known", async () => {
    const faults: RegionFault[] = [
      // Its last packets reach nobody; those before them everybody, and are not acknowledged yet.
      { kind: "dataLoss", at: 560, from: 2, to: [1, 3, 4, 5, 6], probability: 1, forMs: 40 },
      { kind: "freeze", at: 595, daemon: 2, forMs: 2.5 * FAILURE_MS },
    ];
    const sends = chatter([2], 100, 590, 5);
    const failedAt = new Map<number, number>();
    const submitted = new Map<number, number>();
    let accepted = 0;
    const result = replayRegions(calm(6, { faults, sends, service: "replica" }), (event) => {
      if (event.kind === "failed") failedAt.set(event.failed, event.at);
      if (event.kind === "submit") submitted.set(event.message, event.node);
      if (event.kind !== "stable") return;
      submitted.delete(event.message);
      if (failedAt.has(event.node)) accepted++;
    });
    await expectPassed(result);
    expect(failedAt.size).toBe(1);
    expect(accepted).toBeGreaterThan(0);
    expect([...submitted.values()].filter((node) => failedAt.has(node)).length).toBeGreaterThan(3);
  });

  test("the leader fails at any time after the sender, between LOST and the end of the view", async () => {
    let lost = 0;
    for (let delay = 5; delay < 400; delay += 15) {
      const faults: RegionFault[] = [
        // Nobody gets the first of these packets, all get the last; then the sender is gone.
        { kind: "dataLoss", at: 700, from: 4, to: [1, 2, 3, 5, 6], probability: 1, forMs: 20 },
        { kind: "crash", at: 730, daemon: 4 },
        { kind: "crash", at: 730 + delay, daemon: 1 },
      ];
      const result = replayRegions(calm(6, { faults }));
      await expectPassed(result);
      lost += result.stats.lost;
    }
    expect(lost).toBeGreaterThan(0);
  });

  test("what a leader said is lost, just before it failed, is lost for all: those who heard it tell the next one", async () => {
    const sends = [...chatter(range(1, 6), 100, 900, 20), ...chatter([5], 1_000, 1_012, 1)];
    const faults: RegionFault[] = [
      // Nobody gets the first of the last packets of machine 5, all get those behind them, and it cannot be asked any more.
      { kind: "dataLoss", at: 999, from: 5, to: [1, 2, 3, 4, 6], probability: 1, forMs: 5 },
      { kind: "leaderTrap", at: 1_000, delayMs: 0 },
      { kind: "crash", at: 1_014, daemon: 5 },
    ];
    const result = replayRegions(calm(6, { sends, faults, quietAt: 3_000 }));
    await expectPassed(result);
    expect(result.stats.lost).toBeGreaterThan(0);
  });

  test("every last packet before a change of views is lost", async () => {
    const faults = range(1, 6).map(
      (from): RegionFault => ({ kind: "dataLoss", at: 580, from, to: range(1, 6), probability: 1, forMs: 28 }),
    );
    const result = replayRegions(calm(6, { acts: churn, faults }));
    await expectPassed(result);
    expect(result.stats.datagrams.lost).toBeGreaterThan(10);
  });

  test("a node goes to another region and back while all senders lag", async () => {
    const moves: GroupAct[] = [600, 630, 660, 690].map((at, i) => {
      return { at, machine: 3, group: "h", what: i % 2 === 0 ? "join" : "leave" };
    });
    const faults = [1, 2, 4, 5].map((daemon): RegionFault => ({ kind: "lag", at: 590, daemon, byMs: 200, forMs: 200 }));
    const acts = [...everybody(5), ...everybody(2, "h"), ...moves];
    const result = replayRegions(calm(5, { acts, faults }));
    await expectPassed(result);
    expect(result.stats.views).toBeGreaterThan(6);
  });

  test("a node's daemon fails between the change and the report that it is applied", async () => {
    for (let at = 600; at < 616; at += 0.5) {
      const failOver: RegionFault = { kind: "failOver", at, daemon: 2, forMs: 0.75 * FAILURE_MS };
      const result = replayRegions(calm(6, { acts: churn, faults: [failOver] }));
      await expectPassed(result);
      expect(result.stats.failed).toBe(0);
    }
  });

  test("who has left a group hears that all who could acknowledge its last messages there have failed", async () => {
    // Nothing of the last messages of machine 1 reaches 2 and 3; it leaves their group, shares no view with them any more, and they crash.
    const acts: GroupAct[] = [
      ...everybody(3),
      { at: 1, machine: 1, group: "h", what: "join" },
      { at: 1, machine: 4, group: "h", what: "join" },
      { at: 600, machine: 1, group: "g", what: "leave" },
    ];
    const faults: RegionFault[] = [
      { kind: "dataLoss", at: 590, from: 1, to: [2, 3], probability: 1, forMs: 400 },
      { kind: "crash", at: 900, daemon: 2 },
      { kind: "crash", at: 900, daemon: 3 },
    ];
    for (const service of ["model", "replica"] as const) {
      const sends = chatter([1], 595, 599, 1);
      const result = replayRegions(calm(4, { acts, sends, faults, service }));
      await expectPassed(result);
      expect(result.stats.failed).toBe(2);
    }
  });

  test("tokens and repairs in one class change nothing but the speed", async () => {
    const faults: RegionFault[] = [
      { kind: "loss", at: 200, model: { kind: "uniform", probability: 0.1 }, forMs: 1_000 },
    ];
    for (const twoClass of [false, true]) await expectPassed(replayRegions(calm(8, { faults, twoClass })));
  });
});
