import { serviceRank } from "../../ordering/service.ts";
import { type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { type Epoch, type Life, passages } from "./history.ts";

type Delivered = { readonly life: Life; readonly messages: readonly MessageNumber[]; readonly at: number };

/**
 * K7: processes that go together from one configuration to the next have delivered the same messages in it. Agreed
 * and safe messages are compared for regular and transitional configurations each; reliable, fifo and causal ones for
 * both taken together, since they may be delivered before a gap. Unreliable ones need not be the same at all.
 */
export const atomicity: CheckerFactory = (history, report) => {
  const agreed = serviceRank("agreed");
  const reliable = serviceRank("reliable");
  const select = (epochs: readonly (Epoch | undefined)[], low: number, high: number): MessageNumber[] => {
    const messages: MessageNumber[] = [];
    for (const epoch of epochs) {
      for (const message of epoch?.delivered ?? []) {
        const rank = history.rank(message);
        if (rank >= low && rank < high) messages.push(message);
      }
    }
    return messages;
  };
  return {
    finish() {
      const together = new Map<string, Delivered>();
      for (const life of history.lives.values()) {
        for (const { regular, transitional, next } of passages(life)) {
          if (transitional === undefined) continue;
          const c = regular.configuration.key;
          const t = transitional.configuration.key;
          const { at } = transitional;
          compare(`in regular ${c} before ${t}`, { life, messages: select([regular], agreed, Infinity), at });
          if (next === undefined) continue;
          const n = next.configuration.key;
          compare(`in transitional ${t} before ${n}`, { life, messages: select([transitional], agreed, Infinity), at });
          const both = select([regular, transitional], reliable, agreed);
          compare(`between regular ${c} and ${n}, by way of ${t},`, { life, messages: both, at });
        }
      }

      function compare(where: string, mine: Delivered): void {
        const other = together.get(where);
        if (other === undefined) {
          together.set(where, mine);
          return;
        }
        // Mostly they are the same in the same order.
        if (areEqual(mine.messages, other.messages)) return;
        tell(where, mine, other);
        tell(where, other, mine);
      }

      function tell(where: string, has: Delivered, lacks: Delivered): void {
        const known = new Set(lacks.messages);
        for (const message of has.messages) {
          if (known.has(message) || !history.isFor(message, lacks.life)) continue;
          const service = history.sent.get(message)?.service ?? "unsent";
          report(
            `${where} daemon ${has.life.daemon} delivers ${messageName(message)} (${service}), ` +
              `daemon ${lacks.life.daemon} does not`,
            has.at,
          );
          return;
        }
      }
    },
  };
};

function areEqual(some: readonly MessageNumber[], others: readonly MessageNumber[]): boolean {
  return some.length === others.length && some.every((message, i) => message === others[i]);
}
