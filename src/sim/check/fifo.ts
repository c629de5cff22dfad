import { serviceRank } from "../../ordering/service.ts";
import { counterOf, type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/** The last message that a session has sent, and in which configuration. */
type Session = { last: MessageNumber | undefined; configuration: string | undefined };
type Place = { readonly session: Session; readonly predecessor: MessageNumber | undefined };

/**
 * K14: messages of one session (fifo or stronger) are delivered in the order of their submission, over all groups, and
 * none without the one before it in its configuration.
 */
export const fifo: CheckerFactory = (history, report) => {
  const weakest = serviceRank("fifo");
  /** By receiver and sender's session, the last one delivered. */
  const last = new Map<number, Map<Session, MessageNumber>>();
  /** By sender and session. */
  const sessions = new Map<string, Session>();
  /** By message of a session, the one before it there and in its configuration. */
  const places = new Map<MessageNumber, Place>();
  return {
    kinds: ["send", "deliver"],
    observe(event) {
      if (event.kind === "send") sent(event.message);
      else if (event.kind === "deliver") delivered(event.process, event.message, event.at);
    },
  };

  function sent(message: MessageNumber): void {
    const about = history.sent.get(message);
    if (about === undefined || about.rank < weakest) return;
    const name = `${about.process}/${about.session}`;
    const configuration = about.configuration?.key;
    const session = sessions.get(name) ?? { last: undefined, configuration: undefined };
    sessions.set(name, session);
    places.set(message, { session, predecessor: session.configuration === configuration ? session.last : undefined });
    session.last = message;
    session.configuration = configuration;
  }

  function delivered(process: number, message: MessageNumber, at: number): void {
    const place = places.get(message);
    if (place === undefined) return;
    const { session, predecessor } = place;
    let mine = last.get(process);
    if (mine === undefined) {
      mine = new Map();
      last.set(process, mine);
    }
    const before = mine.get(session);
    mine.set(session, message);
    const { daemon } = history.life(process);
    if (before !== undefined && counterOf(before) >= counterOf(message)) {
      report(`daemon ${daemon} delivers ${messageName(message)} after ${messageName(before)}`, at);
    }
    if (predecessor === undefined || before === predecessor) return;
    report(`daemon ${daemon} delivers ${messageName(message)} without ${messageName(predecessor)} before it`, at);
  }
};
