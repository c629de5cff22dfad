import type { NodeId } from "../../../base/ids.ts";
import { decodePayload } from "../../payload.ts";
import { messageName } from "../../trace.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { nameOf } from "./history.ts";

/**
 * K42, as far as groups are concerned that a node is in beside timely ones, also where lateral repairs go before their tokens: each message once, whole,
 * in the order of its sender.
 */
export const fifo: TimelyCheckerFactory = (history, report) => {
  const cast = new Map<number, NodeId>();
  const last = new Map<string, number>();
  return {
    observe(event) {
      if (event.kind === "cast") {
        const message = decodePayload(event.payload);
        if (message !== undefined) cast.set(message, event.node);
        return;
      }
      if (event.kind !== "deliver") return;
      const { node, group, sender, payload, at } = event;
      const message = decodePayload(payload);
      if (message === undefined || cast.get(message) !== sender) {
        report(`${nameOf(history, node)} delivers what ${nameOf(history, sender)} has not sent`, at);
        return;
      }
      const stream = `${node} ${group} ${sender}`;
      if ((last.get(stream) ?? -1) >= message) {
        report(`${nameOf(history, node)} delivers ${messageName(message)} again, or too late`, at);
      }
      last.set(stream, Math.max(last.get(stream) ?? -1, message));
    },
  };
};
