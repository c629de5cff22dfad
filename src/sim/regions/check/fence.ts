import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName } from "./names.ts";

/** Region-views.md, rule 4: who knows that a node has failed takes nothing from it directly any more. */
export const fence: RegionCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "fencedHeard" || !event.isAccepted) return;
    report(
      `${nodeName(history, event.node)} takes something from ${nodeName(history, event.from)}, which has failed`,
      event.at,
    );
  },
});
