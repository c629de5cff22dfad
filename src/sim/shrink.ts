import type { PlannedClient } from "./client-plan.ts";
import type { Fault } from "./faults.ts";
import type { Schedule } from "./schedule.ts";

/**
 * Finds a smaller schedule that still fails: first without as many faults, sends, clients and acts of clients as can go
 * (delta debugging), then with smaller numbers in those that stay. `fails` runs a schedule; it is called at most
 * `runsMax` times.
 */
export async function shrinkSchedule(
  schedule: Schedule,
  fails: (schedule: Schedule) => boolean | Promise<boolean>,
  runsMax = 400,
): Promise<Schedule> {
  let runs = 0;
  let best = schedule;
  const attempt = async (candidate: Schedule): Promise<boolean> => {
    if (runs++ >= runsMax || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  const attemptClient = (name: string, changed: Partial<PlannedClient>): Promise<boolean> => {
    const clients = (best.clients ?? []).map((client) => (client.name === name ? { ...client, ...changed } : client));
    return attempt({ ...best, clients });
  };
  if (best.lastSplit.length > 0) await attempt({ ...best, lastSplit: [] });
  if (best.startAt.some((at) => at !== 0)) await attempt({ ...best, startAt: best.startAt.map(() => 0) });
  for (let before = Number.POSITIVE_INFINITY; before > sizeOf(best) && runs < runsMax; ) {
    before = sizeOf(best);
    if (best.clients !== undefined) await reduce(best.clients, (clients) => attempt({ ...best, clients }));
    await reduce(best.faults, (faults) => attempt({ ...best, faults }));
    await reduce(best.sends, (sends) => attempt({ ...best, sends }));
    for (const { name, acts } of best.clients ?? [])
      await reduce(acts, (fewer) => attemptClient(name, { acts: fewer }));
  }
  for (let i = 0; i < best.faults.length && runs < runsMax; i++) {
    for (const simpler of simplerFaults(best.faults[i] as Fault)) {
      if (await attempt({ ...best, faults: best.faults.with(i, simpler) })) break;
    }
  }
  for (let i = 0; i < best.sends.length && runs < runsMax; i++) {
    const send = best.sends[i];
    if (send === undefined || send.bytes <= 12) continue;
    await attempt({ ...best, sends: best.sends.with(i, { ...send, bytes: 12 }) });
  }
  for (const { killAt, ...client } of best.clients ?? []) {
    if (killAt === undefined) continue;
    const clients = best.clients?.map((other) => (other.name === client.name ? client : other)) ?? [];
    await attempt({ ...best, clients });
  }
  for (const client of best.clients ?? []) {
    const small = client.acts.map((act) => (act.kind === "send" ? { ...act, bytes: Math.min(act.bytes, 20) } : act));
    if (small.some((act, i) => act.kind === "send" && client.acts[i] !== act))
      await attemptClient(client.name, { acts: small });
  }
  return best;
}

function sizeOf({ faults, sends, clients = [] }: Schedule): number {
  return faults.length + sends.length + clients.reduce((sum, { acts }) => sum + 1 + acts.length, 0);
}

/** Takes away as much of a list as `attempt` accepts: halves first, then ever smaller pieces. */
export async function reduce<T>(list: readonly T[], attempt: (list: readonly T[]) => Promise<boolean>): Promise<void> {
  let rest = list;
  if (rest.length > 0 && (await attempt([]))) return;
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < rest.length; ) {
      const without = [...rest.slice(0, from), ...rest.slice(from + size)];
      if (without.length < rest.length && (await attempt(without))) rest = without;
      else from += size;
    }
  }
}

export function simplerFaults(fault: Fault): Fault[] {
  const simpler: Fault[] = [];
  const rounded = Math.round(fault.at);
  if (rounded !== fault.at) simpler.push({ ...fault, at: rounded });
  if ("forMs" in fault && fault.forMs > 1) simpler.push({ ...fault, forMs: Math.ceil(fault.forMs / 2) });
  if (fault.kind === "loss" && fault.model.kind !== "uniform") {
    simpler.push({ ...fault, model: { kind: "uniform", probability: 0.1 } });
  }
  return simpler;
}
