import { type NodeId, regionViewKey } from "../../../base/ids.ts";
import { PartitionPlan, type PlanOptions } from "../../../qsm/partition-plan.ts";
import type { RegionNak } from "../../../wire/region/message.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import { nodeName, viewName } from "./names.ts";

/**
 * K39: a sender is asked only for what nobody of the partition had who should keep it when the round began, and sends again only what it
 * was asked for.
 */
export function locality(options: PlanOptions): RegionCheckerFactory {
  return (history, report) => {
    /** What was asked for, by region view and sender. */
    const asked = new Map<string, Set<number>>();
    /** When the rounds of each view began. */
    const begun = new Map<string, number>();
    /** When each node took in a packet, by node, region view, sender and number. */
    const taken = new Map<string, number>();

    const onNak = (sender: NodeId, { id, failure, round, partition, ranges }: RegionNak, at: number): void => {
      const view = history.view(id)?.view;
      if (view === undefined) return;
      const key = `${regionViewKey(id)} ${sender}`;
      let numbers = asked.get(key);
      if (numbers === undefined) asked.set(key, (numbers = new Set()));
      const plan = new PartitionPlan(view.members.length, options);
      // Where all members but one have failed, tokens do not show; and what waited for its receiver may be old.
      const since = begun.get(`${regionViewKey(id)} ${failure} ${round}`) ?? 0;
      for (const number of ranges.numbers()) {
        const seq = plan.toRegion(partition, number);
        numbers.add(seq);
        const holder = view.members.find(({ id: member }, index) => {
          if (!plan.caches(index, seq) || history.nodes.get(member)?.hasFailed === true) return false;
          return (taken.get(`${member} ${key} ${seq}`) ?? Number.POSITIVE_INFINITY) < since;
        });
        if (holder === undefined) continue;
        const what = `packet ${seq} of ${nodeName(history, sender)} in ${viewName(id)}`;
        report(`the sender is asked for ${what}, which ${nodeName(history, holder.id)} has`, at);
      }
    };

    return {
      observe(event) {
        if (event.kind === "token" || event.kind === "round") {
          const { id, failure, round } = event.kind === "token" ? event.token : event;
          const key = `${regionViewKey(id)} ${failure} ${round}`;
          if (!begun.has(key)) begun.set(key, event.at);
        } else if (event.kind === "taken") {
          taken.set(`${event.node} ${regionViewKey(event.id)} ${event.sender} ${event.seq}`, event.at);
        } else if (event.kind === "told" && event.message.kind === "nak") {
          onNak(event.to, event.message, event.at);
        } else if (event.kind === "packet" && event.isResent) {
          if (asked.get(`${regionViewKey(event.id)} ${event.node}`)?.has(event.seq) === true) return;
          // A member may have asked itself, which no datagram shows.
          if (history.view(event.id)?.view.members.some(({ id }) => id === event.node) === true) return;
          const what = `${event.seq} in ${viewName(event.id)}`;
          report(`${nodeName(history, event.node)} sends ${what} again, for which nobody has asked`, event.at);
        }
      },
    };
  };
}
