import { serviceRank } from "../../ordering/service.ts";
import { counterOf, type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/**
 * K14: messages of one session (fifo or stronger) are delivered in the order of their submission, over all groups, and
 * none without the one before it in its configuration.
 */
export const fifo: CheckerFactory = (history, report) => {
  const weakest = serviceRank("fifo");
  /** By receiver and sender and session, the last one delivered. */
  const last = new Map<number, Map<string, MessageNumber>>();
  /** By sender and session, the last one sent, and in which configuration. */
  const lastSent = new Map<string, { readonly message: MessageNumber; readonly configuration: string | undefined }>();
  /** By message, the one before it in its session and configuration. */
  const predecessors = new Map<MessageNumber, MessageNumber>();
  return {
    observe(event) {
      if (event.kind === "send") sent(event.message);
      else if (event.kind === "deliver") delivered(event.process, event.message, event.at);
    },
  };

  function sent(message: MessageNumber): void {
    const about = history.sent.get(message);
    if (about === undefined || about.rank < weakest) return;
    const session = `${about.process}/${about.session}`;
    const configuration = about.configuration?.key;
    const before = lastSent.get(session);
    lastSent.set(session, { message, configuration });
    if (before?.configuration === configuration) predecessors.set(message, before?.message as MessageNumber);
  }

  function delivered(process: number, message: MessageNumber, at: number): void {
    const about = history.sent.get(message);
    if (about === undefined || about.rank < weakest) return;
    let mine = last.get(process);
    if (mine === undefined) {
      mine = new Map();
      last.set(process, mine);
    }
    const session = `${about.process}/${about.session}`;
    const before = mine.get(session);
    mine.set(session, message);
    const { daemon } = history.life(process);
    if (before !== undefined && counterOf(before) >= counterOf(message)) {
      report(`daemon ${daemon} delivers ${messageName(message)} after ${messageName(before)}`, at);
    }
    const predecessor = predecessors.get(message);
    if (predecessor === undefined || before === predecessor) return;
    report(`daemon ${daemon} delivers ${messageName(message)} without ${messageName(predecessor)} before it`, at);
  }
};
