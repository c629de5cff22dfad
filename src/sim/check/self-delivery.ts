import { serviceRank } from "../../ordering/service.ts";
import { messageName, senderOf } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { passageOf } from "./history.ts";

/** K6: a process delivers what it sent before its next regular configuration, unless it crashes. */
export const selfDelivery: CheckerFactory = (history, report) => ({
  finish() {
    const own = new Map<number, Set<number>>();
    for (const life of history.lives.values()) {
      const mine = new Set<number>();
      for (const { delivered } of life.epochs) {
        for (const message of delivered) if (senderOf(message) === life.process) mine.add(message);
      }
      own.set(life.process, mine);
    }
    for (const sent of history.sent.values()) {
      if (sent.rank < serviceRank("reliable") || own.get(sent.process)?.has(sent.message) === true) continue;
      const life = history.life(sent.process);
      const passage = sent.configuration && passageOf(life, sent.configuration.key);
      // Whether it was delivered in the right configuration, K5 says.
      const settled = passage?.next !== undefined || (history.end !== undefined && life.crashedAt === undefined);
      if (!settled) continue;
      report(`daemon ${sent.daemon} never delivers its own ${messageName(sent.message)} (${sent.service})`, sent.at);
    }
  },
});
