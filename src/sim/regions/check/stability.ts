import type { NodeId, RegionViewId } from "../../../base/ids.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/** K36: an acknowledgement, and cleaning up, only of what every member has that is not declared failed. */
export const stability: RegionCheckerFactory = (history, report) => {
  const check = (what: string, id: RegionViewId, sender: NodeId, seq: number, at: number): void => {
    for (const { node, contiguous } of history.holders(id, sender)) {
      if (contiguous >= seq) continue;
      const has = `${nodeName(history, node)} has them up to ${contiguous}`;
      report(`packets of ${nodeName(history, sender)} in ${viewName(id)} up to ${seq} are ${what}, and ${has}`, at);
    }
  };
  return {
    observe(event) {
      if (event.kind === "acknowledged") check("stable for it", event.id, event.node, event.seq, event.at);
      if (event.kind === "cleaned") {
        check(`cleaned by ${nodeName(history, event.node)}`, event.id, event.sender, event.seq, event.at);
      }
      if (event.kind === "told" && event.message.kind === "ack") {
        check("acknowledged", event.message.id, event.to, event.message.acknowledged, event.at);
      }
    },
  };
};
