import { type NodeId, type RegionViewId, regionViewKey } from "../../../base/ids.ts";
import type { RegionToken } from "../../../wire/region/token.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/**
 * Region-views.md, rules 1 to 3, 8 and 9: nobody assigns a number in a view beyond what it has sealed; no view is retired before it is
 * final; and then every member has all that was sent in it.
 */
export const retirement: RegionCheckerFactory = (history, report) => {
  /** Rounds that end a view: who has passed on the token of one has forgotten the view. */
  const rounds = new Set<string>();

  const onSent = (node: NodeId, id: RegionViewId, seq: number, at: number): void => {
    const last = history.view(id)?.final?.get(node);
    if (last === undefined || seq <= last || history.nodes.get(node)?.hasFailed === true) return;
    report(`${nodeName(history, node)} sends number ${seq} in ${viewName(id)}, final with its ${last}`, at);
  };

  const onRetireToken = (holder: NodeId, { id, failure, round }: RegionToken, at: number): void => {
    const key = `${regionViewKey(id)} ${failure} ${round}`;
    const view = history.view(id);
    if (rounds.has(key) || view === undefined) return;
    rounds.add(key);
    if (view.final === undefined) {
      report(`${nodeName(history, holder)} retires ${viewName(id)}, which is not final`, at);
      return;
    }
    for (const [sender, seq] of view.final) {
      if (history.nodes.get(sender)?.hasFailed === true) continue;
      for (const { node, contiguous } of history.holders(id, sender)) {
        if (contiguous >= seq) continue;
        const lacking = `${nodeName(history, node)} has only ${contiguous} of ${seq} of ${nodeName(history, sender)}`;
        report(`${viewName(id)} is retired, and ${lacking}`, at);
      }
    }
  };

  return {
    observe(event) {
      if (event.kind === "packet" || event.kind === "last") onSent(event.node, event.id, event.seq, event.at);
      else if (event.kind === "token" && event.token.retire) onRetireToken(event.node, event.token, event.at);
      else if (event.kind === "retired" && history.view(event.id)?.final === undefined) {
        report(`${nodeName(history, event.node)} forgets ${viewName(event.id)}, which is not final`, event.at);
      } else if (event.kind === "closed" && history.view(event.id)?.final === undefined) {
        report(`${viewName(event.id)} is reported retired, and is not final`, event.at);
      }
    },
  };
};
