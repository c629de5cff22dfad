import { logTicks, niceTicks, tickLabel } from "./ticks.ts";

/** A curve of a plot; `ci`: half the length of an error bar. */
export type PlotCurve = {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly ci?: number }[];
  /** Somebody else's numbers: hollow points, a dashed line. */
  readonly isPublished?: boolean;
};

export type Plot = {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Axes begin at 0, but for the one that is cut. */
  readonly cut?: "x" | "y";
  /** Axes on which each step is a factor; what is not above 0 is not drawn. */
  readonly log?: "x" | "y" | "both";
  readonly curves: readonly PlotCurve[];
};

const WIDTH = 640;
const TOP = 40;
const LEFT = 70;
const RIGHT = 30;
const PLOT_HEIGHT = 280;
const LEGEND_ROW = 19;
const BOTTOM = 46;
/** More points than this are a line without marks. */
const MARKED_MAX = 30;

/** Colours that differ for colour-blind readers too (Okabe and Ito), and marks that differ without any. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const MARKS = ["circle", "square", "diamond", "triangle"] as const;

const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #333 }
  .title { font-size: 14px; font-weight: 600 }
  .ground { fill: #fff }
  .axis { stroke: #555; fill: none }
  .grid { stroke: #ddd }
  .hollow { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .ground, .hollow { fill: #161b22 }
    .axis { stroke: #aaa }
    .grid { stroke: #333b45 }
  }`;

/** A line plot as an SVG document that stands alone, in light or dark as its reader has it. */
export function linePlot({ title, x, y, cut, log, curves }: Plot): string {
  const [isLogX, isLogY] = [log === "x" || log === "both", log === "y" || log === "both"];
  const shown = curves
    .map((curve) => ({ ...curve, points: curve.points.filter((p) => (!isLogX || p.x > 0) && (!isLogY || p.y > 0)) }))
    .filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  const xs = all.map((point) => point.x);
  const xTicks = isLogX && xs.length > 0 ? logTicks(range(xs, false), 8) : niceTicks(range(xs, cut !== "x"), 8);
  const low = all.map((point) => point.y - (isLogY ? 0 : (point.ci ?? 0)));
  const high = all.map((point) => point.y + (point.ci ?? 0));
  const ys = [...low, ...high];
  const yTicks = isLogY && ys.length > 0 ? logTicks(range(ys, false), 6) : niceTicks(range(ys, cut !== "y"), 6);
  const rows = legendRows(shown);
  const bottom = TOP + PLOT_HEIGHT;
  const height = bottom + BOTTOM + rows.length * LEGEND_ROW + 8;
  const atX = scale(xTicks, LEFT, WIDTH - RIGHT, isLogX);
  const atY = scale(yTicks, bottom, TOP, isLogY);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    text(LEFT, 24, title, 'class="title"'),
    ...yTicks.flatMap((tick) => [
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${atY(tick)}" y2="${atY(tick)}"/>`,
      text(LEFT - 8, atY(tick) + 4, tickLabel(tick, yTicks), 'text-anchor="end"'),
    ]),
    ...xTicks.flatMap((tick) => [
      `<line class="axis" x1="${atX(tick)}" x2="${atX(tick)}" y1="${bottom}" y2="${bottom + 5}"/>`,
      text(atX(tick), bottom + 19, tickLabel(tick, xTicks), 'text-anchor="middle"'),
    ]),
    `<path class="axis" d="M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}"/>`,
    text((LEFT + WIDTH - RIGHT) / 2, bottom + 37, x, 'text-anchor="middle"'),
    text(0, 0, y, `text-anchor="middle" transform="translate(16 ${(TOP + bottom) / 2}) rotate(-90)"`),
    ...shown.map((curve, i) => drawCurve(curve, i, atX, atY)),
    ...rows.flatMap((row, line) =>
      row.map(({ curve, index, left }) => drawLegend(curve, index, left, bottom + BOTTOM + (line + 0.5) * LEGEND_ROW)),
    ),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

type Scale = (value: number) => number;

/** From the first tick to the last. */
function scale(ticks: readonly number[], from: number, to: number, isLog: boolean): Scale {
  // An error bar may reach below what a logarithmic axis shows.
  const place = (value: number) => (isLog ? Math.log(Math.max(value, ticks[0] as number)) : value);
  const [low, high] = [place(ticks[0] as number), place(ticks.at(-1) as number)];
  return (value) => rounded(from + ((place(value) - low) / (high - low)) * (to - from));
}

function range(values: readonly number[], fromZero: boolean): readonly [number, number] {
  const low = fromZero ? Math.min(0, ...values) : Math.min(...values);
  const high = Math.max(...values);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  if (low === high && !fromZero && low > 0) return [low / 2, low * 2];
  return low === high ? [Math.min(0, low), high === 0 ? 1 : high * 1.1] : [low, high];
}

function drawCurve({ points, isPublished = false }: PlotCurve, index: number, atX: Scale, atY: Scale): string {
  const colour = colourOf(index);
  const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${atX(x)} ${atY(y)}`).join("");
  const dash = isPublished ? ' stroke-dasharray="6 4"' : "";
  const parts = [`<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`];
  for (const { x, y, ci = 0 } of points) {
    if (ci === 0 || points.length > MARKED_MAX) continue;
    const [left, top, bottom] = [atX(x), atY(y + ci), atY(y - ci)];
    // Shorter than the mark, it would only blur it.
    if (bottom - top < 3) continue;
    const d = `M${left} ${top}V${bottom}M${left - 4} ${top}h8M${left - 4} ${bottom}h8`;
    parts.push(`<path d="${d}" fill="none" stroke="${colour}"/>`);
  }
  if (points.length <= MARKED_MAX) {
    for (const { x, y } of points) parts.push(drawMark(atX(x), atY(y), index, isPublished));
  }
  return parts.join("\n");
}

function drawMark(x: number, y: number, index: number, isPublished: boolean): string {
  const colour = colourOf(index);
  const paint = isPublished ? `class="hollow" stroke="${colour}" stroke-width="1.5"` : `fill="${colour}"`;
  switch (MARKS[index % MARKS.length] ?? "circle") {
    case "circle":
      return `<circle cx="${x}" cy="${y}" r="4" ${paint}/>`;
    case "square":
      return `<path d="M${rounded(x - 3.7)} ${rounded(y - 3.7)}h7.4v7.4h-7.4z" ${paint}/>`;
    case "diamond":
      return `<path d="M${x} ${rounded(y - 5)}l5 5l-5 5l-5 -5z" ${paint}/>`;
    case "triangle":
      return `<path d="M${x} ${rounded(y - 5)}l4.8 8.4h-9.6z" ${paint}/>`;
  }
}

type LegendItem = { readonly curve: PlotCurve; readonly index: number; readonly left: number };

/** About what a character is wide: a legend breaks its rows by that. */
const CHARACTER = 6.6;
const LEGEND_MARK = 34;

function legendRows(curves: readonly PlotCurve[]): LegendItem[][] {
  const rows: LegendItem[][] = [];
  let left = LEFT;
  curves.forEach((curve, index) => {
    const width = LEGEND_MARK + curve.name.length * CHARACTER + 18;
    if (rows.length === 0 || left + width > WIDTH) {
      rows.push([]);
      left = LEFT;
    }
    rows.at(-1)?.push({ curve, index, left });
    left += width;
  });
  return rows;
}

function drawLegend({ name, isPublished = false }: PlotCurve, index: number, left: number, y: number): string {
  const dash = isPublished ? ' stroke-dasharray="6 4"' : "";
  const line = `<path d="M${rounded(left)} ${y}h26" stroke="${colourOf(index)}" stroke-width="2"${dash}/>`;
  const mark = drawMark(rounded(left + 13), y, index, isPublished);
  return `${line}\n${mark}\n${text(left + LEGEND_MARK, y + 4, name)}`;
}

function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const place = x === 0 && y === 0 ? "" : ` x="${rounded(x)}" y="${rounded(y)}"`;
  return `<text${place}${attributes === "" ? "" : ` ${attributes}`}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
