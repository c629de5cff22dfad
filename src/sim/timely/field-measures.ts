import { type Estimate, estimate, quantiles } from "../load/measures.ts";
import { type FieldOptions, type FieldResult, runField } from "./field.ts";

/** A field, run with so many seeds, from this one on (1). */
export type FieldPoint = Omit<FieldOptions, "seed"> & { readonly seeds: number; readonly firstSeed?: number };

/** What has become of what receivers lost, each estimate over seeds. Times in ms from when a packet would have come. */
export type FieldMeasures = {
  /** Losses that there were, all seeds together. */
  readonly missed: number;
  /** Share of them that repairs brought, without anybody asking; and that came, or came in 200 ms, in whatever way. */
  readonly rebuilt: Estimate;
  readonly recovered: number;
  readonly within200: number;
  /** By repairs, and in whatever way. */
  readonly rebuiltMs: Estimate;
  readonly recoveredMs: Estimate;
  readonly p99Ms: number;
  /** 0, 1, 2 … 100 % of what came, in whatever way, was here after so long. */
  readonly percentiles: readonly number[];
  /** Shares of what came by the time it took, each step times the root of two from 0.1 ms on: a histogram. */
  readonly histogram: readonly (readonly [ms: number, share: number])[];
  /** Repairs sent by packets received or sent. */
  readonly overhead: Estimate;
  readonly naks: number;
};

const STEPS = 26;
const STEP_FROM_MS = 0.1;

/** Runs a point; a run in which something does not hold is an error. */
export function measureField({ seeds, firstSeed = 1, ...options }: FieldPoint): FieldMeasures {
  const results: FieldResult[] = [];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = runField({ ...options, seed });
    if (result.faults.length > 0) throw new Error(`seed ${seed}: ${result.faults.slice(0, 3).join("; ")}`);
    results.push(result);
  }
  const missed = sum(results.map((result) => result.missed));
  const recoveredMs = results.flatMap((result) => [...result.recoveredMs]);
  const shares = Array.from({ length: 101 }, (_, i) => i / 100);
  return {
    missed,
    rebuilt: estimate(results.map((result) => result.rebuilt / result.missed)),
    recovered: recoveredMs.length / missed,
    within200: recoveredMs.filter((ms) => ms <= 200).length / missed,
    rebuiltMs: estimate(results.map((result) => mean(result.rebuiltMs))),
    recoveredMs: estimate(results.map((result) => mean(result.recoveredMs))),
    p99Ms: quantiles(recoveredMs, [0.99])[0] as number,
    percentiles: quantiles(recoveredMs, shares),
    histogram: histogram(recoveredMs),
    overhead: estimate(results.map(({ overhead }) => overhead)),
    naks: sum(results.map(({ naks }) => naks)) / missed,
  };
}

function histogram(values: readonly number[]): (readonly [number, number])[] {
  return Array.from({ length: STEPS }, (_, i) => {
    const [from, to] = [i === 0 ? 0 : STEP_FROM_MS * 2 ** ((i - 1) / 2), STEP_FROM_MS * 2 ** (i / 2)];
    return [to, values.filter((ms) => ms >= from && ms < to).length / Math.max(1, values.length)] as const;
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / Math.max(1, values.length);
}
