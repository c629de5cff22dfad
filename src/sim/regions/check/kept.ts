import { regionViewKey } from "../../../base/ids.ts";
import type { RegionView } from "../../../cms/views.ts";
import { PartitionPlan, type PlanOptions } from "../../../qsm/partition-plan.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/**
 * K37 (with region-views.md, rule 6): after a token has been, a member keeps what it has received and is not stable, if it is of those who
 * cache it; and what others cache, until the token says that those have it. What waits to be delivered may stay, and what nobody alive is to
 * cache.
 */
export function cachers(options: PlanOptions): RegionCheckerFactory {
  return (history, report) => {
    /** Up to where a node was told to let copies go, by node, region view and sender. */
    const told = new Map<string, number>();
    const areCachersGone = ({ members }: RegionView, plan: PartitionPlan, seq: number): boolean =>
      members.every(({ id }, index) => !plan.caches(index, seq) || (history.nodes.get(id)?.hasFailed ?? true));

    return {
      observe(event) {
        if (event.kind === "heard") {
          for (const { sender, toTrim } of event.token.records) {
            const key = `${event.node} ${regionViewKey(event.token.id)} ${sender}`;
            told.set(key, Math.max(told.get(key) ?? 0, toTrim));
          }
        }
        if (event.kind !== "visited") return;
        const { view, token, streams } = event;
        const plan = new PartitionPlan(view.members.length, options);
        const index = view.members.findIndex(({ id }) => id === event.node);
        // Only these steps of its way let it tell what can go.
        const isVisit = token.phase === "open" || token.phase === "visit";
        for (const { sender, toTrim, settle } of token.records) {
          const key = `${event.node} ${regionViewKey(view.id)} ${sender}`;
          const known = told.get(key) ?? 0;
          const stream = streams.get(sender);
          if (stream === undefined || settle !== undefined) continue;
          const who = `${nodeName(history, event.node)} in ${viewName(view.id)}`;
          for (let seq = stream.clean + 1; seq <= stream.maxSeen; seq++) {
            const isKept = stream.get(seq) !== undefined;
            const isOwn = plan.caches(index, seq);
            const what = `packet ${seq} of ${nodeName(history, sender)}`;
            const mayStay = stream.isBarred || !isVisit || seq > toTrim || seq > stream.contiguous;
            if (isKept) {
              if (isOwn || mayStay || areCachersGone(view, plan, seq)) continue;
              report(`${who} keeps ${what}, which its partition has`, event.at);
            } else if (stream.has(seq) && !stream.givenUp.has(seq)) {
              if (isOwn) report(`${who} has received ${what}, is to keep it, and does not`, event.at);
              else if (seq > known) {
                report(`${who} has let ${what} go, which its partition is not known to have`, event.at);
              }
            }
          }
        }
      },
    };
  };
}
