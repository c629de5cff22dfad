/** Of a row of samples: their mean, and half the width of its 95 % confidence interval if they were independent. */
export type Estimate = { readonly mean: number; readonly ci95: number; readonly deviation: number };

/** Two-sided 97.5 % points of Student's t, by degrees of freedom from 1. */
const T_975 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13];
const T_MANY = 2;

/** For an interval that holds what is estimated in 95 of 100 cases, in standard errors. */
export function t975(degreesOfFreedom: number): number {
  return T_975[degreesOfFreedom - 1] ?? T_MANY;
}

export function estimate(samples: readonly number[]): Estimate {
  const count = samples.length;
  if (count === 0) return { mean: 0, ci95: 0, deviation: 0 };
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / count;
  if (count === 1) return { mean, ci95: 0, deviation: 0 };
  const variance = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0) / (count - 1);
  return { mean, ci95: t975(count - 1) * Math.sqrt(variance / count), deviation: Math.sqrt(variance) };
}

/** What of the samples lies at or below these shares (0 … 1) of them. */
export function quantiles(samples: readonly number[], shares: readonly number[]): number[] {
  const sorted = samples.toSorted((a, b) => a - b);
  return shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}
