import { type NodeId, regionViewKey } from "../../../base/ids.ts";
import type { RegionView } from "../../../cms/views.ts";
import { PartitionPlan, type PlanOptions } from "../../../qsm/partition-plan.ts";
import { messageName, type MessageNumber } from "../../trace.ts";
import type { RegionCheckerFactory } from "./checker.ts";
import type { MessageLife } from "./history.ts";
import { nodeName } from "./names.ts";

/**
 * What a failed sender has sent is delivered by all members of a region view that live, or by none (K35; region-views.md, rule 7): but if all who
 * keep one of its packets have failed as well, some may have delivered it before. Who has left the group does not count.
 */
export function atomicity(plan: PlanOptions): RegionCheckerFactory {
  return (history, report) => {
    const delivered = new Map<MessageNumber, Set<NodeId>>();

    const areCachersGone = (message: MessageLife, { id, members }: RegionView): boolean => {
      const division = new PartitionPlan(members.length, plan);
      return (message.packets.get(regionViewKey(id)) ?? []).some((seq) =>
        members.every(
          (member, index) => !division.caches(index, seq) || (history.nodes.get(member.id)?.hasFailed ?? true),
        ),
      );
    };

    const check = (message: MessageLife, who: ReadonlySet<NodeId>, view: RegionView, at: number): void => {
      const concerned = view.members.flatMap(({ id }) => {
        const node = history.nodes.get(id);
        return node !== undefined && history.concerns(message, node) ? id : [];
      });
      const one = concerned.find((node) => who.has(node));
      const other = concerned.find((node) => !who.has(node));
      if (one === undefined || other === undefined || areCachersGone(message, view)) return;
      const name = `${messageName(message.message)} of ${nodeName(history, message.sender)}, which failed`;
      report(`${nodeName(history, one)} has delivered ${name}, and ${nodeName(history, other)} has not`, at);
    };

    return {
      observe(event) {
        if (event.kind === "deliver" && event.message !== undefined) {
          let nodes = delivered.get(event.message);
          if (nodes === undefined) delivered.set(event.message, (nodes = new Set()));
          nodes.add(event.node);
        }
        if (event.kind !== "over") return;
        for (const [number, nodes] of delivered) {
          const message = history.messages.get(number);
          if (message === undefined || history.nodes.get(message.sender)?.hasFailed !== true) continue;
          for (const view of message.pin?.regions ?? []) check(message, nodes, view, event.at);
        }
      },
    };
  };
}
