import type { Report } from "../../check/checker.ts";
import type { TimelyEvent } from "../event.ts";
import type { TimelyHistory } from "./history.ts";

/** One property of timely groups: stands outside of the nodes, sees what happens, and says what of it must not be. */
export interface TimelyChecker {
  /** Sees an event that the history has taken in already. */
  observe(event: TimelyEvent): void;
}

export type TimelyCheckerFactory = (history: TimelyHistory, report: Report) => TimelyChecker;
