import { reduce, simplerFaults } from "../shrink.ts";
import { isNodeFault, type RegionFault, type RegionSchedule } from "./schedule.ts";

/**
 * Finds a smaller schedule of nodes that still fails: without as many faults, messages, joins and leaves as can go, then without machines that
 * do nothing, then with smaller numbers. `fails` runs a schedule; it is called at most `runsMax` times.
 */
export async function shrinkRegions(
  schedule: RegionSchedule,
  fails: (schedule: RegionSchedule) => boolean | Promise<boolean>,
  runsMax = 400,
): Promise<RegionSchedule> {
  let runs = 0;
  let best = schedule;
  const attempt = async (candidate: RegionSchedule): Promise<boolean> => {
    if (runs++ >= runsMax || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before = Number.POSITIVE_INFINITY; before > sizeOf(best) && runs < runsMax; ) {
    before = sizeOf(best);
    await reduce(best.faults, (faults) => attempt({ ...best, faults }));
    await reduce(best.sends, (sends) => attempt({ ...best, sends }));
    await reduce(best.acts, (acts) => attempt({ ...best, acts }));
  }
  const used = Math.max(1, ...best.acts.map(({ machine }) => machine), ...best.sends.map(({ machine }) => machine));
  if (used < best.machines) await attempt({ ...best, machines: used });
  for (let i = 0; i < best.faults.length && runs < runsMax; i++) {
    for (const simpler of simplified(best.faults[i] as RegionFault)) {
      if (await attempt({ ...best, faults: best.faults.with(i, simpler) })) break;
    }
  }
  for (let i = 0; i < best.sends.length && runs < runsMax; i++) {
    const send = best.sends[i];
    if (send !== undefined && send.bytes > 12)
      await attempt({ ...best, sends: best.sends.with(i, { ...send, bytes: 12 }) });
  }
  return best;
}

function sizeOf({ faults, sends, acts }: RegionSchedule): number {
  return faults.length + sends.length + acts.length;
}

function simplified(fault: RegionFault): RegionFault[] {
  if (!isNodeFault(fault)) {
    return simplerFaults(fault).filter((simpler) => simpler.kind !== "trap" && simpler.kind !== "leave");
  }
  if (fault.kind === "leaderTrap") return [];
  return fault.forMs > 1 ? [{ ...fault, forMs: Math.ceil(fault.forMs / 2) }] : [];
}
