import type { Fault } from "./faults.ts";
import type { Schedule } from "./schedule.ts";

/**
 * Finds a smaller schedule that still fails: first without as many faults and sends as can go (delta debugging), then
 * with smaller numbers in those that stay. `fails` runs a schedule; it is called at most `runsMax` times.
 */
export function shrinkSchedule(schedule: Schedule, fails: (schedule: Schedule) => boolean, runsMax = 400): Schedule {
  let runs = 0;
  const stillFails = (candidate: Schedule): boolean => runs++ < runsMax && fails(candidate);
  let best = schedule;
  const attempt = (candidate: Schedule): boolean => {
    if (!stillFails(candidate)) return false;
    best = candidate;
    return true;
  };
  if (best.lastSplit.length > 0) attempt({ ...best, lastSplit: [] });
  if (best.startAt.some((at) => at !== 0)) attempt({ ...best, startAt: best.startAt.map(() => 0) });
  for (let before = Number.POSITIVE_INFINITY; before > best.faults.length + best.sends.length && runs < runsMax; ) {
    before = best.faults.length + best.sends.length;
    reduce(best.faults, (faults) => attempt({ ...best, faults }));
    reduce(best.sends, (sends) => attempt({ ...best, sends }));
  }
  for (let i = 0; i < best.faults.length && runs < runsMax; i++) {
    for (const simpler of simplerFaults(best.faults[i] as Fault)) {
      if (attempt({ ...best, faults: best.faults.with(i, simpler) })) break;
    }
  }
  for (let i = 0; i < best.sends.length && runs < runsMax; i++) {
    const send = best.sends[i];
    if (send === undefined || send.bytes <= 12) continue;
    attempt({ ...best, sends: best.sends.with(i, { ...send, bytes: 12 }) });
  }
  return best;
}

/** Takes away as much of a list as `attempt` accepts: halves first, then ever smaller pieces. */
function reduce<T>(list: readonly T[], attempt: (list: readonly T[]) => boolean): void {
  let rest = list;
  if (rest.length > 0 && attempt([])) return;
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < rest.length; ) {
      const without = [...rest.slice(0, from), ...rest.slice(from + size)];
      if (without.length < rest.length && attempt(without)) rest = without;
      else from += size;
    }
  }
}

function simplerFaults(fault: Fault): Fault[] {
  const simpler: Fault[] = [];
  const rounded = Math.round(fault.at);
  if (rounded !== fault.at) simpler.push({ ...fault, at: rounded });
  if ("forMs" in fault && fault.forMs > 1) simpler.push({ ...fault, forMs: Math.ceil(fault.forMs / 2) });
  if (fault.kind === "loss" && fault.model.kind !== "uniform") {
    simpler.push({ ...fault, model: { kind: "uniform", probability: 0.1 } });
  }
  return simpler;
}
