import { regionViewKey } from "../../../base/ids.ts";
import { PartitionPlan, type PlanOptions } from "../../../qsm/partition-plan.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/**
 * K37 (with region-views.md, rule 6): after a token has been, a member keeps what it has received and is not stable, if it is of those who
 * cache it; and what others cache, until the token's table says that their partition has it all. What comes behind a packet
 * that has to be kept, or waits to be delivered, may stay.
 */
export function cachers(options: PlanOptions): RegionCheckerFactory {
  return (history, report) => {
    /** The greatest numbers that a node has seen on tables, by node, region view and sender. */
    const tables = new Map<string, readonly number[]>();
    return {
      observe(event) {
        if (event.kind === "heard") {
          for (const { sender, table } of event.token.records) {
            const key = `${event.node} ${regionViewKey(event.token.id)} ${sender}`;
            tables.set(key, tables.get(key)?.map((number, p) => Math.max(number, table[p] ?? 0)) ?? table);
          }
        }
        if (event.kind !== "visited") return;
        const { view, token, streams } = event;
        const plan = new PartitionPlan(view.members.length, options);
        const index = view.members.findIndex(({ id }) => id === event.node);
        // Only these steps of its way let it tell what can go.
        const isVisit = token.phase === "open" || token.phase === "visit";
        for (const { sender, table, settle } of token.records) {
          const key = `${event.node} ${regionViewKey(view.id)} ${sender}`;
          const known = tables.get(key) ?? table;
          const stream = streams.get(sender);
          if (stream === undefined || settle !== undefined) continue;
          const who = `${nodeName(history, event.node)} in ${viewName(view.id)}`;
          let mayStay = stream.isBarred || !isVisit;
          for (let seq = stream.clean + 1; seq <= stream.maxSeen; seq++) {
            const isKept = stream.get(seq) !== undefined;
            const isOwn = plan.caches(index, seq);
            const partition = plan.partitionOfSeq(seq);
            const what = `packet ${seq} of ${nodeName(history, sender)}`;
            if (!isOwn && plan.toPartition(seq) > (table[partition] ?? 0)) mayStay = true;
            if (seq > stream.contiguous) mayStay = true;
            if (isKept) {
              if (!isOwn && !mayStay) report(`${who} keeps ${what}, which its partition has`, event.at);
            } else if (stream.has(seq) && !stream.givenUp.has(seq)) {
              if (isOwn) report(`${who} has received ${what}, is to keep it, and does not`, event.at);
              else if (plan.toPartition(seq) > (known[partition] ?? 0)) {
                report(`${who} has let ${what} go, which its partition is not known to have`, event.at);
              }
            }
          }
        }
      },
    };
  };
}
