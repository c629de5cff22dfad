import type { DaemonId } from "../base/ids.ts";
import type { Random } from "../base/random.ts";
import { SERVICES } from "../ordering/service.ts";
import { type Ambush, byTime } from "./ambush.ts";
import type { Fault } from "./faults.ts";
import type { PlannedSend } from "./schedule.ts";

/** What a session sends: some of it is for its own site, some for all (`isForOwnSite`). */
const MIXES = [["agreed", "fifo"], ["agreed", "fifo"], ["agreed", "safe", "fifo", "causal"], SERVICES] as const;

/**
 * Messages for one site that are lost with who sent them, where others for all follow them (docs/protocols/wide-area.md, "Pruning"): a daemon sends both in
 * quick turn, some of its site miss packets, and it is gone before they have asked for them. Often a daemon of another site is gone a little earlier, so that nothing becomes agreed meanwhile, or the
 * representative is while it carries over what it has. Independent faults hardly ever meet so.
 */
export function siteAmbush(random: Random, bySite: readonly (readonly DaemonId[])[], from: number): Ambush {
  const hasMore = bySite.filter((daemons) => daemons.length > 1);
  if (hasMore.length === 0) return { faults: [], sends: [] };
  const site = random.pick(hasMore);
  const [representative = 0, ...rest] = site;
  const victim = random.pick(rest);
  const at = rounded(from);
  const strikeAt = rounded(at + random.unit() * random.pick([2, 8, 40]));
  const to = site.filter((daemon) => daemon !== victim && random.chance(0.5));
  const faults: Fault[] = [{ kind: "crash", at: strikeAt, daemon: victim }];
  if (to.length > 0) {
    faults.push({ kind: "dataLoss", at, from: victim, to, probability: random.pick([0.4, 1]), forMs: 60 });
  }
  const elsewhere = hasMore.filter((daemons) => daemons !== site).flatMap((daemons) => daemons.slice(1));
  const early = elsewhere.length > 0 && random.chance(0.6) ? random.pick(elsewhere) : undefined;
  if (early !== undefined) faults.push({ kind: "crash", at: rounded(at - 20 * random.unit()), daemon: early });
  const isFelled = random.chance(0.5);
  if (isFelled) {
    const delayMs = rounded(random.unit() * random.pick([1, 5, 20]));
    const fault: Fault = { kind: "crash", at, daemon: representative };
    faults.push({ kind: "trap", at, daemon: representative, state: "recovery", delayMs, fault });
    // Nor does it bring back at its own site what it has told others.
    if (to.length > 0 && random.chance(0.5)) {
      faults.push({ kind: "dataLoss", at, from: representative, to, probability: 1, forMs: 400 });
    }
  }
  const backAt = rounded(at + 250 + 400 * random.unit());
  for (const daemon of [victim, representative, early]) {
    if (daemon === undefined) continue;
    if (daemon !== representative || isFelled) faults.push({ kind: "restart", at: backAt, daemon });
  }
  return { faults, sends: sendsOf(random, at, strikeAt, victim, site) };
}

function sendsOf(
  random: Random,
  at: number,
  until: number,
  victim: DaemonId,
  site: readonly DaemonId[],
): PlannedSend[] {
  const services = random.pick(MIXES);
  const sends: PlannedSend[] = [];
  for (let i = random.integer(4, 24); i > 0; i--) {
    sends.push({
      at: rounded(at + random.unit() * (until - at)),
      daemon: random.chance(0.85) ? victim : random.pick(site),
      session: random.integer(1, 2),
      service: random.pick(services),
      bytes: random.chance(0.2) ? random.integer(2_000, 6_000) : random.integer(12, 300),
    });
  }
  return sends.sort(byTime);
}

function rounded(at: number): number {
  return Math.round(at * 1000) / 1000;
}
