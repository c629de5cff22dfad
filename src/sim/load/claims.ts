import { t975 } from "./measures.ts";

/** What a run, or some runs with the same seed, show of a claim: a part of something, or how often one is in the other. */
export type Sample = { readonly part: number; readonly whole: number };

/** A mean of some runs is a part of one. */
export function meanOf(value: number): Sample {
  return { part: value, whole: 1 };
}

/**
 * What is made of samples of several seeds. `share`: of so many things, in percent; `ratio`: of the sums, or a mean; `total`: the sum of the
 * parts, which says something of these runs alone.
 */
export type ClaimKind = "share" | "ratio" | "total";

export type Bound = { readonly atLeast: number } | { readonly atMost: number };

/** A figure that a protocol shall reach. */
export type Claim<Result = unknown> = {
  /** Claims of one group are about one thing, and run together. */
  readonly group: string;
  readonly what: string;
  readonly kind: ClaimKind;
  readonly unit: string;
  readonly digits: number;
  /** Undefined: it is only reported. */
  readonly bound?: Bound;
  /** The runs that show it. */
  readonly runs: readonly string[];
  /** What they show with one seed, given in that order. */
  of(...results: readonly Result[]): Sample;
};

/** The claims of a protocol. */
export interface ClaimSet<Scenario = unknown, Result = unknown> {
  readonly claims: readonly Claim<Result>[];
  /** The scenario of a run by its name, with this seed alone. */
  scenario(run: string, seed: number): Scenario;
}

/** What was measured, with its 95 % interval; whether all of that, or at least the mean, is within the bound. */
export type Finding = {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly reached: "yes" | "on average" | "no" | undefined;
};

/** Standard errors on each side of an interval that holds 95 of 100 values of a normal distribution. */
const Z = 1.96;

/** Weighs the samples, one for each seed. */
export function findingOf({ kind, bound }: Pick<Claim, "kind" | "bound">, samples: readonly Sample[]): Finding {
  const part = samples.reduce((sum, sample) => sum + sample.part, 0);
  const whole = samples.reduce((sum, sample) => sum + sample.whole, 0);
  if (kind === "total") return { mean: part, low: part, high: part, reached: verdict(bound, part, part, part) };
  const mean = part / whole;
  const half = halfWidth(samples, mean, whole);
  let [low, high] = [mean - half, mean + half];
  if (kind === "share") {
    // All seeds may agree, as where nothing at all failed: then the number of cases says how much that means.
    const wilson = wilsonInterval(part, whole);
    low = 100 * Math.max(0, Math.min(low, wilson.low));
    high = 100 * Math.min(1, Math.max(high, wilson.high));
  }
  const shown = kind === "share" ? 100 * mean : mean;
  return { mean: shown, low, high, reached: verdict(bound, shown, low, high) };
}

/** Of a ratio of sums: how far those of single seeds are off it, by Student's t. */
function halfWidth(samples: readonly Sample[], ratio: number, whole: number): number {
  const count = samples.length;
  if (count < 2) return 0;
  const squares = samples.reduce((sum, sample) => sum + (sample.part - ratio * sample.whole) ** 2, 0);
  return (t975(count - 1) * Math.sqrt((squares * count) / (count - 1))) / whole;
}

/** Wilson's interval for a share of independent cases. */
function wilsonInterval(part: number, whole: number): { readonly low: number; readonly high: number } {
  const share = part / whole;
  const centre = (share + Z ** 2 / (2 * whole)) / (1 + Z ** 2 / whole);
  const half = (Z * Math.sqrt((share * (1 - share)) / whole + (Z / (2 * whole)) ** 2)) / (1 + Z ** 2 / whole);
  return { low: centre - half, high: centre + half };
}

function verdict(bound: Bound | undefined, mean: number, low: number, high: number): Finding["reached"] {
  if (bound === undefined) return undefined;
  const isReached = (value: number): boolean => ("atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost);
  if (!isReached(mean)) return "no";
  return isReached(low) && isReached(high) ? "yes" : "on average";
}
