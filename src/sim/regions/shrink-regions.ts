import { reduce, simplerFaults } from "../shrink.ts";
import { isNodeFault, type RegionFault, type RegionSchedule } from "./schedule.ts";

/** Finds a smaller schedule of nodes in regions that still fails; `shrinkNodes`. */
export function shrinkRegions(
  schedule: RegionSchedule,
  fails: (schedule: RegionSchedule) => boolean | Promise<boolean>,
  runsMax = 400,
): Promise<RegionSchedule> {
  return shrinkNodes(schedule, fails, runsMax, simplified);
}

/** What schedules of nodes have in common. */
type NodesSchedule<F> = Pick<RegionSchedule, "machines" | "acts" | "sends"> & { readonly faults: readonly F[] };

/**
 * Finds a smaller schedule of nodes that still fails: without as many faults, messages, joins and leaves as can go, then without machines that
 * do nothing, then with smaller numbers. `fails` runs a schedule; it is called at most `runsMax` times. `simpler`: what may be tried in place
 * of a fault.
 */
export async function shrinkNodes<F, S extends NodesSchedule<F>>(
  schedule: S & NodesSchedule<F>,
  fails: (schedule: S) => boolean | Promise<boolean>,
  runsMax: number,
  simpler: (fault: F) => readonly F[],
): Promise<S> {
  let runs = 0;
  let best: S = schedule;
  const attempt = async (candidate: S): Promise<boolean> => {
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
    for (const other of simpler(best.faults[i] as F)) {
      if (await attempt({ ...best, faults: best.faults.with(i, other) })) break;
    }
  }
  for (let i = 0; i < best.sends.length && runs < runsMax; i++) {
    const send = best.sends[i];
    if (send !== undefined && send.bytes > 12)
      await attempt({ ...best, sends: best.sends.with(i, { ...send, bytes: 12 }) });
  }
  return best;
}

function sizeOf({ faults, sends, acts }: NodesSchedule<unknown>): number {
  return faults.length + sends.length + acts.length;
}

function simplified(fault: RegionFault): RegionFault[] {
  if (!isNodeFault(fault)) {
    return simplerFaults(fault).filter((simpler) => simpler.kind !== "trap" && simpler.kind !== "leave");
  }
  if (fault.kind === "leaderTrap") return [];
  return fault.forMs > 1 ? [{ ...fault, forMs: Math.ceil(fault.forMs / 2) }] : [];
}
