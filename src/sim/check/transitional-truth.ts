import { serviceRank } from "../../ordering/service.ts";
import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { type Passage, passageOf, passages } from "./history.ts";

/**
 * K8: who is in my transitional configuration was in the regular one before it, and goes on to the same next regular
 * configuration as I do, or crashes. It may also fail to install that one, since it can have committed to it and
 * then lost it; then it delivers everything that I did in its own next transitional configuration.
 */
export const transitionalTruth: CheckerFactory = (history, report) => {
  const obliged = serviceRank("reliable");
  return {
    finish() {
      for (const life of history.lives.values()) {
        for (const passage of passages(life)) check(passage);
      }
    },
  };

  function check(mine: Passage): void {
    const { regular, transitional, next, life } = mine;
    if (transitional === undefined || next === undefined) return;
    const c = regular.configuration.key;
    for (const member of transitional.configuration.members) {
      if (member === life.daemon) continue;
      const peer = history.installers.get(c)?.find((other) => other.daemon === member);
      if (peer === undefined) {
        report(`${member} is in ${transitional.configuration.key} of ${life.daemon} and never installed ${c}`, next.at);
        continue;
      }
      const theirs = passageOf(peer, c);
      if (theirs?.next === undefined) {
        if (peer.crashedAt === undefined && history.end !== undefined) {
          report(`daemon ${life.daemon} goes from ${c} to ${next.configuration.key}, ${member} stays behind`, next.at);
        }
        continue;
      }
      if (theirs.next.configuration.key === next.configuration.key) {
        if (theirs.transitional?.configuration.key !== transitional.configuration.key) {
          report(`${life.daemon} and ${member} go from ${c} to ${next.configuration.key} in different ways`, next.at);
        }
        continue;
      }
      if (peer.epochs.some((epoch) => epoch.configuration.key === next.configuration.key)) {
        report(`${member} installs ${next.configuration.key} later than right after ${c}`, next.at);
      }
      keepsPromise(mine, theirs);
    }
  }

  function keepsPromise(mine: Passage, theirs: Passage): void {
    const delivered = new Set([...theirs.regular.delivered, ...(theirs.transitional?.delivered ?? [])]);
    for (const message of [...mine.regular.delivered, ...(mine.transitional?.delivered ?? [])]) {
      if (delivered.has(message) || history.rank(message) < obliged || !history.isFor(message, theirs.life)) continue;
      report(
        `daemon ${theirs.life.daemon} committed to ${mine.next?.configuration.key} with daemon ${mine.life.daemon} ` +
          `and leaves ${mine.regular.configuration.key} without ${messageName(message)}`,
        theirs.next?.at ?? 0,
      );
      return;
    }
  }
};
