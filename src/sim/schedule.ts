import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import { SERVICES, type Service } from "../ordering/service.ts";
import { type RingConfig, ringDefaults } from "../ring/config.ts";
import { ambush, byTime, chatter } from "./ambush.ts";
import type { PlannedClient } from "./client-plan.ts";
import { FAULT_KINDS, type Fault } from "./faults.ts";
import type { LossModel } from "./loss.ts";
import type { Latency } from "./network-model.ts";
import type { SiteLayout } from "./world.ts";

/** A message of the workload. */
export type PlannedSend = {
  readonly at: number;
  readonly daemon: DaemonId;
  readonly session: number;
  readonly service: Service;
  readonly bytes: number;
};

/** Sites, and the links between them. */
export type SitesPlan = {
  /** The site of each segment. */
  readonly of: readonly number[];
  readonly links: readonly {
    readonly from: number;
    readonly to: number;
    readonly latency: Latency;
    /** ∞: there is none, though datagrams pass. */
    readonly weight: number;
  }[];
  /** Bytes that a site may have unstable. Default: that of real daemons. */
  readonly windowBytes?: number;
  /** Stamps follow the clocks, which are far apart in a simulation with restarts. */
  readonly lowLatency?: boolean;
};

/** A whole run as plain data: what it is made of, what is sent and what goes wrong. Times are ms from the start. */
export type Schedule = {
  /** Of the network's chances and the processes' own; what is listed here is fixed. */
  readonly seed: number;
  readonly site: SiteLayout;
  /** With several sites: what of them a daemon's configuration says, and how far they are from each other. */
  readonly sites?: SitesPlan;
  /** When each daemon starts, in the order of the site. */
  readonly startAt: readonly number[];
  readonly faults: readonly Fault[];
  readonly sends: readonly PlannedSend[];
  /** From here on there are no faults. */
  readonly quietAt: number;
  /** Parts that stay apart after `quietAt`; none: all are together. */
  readonly lastSplit: readonly (readonly DaemonId[])[];
  /** Within so long after `quietAt` membership must be stable. */
  readonly boundMs: number;
  readonly endAt: number;
  /** How many packets of a visit the ring may send after its token; 0 is the normal ring. */
  readonly acceleratedPackets: number;
  /** Small windows, so that the load of a schedule fills them. */
  readonly ring?: Pick<RingConfig, "windowBytesStart" | "windowBytesMax" | "gapMax"> &
    Partial<Pick<RingConfig, "padded">>;
  /** For `replayStack` only, which runs whole daemons that start together; it goes without `startAt`, `sends` and `ring`. */
  readonly clients?: readonly PlannedClient[];
};

export type ScheduleOptions = {
  /** Daemons, from and to (both included). */
  readonly daemons?: readonly [number, number];
  /** Sites that they are in, from and to; never more than there are daemons. Without: one, or what the layer is about. */
  readonly sites?: readonly [number, number];
  /** How long faults go on, in ms. */
  readonly faultsMs?: number;
  /** No loss above this. */
  readonly lossMax?: number;
  /** Messages per second over all daemons, at most. */
  readonly sendsPerSecond?: number;
  readonly messageBytesMax?: number;
};

const DEFAULTS = {
  daemons: [3, 8],
  faultsMs: 3_000,
  lossMax: 0.2,
  sendsPerSecond: 200,
  messageBytesMax: 20_000,
} as const;

/** How long a stable membership may take to form after the last fault: many times what it takes as a rule. */
const BOUND_MS = 2_000;
const DRAIN_MS = 500;
/** The share of schedules with ambushes. */
const AMBUSHED = 0.5;

/**
 * Makes a schedule of a seed. Each seed does without some kinds of faults and services altogether (swarm testing): a
 * mix of everything hides what a few things do together.
 */
export function generateSchedule(seed: number, options: ScheduleOptions = {}): Schedule {
  const { daemons, faultsMs, lossMax, sendsPerSecond, messageBytesMax } = { ...DEFAULTS, ...options };
  const random = new Random(seed);
  const count = random.integer(daemons[0], daemons[1]);
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const site = layout(random, ids);
  const quietAt = faultsMs;
  const boundMs = BOUND_MS;
  const stopAt = quietAt + boundMs;
  const faults = generateFaults(random, ids, quietAt, lossMax);
  const schedule: Schedule = {
    seed,
    site,
    startAt: ids.map(() => (random.chance(0.7) ? random.unit() * 20 : random.unit() * quietAt * 0.5)),
    faults,
    sends: generateSends(random, ids, stopAt, sendsPerSecond, messageBytesMax),
    quietAt,
    lastSplit: random.chance(0.2) ? parts(random, ids) : [],
    boundMs,
    endAt: stopAt + DRAIN_MS,
    acceleratedPackets: random.chance(0.3) ? 0 : 15,
  };
  const complete = random.chance(AMBUSHED) ? withAmbushes(random, schedule, ids) : schedule;
  return random.chance(0.4) ? { ...complete, ring: smallWindows(random) } : complete;
}

function smallWindows(random: Random): NonNullable<Schedule["ring"]> {
  const windowBytesStart = ringDefaults.datagramBytes * random.pick([4, 8, 16]);
  const windowBytesMax = windowBytesStart * random.pick([1, 2, 4]);
  return { windowBytesStart, windowBytesMax, gapMax: random.pick([16, 32, 64]), padded: random.chance(0.5) };
}

