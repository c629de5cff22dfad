import { Random } from "../../base/random.ts";
import type { RegionPolicy } from "../../cms/region-policy.ts";
import type { LossModel } from "../loss.ts";
import { trapped, troubled } from "./host-troubles.ts";
import { ambushed } from "./region-ambush.ts";
import type { MachineFault } from "./machines.ts";
import { DAEMONS_FROM, type GroupAct, type RegionSchedule, type RegionSend } from "./schedule.ts";

export type RegionOptions = {
  /** Machines, from and to (both included). */
  readonly machines?: readonly [number, number];
  /** Groups, at most. */
  readonly groupsMax?: number;
  /** How long faults and churn go on, in ms. */
  readonly faultsMs?: number;
  /** No loss above this. */
  readonly lossMax?: number;
  /** Messages per second over all machines, at most. */
  readonly sendsPerSecond?: number;
  readonly messageBytesMax?: number;
  /** By default either, as the seed has it. */
  readonly service?: RegionSchedule["service"];
  /** Whether faults that come together may be among those; by default they may. */
  readonly ambushes?: boolean;
  /** Whether applications fall behind, machines find no multicast, and leaders fail at bad moments; by default they may. */
  readonly troubles?: boolean;
  /** How rounds go; chosen by the seed if it is not given. */
  readonly ringMode?: "sequential" | "tree";
  /** How nodes become regions; chosen by the seed if it is not given. */
  readonly policy?: RegionPolicy;
};

const DEFAULTS = {
  machines: [2, 30],
  groupsMax: 20,
  faultsMs: 3_000,
  lossMax: 0.2,
  sendsPerSecond: 400,
  messageBytesMax: 6_000,
} as const;

/** Far more than it takes as a rule: where members have been overloaded, senders are slow for a while. */
const SETTLE_MS = 120_000;
const FAILURE_MS = 400;
const INQUIRE_MS = 500;

const FAULT_KINDS = [
  "split",
  "oneWay",
  "heal",
  "crash",
  "restart",
  "freeze",
  "slow",
  "loss",
  "linkLoss",
  "disorder",
  "latency",
  "dataLoss",
  "failOver",
  "lag",
] as const satisfies readonly MachineFault["kind"][];

/**
 * Makes a schedule of a seed. Each seed does without some kinds of faults altogether (swarm testing), and most are small: what a few nodes
 * and groups do together is found sooner there.
 */
export function generateRegions(seed: number, options: RegionOptions = {}): RegionSchedule {
  const given = { ...DEFAULTS, ...options };
  const random = new Random(seed);
  const [min, max] = given.machines;
  const ofSeed = random.integer(min, random.chance(0.7) ? Math.min(max, Math.max(min, 8)) : max);
  const { machines, ...ring } = rings(seed, given.ringMode, ofSeed, max);
  const groups = Array.from(
    { length: random.integer(1, random.chance(0.6) ? Math.min(4, given.groupsMax) : given.groupsMax) },
    (_, i) => `g${i + 1}`,
  );
  const ids = Array.from({ length: machines }, (_, i) => i + 1);
  const quietAt = given.faultsMs;
  const tokenRate = random.pick([10, 20, 50]);
  const plan = {
    plan: random.chance(0.6) ? ("byReplication" as const) : ("byRingCap" as const),
    replication: random.pick([1, 2, 3, 5]),
    ringMax: random.pick([3, 8, 25]),
  };
  const schedule: RegionSchedule = {
    seed,
    machines,
    acts: churn(random, ids, groups, quietAt),
    sends: workload(random, ids, groups, quietAt + 500, given.sendsPerSecond, given.messageBytesMax),
    faults: faults(random, ids, quietAt, given.lossMax),
    quietAt,
    endAt: quietAt + SETTLE_MS,
    config: {
      ...plan,
      ...ring,
      release: random.chance(0.7) ? "afterReturn" : "periodic",
      tokenRate,
      tokenLossMs: random.pick([200, 500]),
      roundBytes: random.pick([20_000, 4 * 1024 * 1024]),
      windowBytes: random.pick([20_000, 200_000, 16 * 1024 * 1024]),
      windowResumeBytes: 10_000,
      nakBytes: random.pick([20, 100, 1_000]),
      rateStart: random.pick([200, 2_000, 20_000]),
      unknownBytes: random.pick([0, 2_000, 4 * 1024 * 1024]),
      inquireMs: INQUIRE_MS,
    },
    policy: given.policy ?? policyOf(seed),
    twoClass: random.chance(0.2),
    failureMs: FAILURE_MS,
    endTells: random.chance(0.5),
    batchMs: random.pick([0, 5, 50]),
    pathMs: random.pick([0.2, 2, 10]),
    service: given.service ?? random.pick(["model", "replica", "daemons"] as const),
  };
  const served = schedule.service === "daemons" ? overDaemons(schedule, random) : schedule;
  const whole = given.ambushes === false ? served : ambushed(served, groups);
  return given.troubles === false ? whole : trapped(troubled(whole));
}

