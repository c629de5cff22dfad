import type { CheckerFactory } from "./checker.ts";

/**
 * K20: a rotation brings no more new packets than the windows allow, and no one assigns too far beyond its aru. Applies
 * to traces with `rotation` events.
 */
export const flowControl: CheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "rotation") return;
    const { daemon } = history.life(event.process);
    if (event.assigned > event.assignedMax) {
      report(`${event.assigned} new packets in a rotation at daemon ${daemon}, ${event.assignedMax} allowed`, event.at);
    }
    if (event.highest - event.aru > event.gapMax) {
      report(
        `daemon ${daemon} assigns ${event.highest} with aru ${event.aru}: more than ${event.gapMax} ahead`,
        event.at,
      );
    }
  },
});
