import { generateStackSchedule } from "./client-plan.ts";
import { replaySchedule, type RunResult } from "./run-schedule.ts";
import { replayStack, type StackResult } from "./run-stack.ts";
import { generateSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";
import { shrinkSchedule } from "./shrink.ts";

/**
 * What a random schedule exercises: the daemons' order and membership, process groups on these, or whole daemons with
 * clients of the public API.
 */
export type Layer = "daemons" | "groups" | "clients";

export type LayerResult = RunResult | StackResult;

/** Makes a schedule of a seed, as `runSchedule` and `runStack` do. */
export function generateForLayer(layer: Layer, seed: number, options: ScheduleOptions = {}): Schedule {
  return layer === "clients" ? generateStackSchedule(seed, options) : generateSchedule(seed, options);
}

/** Runs a schedule that was made for the layer. Await one run before the next. */
export async function replayOnLayer(layer: Layer, schedule: Schedule): Promise<LayerResult> {
  return layer === "clients" ? await replayStack(schedule) : replaySchedule(schedule, { groups: layer === "groups" });
}

/** A smaller schedule that breaks one of the same properties; `tell` is called before each run. */
export function shrinkOnLayer(
  layer: Layer,
  { schedule, violations }: LayerResult,
  runsMax: number,
  tell: (schedule: Schedule) => void = () => undefined,
): Promise<Schedule> {
  const properties = new Set(violations.map(({ property }) => property));
  const fails = async (candidate: Schedule): Promise<boolean> => {
    tell(candidate);
    const result = await replayOnLayer(layer, candidate);
    return result.violations.some(({ property }) => properties.has(property));
  };
  return shrinkSchedule(schedule, fails, runsMax);
}

/** How large a schedule is, for people: `3 faults and 120 messages`. */
export function describeSize({ faults, sends, clients }: Schedule): string {
  if (clients === undefined) return `${counted(faults.length, "fault")} and ${counted(sends.length, "message")}`;
  const acts = clients.reduce((sum, client) => sum + client.acts.length, 0);
  return `${counted(faults.length, "fault")}, ${counted(clients.length, "client")} and ${counted(acts, "act")}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
