import type { ClaimSet } from "./claims.ts";
import type { LoadResult } from "./load-meter.ts";
import type { LoadScenario } from "./scenario.ts";

/** A run of a sweep. `series` and `x` say which point of which curve it is. */
export type Point<Scenario = LoadScenario> = {
  readonly series: string;
  readonly x: number;
  readonly scenario: Scenario;
};

/** Runs that differ in one thing, or in two; several experiments may look at them. */
export type Sweep<Scenario = LoadScenario> = { readonly name: string; readonly points: readonly Point<Scenario>[] };

/** What has come of a point. */
export type Outcome<Result = LoadResult> = { readonly series: string; readonly x: number; readonly result: Result };

export type CurvePoint = {
  readonly x: number;
  readonly y: number /** Half of the 95 % confidence interval. */;
  readonly ci?: number;
};

export type Curve = {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Numbers of the paper's, which has no more of them than these. */
  readonly isPublished?: boolean;
};

/** A plot: what stands at its axes, and its curves. */
export type Figure = {
  /** Of its file. */
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** The axis that need not begin at 0. */
  readonly cut?: "x" | "y";
  /** Axes on which each step is a factor; what is not above 0 is not drawn. */
  readonly log?: "x" | "y" | "both";
  readonly curves: readonly Curve[];
};

/** The outcomes of sweeps, by the name of the sweep. */
export type Outcomes<Result = LoadResult> = ReadonlyMap<string, readonly Outcome<Result>[]>;

/** A question of a paper's evaluation, the sweeps that answer it, and what is shown of them. */
export type Experiment<Scenario = LoadScenario, Result = LoadResult> = {
  readonly name: string;
  readonly title: string;
  readonly sweeps: readonly Sweep<Scenario>[];
  figures(outcomes: Outcomes<Result>): readonly Figure[];
};

/** The experiments of one protocol. What they give can be sent between threads. */
export interface Suite<Scenario = unknown, Result = unknown> {
  readonly name: string;
  readonly experiments: readonly Experiment<Scenario, Result>[];
  run(scenario: Scenario): Result;
  /** A scenario as it is written down beside its result. */
  told(scenario: Scenario): unknown;
  /** What the protocol shall reach. */
  readonly claims?: ClaimSet<Scenario, Result>;
}

/** A curve of one series of a sweep. */
export function curveOf<Result = LoadResult>(
  outcomes: readonly Outcome<Result>[] | undefined,
  series: string,
  name: string,
  value: (result: Result) => { readonly mean: number; readonly ci95?: number } | number,
): Curve {
  const points = (outcomes ?? [])
    .filter((outcome) => outcome.series === series)
    .map(({ x, result }) => {
      const of = value(result);
      return typeof of === "number" ? { x, y: of } : { x, y: of.mean, ci: of.ci95 ?? 0 };
    });
  return { name, points };
}

/** The share of samples at or below each of them. */
export function distribution(name: string, samples: readonly number[] | undefined): Curve {
  const sorted = (samples ?? []).toSorted((a, b) => a - b);
  return { name, points: sorted.map((x, i) => ({ x, y: (i + 1) / sorted.length })) };
}

export function published(name: string, points: readonly (readonly [number, number])[]): Curve {
  return { name, points: points.map(([x, y]) => ({ x, y })), isPublished: true };
}
