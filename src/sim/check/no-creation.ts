import { messageName, type ProcessNumber } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** K4: what is delivered was sent, once, and is delivered at most once by a process. */
export const noCreation: CheckerFactory = (history, report) => {
  /** By the index of a message, who has delivered it. */
  const receivers: ProcessNumber[][] = [];
  /** The same of messages that nobody has sent. */
  const created = new Map<number, ProcessNumber[]>();
  return {
    kinds: ["send", "deliver"],
    observe(event, sent) {
      if (event.kind === "send" && sent !== undefined) {
        if (sent.times > 1) report(`message ${messageName(event.message)} is sent twice`, event.at);
        else receivers[sent.index] = [...(created.get(event.message) ?? [])];
      }
      if (event.kind !== "deliver") return;
      const { process, message, at } = event;
      if (sent === undefined) report(`${daemonOf(process)} delivers ${messageName(message)}, never sent`, at);
      const by = sent === undefined ? (created.get(message) ?? []) : (receivers[sent.index] as ProcessNumber[]);
      if (by.includes(process)) report(`${daemonOf(process)} delivers ${messageName(message)} twice`, at);
      by.push(process);
      if (sent === undefined) created.set(message, by);
    },
  };

  function daemonOf(process: ProcessNumber): string {
    return `daemon ${history.life(process).daemon}`;
  }
};
