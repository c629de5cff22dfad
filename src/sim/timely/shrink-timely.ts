import { simplerFaults } from "../shrink.ts";
import { shrinkNodes } from "../regions/shrink-regions.ts";
import type { TimelyFault, TimelySchedule } from "./schedule.ts";

/**
 * Finds a smaller schedule of timely groups that still fails: as one of nodes in regions, and then without groups that nobody is in. `fails`
 * runs a schedule; it is called at most `runsMax` times.
 */
export async function shrinkTimely(
  schedule: TimelySchedule,
  fails: (schedule: TimelySchedule) => boolean | Promise<boolean>,
  runsMax = 400,
): Promise<TimelySchedule> {
  const best = await shrinkNodes(schedule, fails, runsMax, simpler);
  const used = new Set(best.acts.map(({ group }) => group));
  // Nothing else in a run depends on them.
  return { ...best, groups: best.groups.filter(({ name }) => used.has(name)) };
}

function simpler(fault: TimelyFault): readonly TimelyFault[] {
  if (fault.kind === "sequencerTrap") {
    const { apart, ...alone } = fault;
    return [...(apart === undefined ? [] : [alone]), ...(fault.delayMs > 0 ? [{ ...fault, delayMs: 0 }] : [])];
  }
  if (fault.kind === "behind" || fault.kind === "failOver" || fault.kind === "lag" || fault.kind === "noMulticast") {
    return fault.forMs > 1 ? [{ ...fault, forMs: Math.ceil(fault.forMs / 2) }] : [];
  }
  return simplerFaults(fault).filter((one) => one.kind !== "trap" && one.kind !== "leave");
}
