import { Random } from "../../base/random.ts";
import type { RegionFault, RegionSchedule } from "./schedule.ts";

/** Whoever leads fails while a token says what of a failed sender is lost: some members have heard it, others have not. */
export function trapped(schedule: RegionSchedule): RegionSchedule {
  // Of chances of its own, like those below.
  const random = new Random(schedule.seed ^ 0x7a9d);
  if (schedule.machines < 4 || random.chance(0.5)) return schedule;
  const traps = Array.from({ length: random.integer(1, 2) }, (): RegionFault => {
    return { kind: "leaderTrap", at: random.integer(100, 1_500), delayMs: random.pick([0, 0.2, 0.5, 1, 3]) };
  });
  return { ...schedule, faults: [...schedule.faults, ...traps].sort((a, b) => a.at - b.at) };
}

/**
 * What a machine does to its node: its application does not keep up now and then, so that senders wait for it; and it finds no multicast, for
 * a while or never, alone or like all others.
 */
export function troubled(schedule: RegionSchedule): RegionSchedule {
  // Of chances of its own: the schedule is what it would be without this.
  const random = new Random(schedule.seed ^ 0x51f7);
  const faults = [...schedule.faults, ...holds(schedule, random), ...withoutMulticast(schedule, random)];
  if (faults.length === schedule.faults.length) return schedule;
  return { ...schedule, faults: faults.sort((a, b) => a.at - b.at) };
}

function holds({ machines, quietAt }: RegionSchedule, random: Random): RegionFault[] {
  if (random.chance(0.6)) return [];
  return Array.from({ length: random.integer(1, 6) }, () => {
    const at = Math.round(50 + random.unit() * (quietAt - 100));
    const forMs = Math.min(random.pick([20, 100, 400, 1_000]), quietAt - at);
    return { kind: "hold", at, daemon: random.integer(1, machines), forMs };
  });
}

function withoutMulticast({ machines, quietAt, endAt }: RegionSchedule, random: Random): RegionFault[] {
  if (random.chance(0.6)) return [];
  const ids = Array.from({ length: machines }, (_, i) => i + 1);
  const without = (daemon: number): RegionFault => ({ kind: "noMulticast", at: 0, daemon, forMs: endAt });
  if (random.chance(0.5)) return ids.map(without);
  return ids
    .filter(() => random.chance(0.4))
    .map((daemon) => {
      if (random.chance(0.3)) return without(daemon);
      const at = Math.round(random.unit() * (quietAt - 100));
      return { kind: "noMulticast", at, daemon, forMs: random.pick([50, 300, 1_500]) };
    });
}