/** Daemons run the service, and things go wrong with them as well; splits go through them too. */
function overDaemons(schedule: RegionSchedule, random: Random): RegionSchedule {
  return { ...schedule, ...daemonFaults(schedule.faults, schedule.quietAt, random) };
}

/** How many daemons run the service, and faults with what goes wrong with them. */
export function daemonFaults<F extends { readonly kind: string; readonly at: number }>(
  faults: readonly F[],
  quietAt: number,
  random: Random,
): { readonly daemons: number; readonly faults: (F | MachineFault)[] } {
  const daemons = random.pick([2, 3, 3, 5]);
  const ids = Array.from({ length: daemons }, (_, i) => DAEMONS_FROM + 1 + i);
  const list: (F | MachineFault)[] = faults.map((fault) => (isSplit(fault) ? splitAlong(fault, ids, random) : fault));
  const meanGapMs = random.pick([200, 600, 1_500, 10_000]);
  for (let at = 50 + random.unit() * 500; at < quietAt; at += gap(random, meanGapMs)) {
    const daemon = random.pick(ids);
    const left = quietAt - at;
    const kind = random.pick(["crash", "freeze", "slow"] as const);
    const forMs = Math.round(Math.min(random.pick([20, 100, 300, 1_000]), left));
    if (kind === "freeze") list.push({ kind, at: rounded(at), daemon, forMs });
    else if (kind === "slow") list.push({ kind, at: rounded(at), daemon, factor: random.pick([5, 20]), forMs });
    else list.push({ kind, at: rounded(at), daemon }, { kind: "restart", at: rounded(at + forMs), daemon });
  }
  return { daemons, faults: list.sort((a, b) => a.at - b.at) };
}

type Split = MachineFault & { readonly kind: "split" };

function isSplit(fault: { readonly kind: string }): fault is Split {
  return fault.kind === "split";
}

function splitAlong({ at, parts }: Split, daemons: readonly number[], random: Random): Split {
  const sides = parts.length > 1 ? parts.map((part) => [...part]) : [...parts.map((part) => [...part]), []];
  for (const daemon of daemons) random.pick(sides).push(daemon);
  return { kind: "split", at, parts: sides.filter((side) => side.length > 0) };
}

/** Of chances of its own, as the rounds. */
function policyOf(seed: number): RegionPolicy {
  const random = new Random(seed ^ 0x4b1d);
  const dissemination = random.pick(["regions", "regions", "auto", "hybrid"] as const);
  return { dissemination, wasteLimit: random.chance(0.3) ? random.pick([0.1, 0.3, 0.6]) : 0 };
}

/** Trees with small rings and few parts in a part, often with more machines, so that there are several levels. */
function rings(seed: number, ringMode: RegionOptions["ringMode"], machines: number, machinesMax: number) {
  // Of chances of its own: where rounds are no tree, the schedule is what it would be without this.
  const random = new Random(seed ^ 0x7ee5);
  const isTree = (ringMode ?? (random.chance(0.4) ? "tree" : "sequential")) === "tree";
  if (!isTree) return { machines, ringMode: "sequential" as const };
  return {
    machines: random.chance(0.4) ? random.integer(machines, machinesMax) : machines,
    ringMode: "tree" as const,
    fanOut: random.pick([2, 2, 3]),
    replication: random.pick([1, 1, 2, 3]),
    ringMax: random.pick([2, 3]),
  };
}

/** Everybody joins some groups at first; then some come and go. */
export function churn(random: Random, ids: readonly number[], groups: readonly string[], until: number): GroupAct[] {
  const acts: GroupAct[] = [];
  const wanted = new Map<number, Set<string>>();
  const share = random.pick([0.3, 0.6, 1]);
  // Few different sets of groups make few and large regions.
  const sets = Array.from({ length: random.integer(1, 4) }, () => {
    const set = groups.filter(() => random.chance(share));
    return set.length > 0 ? set : [random.pick(groups)];
  });
  for (const machine of ids) {
    const set = random.chance(0.8) ? random.pick(sets) : groups.filter(() => random.chance(share));
    wanted.set(machine, new Set(set));
    const at = random.chance(0.8) ? 1 : rounded(random.unit() * 300);
    for (const group of set) acts.push({ at, machine, group, what: "join" });
  }
  const meanGapMs = random.pick([0, 30, 100, 400]);
  if (meanGapMs === 0) return acts;
  for (let at = 100; at < until; at += gap(random, meanGapMs)) {
    // Often several at once: moves from region to region.
    const machine = random.pick(ids);
    const own = wanted.get(machine) as Set<string>;
    const count = random.chance(0.3) ? random.integer(2, 4) : 1;
    for (let i = 0; i < count; i++) {
      const group = random.pick(groups);
      const what = own.has(group) ? "leave" : "join";
      if (what === "join") own.add(group);
      else own.delete(group);
      acts.push({ at: rounded(at), machine, group, what });
    }
  }
  return acts;
}