/** Of the schedules, half with few other faults in their way: what is to be hit is a ring that works. */
function withAmbushes(random: Random, schedule: Schedule, ids: readonly DaemonId[]): Schedule {
  const isAlone = random.chance(0.5);
  const faults = isAlone ? [] : [...schedule.faults];
  const sends = [...schedule.sends];
  const { quietAt } = schedule;
  const startAt = isAlone ? schedule.startAt.map((at) => at % 20) : schedule.startAt;
  for (let at = 300 + random.unit() * 300; at < quietAt - 300; at += 400 + random.unit() * 600) {
    const added = random.chance(0.25) ? chatter(random, ids, at) : ambush(random, ids, at);
    faults.push(...added.faults.filter((fault) => fault.at < quietAt));
    sends.push(...added.sends);
  }
  return { ...schedule, startAt, faults: faults.sort(byTime), sends: sends.sort(byTime) };
}

function layout(random: Random, ids: readonly DaemonId[]): SiteLayout {
  const segments = random.chance(0.6) ? 1 : random.integer(2, Math.min(3, ids.length));
  const site: DaemonId[][] = Array.from({ length: segments }, () => []);
  ids.forEach((id, i) => site[Math.floor((i * segments) / ids.length)]?.push(id));
  return site;
}

/** Two or three parts of them. */
export function parts<T>(random: Random, ids: readonly T[]): T[][] {
  const count = random.integer(2, Math.min(3, ids.length));
  const all: T[][] = Array.from({ length: count }, () => []);
  for (const id of ids) random.pick(all).push(id);
  return all.filter((part) => part.length > 0);
}

function generateFaults(random: Random, ids: readonly DaemonId[], until: number, lossMax: number): Fault[] {
  const kinds = FAULT_KINDS.filter((kind) => (kind === "heal" || kind === "restart" ? true : random.chance(0.5)));
  const meanGapMs = random.pick([30, 100, 300, 1_000]);
  const faults: Fault[] = [];
  const down = new Set<DaemonId>();
  for (let at = random.unit() * 500; at < until; at += -Math.log(1 - random.unit()) * meanGapMs) {
    const fault = oneFault(random, random.pick(kinds), Math.round(at * 100) / 100, ids, down, lossMax);
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

function oneFault(
  random: Random,
  kind: (typeof FAULT_KINDS)[number],
  at: number,
  ids: readonly DaemonId[],
  down: Set<DaemonId>,
  lossMax: number,
): Fault | undefined {
  const up = ids.filter((id) => !down.has(id));
  switch (kind) {
    case "split":
      return { kind, at, parts: parts(random, ids) };
    case "oneWay": {
      const [from, to] = random.shuffle([...ids]);
      return { kind, at, from: from as DaemonId, to: to as DaemonId };
    }
    case "heal":
      return { kind, at };
    case "crash":
    case "leave": {
      if (up.length < 2) return undefined;
      const daemon = random.pick(up);
      down.add(daemon);
      return { kind, at, daemon };
    }
    case "restart": {
      if (down.size === 0) return undefined;
      const daemon = random.pick([...down]);
      down.delete(daemon);
      return { kind, at, daemon };
    }
    case "freeze":
      return { kind, at, daemon: random.pick(ids), forMs: random.pick([2, 20, 60, 100, 300]) };
    case "slow":
      return { kind, at, daemon: random.pick(ids), factor: random.pick([5, 20, 100]), forMs: random.integer(10, 500) };
    case "loss":
      return { kind, at, model: lossModel(random, lossMax), forMs: random.integer(10, 1_000) };
    case "linkLoss": {
      const [from, to] = random.shuffle([...ids]);
      const model = random.chance(0.3) ? ({ kind: "uniform", probability: 0.9 } as const) : lossModel(random, lossMax);
      return { kind, at, from: from as DaemonId, to: to as DaemonId, model, forMs: random.integer(10, 1_000) };
    }
    case "disorder":
      return {
        kind,
        at,
        duplicate: random.unit() * 0.2,
        reorder: random.unit() * 0.3,
        forMs: random.integer(10, 1_000),
      };
    case "latency":
      return {
        kind,
        at,
        latency: { baseMs: random.pick([0.2, 1, 5]), jitterMs: random.pick([0, 0.5, 5]) },
        forMs: random.integer(10, 500),
      };
  }
}

/** A model of losses of up to `lossMax` on average. */
export function lossModel(random: Random, lossMax: number): LossModel {
  const probability = random.unit() * lossMax;
  switch (random.integer(0, 2)) {
    case 0:
      return { kind: "uniform", probability };
    case 1: {
      const length = random.integer(2, 20);
      return { kind: "burst", probability: probability / length, length };
    }
    default:
      return { kind: "gilbertElliott", toBad: probability / 4, toGood: 0.25, lossGood: 0, lossBad: 0.9 };
  }
}

function generateSends(
  random: Random,
  ids: readonly DaemonId[],
  until: number,
  perSecond: number,
  bytesMax: number,
): PlannedSend[] {
  const services = SERVICES.filter(() => random.chance(0.6));
  if (services.length === 0) services.push(random.pick(SERVICES));
  const senders = ids.filter(() => random.chance(0.7));
  const rate = perSecond * random.pick([0.05, 0.2, 0.5, 1]);
  const large = random.pick([0, 0.05, 0.2]);
  const sends: PlannedSend[] = [];
  for (let at = 0; at < until; at += (-Math.log(1 - random.unit()) * 1000) / rate) {
    // Often several at once: packing and the personal window only show then.
    const burst = random.chance(0.1) ? random.integer(2, 10) : 1;
    const daemon = random.pick(senders.length > 0 ? senders : ids);
    for (let i = 0; i < burst; i++) {
      sends.push({
        at: Math.round(at * 100) / 100,
        daemon,
        session: random.integer(1, 3),
        service: random.pick(services),
        bytes: random.chance(large) ? random.integer(1_000, bytesMax) : random.integer(12, 300),
      });
    }
  }
  return sends;
}
