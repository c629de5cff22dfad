import { type Estimate, estimate, quantiles } from "../load/measures.ts";
import { type PlatoResult, type PlatoScenario, runPlato } from "./plato-load.ts";
import { runRing } from "./ring-load.ts";

/** A scenario, run with so many seeds, from this one on (1). `ring`: the daemons' total order instead of this one. */
export type PlatoPoint = Omit<PlatoScenario, "seed"> & {
  readonly seeds: number;
  readonly firstSeed?: number;
  readonly ring?: true;
};

/** What has come of it, each estimate over seeds. Times in ms. */
export type PlatoMeasures = {
  /** Deliveries that stood, all seeds together. */
  readonly deliveries: number;
  /** From sending to the delivery that stood, of each seed, and over all. */
  readonly means: readonly number[];
  readonly latency: Estimate;
  /** 0, 1, 2 … 100 % of deliveries were as fast as this; and 99.9 %. */
  readonly percentiles: readonly number[];
  readonly p999: number;
  readonly commit: Estimate;
  /** Shares of deliveries: before the order was known; taken back. */
  readonly optimistic: Estimate;
  readonly rolledBack: Estimate;
  readonly thresholdMs: number;
  readonly ordersPerMessage: number;
  /** By a threshold: what share of neighbours in the order comes closer, and of those that a member sees the other way round. */
  readonly closer: readonly (readonly [ms: number, all: number, inverted: number])[];
  readonly inverted: number;
};

/** Thresholds that are looked at, ms. */
const THRESHOLDS = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.5, 1, 2, 5];

/** Runs a point; a run in which something does not hold is an error. */
export function measurePlato({ seeds, firstSeed = 1, ring, ...scenario }: PlatoPoint): PlatoMeasures {
  const results: PlatoResult[] = [];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = (ring === true ? runRing : runPlato)({ ...scenario, seed });
    if (result.faults.length > 0) throw new Error(`seed ${seed}: ${result.faults.slice(0, 3).join("; ")}`);
    results.push(result);
  }
  const means = results.map(({ latencies }) => mean(latencies));
  const all = results.flatMap(({ latencies }) => latencies);
  const gaps = results.flatMap((result) => result.gaps);
  const inverted = gaps.filter(({ isInverted }) => isInverted);
  const share = (some: typeof gaps, ms: number) => some.filter((gap) => gap.ms < ms).length / Math.max(1, some.length);
  const shares = Array.from({ length: 101 }, (_, i) => i / 100);
  return {
    deliveries: all.length,
    means,
    latency: estimate(means),
    percentiles: quantiles(all, shares),
    p999: quantiles(all, [0.999])[0] as number,
    commit: estimate(results.map(({ commits }) => mean(commits))),
    optimistic: estimate(results.map(({ optimistic, latencies }) => optimistic / latencies.length)),
    rolledBack: estimate(results.map(({ rolledBack, latencies }) => rolledBack / latencies.length)),
    thresholdMs: mean(results.map(({ thresholdMs }) => thresholdMs)),
    ordersPerMessage: mean(results.map(({ orders }) => orders)),
    closer: THRESHOLDS.map((ms) => [ms, share(gaps, ms), share(inverted, ms)] as const),
    inverted: inverted.length / Math.max(1, gaps.length),
  };
}

/** Of the same seeds: how many times one is the other. */
export function ratio(one: PlatoMeasures, other: PlatoMeasures): Estimate {
  return estimate(one.means.map((value, i) => value / (other.means[i] as number)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
