import { serviceRank } from "../../ordering/service.ts";
import { counterOf, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K14: messages of one session (fifo or stronger) are delivered in the order of their submission, over all groups. */
export const fifo: CheckerFactory = (history, report) => {
  const weakest = serviceRank("fifo");
  /** By receiver and sender and session, the last one delivered. */
  const last = new Map<number, Map<string, number>>();
  return {
    observe(event) {
      if (event.kind !== "deliver") return;
      const sent = history.sent.get(event.message);
      if (sent === undefined || sent.rank < weakest) return;
      let mine = last.get(event.process);
      if (mine === undefined) {
        mine = new Map();
        last.set(event.process, mine);
      }
      const session = `${sent.process}/${sent.session}`;
      const before = mine.get(session);
      mine.set(session, event.message);
      if (before === undefined || counterOf(before) < counterOf(event.message)) return;
      const { daemon } = history.life(event.process);
      report(`daemon ${daemon} delivers ${messageName(event.message)} after ${messageName(before)}`, event.at);
    },
  };
};
