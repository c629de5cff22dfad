import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K4: what is delivered was sent, once, and is delivered at most once by a process. */
export const noCreation: CheckerFactory = (history, report) => {
  const delivered = new Map<number, Set<number>>();
  const sent = new Set<number>();
  return {
    kinds: ["send", "deliver"],
    observe(event) {
      if (event.kind === "send") {
        if (sent.has(event.message)) report(`message ${messageName(event.message)} is sent twice`, event.at);
        sent.add(event.message);
      }
      if (event.kind !== "deliver") return;
      const { process, message, at } = event;
      const { daemon } = history.life(process);
      if (!sent.has(message)) report(`daemon ${daemon} delivers ${messageName(message)}, never sent`, at);
      let mine = delivered.get(process);
      if (mine === undefined) {
        mine = new Set();
        delivered.set(process, mine);
      }
      if (mine.has(message)) report(`daemon ${daemon} delivers ${messageName(message)} twice`, at);
      mine.add(message);
    },
  };
};
