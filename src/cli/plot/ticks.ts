const STEPS = [1, 2, 2.5, 5, 10];

/** Round numbers, evenly spaced, about so many, that enclose a range. */
export function niceTicks([low, high]: readonly [number, number], count: number): number[] {
  const wanted = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * (STEPS.find((candidate) => candidate * power >= wanted * (1 - 1e-9)) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A tick's number, with the decimals that its neighbours need and thousands set apart. */
export function tickLabel(tick: number, ticks: readonly number[]): string {
  const decimals = Math.max(...ticks.map((other) => (String(other).split(".")[1] ?? "").length));
  const [whole = "0", fraction] = Math.abs(tick).toFixed(decimals).split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  const sign = tick < 0 ? "−" : "";
  return fraction === undefined ? sign + grouped : `${sign}${grouped}.${fraction}`;
}
