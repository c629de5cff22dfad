import type { DaemonId } from "../base/ids.ts";
import type { Random } from "../base/random.ts";
import { SERVICES } from "../ordering/service.ts";
import type { Fault } from "./faults.ts";
import type { PlannedSend } from "./schedule.ts";

/** Faults and messages that belong together. */
export type Ambush = { readonly faults: readonly Fault[]; readonly sends: readonly PlannedSend[] };

/**
 * What leaves holes in the order, and makes their recovery fail: everybody sends at once, the packets of some daemons are
 * lost at others while their tokens arrive, then they crash or are split off before they can repair it. What they had
 * stamped nobody has, while others have stamped on top of it. Often the survivors are hit again in the middle of their
 * recovery, so that some install and some only commit. Independent faults almost never meet within such a few ms.
 */
export function ambush(random: Random, ids: readonly DaemonId[], from: number): Ambush {
  const shuffled = random.shuffle([...ids]);
  const victimCount = ids.length > 3 && random.chance(0.4) ? 2 : 1;
  const victims = shuffled.slice(0, victimCount);
  const others = shuffled.slice(victimCount);
  const at = rounded(from);
  const faults: Fault[] = [];
  for (const victim of victims) {
    const to = random.chance(0.6) ? ids.filter((id) => id !== victim) : others.filter(() => random.chance(0.7));
    faults.push({ kind: "dataLoss", at, from: victim, to, probability: random.pick([0.4, 0.7, 1]), forMs: 60 });
  }
  const strikeAt = rounded(at + random.unit() * random.pick([1, 3, 8]));
  faults.push(...strike(random, strikeAt, victims, others));
  for (let again = random.pick([0, 1, 1, 2]); again > 0; again--) faults.push(trap(random, at, others));
  const healAt = rounded(at + 150 + random.unit() * 300);
  if (random.chance(0.8)) faults.push({ kind: "heal", at: healAt });
  for (const daemon of ids) {
    if (random.chance(0.7)) faults.push({ kind: "restart", at: rounded(healAt + random.unit() * 200 - 100), daemon });
  }
  return { faults, sends: burst(random, at, strikeAt, victims, others) };
}

/**
 * Safe and causal messages of few sessions in quick turn, while a rotation takes long: what is stable for one is not yet
 * known to be for another, and a causal message must wait there for what it follows here.
 */
export function chatter(random: Random, ids: readonly DaemonId[], from: number): Ambush {
  const at = rounded(from);
  const talkers = random.shuffle([...ids]).slice(0, random.integer(2, 4));
  const gapMs = random.pick([0.5, 2, 5]);
  const sends: PlannedSend[] = [];
  for (let i = 0; i < 40; i++) {
    sends.push({
      at: rounded(at + i * gapMs * random.unit() * 2),
      daemon: random.pick(talkers),
      session: random.integer(1, 2),
      service: random.pick(["safe", "causal"]),
      bytes: random.integer(12, 300),
    });
  }
  const latency = { baseMs: random.pick([0.2, 1, 2]), jitterMs: random.pick([0, 0.5]) };
  return { faults: [{ kind: "latency", at, latency, forMs: rounded(80 * gapMs) }], sends: sends.sort(byTime) };
}

/** The victims are gone: they crash, or are cut off, perhaps with some of the others. */
function strike(random: Random, at: number, victims: readonly DaemonId[], others: readonly DaemonId[]): Fault[] {
  if (random.chance(0.5)) return victims.map((daemon) => ({ kind: "crash", at, daemon }));
  const along = others.filter(() => random.chance(0.25));
  const rest = others.filter((id) => !along.includes(id));
  return [{ kind: "split", at, parts: [[...victims, ...along], rest].filter((part) => part.length > 0) }];
}

/** Hits somebody among the survivors while they recover. */
function trap(random: Random, at: number, others: readonly DaemonId[]): Fault {
  const daemon = random.pick(others);
  const state = random.pick(["form", "recovery", "recovery", "operational"] as const);
  const delayMs = rounded(random.unit() * random.pick([0.2, 0.5, 1, 3]));
  const kind = random.pick(["crash", "split", "split", "freeze", "oneWay"] as const);
  const other = random.pick(others);
  let fault: Fault = { kind: "crash", at, daemon: other };
  if (kind === "split") {
    const first = others.filter(() => random.chance(0.5));
    const second = others.filter((id) => !first.includes(id));
    fault = { kind, at, parts: [first, second].filter((part) => part.length > 0) };
  } else if (kind === "freeze") {
    fault = { kind, at, daemon: other, forMs: random.pick([20, 60, 120]) };
  } else if (kind === "oneWay" && other !== daemon) {
    fault = { kind, at, from: daemon, to: other };
  }
  return { kind: "trap", at, daemon, state, delayMs, fault };
}

function burst(
  random: Random,
  at: number,
  until: number,
  victims: readonly DaemonId[],
  others: readonly DaemonId[],
): PlannedSend[] {
  const services = random.pick([["agreed", "safe"], ["agreed", "safe"], ["safe", "causal"], SERVICES] as const);
  const sends: PlannedSend[] = [];
  for (const daemon of [...victims, ...others.filter(() => random.chance(0.8))]) {
    for (let i = random.integer(1, 8); i > 0; i--) {
      sends.push({
        at: rounded(at + random.unit() * (until - at)),
        daemon,
        session: random.integer(1, 2),
        service: random.pick(services),
        bytes: random.chance(0.1) ? random.integer(2_000, 6_000) : random.integer(12, 300),
      });
    }
  }
  return sends.sort(byTime);
}

/** In order of time. */
export function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}

function rounded(at: number): number {
  return Math.round(at * 1000) / 1000;
}
