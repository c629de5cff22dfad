import { figure, median, printTable } from "./report.ts";

/** Something that regions are to reach: a figure of each repetition, and its bound. */
export type Claim = {
  readonly what: string;
  readonly unit: "%" | "us" | "ms" | "x" | "bytes";
  readonly bound: "least" | "most";
  readonly aim: number;
  readonly values: readonly number[];
};

/** What a part of the benchmark has measured; the rest of it goes into the JSON as it is. */
export type Measured = { readonly claims: readonly Claim[]; readonly [key: string]: unknown };

/** Students' t for a two-sided interval of 95 %, by the number of values from 2 on. */
const T = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];

/** Half the width of the interval in which the mean is with 95 %; NaN of a single value. */
export function confidence(values: readonly number[]): number {
  const n = values.length;
  if (n < 2) return Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return (T[Math.min(n - 2, T.length - 1)] as number) * Math.sqrt(variance / n);
}

/** Whether the median keeps the bound. */
export function isReached({ bound, aim, values }: Claim): boolean {
  const value = median(values);
  return bound === "least" ? value >= aim : value <= aim;
}

export function printClaims(claims: readonly Claim[]): void {
  const rows = claims.map((claim) => {
    const { what, unit, bound, aim, values } = claim;
    const told = (value: number): string => `${figure(value)} ${unit}`;
    return [
      what,
      `${bound === "least" ? ">=" : "<="} ${told(aim)}`,
      told(median(values)),
      values.length > 1 ? `+- ${figure(confidence(values))}` : "",
      isReached(claim) ? "reached" : "NOT REACHED",
    ];
  });
  printTable(["what is to be reached", "aim", "median", "95 %", ""], rows);
}
