import { describe, expect, test } from "vitest";
import {
  generateStackSchedule,
  replayStack,
  runStack,
  type Schedule,
  type ScheduleOptions,
  type StackResult,
} from "../../src/sim/index.ts";
import { FIRST_SEED } from "../seeds.ts";
import { explain } from "./explain.ts";

const FIXED_SEEDS = [1, 2, 18];
const SEEDS = 40;
const SEEDS_OVER_SITES = 10;
const SEEDS_LIMIT_MS = 300_000;
const SHRINK_RUNS = 150;

const COMMON = { sends: [], quietAt: 2000, lastSplit: [], boundMs: 2000, endAt: 4500, acceleratedPackets: 15 } as const;

/** Schedules that once failed, cut down; without what mended them they fail again. */
const ONCE_FAILED: readonly (readonly [string, Schedule])[] = [
  [
    "a client that comes to a new daemon while it leaves a group is not a member of it once more",
    {
      ...COMMON,
      seed: 96,
      site: [[1, 2]],
      startAt: [0, 0],
      faults: [
        {
          kind: "trap",
          at: 1671,
          daemon: 2,
          state: "recovery",
          delayMs: 0.082,
          fault: { kind: "crash", at: 1671.077, daemon: 2 },
        },
        { kind: "crash", at: 1672, daemon: 1 },
        { kind: "restart", at: 1993, daemon: 2 },
      ],
      clients: [
        {
          name: "c1",
          at: 0,
          beside: 2,
          protocol: "native",
          acts: [{ kind: "send", at: 1731.99, groups: ["blue"], service: "reliable", bytes: 22_969 }],
        },
        {
          name: "c7",
          at: 1143.16,
          beside: 1,
          protocol: "native",
          acts: [
            { kind: "join", at: 1498.37, group: "blue" },
            { kind: "send", at: 1701.64, groups: ["blue", "white"], service: "agreed", bytes: 20 },
            { kind: "leave", at: 1796.03, group: "blue" },
          ],
        },
      ],
    },
  ],
  [
    "a client that had said good-bye and is told to go elsewhere does not say it again there for ever",
    {
      ...COMMON,
      seed: 50_045,
      site: [[1], [2]],
      startAt: [0, 0],
      faults: [
        { kind: "freeze", at: 230, daemon: 2, forMs: 60 },
        { kind: "leave", at: 286, daemon: 2 },
      ],
      clients: [
        {
          name: "c1",
          at: 0,
          beside: 2,
          protocol: "native",
          acts: [
            { kind: "send", at: 233.45, groups: ["green"], service: "agreed", bytes: 20 },
            { kind: "join", at: 792.85, group: "green" },
          ],
        },
        {
          name: "c4",
          at: 13.34,
          beside: 2,
          protocol: "native",
          acts: [
            { kind: "send", at: 243.67, groups: ["green"], service: "fifo", bytes: 20 },
            { kind: "close", at: 245.97 },
          ],
        },
      ],
    },
  ],
  [
    "a client that comes back to a daemon after a session elsewhere is not resumed there",
    {
      ...COMMON,
      seed: 400_260,
      site: [[1, 2, 3, 4]],
      startAt: [0, 0, 0, 0],
      faults: [
        {
          kind: "trap",
          at: 520,
          daemon: 3,
          state: "recovery",
          delayMs: 0.893,
          fault: { kind: "split", at: 520.223, parts: [[2], [4, 3]] },
        },
        { kind: "crash", at: 521, daemon: 1 },
        { kind: "restart", at: 788, daemon: 1 },
        {
          kind: "trap",
          at: 975,
          daemon: 2,
          state: "recovery",
          delayMs: 0.155,
          fault: { kind: "crash", at: 975.476, daemon: 1 },
        },
        { kind: "heal", at: 1158 },
      ],
      clients: [
        {
          name: "c2",
          at: 0,
          beside: 1,
          protocol: "native",
          acts: [{ kind: "join", at: 1725.05, group: "red" }],
        },
        {
          name: "c4",
          at: 0,
          beside: 4,
          protocol: "native",
          acts: [
            { kind: "send", at: 540.94, groups: ["green"], service: "agreed", bytes: 20 },
            { kind: "send", at: 2496.48, groups: ["red"], service: "fifo", bytes: 20 },
          ],
        },
      ],
    },
  ],
];

