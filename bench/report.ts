import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";

/** The median; of an even number the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that at least this share (0 … 1) of the values does not exceed. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** A number for people: thousands apart, three significant digits below a hundred. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** Prints rows under a head, columns aligned; the first column to the left. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  console.log(line(head));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}

/** Writes the results to bench/results/<name>.json with what is needed to compare them later. */
export function saveResults(name: string, results: unknown): void {
  const folder = new URL("./results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${name}.json`, folder);
  const machine = { node: process.version, kernel: release(), cpu: cpus()[0]?.model ?? "", cores: cpus().length };
  const report = { benchmark: name, at: new Date().toISOString(), machine, results };
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`JSON: bench/results/${name}.json`);
}

/** Whether this module is the program, rather than imported by another benchmark. */
export function isMain(moduleUrl: string): boolean {
  return process.argv[1] !== undefined && new URL(`file://${process.argv[1]}`).pathname === new URL(moduleUrl).pathname;
}
