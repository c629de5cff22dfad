import type { TraceEvent } from "../trace.ts";
import type { History, Sent } from "./history.ts";

/** A broken property of protocols.md K. */
export type Violation = {
  /** `K1` … `K32`. */
  readonly property: string;
  /** What was seen, for people. */
  readonly what: string;
  /** Simulated time, in ms. */
  readonly at: number;
};

export type Report = (what: string, at: number) => void;

/**
 * One property. It stands outside of the protocols and knows nothing of how they work: it sees the trace of all
 * processes, and says what in it must not be.
 */
export interface Checker {
  /** What `observe` is to see; everything, if not said. */
  readonly kinds?: readonly TraceEvent["kind"][];
  /**
   * Sees an event that the history has taken in already; reports what can be known at once. `sent` is what is known of the
   * message that the event sends or delivers.
   */
  observe?(event: TraceEvent, sent: Sent | undefined): void;
  /** Reports what can be known only at the end. */
  finish?(): void;
}

export type CheckerFactory = (history: History, report: Report) => Checker;
