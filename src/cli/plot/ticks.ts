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

/** Round numbers, each some times the one before, that enclose a range above 0: powers of ten, and 2 and 5 between them where these are few. */
export function logTicks([low, high]: readonly [number, number], count: number): number[] {
  const from = Math.floor(Math.log10(low) + 1e-9);
  const to = Math.ceil(Math.log10(high) - 1e-9);
  const steps = to - from <= count / 3 ? [1, 2, 5] : [1];
  const all: number[] = [];
  for (let power = from; power <= to; power++) {
    for (const step of steps) all.push(Number((step * 10 ** power).toPrecision(12)));
  }
  const first = all.findLastIndex((tick) => tick <= low * (1 + 1e-9));
  const last = all.findIndex((tick) => tick >= high * (1 - 1e-9));
  const ticks = all.slice(Math.max(0, first), last + 1);
  return ticks.length > 1 ? ticks : [low / 2, low * 2];
}

/** A tick's number, with the decimals that its neighbours need and thousands set apart. */
export function tickLabel(tick: number, ticks: readonly number[]): string {
  const decimals = Math.max(...ticks.map((other) => (String(other).split(".")[1] ?? "").length));
  const [whole = "0", fraction] = Math.abs(tick).toFixed(decimals).split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  const sign = tick < 0 ? "−" : "";
  return fraction === undefined ? sign + grouped : `${sign}${grouped}.${fraction}`;
}