test.each(ONCE_FAILED)("%s", async (_what, schedule) => {
  const { violations, stats } = await replayStack(schedule);
  expect(violations).toEqual([]);
  expect(stats.sent).toBeGreaterThan(0);
});

async function check(seed: number, options: ScheduleOptions = {}): Promise<void> {
  const result = await runStack(seed, options);
  if (result.verdict === "failed") expect.fail(await explain("clients", result, SHRINK_RUNS));
  expect(result.stats.received).toBeGreaterThan(0);
}

describe("whole daemons under random faults keep what they promise to native and Spread clients", () => {
  test.each(FIXED_SEEDS)("seed %i", (seed) => check(seed));

  test(
    `${SEEDS} fresh seeds, from ${FIRST_SEED} on`,
    async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) await check(seed);
    },
    SEEDS_LIMIT_MS,
  );
});

describe("whole daemons in several sites keep what they promise to clients", () => {
  test(
    `${SEEDS_OVER_SITES} fresh seeds, from ${FIRST_SEED} on`,
    async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS_OVER_SITES; seed++) await check(seed, { sites: [2, 4] });
    },
    SEEDS_LIMIT_MS,
  );

  test("their schedules have sites, links that fail and clients at all of them", () => {
    const schedules = Array.from({ length: 30 }, (_, seed) => generateStackSchedule(seed, { sites: [2, 4] }));
    expect(new Set(schedules.map(({ sites }) => new Set(sites?.of).size))).toEqual(new Set([2, 3, 4]));
    expect(schedules.some(({ faults }) => faults.some(({ kind }) => kind === "siteLoss"))).toBe(true);
    const remote = ({ site, sites, clients = [] }: Schedule) =>
      new Set(clients.map(({ beside }) => sites?.of[site.findIndex((ids) => ids.includes(beside))])).size;
    expect(Math.max(...schedules.map(remote))).toBeGreaterThan(2);
  });
});

/** All of a run but the schedule. */
function happened({ violations, traceHash, stats, coverage, timeline }: StackResult) {
  return { violations, traceHash, stats, coverage, timeline };
}

test("the same seed gives the same run, and so does its schedule after it was written down", async () => {
  const once = await runStack(3);
  expect(once.stats.received).toBeGreaterThan(100);
  expect(happened(await runStack(3))).toEqual(happened(once));
  const written = JSON.parse(JSON.stringify(once.schedule)) as Schedule;
  expect(happened(await replayStack(written))).toEqual(happened(once));
  expect((await runStack(4)).traceHash).not.toBe(once.traceHash);
});

test("clients of a random schedule do something, some with each protocol, and are replaced when they are killed", () => {
  const seeds = Array.from({ length: 50 }, (_, seed) => generateStackSchedule(seed).clients ?? []);
  for (const clients of seeds) {
    expect(clients.length).toBeGreaterThanOrEqual(2);
    expect(new Set(clients.map(({ name }) => name)).size).toBe(clients.length);
    for (const { at, killAt = Number.POSITIVE_INFINITY, acts } of clients) {
      expect(acts.every((act) => act.at >= at && act.at <= killAt)).toBe(true);
    }
    for (const { killAt } of clients.filter((client) => client.killAt !== undefined)) {
      expect(clients.some(({ at }) => at === killAt)).toBe(true);
    }
  }
  const all = seeds.flat();
  expect(new Set(all.map(({ protocol }) => protocol))).toEqual(new Set(["native", "spread"]));
  const kinds = new Set(all.flatMap(({ acts }) => acts.map(({ kind }) => kind)));
  expect(kinds).toEqual(new Set(["join", "leave", "send", "close"]));
});
