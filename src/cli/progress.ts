import type { Terminal } from "./terminal.ts";

const REDRAW_MS = 100;
const LINE_MS = 5_000;

/**
 * Shows how far long work is. On a terminal a bar redrawn in place; elsewhere a line every five seconds, so that logs
 * show that something goes on. `now` values are milliseconds of any one clock.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #label: string;
  readonly #total: number;
  readonly #startedAt: number;
  #shownAt: number;

  /** `total` is what `update` counts up to; 0 if that is not known. */
  constructor(terminal: Terminal, label: string, total: number, now: number) {
    this.#terminal = terminal;
    this.#label = label;
    this.#total = total;
    this.#startedAt = now;
    this.#shownAt = terminal.interactive ? Number.NEGATIVE_INFINITY : now;
  }

  update(done: number, now: number, detail = ""): void {
    if (now - this.#shownAt < (this.#terminal.interactive ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    const line = this.#line(done, now, detail);
    if (this.#terminal.interactive) this.#terminal.redraw(line);
    else this.#terminal.note(line);
  }

  /** Takes the bar away, so that results stand alone. */
  finish(): void {
    if (this.#terminal.interactive) this.#terminal.redraw("");
  }

  #line(done: number, now: number, detail: string): string {
    const parts = [this.#label];
    if (this.#total > 0) {
      const share = Math.min(1, done / this.#total);
      if (this.#terminal.interactive) parts.push(bar(share, 24));
      parts.push(`${Math.floor(share * 100)} %`);
      const elapsed = now - this.#startedAt;
      if (share > 0 && share < 1 && elapsed > 1_000)
        parts.push(`${Math.ceil((elapsed * (1 - share)) / share / 1_000)} s left`);
    } else {
      parts.push(String(done));
    }
    if (detail !== "") parts.push(detail);
    const line = parts.join("  ");
    return this.#terminal.interactive ? line.slice(0, this.#terminal.columns - 1) : line;
  }
}

/** A bar of `width` characters, `share` of them full. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.max(0, Math.min(1, share)) * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
}
