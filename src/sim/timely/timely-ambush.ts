import { Random } from "../../base/random.ts";
import type { RegionSend } from "../regions/schedule.ts";
import type { SequencerTrap, TimelyFault, TimelySchedule } from "./schedule.ts";

/** So long before faults end somebody says something for the last time. */
const LAST_WORDS_MS = 450;
/** A trap is set so long before faults end, or it hardly springs in time. */
const SPRINGS_WITHIN_MS = 900;

/**
 * What independent faults almost never do together: a sequencer goes on for some of the members only, and fails; and the last packet of a sender is lost
 * at all others, so that nothing but the sender tells of it.
 */
export function ambushed(schedule: TimelySchedule): TimelySchedule {
  // Of chances of its own: the rest of the schedule is what it would be without this.
  const random = new Random(schedule.seed ^ 0x5eac);
  const faults: TimelyFault[] = [...schedule.faults];
  let { sends } = schedule;
  if (schedule.groups.some(({ order }) => order !== undefined) && schedule.machines > 2 && random.chance(0.6)) {
    for (let count = random.integer(1, 3); count > 0; count--) faults.push(partedTrap(random, schedule));
  }
  if (random.chance(0.5)) {
    const { said, unheard } = lastWords(random, schedule);
    const isLater = ({ machine, group, at }: RegionSend): boolean =>
      machine === said.machine && group === said.group && at > said.at;
    sends = [...sends.filter((one) => !isLater(one)), said];
    faults.push(...unheard);
  }
  return { ...schedule, faults: faults.sort(byTime), sends: [...sends].sort(byTime) };
}

/** Those who hear the sequencer know more of the order than the others when it fails, and these two do not hear of each other for a while yet. */
function partedTrap(random: Random, { machines, quietAt }: TimelySchedule): SequencerTrap {
  const ids = Array.from({ length: machines }, (_, i) => i + 1);
  const side = ids.filter(() => random.chance(0.5));
  return {
    kind: "sequencerTrap",
    at: random.integer(50, Math.max(51, quietAt - SPRINGS_WITHIN_MS)),
    when: "order",
    delayMs: random.pick([5, 20, 60]),
    apart: { machines: side, forMs: random.pick([100, 250, 500]) },
  };
}

function lastWords(
  random: Random,
  { machines, groups, quietAt }: TimelySchedule,
): { readonly said: RegionSend; readonly unheard: readonly TimelyFault[] } {
  const machine = random.integer(1, machines);
  const at = quietAt - LAST_WORDS_MS;
  const forMs = random.pick([5, 40, 200]);
  const said = { at, machine, group: random.pick(groups).name, bytes: random.integer(12, 100) };
  const unheard: TimelyFault[] = [];
  for (let to = 1; to <= machines; to++) {
    if (to === machine) continue;
    unheard.push({
      kind: "linkLoss",
      at: at - 1,
      from: machine,
      to,
      model: { kind: "uniform", probability: 1 },
      forMs,
    });
  }
  return { said, unheard };
}

function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}
