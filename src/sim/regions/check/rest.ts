import type { NodeId } from "../../../base/ids.ts";
import { messageName } from "../../trace.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/** K41: where nobody has anything to send, and all is stable, nobody sends anything. */
export const silence: RegionCheckerFactory = (history, report) => {
  let last: { readonly node: NodeId; readonly channel: string } | undefined;
  return {
    observe(event) {
      if (event.kind === "sent") last = event;
      if (event.kind !== "over" || event.isSilent || last === undefined) return;
      report(`${nodeName(history, last.node)} still sends something (${last.channel})`, event.at);
    },
  };
};

/**
 * What has to be over a while after the last fault (region-views.md, rules 3, 8 and 9; K37): every node has applied all changes, superseded
 * views are retired everywhere, nothing is kept, everything is stable, and senders that live have been told so.
 */
export const completion: RegionCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "over") return;
    const { at } = event;
    for (const { node, unapplied, views, keptPackets, unstable } of event.remains) {
      const who = nodeName(history, node);
      if (unapplied > 0) report(`${who} has not applied ${unapplied} changes`, at);
      for (const id of views) report(`${who} has not retired ${viewName(id)}`, at);
      for (const id of unstable) report(`${who} waits for what it sent in ${viewName(id)} to become stable`, at);
      if (keptPackets > 0) report(`${who} keeps ${keptPackets} packets`, at);
    }
    for (const { view, isSuperseded, isClosed, final } of history.views.values()) {
      if (!isSuperseded || isClosed) continue;
      // A machine can fail before it has heard that it is a node.
      if (view.members.every(({ id }) => history.nodes.get(id)?.hasFailed ?? true)) continue;
      const state = final === undefined ? "never becomes final" : "is final, and nobody has reported its end";
      report(`${viewName(view.id)} ${state}`, at);
    }
    for (const { message, sender, group, since, pin, isStable } of history.messages.values()) {
      const node = history.nodes.get(sender);
      if (isStable || node === undefined || node.hasFailed || node.hasEnded) continue;
      // Who leaves a group with messages that were not begun takes them along.
      const isMember = node.groups.get(group) === since;
      if (pin === undefined && !isMember) continue;
      const what = `${messageName(message)} of ${nodeName(history, sender)}`;
      report(pin === undefined ? `${what} is never sent` : `${what} is never told to be stable`, at);
    }
  },
});
