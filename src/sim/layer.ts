import { generateStackSchedule } from "./client-plan.ts";
import { generateRegions, type RegionOptions } from "./regions/generate.ts";
import { type RegionsResult, replayRegions } from "./regions/run-regions.ts";
import type { RegionSchedule } from "./regions/schedule.ts";
import { shrinkRegions } from "./regions/shrink-regions.ts";
import { replaySchedule, type RunResult } from "./run-schedule.ts";
import { replayStack, type StackResult } from "./run-stack.ts";
import { generateSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";
import { shrinkSchedule } from "./shrink.ts";
import { generateSiteSchedule } from "./site-schedule.ts";
import { generateTimely } from "./timely/generate.ts";
import { replayTimely, type TimelyResult } from "./timely/run-timely.ts";
import type { TimelySchedule } from "./timely/schedule.ts";
import { shrinkTimely } from "./timely/shrink-timely.ts";

/**
 * What a random schedule exercises: the daemons' order and membership, process groups on these, both in several sites (odd seeds
 * with groups), whole daemons with clients of the public API, nodes in regions, or nodes in timely groups, all of which are totally ordered for
 * `plato`.
 */
export const LAYERS = ["daemons", "groups", "sites", "clients", "regions", "timely", "plato"] as const;
export type Layer = (typeof LAYERS)[number];

export type LayerSchedule = Schedule | RegionSchedule | TimelySchedule;

export type LayerResult = RunResult | StackResult | RegionsResult | TimelyResult;

/** Makes a schedule of a seed, as `runSchedule`, `runStack`, `runRegions` and `runTimely` do. Where there are nodes, `daemons` are their machines. */
export function generateForLayer(layer: Layer, seed: number, options: ScheduleOptions = {}): LayerSchedule {
  if (layer === "regions") return generateRegions(seed, nodeOptions(options));
  if (layer === "timely" || layer === "plato") {
    return generateTimely(seed, { ...nodeOptions(options), ordered: layer === "plato" });
  }
  if (layer === "sites") return generateSiteSchedule(seed, options);
  if (layer === "clients") return generateStackSchedule(seed, options);
  return options.sites === undefined ? generateSchedule(seed, options) : generateSiteSchedule(seed, options);
}

/** Runs a schedule that was made for the layer. Await one run before the next. */
export async function replayOnLayer(layer: Layer, schedule: LayerSchedule): Promise<LayerResult> {
  if (isOfTimely(schedule)) return replayTimely(schedule);
  if (isOfNodes(schedule)) return replayRegions(schedule);
  if (layer === "clients") return await replayStack(schedule);
  const groups = layer === "groups" || (layer === "sites" && schedule.seed % 2 === 1);
  return replaySchedule(schedule, { groups });
}

/** A smaller schedule that breaks one of the same properties; `tell` is called before each run. */
export function shrinkOnLayer(
  layer: Layer,
  { schedule, violations }: LayerResult,
  runsMax: number,
  tell: (schedule: LayerSchedule) => void = () => undefined,
): Promise<LayerSchedule> {
  const properties = new Set(violations.map(({ property }) => property));
  const fails = async (candidate: LayerSchedule): Promise<boolean> => {
    tell(candidate);
    const result = await replayOnLayer(layer, candidate);
    return result.violations.some(({ property }) => properties.has(property));
  };
  if (isOfTimely(schedule)) return shrinkTimely(schedule, fails, runsMax);
  return isOfNodes(schedule) ? shrinkRegions(schedule, fails, runsMax) : shrinkSchedule(schedule, fails, runsMax);
}

/** Machines with nodes on them, in regions or in timely groups. */
export function isOfNodes(schedule: LayerSchedule): schedule is RegionSchedule | TimelySchedule {
  return "machines" in schedule;
}

function isOfTimely(schedule: LayerSchedule): schedule is TimelySchedule {
  return isOfNodes(schedule) && "timely" in schedule;
}

/** How many daemons, or machines with nodes, a schedule has. */
export function populationOf(schedule: LayerSchedule): number {
  return isOfNodes(schedule) ? schedule.machines : schedule.site.flat().length;
}

/** How large a schedule is, for people: `3 faults and 120 messages`. */
export function describeSize(schedule: LayerSchedule): string {
  const { faults, sends } = schedule;
  if (isOfNodes(schedule)) {
    return `${counted(faults.length, "fault")}, ${counted(schedule.acts.length, "join or leave", "joins and leaves")} and ${counted(sends.length, "message")}`;
  }
  const { clients } = schedule;
  if (clients === undefined) return `${counted(faults.length, "fault")} and ${counted(sends.length, "message")}`;
  const acts = clients.reduce((sum, client) => sum + client.acts.length, 0);
  return `${counted(faults.length, "fault")}, ${counted(clients.length, "client")} and ${counted(acts, "act")}`;
}

function nodeOptions({ daemons, sites: _sites, ...options }: ScheduleOptions): RegionOptions {
  return { ...options, ...(daemons !== undefined && { machines: daemons }) };
}

function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}
