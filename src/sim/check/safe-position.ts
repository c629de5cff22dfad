import { serviceRank } from "../../ordering/service.ts";
import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/**
 * K13: a safe message is delivered in a regular configuration only when every member has received it. Applies to
 * traces with `hold` events.
 */
export const safePosition: CheckerFactory = (history, report) => {
  const holders = new Map<number, Set<number>>();
  return {
    observe(event) {
      if (event.kind === "hold") {
        let holding = holders.get(event.message);
        if (holding === undefined) {
          holding = new Set();
          holders.set(event.message, holding);
        }
        holding.add(history.life(event.process).daemon);
        return;
      }
      if (event.kind !== "deliver" || holders.size === 0) return;
      if (history.rank(event.message) !== serviceRank("safe")) return;
      const { epochs, daemon } = history.life(event.process);
      const configuration = epochs.at(-1)?.configuration;
      if (configuration?.kind !== "regular") return;
      const holding = holders.get(event.message);
      const without = configuration.members.find((member) => holding?.has(member) !== true);
      if (without === undefined) return;
      report(`daemon ${daemon} delivers safe ${messageName(event.message)}, which ${without} does not hold`, event.at);
    },
  };
};
