import { Random } from "../../base/random.ts";
import type { Repairs } from "../../wire/timely/repairs.ts";
import {
  churn,
  daemonFaults,
  faults,
  gap,
  lossModel,
  type RegionOptions,
  rounded,
  workload,
} from "../regions/generate.ts";
import { ambushes } from "../regions/region-ambush.ts";
import type { RegionSend } from "../regions/schedule.ts";
import { patienceMs, SETTLED_AFTER_MS } from "./check/gaps.ts";
import type { TimelyFault, TimelyGroupPlan, TimelySchedule } from "./schedule.ts";
import { ambushed } from "./timely-ambush.ts";

export type TimelyOptions = Pick<
  RegionOptions,
  "machines" | "groupsMax" | "faultsMs" | "lossMax" | "sendsPerSecond" | "messageBytesMax" | "service"
> & {
  /** Whether all groups are totally ordered, and sequencers are what fails; else some groups are. */
  readonly ordered?: boolean;
  /** Whether faults that come together may be among those (timely-ambush.ts); by default they may. */
  readonly ambushes?: boolean;
};

const DEFAULTS = { faultsMs: 3_000, lossMax: 0.2, sendsPerSecond: 400, messageBytesMax: 800 } as const;
const FAILURE_MS = 400;
/** Messages that are sent when there are no faults any more. */
const CALM_MESSAGES = 25;
const CALM_MS = 400;
/** Until the end, beside what a packet is asked for. */
const REST_MS = 2_000;

/**
 * Makes a schedule of a seed. Each seed does without some kinds of faults, and ways to repair, altogether (swarm testing); most have few nodes and
 * groups.
 */
export function generateTimely(seed: number, options: TimelyOptions = {}): TimelySchedule {
  const given = { ...DEFAULTS, ...options };
  const isOrdered = given.ordered === true;
  // Layers differ in more than what the groups promise.
  const random = new Random(isOrdered ? seed ^ 0x91a7 : seed);
  const [min, max] = given.machines ?? (isOrdered ? [2, 10] : [3, 16]);
  const machines = random.integer(min, random.chance(0.7) ? Math.min(max, Math.max(min, 8)) : max);
  const ids = Array.from({ length: machines }, (_, i) => i + 1);
  const groups = groupPlans(random, given.groupsMax ?? (isOrdered ? 3 : 8), isOrdered);
  const names = groups.map(({ name }) => name);
  const quietAt = given.faultsMs;
  const timely = timelySettings(random);
  const calmAt = quietAt + SETTLED_AFTER_MS + 20;
  const schedule: TimelySchedule = {
    seed,
    machines,
    groups,
    acts: churn(random, ids, names, quietAt),
    sends: [
      ...workload(random, ids, names, quietAt + 500, given.sendsPerSecond, given.messageBytesMax),
      ...calmSends(random, ids, names, calmAt),
    ],
    faults: [...weather(random, quietAt, given.lossMax), ...faults(random, ids, quietAt, given.lossMax)],
    quietAt,
    endAt: calmAt + CALM_MS + Math.min(patienceMs(timely), timely.sentMs ?? 0) + patienceMs(timely) + REST_MS,
    timely,
    plato: {
      commit: random.chance(0.7) ? "stable" : "ordered",
      orderMs: random.pick([0, 3, 10, 10, 30]),
      threshold: random.pick([0.01, 0.5, 2, { startMs: 2, minMs: 0.02, maxMs: 5, margin: 2.25 }]),
      windowMessages: random.pick([5, 64, 1_024]),
      earlyBytes: random.pick([2_000, 1024 * 1024]),
    },
    node: {
      tokenRate: random.pick([10, 50]),
      tokenLossMs: 200,
      ...(random.chance(0.5) && { lateral: { every: random.pick([2, 4, 8]), copies: random.pick([1, 3, 5]) } }),
    },
    policy: {
      dissemination: random.pick(["regions", "regions", "auto", "hybrid"] as const),
      wasteLimit: random.chance(0.3) ? random.pick([0.1, 0.3, 0.6]) : 0,
    },
    failureMs: FAILURE_MS,
    endTells: random.chance(0.5),
    batchMs: random.pick([0, 5, 50]),
    pathMs: random.pick([0.2, 2, 10, 50]),
    service: given.service ?? random.pick(["model", "replica", "daemons"] as const),
  };
  const { faults: ambushFaults, sends } = ambushes(schedule, names);
  const more = [...schedule.faults, ...ambushFaults, ...troubles(random, ids, groups, quietAt)].sort(byTime);
  const served = schedule.service === "daemons" ? daemonFaults(more, quietAt, random) : { faults: more };
  const whole = { ...schedule, ...served, sends: [...schedule.sends, ...sends].sort(byTime) };
  return given.ambushes === false ? whole : ambushed(whole);
}

