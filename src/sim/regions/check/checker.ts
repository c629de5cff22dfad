import type { Report } from "../../check/checker.ts";
import type { RegionEvent } from "../event.ts";
import type { RegionsHistory } from "./history.ts";

/** One property of nodes and their regions: stands outside of them, sees what happens, and says what of it must not be. */
export interface RegionChecker {
  /** Sees an event that the history has taken in already. */
  observe(event: RegionEvent): void;
}

export type RegionCheckerFactory = (history: RegionsHistory, report: Report) => RegionChecker;
