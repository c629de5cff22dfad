import { serviceRank } from "../../ordering/service.ts";
import { type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { passageOf } from "./history.ts";

/**
 * K11: where two processes deliver a message (agreed or safe) in one regular configuration, both have delivered the
 * same ones before it there.
 */
export const gapFreedom: CheckerFactory = (history, report) => ({
  finish() {
    const agreed = serviceRank("agreed");
    for (const [key, installers] of history.installers) {
      const sequences = installers.map((life) => {
        const delivered = passageOf(life, key)?.regular.delivered ?? [];
        return { life, daemon: life.daemon, messages: delivered.filter((message) => history.rank(message) >= agreed) };
      });
      for (const mine of sequences) {
        let all: Set<MessageNumber> | undefined;
        for (const theirs of sequences) {
          // Mostly one has delivered the beginning of what the other has.
          if (theirs === mine || beginsWith(mine.messages, theirs.messages)) continue;
          const known = (all ??= new Set(mine.messages));
          const last = theirs.messages.findLastIndex((message) => known.has(message));
          const gap = theirs.messages.findIndex(
            (message, i) => i < last && !known.has(message) && history.isFor(message, mine.life),
          );
          if (gap === -1) continue;
          report(
            `in ${key} daemon ${theirs.daemon} delivers ${messageName(theirs.messages[gap] as MessageNumber)} before ` +
              `${messageName(theirs.messages[last] as MessageNumber)}, daemon ${mine.daemon} only the latter`,
            history.end?.at ?? 0,
          );
        }
      }
    }
  },
});

/** Whether the shorter of the two is the beginning of the longer one. */
function beginsWith(some: readonly MessageNumber[], others: readonly MessageNumber[]): boolean {
  const length = Math.min(some.length, others.length);
  for (let i = 0; i < length; i++) if (some[i] !== others[i]) return false;
  return true;
}