/** Messages of some machines, in any of the groups. */
export function workload(
  random: Random,
  ids: readonly number[],
  groups: readonly string[],
  until: number,
  perSecond: number,
  bytesMax: number,
): RegionSend[] {
  const senders = ids.filter(() => random.chance(0.4));
  const rate = perSecond * random.pick([0.05, 0.2, 0.5, 1]);
  const large = random.pick([0, 0.05, 0.2]);
  const sends: RegionSend[] = [];
  for (let at = 20; at < until; at += gap(random, 1_000 / rate)) {
    const burst = random.chance(0.1) ? random.integer(2, 20) : 1;
    const machine = random.pick(senders.length > 0 ? senders : ids);
    for (let i = 0; i < burst; i++) {
      const bytes = random.chance(large) ? random.integer(1_000, bytesMax) : random.integer(12, 300);
      sends.push({ at: rounded(at), machine, group: random.pick(groups), bytes });
    }
  }
  return sends;
}

/** Faults of machines and their network, and of their paths to the service; without some kinds altogether. */
export function faults(random: Random, ids: readonly number[], until: number, lossMax: number): MachineFault[] {
  const kinds = FAULT_KINDS.filter((kind) => (kind === "heal" || kind === "restart" ? true : random.chance(0.4)));
  const meanGapMs = random.pick([50, 150, 500, 2_000]);
  const list: MachineFault[] = [];
  const down = new Set<number>();
  for (let at = 50 + random.unit() * 500; at < until; at += gap(random, meanGapMs)) {
    const fault = oneFault(random, random.pick(kinds), rounded(at), until, ids, down, lossMax);
    if (fault !== undefined) list.push(fault);
  }
  return list;
}

function oneFault(
  random: Random,
  kind: (typeof FAULT_KINDS)[number],
  at: number,
  until: number,
  ids: readonly number[],
  down: Set<number>,
  lossMax: number,
): MachineFault | undefined {
  const daemon = random.pick(ids);
  const [from, to] = random.shuffle([...ids]) as [number, number];
  const left = Math.max(1, until - at);
  /** A length that ends with the other faults. */
  const length = (...choices: number[]): number => Math.round(Math.min(random.pick(choices), left));
  switch (kind) {
    case "split": {
      const parts: number[][] = [[], []];
      for (const id of ids) random.pick(parts).push(id);
      return { kind, at, parts: parts.filter((part) => part.length > 0) };
    }
    case "oneWay":
      return { kind, at, from, to };
    case "heal":
      return { kind, at };
    case "crash":
      if (down.size + 2 > ids.length) return undefined;
      down.add(daemon);
      return { kind, at, daemon };
    case "restart": {
      if (down.size === 0) return undefined;
      const again = random.pick([...down]);
      down.delete(again);
      return { kind, at, daemon: again };
    }
    case "freeze":
      return { kind, at, daemon, forMs: length(5, 50, 150, 300, 700, 1_500) };
    case "slow":
      return { kind, at, daemon, factor: random.pick([5, 20, 100]), forMs: length(50, 200, 500) };
    case "loss":
      return { kind, at, model: lossModel(random, lossMax), forMs: length(50, 200, 1_000, 3_000) };
    case "linkLoss": {
      const model = random.chance(0.3) ? ({ kind: "uniform", probability: 0.9 } as const) : lossModel(random, lossMax);
      return { kind, at, from, to, model, forMs: length(50, 200, 1_000) };
    }
    case "disorder": {
      const [duplicate, reorder] = [random.unit() * 0.2, random.unit() * 0.3];
      return { kind, at, duplicate, reorder, forMs: length(50, 200, 1_000) };
    }
    case "latency": {
      const latency = { baseMs: random.pick([0.2, 1, 5]), jitterMs: random.pick([0, 0.5, 5]) };
      return { kind, at, latency, forMs: length(50, 200, 500) };
    }
    case "dataLoss": {
      const others = ids.filter(() => random.chance(0.7));
      const probability = random.pick([0.3, 0.9, 1]);
      return { kind, at, from, to: others, probability, forMs: length(5, 50, 300) };
    }
    case "failOver":
      return { kind, at, daemon, forMs: length(50, 200, 350, 800) };
    case "lag":
      return { kind, at, daemon, byMs: random.pick([20, 100, 300]), forMs: length(100, 500, 1_500) };
  }
}

/** Up to so much is lost, evenly or not. */
export function lossModel(random: Random, lossMax: number): LossModel {
  const probability = random.unit() * lossMax;
  if (random.chance(0.4)) return { kind: "uniform", probability };
  if (random.chance(0.5)) {
    const length = random.integer(2, 20);
    return { kind: "burst", probability: probability / length, length };
  }
  return { kind: "gilbertElliott", toBad: probability / 4, toGood: 0.25, lossGood: 0, lossBad: 0.9 };
}

/** The time to the next of events that come independently of each other. */
export function gap(random: Random, meanMs: number): number {
  return -Math.log(1 - random.unit()) * meanMs;
}

/** To 1/100 ms: schedules are read. */
export function rounded(at: number): number {
  return Math.round(at * 100) / 100;
}
