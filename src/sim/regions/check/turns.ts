import type { NodeId } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName } from "./names.ts";

/**
 * K45, as far as nodes themselves see to it: in one turn copies for others leave before data. (That tokens come before both follows from the
 * links, which a turn begins with; in which order datagrams are taken in, the host sees to.)
 */
export const sendOrder: RegionCheckerFactory = (history, report) => {
  /** The last turn in which a node has sent data. */
  const data = new Map<NodeId, number>();
  return {
    observe(event) {
      if (event.kind !== "sent" || event.turn === undefined) return;
      if (event.channel === "data") data.set(event.node, event.turn);
      if (event.channel !== "repair" || data.get(event.node) !== event.turn) return;
      report(`${nodeName(history, event.node)} sends a copy for another member after data of the same turn`, event.at);
    },
  };
};
