import { serviceRank } from "../../ordering/service.ts";
import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Epoch, Life } from "./history.ts";
import { passageOf, passages } from "./history.ts";

/**
 * K12: a safe message that one member of a configuration delivers in it is delivered by every member, in the regular
 * configuration or in its own transitional one after it, unless that member crashes.
 */
export const safe: CheckerFactory = (history, report) => ({
  finish() {
    const rank = serviceRank("safe");
    /** By regular configuration and installer, what it delivered there and in the transitional one after. */
    const cache = new Map<string, Map<Life, { delivered: Set<number>; settled: boolean }>>();
    for (const life of history.lives.values()) {
      for (const { regular, transitional } of passages(life)) {
        check(life, regular, regular.configuration.key);
        if (transitional !== undefined) check(life, transitional, regular.configuration.key);
      }
    }

    function check(life: Life, epoch: Epoch, key: string): void {
      const messages = epoch.delivered.filter((message) => history.rank(message) === rank);
      if (messages.length === 0) return;
      for (const member of epoch.configuration.members) {
        if (member === life.daemon) continue;
        const peer = history.installers.get(key)?.find((other) => other.daemon === member);
        if (peer === undefined) {
          report(`${member} never installed ${key}, where ${life.daemon} delivers a safe message`, epoch.at);
          continue;
        }
        const { delivered, settled } = outcome(peer, key);
        const lost = settled
          ? messages.find((message) => !delivered.has(message) && history.isFor(message, peer))
          : undefined;
        if (lost === undefined) continue;
        report(
          `safe ${messageName(lost)} is delivered by daemon ${life.daemon} in ${epoch.configuration.key}, ` +
            `and never by daemon ${member}`,
          epoch.at,
        );
      }
    }

    function outcome(life: Life, key: string): { delivered: Set<number>; settled: boolean } {
      let byLife = cache.get(key);
      if (byLife === undefined) {
        byLife = new Map();
        cache.set(key, byLife);
      }
      let known = byLife.get(life);
      if (known === undefined) {
        const passage = passageOf(life, key);
        known = {
          delivered: new Set([...(passage?.regular.delivered ?? []), ...(passage?.transitional?.delivered ?? [])]),
          settled: passage?.next !== undefined || (life.crashedAt === undefined && history.end !== undefined),
        };
        byLife.set(life, known);
      }
      return known;
    }
  },
});
