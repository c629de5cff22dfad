import type { LoadResult } from "./load-meter.ts";
import type { LoadScenario } from "./scenario.ts";

/** A run of a sweep. `series` and `x` say which point of which curve it is. */
export type Point = { readonly series: string; readonly x: number; readonly scenario: LoadScenario };

/** Runs that differ in one thing, or in two; several experiments may look at them. */
export type Sweep = { readonly name: string; readonly points: readonly Point[] };

/** What has come of a point. */
export type Outcome = { readonly series: string; readonly x: number; readonly result: LoadResult };

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
  readonly curves: readonly Curve[];
};

/** The outcomes of sweeps, by the name of the sweep. */
export type Outcomes = ReadonlyMap<string, readonly Outcome[]>;

/** A question of the paper's evaluation (protocols.md A.12), the sweeps that answer it, and what is shown of them. */
export type Experiment = {
  readonly name: string;
  readonly title: string;
  readonly sweeps: readonly Sweep[];
  figures(outcomes: Outcomes): readonly Figure[];
};

/** A curve of one series of a sweep. */
export function curveOf(
  outcomes: readonly Outcome[] | undefined,
  series: string,
  name: string,
  value: (result: LoadResult) => { readonly mean: number; readonly ci95?: number } | number,
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
