import { Random } from "../../base/random.ts";
import type { MachineFault } from "./machines.ts";
import type { RegionSchedule, RegionSend } from "./schedule.ts";

/**
 * What independent faults almost never do together: a sender loses packets at some of the members, fails before it can repair them, and
 * while the others find out what they have of it, one of them fails as well, most often the leader; or the sender was only frozen, and is
 * listened to no more.
 */
export function ambushed(schedule: RegionSchedule, groups: readonly string[]): RegionSchedule {
  const { faults, sends } = ambushes(schedule, groups);
  if (faults.length === 0) return schedule;
  return {
    ...schedule,
    faults: [...schedule.faults, ...faults].sort(byTime),
    sends: [...schedule.sends, ...sends].sort(byTime),
  };
}

/** These alone; half of the seeds have none. */
export function ambushes(
  schedule: Pick<RegionSchedule, "seed" | "machines" | "quietAt" | "endTells" | "batchMs" | "failureMs">,
  groups: readonly string[],
): { readonly faults: readonly MachineFault[]; readonly sends: readonly RegionSend[] } {
  // Of chances of its own: the schedule is what it would be without this.
  const random = new Random(schedule.seed ^ 0xa3b5);
  const { machines, quietAt } = schedule;
  const faults: MachineFault[] = [];
  const sends: RegionSend[] = [];
  if (machines < 3 || random.chance(0.5)) return { faults, sends };
  const ids = Array.from({ length: machines }, (_, i) => i + 1);
  for (let count = random.integer(1, 3); count > 0; count--) {
    const at = rounded(200 + random.unit() * (quietAt - 1_200));
    const [sender, other] = random.shuffle([...ids]) as [number, number];
    const forMs = random.pick([5, 15, 40]);
    for (let i = random.integer(5, 40); i > 0; i--) {
      const when = rounded(at - 5 + random.unit() * (forMs + 10));
      sends.push({ at: when, machine: sender, group: random.pick(groups), bytes: random.integer(12, 1_500) });
    }
    const deaf = ids.filter((id) => id !== sender && random.chance(0.6));
    faults.push({ kind: "dataLoss", at, from: sender, to: deaf, probability: random.pick([0.5, 1]), forMs });
    const endsAt = rounded(at + forMs + random.unit() * 8);
    if (random.chance(0.3)) faults.push({ kind: "freeze", at: endsAt, daemon: sender, forMs: random.pick([600, 900]) });
    else {
      faults.push({ kind: "crash", at: endsAt, daemon: sender });
      faults.push({ kind: "restart", at: endsAt + random.integer(100, 900), daemon: sender });
    }
    if (random.chance(0.3)) continue;
    // By then its failure is known, and being settled. The lowest one that lives leads, as a rule.
    const next = random.chance(0.7) ? (sender === 1 ? 2 : 1) : other;
    const knownAt = endsAt + (schedule.endTells ? schedule.batchMs : random.pick([0, schedule.failureMs]));
    const when = rounded(knownAt + random.unit() * random.pick([20, 100, 300]));
    faults.push({ kind: "crash", at: when, daemon: next });
    faults.push({ kind: "restart", at: rounded(when + random.integer(100, 900)), daemon: next });
  }
  return { faults, sends };
}

function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}

function rounded(at: number): number {
  return Math.round(at * 100) / 100;
}
