import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K31: while group states are exchanged, no client gets a message; and an exchange begins only when none goes on. */
export const exchangeQuiet: CheckerFactory = (history, report) => {
  const exchanging = new Set<number>();
  return {
    kinds: ["exchange", "groupDeliver"],
    observe(event) {
      if (event.kind === "exchange") {
        const { daemon } = history.life(event.process);
        if (event.phase === "end") {
          if (!exchanging.delete(event.process)) report(`daemon ${daemon} ends an exchange that never began`, event.at);
        } else {
          exchanging.add(event.process);
        }
        return;
      }
      if (event.kind !== "groupDeliver" || !exchanging.has(event.process)) return;
      report(`${event.member} gets ${messageName(event.message)} while groups are exchanged`, event.at);
    },
  };
};
