import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import { SERVICES, type Service } from "../ordering/service.ts";
import { generateSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";
import { overSites } from "./site-schedule.ts";

/** Something that a client does at a simulated time (ms from the start), if it is connected then and it makes sense. */
export type PlannedAct =
  | { readonly kind: "join" | "leave"; readonly at: number; readonly group: string }
  | {
      readonly kind: "send";
      readonly at: number;
      readonly groups: readonly string[];
      readonly service: Service;
      readonly bytes: number;
    }
  /** It disconnects, and connects again when its next act is due. */
  | { readonly kind: "close"; readonly at: number };

/** A client of whole daemons: plain data, so that a run can be written down, replayed and shrunk. */
export type PlannedClient = {
  /** Different for each client of a schedule; it stays when others are taken away. */
  readonly name: string;
  readonly at: number;
  /** The daemon whose machine its own is beside: Spread clients know no other, native ones are told of them. */
  readonly beside: DaemonId;
  readonly protocol: "native" | "spread";
  /** When its machine fails, if it does. */
  readonly killAt?: number;
  readonly acts: readonly PlannedAct[];
};

/** Machines for clients over a whole run, alive and dead. */
export const CLIENTS_MAX = 24;

const GROUPS = ["red", "green", "blue"] as const;
/** Nobody is in it: messages to it and a real group go to a union. */
const EMPTY_GROUP = "white";
/** Clients go on for so long after the last fault. */
const ACTS_AFTER_MS = 500;
const REPLACE_MS_MAX = 1_500;
/** An action of the fastest client takes the place of so many of slower ones. */
const SLOWNESS = [1, 5, 25] as const;

const DEFAULTS = { daemons: [2, 5], faultsMs: 2_000, sendsPerSecond: 2_000 } as const;
const DAEMONS_OVER_SITES = [3, 7] as const;

/**
 * Makes a schedule for `replayStack` of a seed: faults as `generateSchedule` makes them, and clients, native and Spread
 * ones, which join, leave, send and disconnect, and whose machines fail and are replaced. Whole daemons start together,
 * with windows of their own. With `sites` they are in several, and some faults are those of sites.
 */
export function generateStackSchedule(seed: number, options: ScheduleOptions = {}): Schedule {
  const hasSites = options.sites !== undefined;
  const { sendsPerSecond, ...faults } = {
    ...DEFAULTS,
    ...(hasSites && { daemons: DAEMONS_OVER_SITES }),
    ...options,
  };
  const { ring: _ring, ...local } = generateSchedule(seed, { ...faults, sendsPerSecond: 1 });
  const ids = local.site.flat();
  const random = new Random(seed).fork();
  const clients = generateClients(random, ids, local.quietAt, sendsPerSecond);
  const schedule = hasSites ? overSites(local, random, options) : local;
  const plan = { ...schedule, startAt: ids.map(() => 0), sends: [], clients };
  return hasSites ? { ...plan, clients: clients.map((client) => inOwnGroups(random, client, plan)) } : plan;
}

/** Of several sites each has a group of its own, in which half of what its clients do happens: what is sent to it seldom has to leave the site. */
function inOwnGroups(random: Random, client: PlannedClient, { site, sites }: Schedule): PlannedClient {
  const place = sites?.of[site.findIndex((daemons) => daemons.includes(client.beside))];
  const own = `of ${place}`;
  const acts = client.acts.map((act): PlannedAct => {
    if (act.kind === "close" || random.chance(0.5)) return act;
    return act.kind === "send" ? { ...act, groups: [own, ...act.groups.slice(1)] } : { ...act, group: own };
  });
  return { ...client, acts };
}

function generateClients(
  random: Random,
  ids: readonly DaemonId[],
  quietAt: number,
  perSecond: number,
): readonly PlannedClient[] {
  const lives: { readonly at: number; killAt?: number }[] = [];
  const together = random.integer(2, 7);
  for (let i = 0; i < together; i++) lives.push({ at: 0 });
  let at = random.unit() * REPLACE_MS_MAX;
  for (; at < quietAt && lives.length < CLIENTS_MAX; at += random.unit() * REPLACE_MS_MAX) {
    random.pick(lives.filter(({ killAt }) => killAt === undefined)).killAt = rounded(at);
    lives.push({ at: rounded(at) });
  }
  return lives.map((life, i) => {
    const beside = random.pick(ids);
    const protocol = random.pick(["native", "native", "spread"] as const);
    const gapMs = ((1_000 * together) / perSecond) * random.pick(SLOWNESS);
    const until = Math.min(life.killAt ?? Number.POSITIVE_INFINITY, quietAt + ACTS_AFTER_MS);
    return { name: `c${i + 1}`, ...life, beside, protocol, acts: generateActs(random, life.at, until, gapMs) };
  });
}

function generateActs(random: Random, from: number, until: number, gapMs: number): PlannedAct[] {
  const acts: PlannedAct[] = [];
  for (let at = from; ; ) {
    at += -Math.log(1 - random.unit()) * gapMs;
    // Without any rate it is never, and may be no number at all.
    if (!(at < until)) return acts;
    acts.push(...generateAct(random, rounded(at)));
  }
}

function generateAct(random: Random, at: number): PlannedAct[] {
  const chance = random.unit();
  const group = random.pick(GROUPS);
  if (chance < 0.02) return [{ kind: "close", at }];
  if (chance < 0.1) return [{ kind: "leave", at, group }];
  if (chance < 0.35) return [{ kind: "join", at, group }];
  return Array.from({ length: random.chance(0.2) ? random.integer(2, 6) : 1 }, () => ({
    kind: "send" as const,
    at,
    groups: random.chance(0.2) ? [group, EMPTY_GROUP] : [group],
    service: random.pick(SERVICES),
    bytes: random.chance(0.1) ? random.integer(2_000, 40_000) : 20,
  }));
}

function rounded(at: number): number {
  return Math.round(at * 100) / 100;
}
