import { serviceRank } from "../../ordering/service.ts";
import { counterOf, type MessageNumber, messageName, type ProcessNumber } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Sent } from "./history.ts";

/** The last message that a session has sent, and in which configuration; by process, the last one delivered there. */
type Session = {
  last: MessageNumber | undefined;
  configuration: string | undefined;
  readonly delivered: (MessageNumber | undefined)[];
};
type Place = { readonly session: Session; readonly predecessor: MessageNumber | undefined };

/**
 * K14: messages of one session (fifo or stronger) are delivered in the order of their submission, over all groups, and
 * none without the one before it in its configuration.
 */
export const fifo: CheckerFactory = (history, report) => {
  const weakest = serviceRank("fifo");
  /** By sender and session. */
  const sessions = new Map<string, Session>();
  /** By the index of a message of a session, the one before it there and in its configuration. */
  const places: (Place | undefined)[] = [];
  return {
    kinds: ["send", "deliver"],
    observe(event, sent) {
      if (sent === undefined || sent.rank < weakest) return;
      if (event.kind === "send") send(sent);
      else if (event.kind === "deliver") deliver(event.process, sent, event.at);
    },
  };

  function send(about: Sent): void {
    const name = `${about.process}/${about.session}`;
    const configuration = about.configuration?.key;
    const session = sessions.get(name) ?? { last: undefined, configuration: undefined, delivered: [] };
    sessions.set(name, session);
    places[about.index] = { session, predecessor: session.configuration === configuration ? session.last : undefined };
    session.last = about.message;
    session.configuration = configuration;
  }

  function deliver(process: ProcessNumber, { index, message }: Sent, at: number): void {
    const { session } = places[index] as Place;
    const before = session.delivered[process];
    session.delivered[process] = message;
    if (before !== undefined && counterOf(before) >= counterOf(message)) {
      report(`${daemonOf(process)} delivers ${messageName(message)} after ${messageName(before)}`, at);
    }
    const predecessor = predecessorOf(index, before, process);
    if (predecessor === undefined || before === predecessor) return;
    report(`${daemonOf(process)} delivers ${messageName(message)} without ${messageName(predecessor)} before it`, at);
  }

  /** The last one before it that has to come here as well, unless it is the one that came last: what is for other sites need not. */
  function predecessorOf(
    index: number,
    before: MessageNumber | undefined,
    process: ProcessNumber,
  ): MessageNumber | undefined {
    const life = history.life(process);
    let { predecessor } = places[index] as Place;
    while (predecessor !== undefined && predecessor !== before && !history.isFor(predecessor, life)) {
      predecessor = places[(history.sent.get(predecessor) as Sent).index]?.predecessor;
    }
    return predecessor;
  }

  function daemonOf(process: ProcessNumber): string {
    return `daemon ${history.life(process).daemon}`;
  }
};
