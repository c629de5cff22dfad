import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import { type Ambush, byTime } from "./ambush.ts";
import type { Fault } from "./faults.ts";
import { siteAmbush } from "./site-ambush.ts";
import { generateSchedule, lossModel, parts, type Schedule, type ScheduleOptions, type SitesPlan } from "./schedule.ts";
import type { SiteLayout, World } from "./world.ts";

/** Membership over sites takes a few trips more. */
const BOUND_MS = 4_000;
const DRAIN_MS = 1_000;
const SITES = [2, 4] as const;
/** The share of schedules with ambushes of their own. */
const AMBUSHED = 0.5;

/** Makes a schedule of a seed for daemons in several sites, two to four by default. */
export function generateSiteSchedule(seed: number, options: ScheduleOptions = {}): Schedule {
  const base = generateSchedule(seed, { daemons: [3, 9], ...options });
  return overSites(base, new Random(seed).fork(), options);
}

/**
 * Puts the daemons of a schedule into sites: beside what goes wrong on a single one there is what only goes wrong between sites (links that
 * flap, that lose in one direction, sites that are lost and come back, representatives that crash).
 */
export function overSites(base: Schedule, random: Random, options: ScheduleOptions): Schedule {
  const ids = base.site.flat();
  const { site, plan } = sitesOf(random, ids, options.sites ?? SITES);
  const bySite = plan.sites.map((number) => site.flatMap((daemons, i) => (plan.of[i] === number ? daemons : [])));
  const faults = base.faults
    // Some splits are between sites, as they are apart for real.
    .map((fault) => (fault.kind === "split" && random.chance(0.5) ? splitOf(random, bySite, fault.at) : fault));
  const own = random.chance(0.8) ? siteFaults(random, bySite, base.quietAt, options.lossMax ?? 0.2) : [];
  const isSplit = base.lastSplit.length > 0;
  const ambushes = random.chance(AMBUSHED) ? siteAmbushes(random, bySite, base.quietAt) : [];
  const last = isSplit && random.chance(0.7) ? parts(random, bySite).map((part) => part.flat()) : base.lastSplit;
  const added = base.quietAt + BOUND_MS + DRAIN_MS - base.endAt;
  return {
    ...base,
    site,
    sites: { of: plan.of, links: plan.links, windowBytes: plan.windowBytes, lowLatency: random.chance(0.3) },
    faults: [...faults, ...own, ...ambushes.flatMap((ambush) => ambush.faults)].sort(byTime),
    sends: [...base.sends, ...ambushes.flatMap((ambush) => ambush.sends)].sort(byTime),
    lastSplit: last,
    boundMs: BOUND_MS,
    endAt: base.endAt + added,
  };
}

/** Gives the links between sites their lengths. */
export function placeSites(world: World, site: SiteLayout, { of, links }: SitesPlan): void {
  const daemonsOf = (number: number): DaemonId[] => site.flatMap((ids, i) => (of[i] === number ? ids : []));
  for (const { from, to, latency } of links) {
    for (const a of daemonsOf(from)) {
      for (const b of daemonsOf(to)) world.datagrams.setLatency(latency, world.indexOf(a), world.indexOf(b));
    }
  }
}

/** Daemons that follow each other are in one segment, and segments in one site, mostly. */
function sitesOf(random: Random, ids: readonly DaemonId[], [least, most]: readonly [number, number]) {
  const count = random.integer(Math.min(least, ids.length), Math.min(most, ids.length));
  const site: DaemonId[][] = [];
  const of: number[] = [];
  for (let i = 0; i < count; i++) {
    const daemons = ids.slice(Math.floor((i * ids.length) / count), Math.floor(((i + 1) * ids.length) / count));
    const isTwo = daemons.length > 1 && random.chance(0.25);
    const half = isTwo ? Math.ceil(daemons.length / 2) : daemons.length;
    for (const segment of [daemons.slice(0, half), daemons.slice(half)]) {
      if (segment.length === 0) continue;
      site.push([...segment]);
      of.push(i + 1);
    }
  }
  const sites = Array.from({ length: count }, (_, i) => i + 1);
  const links = sites.flatMap((from) =>
    sites
      .filter((to) => to !== from)
      .map((to) => ({
        from,
        to,
        latency: { baseMs: random.pick([0.5, 2, 5]), jitterMs: random.pick([0, 0.2, 1]) },
        weight: random.integer(1, 10),
      })),
  );
  return { site, plan: { sites, of, links, windowBytes: random.pick([16, 64, 1024]) * 1024 } };
}

function siteAmbushes(random: Random, bySite: readonly (readonly DaemonId[])[], until: number): Ambush[] {
  const ambushes: Ambush[] = [];
  for (let at = 400 + random.unit() * 400; at < until - 700; at += 700 + random.unit() * 700) {
    ambushes.push(siteAmbush(random, bySite, at));
  }
  return ambushes;
}

function splitOf(random: Random, bySite: readonly (readonly DaemonId[])[], at: number): Fault {
  return { kind: "split", at, parts: parts(random, bySite).map((part) => part.flat()) };
}

function siteFaults(random: Random, bySite: readonly (readonly DaemonId[])[], until: number, lossMax: number): Fault[] {
  const faults: Fault[] = [];
  const meanGapMs = random.pick([100, 300, 1_000]);
  for (let at = 200 + random.unit() * 500; at < until; at += -Math.log(1 - random.unit()) * meanGapMs) {
    faults.push(...oneSiteFault(random, bySite, Math.round(at * 100) / 100, until, lossMax));
  }
  return faults;
}

function oneSiteFault(
  random: Random,
  bySite: readonly (readonly DaemonId[])[],
  at: number,
  until: number,
  lossMax: number,
): Fault[] {
  const [first, second] = random.shuffle([...bySite]) as [readonly DaemonId[], readonly DaemonId[]];
  const all = { kind: "uniform", probability: 1 } as const;
  const later = (ms: number): number => Math.min(at + ms, until - 1);
  switch (random.pick(["flap", "flap", "oneWay", "loss", "siteCrash", "siteCut", "representative"] as const)) {
    case "flap": {
      // Some are shorter than what makes a hop fail.
      const forMs = random.integer(10, 300);
      return [
        { kind: "siteLoss", at, from: first, to: second, model: all, forMs },
        { kind: "siteLoss", at, from: second, to: first, model: all, forMs },
      ];
    }
    case "oneWay":
      return [{ kind: "siteLoss", at, from: first, to: second, model: all, forMs: random.integer(10, 600) }];
    case "loss": {
      const forMs = random.integer(50, 1_000);
      return [{ kind: "siteLoss", at, from: first, to: second, model: lossModel(random, lossMax), forMs }];
    }
    case "siteCrash": {
      const back = later(random.integer(50, 800));
      const down = first.map((daemon): Fault => ({ kind: "crash", at, daemon }));
      return [...down, ...first.map((daemon): Fault => ({ kind: "restart", at: back, daemon }))];
    }
    case "siteCut": {
      const rest = bySite.filter((daemons) => daemons !== first).flat();
      return [
        { kind: "split", at, parts: [first, rest] },
        { kind: "heal", at: later(random.integer(20, 800)) },
      ];
    }
    case "representative": {
      const daemon = first[0] as DaemonId;
      return [
        { kind: random.chance(0.7) ? "crash" : "leave", at, daemon },
        { kind: "restart", at: later(random.integer(50, 500)), daemon },
      ];
    }
  }
}
