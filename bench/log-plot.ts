/** Points of a curve, x ascending; all above 0. */
export type Curve = { readonly name: string; readonly points: readonly (readonly [number, number])[] };

const WIDTH = 640;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 170;
const TOP = 40;
const BOTTOM = 50;
const COLOURS = ["#1b6ca8", "#7fb3d5", "#b03a2e", "#e59866", "#1e8449", "#82e0aa"];

/** Curves over two logarithmic axes, as SVG. */
export function logPlot(title: string, x: string, y: string, curves: readonly Curve[]): string {
  const all = curves.flatMap(({ points }) => points);
  const [xs, ys] = [all.map(([at]) => at), all.map(([, value]) => value)];
  const across = axis(xs, LEFT, WIDTH - RIGHT);
  const up = axis(ys, HEIGHT - BOTTOM, TOP);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${title}</text>`,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${x}</text>`,
    `<text x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">${y}</text>`,
  ];
  for (const tick of across.ticks) {
    const at = across.place(tick);
    parts.push(`<path d="M${at} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/>`);
    parts.push(`<text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${tick.toLocaleString("en")}</text>`);
  }
  for (const tick of up.ticks) {
    const at = up.place(tick);
    parts.push(`<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="#ddd"/>`);
    parts.push(`<text x="${LEFT - 6}" y="${at + 4}" text-anchor="end">${tick.toLocaleString("en")}</text>`);
  }
  curves.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const places = points.map(([at, value]) => [across.place(at), up.place(value)] as const);
    parts.push(
      `<path d="M${places.map((place) => place.join(" ")).join("L")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    );
    for (const [cx, cy] of places) parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    parts.push(`<path d="M${WIDTH - RIGHT + 12} ${TOP + 10 + 20 * i}h18" stroke="${colour}" stroke-width="2"/>`);
    parts.push(`<text x="${WIDTH - RIGHT + 36}" y="${TOP + 14 + 20 * i}">${name}</text>`);
  });
  return `${parts.join("\n")}\n</svg>\n`;
}

/** From the power of ten at or below the least value to that at or above the greatest. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const place = (value: number): number =>
    Math.round((from + ((Math.log10(value) - low) / (high - low)) * (to - from)) * 10) / 10;
  return { ticks, place };
}
