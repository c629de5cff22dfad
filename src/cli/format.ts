import { stripVTControlCharacters } from "node:util";

/** A number with thousands separated by commas; large ones without decimals. */
export function shownNumber(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** Bytes in units of 1000, as networks count. */
export function shownBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value.toLocaleString("en-US", { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

/** A duration in the unit that suits it. */
export function shownDuration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1_000)} us`;
  if (ms < 100) return `${ms.toFixed(2)} ms`;
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60
    ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
    : `${Math.floor(minutes / 1_440)} days`;
}

/** A figure, with its unit or without, or what stands for one; no address. */
function isNumeric(cell: string): boolean {
  return /^(-|idle|quiet|)$|^\d/.test(cell) && !/\..*\.|:/.test(cell);
}

/** Rows in columns, padded; columns of numbers are set to the right. The first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const right = widths.map((_, i) => rows.length > 1 && rows.slice(1).every((row) => isNumeric(row[i] ?? "")));
  return rows
    .map((row) =>
      widths
        .map((width, i) => (right[i] ? (row[i] ?? "").padStart(width) : (row[i] ?? "").padEnd(width)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/**
 * A table of at most `width` characters, without the columns for which there is no room: those of `giveWay` go first, in that order, then
 * the last ones.
 */
export function fittedTable(
  rows: readonly (readonly string[])[],
  width: number,
  giveWay: readonly string[] = [],
): string {
  let head = rows[0] ?? [];
  let rest = rows;
  const isTooWide = (text: string) => text.split("\n").some((line) => line.length > width);
  for (let text = table(rest); ; text = table(rest)) {
    const column = giveWay.find((name) => head.includes(name)) ?? head.at(-1);
    if (!isTooWide(text) || head.length <= 2 || column === undefined) return text;
    const at = head.indexOf(column);
    rest = rest.map((row) => row.filter((_, i) => i !== at));
    head = rest[0] ?? [];
  }
}

/**
 * A line broken between words where it is longer than `width`, the rest behind `indent` blanks; words that are longer
 * than a line are broken too. Styles take no room.
 */
export function hung(line: string, width: number, indent: number): string {
  if (shownLength(line) <= width) return line;
  const margin = " ".repeat(Math.min(indent, Math.max(0, width - 1)));
  let text = "";
  let used = 0;
  let gap = "";
  for (const part of line.split(/( +)/)) {
    if (part.startsWith(" ")) {
      gap = part;
      continue;
    }
    let word = part;
    if (used + gap.length + shownLength(word) > width && text.trim() !== "") {
      text += `\n${margin}`;
      used = margin.length;
      gap = "";
    }
    while (used + gap.length + shownLength(word) > width) {
      const room = Math.max(1, width - used - gap.length);
      text += `${gap}${word.slice(0, room)}\n${margin}`;
      word = word.slice(room);
      used = margin.length;
      gap = "";
    }
    text += gap + word;
    used += gap.length + shownLength(word);
    gap = "";
  }
  return text;
}

function shownLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Breaks text into lines of at most `width` characters, each behind `indent`. */
export function wrapped(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(/\s+/)) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line].join("\n");
}