function groupPlans(random: Random, most: number, isOrdered: boolean): TimelyGroupPlan[] {
  const count = random.integer(1, random.chance(0.6) ? Math.min(3, most) : most);
  const kinds = Array.from({ length: random.integer(1, 3) }, () => repairsOf(random));
  const orderedShare = isOrdered ? 1 : random.pick([0, 0, 0.4]);
  const scalableShare = isOrdered ? 0 : random.pick([0, 0, 0, 0.3]);
  const orders = random.chance(0.3) ? (["optimistic", "conservative"] as const) : (["optimistic"] as const);
  return Array.from({ length: count }, (_, i) => {
    const name = `g${i + 1}`;
    if (random.chance(scalableShare)) return { name };
    const plan = { name, repairs: random.pick(kinds) };
    return random.chance(orderedShare) ? { ...plan, order: random.pick(orders) } : plan;
  });
}

function repairsOf(random: Random): Repairs {
  const targets = random.pick(["random", "assigned", "aligned", "auto"] as const);
  if (random.chance(0.2)) return { every: 8, copies: 5, targets: "auto", recovery: random.pick([0.9, 0.99]) };
  return { every: random.pick([2, 4, 8, 8]), copies: random.pick([0, 1, 2, 5, 5, 5, 8]), targets };
}

function timelySettings(random: Random): TimelySchedule["timely"] {
  return {
    burstPackets: random.pick([1, 1, 3, 8]),
    alignedMin: random.pick([2, 5]),
    binMs: random.pick([20, 150]),
    holdMs: random.pick([50, 500]),
    holdBytes: random.pick([20_000, 32 * 1024 * 1024]),
    nakMs: random.pick([20, 50, 150]),
    nakMax: random.pick([2, 5, 6]),
    sentMs: random.pick([1_000, 10_000]),
    repairsMax: random.pick([8, 4_096]),
    departMs: random.pick([50, 400]),
    earlyBytes: random.pick([500, 1024 * 1024]),
  };
}

/** What the network is like all the time. */
function weather(random: Random, until: number, lossMax: number): TimelyFault[] {
  const list: TimelyFault[] = [];
  if (random.chance(0.5)) list.push({ kind: "loss", at: 0, model: lossModel(random, lossMax), forMs: until });
  if (random.chance(0.3)) {
    const latency = { baseMs: random.pick([0.03, 0.2]), jitterMs: random.pick([0.5, 2, 8]) };
    list.push({ kind: "latency", at: 0, latency, forMs: until });
  }
  if (random.chance(0.3)) {
    list.push({ kind: "disorder", at: 0, duplicate: random.unit() * 0.1, reorder: random.unit() * 0.3, forMs: until });
  }
  return list;
}

/** Nodes that cannot take what comes; and sequencers that fail at the worst moment. */
function troubles(
  random: Random,
  ids: readonly number[],
  groups: readonly TimelyGroupPlan[],
  until: number,
): TimelyFault[] {
  const list: TimelyFault[] = [];
  if (random.chance(0.3)) {
    for (let count = random.integer(1, 4); count > 0; count--) {
      const at = Math.round(50 + random.unit() * (until - 100));
      const forMs = Math.min(random.pick([20, 150, 400, 1_300]), until - at);
      list.push({ kind: "behind", at, daemon: random.pick(ids), forMs });
    }
  }
  if (random.chance(0.2)) {
    const at = Math.round(random.unit() * (until - 100));
    list.push({ kind: "noMulticast", at, daemon: random.pick(ids), forMs: random.pick([50, 300, until]) });
  }
  if (groups.some(({ order }) => order !== undefined) && random.chance(0.6)) {
    for (let count = random.integer(1, 4); count > 0; count--) {
      const at = random.integer(50, Math.max(51, until - 600));
      const when = random.pick(["order", "view", "state"] as const);
      list.push({ kind: "sequencerTrap", at, when, delayMs: random.pick([0, 0.05, 0.2, 1, 5]) });
    }
  }
  return list;
}

function calmSends(random: Random, ids: readonly number[], groups: readonly string[], from: number): RegionSend[] {
  const sends: RegionSend[] = [];
  for (let at = from; sends.length < CALM_MESSAGES && at < from + CALM_MS; at += gap(random, CALM_MS / CALM_MESSAGES)) {
    const bytes = random.integer(12, 100);
    sends.push({ at: rounded(at), machine: random.pick(ids), group: random.pick(groups), bytes });
  }
  return sends;
}

function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}
