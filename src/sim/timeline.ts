import type { Violation } from "./check/checker.ts";
import { messageName, type TraceEvent } from "./trace.ts";

/** A line for people: what happened at a simulated time, in ms. */
export type TimelineEntry = { readonly at: number; readonly what: string };

/** More lines than this nobody reads; the oldest go first. */
const ENTRIES_MAX = 5_000;

/** The story of a run: faults, changes of membership and violations, without the messages. */
export class Timeline {
  #entries: TimelineEntry[] = [];
  readonly #daemons = new Map<number, number>();

  observe(event: TraceEvent): void {
    if (event.kind === "start") {
      this.#daemons.set(event.process, event.daemon);
      this.note(event.at, `daemon ${event.daemon}: starts as process ${event.process}`);
    } else if (event.kind === "crash") {
      this.note(event.at, `daemon ${this.#daemons.get(event.process)}: ends`);
    } else if (event.kind === "install") {
      const { kind, key, members } = event.configuration;
      const daemon = this.#daemons.get(event.process);
      this.note(event.at, `daemon ${daemon}: installs ${kind} ${key} {${members.join(", ")}}`);
    } else if (event.kind === "quiet") {
      this.note(event.at, `no more faults: ${event.parts.map((part) => `{${part.join(", ")}}`).join(" | ")}`);
    }
  }

  note(at: number, what: string): void {
    this.#entries.push({ at, what });
    if (this.#entries.length > 2 * ENTRIES_MAX) this.#entries = this.#entries.slice(-ENTRIES_MAX);
  }

  entries(violations: readonly Violation[]): readonly TimelineEntry[] {
    const told = violations.map(({ property, what, at }) => ({ at, what: `VIOLATION ${property}: ${what}` }));
    return [...this.#entries, ...told].sort((a, b) => a.at - b.at);
  }
}

/** The timeline as text. */
export function formatTimeline(entries: readonly TimelineEntry[]): string {
  return entries.map(({ at, what }) => `${at.toFixed(3).padStart(10)}  ${what}`).join("\n");
}

/** A message event as text, for those who look closer. */
export function formatEvent(event: TraceEvent): string {
  const process = "process" in event ? ` p${event.process}` : "";
  const message = "message" in event ? ` ${messageName(event.message)}` : "";
  const configuration = event.kind === "install" ? ` ${event.configuration.kind} ${event.configuration.key}` : "";
  return `${event.at.toFixed(3)} ${event.kind}${process}${message}${configuration}`;
}
