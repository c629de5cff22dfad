import { serviceRank } from "../../ordering/service.ts";
import { type MessageNumber, messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { type Epoch, type Life, type Passage, passageOf, passages } from "./history.ts";

/**
 * K9: who delivers a message (causal or stronger) has delivered before it all those that its sender had delivered in
 * that configuration when it was submitted: in a transitional configuration too, whoever sent them. (Protocols.md K9 asks
 * for less there; but recovery.md delivers nothing behind a hole whose past could lie in it.)
 *
 * Only direct causes are compared: causes of causes follow, as each cause is itself compared.
 */
export const causal: CheckerFactory = (history, report) => {
  const weakest = serviceRank("causal");
  return {
    finish() {
      for (const life of history.lives.values()) for (const passage of passages(life)) check(passage);
    },
  };

  function check(passage: Passage): void {
    const key = passage.regular.configuration.key;
    const delivered = new Set<MessageNumber>();
    /** By sender, how much of its own deliveries has been compared already. */
    const compared = new Map<number, { sequence: readonly MessageNumber[]; upTo: number; before: number }>();
    for (const epoch of [passage.regular, passage.transitional]) {
      for (const message of epoch?.delivered ?? []) {
        const sent = history.sent.get(message);
        if (sent !== undefined && sent.rank >= weakest && sent.process !== passage.life.process) {
          let past = compared.get(sent.process);
          if (past === undefined) {
            const epochOfSender = passageOf(history.life(sent.process), key)?.regular;
            past = { sequence: epochOfSender?.delivered ?? [], upTo: 0, before: epochOfSender?.before ?? 0 };
            compared.set(sent.process, past);
          }
          const until = Math.min(sent.seen - past.before, past.sequence.length);
          for (; past.upTo < until; past.upTo++) {
            const cause = past.sequence[past.upTo] as MessageNumber;
            if (!delivered.has(cause) && history.isFor(cause, passage.life))
              missing(passage.life, epoch as Epoch, message, cause);
          }
        }
        delivered.add(message);
      }
    }
  }

  function missing(life: Life, epoch: Epoch, message: MessageNumber, cause: MessageNumber): void {
    const sent = history.sent.get(cause);
    if (sent === undefined || sent.rank < weakest) return;
    report(
      `daemon ${life.daemon} delivers ${messageName(message)} in ${epoch.configuration.key} without ` +
        `${messageName(cause)}, which its sender had seen`,
      epoch.at,
    );
  }
};
