import { messageName, type MessageNumber } from "../../trace.ts";
import type { NodeId } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName } from "./names.ts";

/**
 * Region-views.md, rule 4: what a node is told to be accepted, also when it is expelled, all members that live deliver, whatever has become of
 * its sender.
 */
export const acceptance: RegionCheckerFactory = (history, report) => {
  const delivered = new Map<MessageNumber, Set<NodeId>>();
  return {
    observe(event) {
      if (event.kind === "deliver" && event.message !== undefined) {
        let nodes = delivered.get(event.message);
        if (nodes === undefined) delivered.set(event.message, (nodes = new Set()));
        nodes.add(event.node);
      }
      if (event.kind !== "over") return;
      for (const message of history.messages.values()) {
        if (!message.isStable || history.nodes.get(message.sender)?.hasFailed !== true) continue;
        for (const { members } of message.pin?.regions ?? []) {
          for (const { id } of members) {
            const node = history.nodes.get(id);
            if (node === undefined || !history.concerns(message, node)) continue;
            if (delivered.get(message.message)?.has(id) === true) continue;
            const what = `${messageName(message.message)} of ${nodeName(history, message.sender)}, which failed`;
            report(`${what}, is accepted, and ${nodeName(history, id)} has not delivered it`, event.at);
          }
        }
      }
    },
  };
};
