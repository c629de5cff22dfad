import { LatencyHistogram } from "../base/latency-histogram.ts";
import { type NodeFigures, RECOVERY_COUNTERS } from "../wire/native/node-statistics.ts";
import type { DecoderStatistics } from "./decoder.ts";
import type { RateOfFire } from "./rate-of-fire.ts";
import type { Arrival, TimelyStatistics } from "./timely-node.ts";

/** What a node counts in one timely group. */
export type TimelyGroupStatistics = {
  /** Packets of others: that came by themselves, were rebuilt from repairs, were asked for; and will not come. */
  readonly received: number;
  readonly rebuilt: number;
  readonly resent: number;
  readonly lost: number;
  /** How long those that were rebuilt or asked for were waited for, since it was known that they are missing: counts by `LATENCY_BOUNDS_MS`. */
  readonly recovery: { readonly counts: readonly number[]; readonly sumMs: number };
  /** Where members choose: how this one wants to be repaired now. */
  readonly wanted?: RateOfFire;
};

/** Counts the packets of one group. */
export class GroupCounts {
  readonly #counts = { received: 0, rebuilt: 0, resent: 0, lost: 0 };
  readonly #recovery = new LatencyHistogram();

  arrived(how: Arrival, waitedMs: number): void {
    if (how === "sent") return;
    this.#counts[how]++;
    if (how !== "received") this.#recovery.add(waitedMs);
  }

  lost(count: number): void {
    this.#counts.lost += count;
  }

  get statistics(): TimelyGroupStatistics {
    const { counts, sumMs } = this.#recovery;
    return { ...this.#counts, recovery: { counts: [...counts], sumMs } };
  }
}

/** What there is to see of a node's timely groups, for NODE_STATISTICS. */
export function timelyFigures(
  statistics: Readonly<TimelyStatistics>,
  decoding: Readonly<DecoderStatistics>,
  recovery: LatencyHistogram,
  { groups, missing, heldBytes }: { readonly groups: number; readonly missing: number; readonly heldBytes: number },
): Partial<NodeFigures> {
  const buckets = Object.fromEntries(RECOVERY_COUNTERS.map((name, i) => [name, recovery.counts[i] ?? 0]));
  return {
    ...buckets,
    recoveredUs: Math.round(recovery.sumMs * 1_000),
    timelySent: statistics.sent,
    timelyReceived: statistics.received,
    timelyRebuilt: statistics.rebuilt,
    timelyResent: statistics.resent,
    timelyLost: statistics.lost,
    timelyRepairsSent: statistics.repairsSent,
    timelyRepairsReceived: decoding.received,
    timelyRepairsUseless: decoding.useless,
    timelyRepairsFailed: decoding.undecodable + decoding.damaged + decoding.overflowed,
    timelyNaks: statistics.naksSent,
    timelyGroups: groups,
    timelyMissing: missing,
    timelyHeldBytes: heldBytes,
  };
}
