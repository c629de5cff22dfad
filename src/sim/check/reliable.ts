import { serviceRank } from "../../ordering/service.ts";
import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/**
 * K15: once there are no more faults and membership is stable, what a member sends (reliable or stronger) is delivered
 * by all members. Applies to messages sent in configurations that last to the end of the run.
 */
export const reliable: CheckerFactory = (history, report) => ({
  finish() {
    if (history.quiet === undefined || history.end === undefined) return;
    const weakest = serviceRank("reliable");
    const delivered = new Map<number, Set<number>>();
    for (const life of history.lives.values()) {
      const last = life.epochs.at(-1);
      if (life.crashedAt === undefined && last !== undefined) delivered.set(life.process, new Set(last.delivered));
    }
    for (const sent of history.sent.values()) {
      if (sent.rank < weakest || sent.configuration === undefined) continue;
      for (const life of history.installers.get(sent.configuration.key) ?? []) {
        const last = life.epochs.at(-1);
        if (last?.configuration.key !== sent.configuration.key) continue;
        if (delivered.get(life.process)?.has(sent.message) !== false || !history.isFor(sent.message, life)) continue;
        report(`daemon ${life.daemon} never delivers ${messageName(sent.message)} (${sent.service})`, sent.at);
      }
    }
  },
});
