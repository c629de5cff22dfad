import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import type { TimelyCheckerFactory } from "./checker.ts";
import { groupName, nameOf } from "./history.ts";

/** In the end all who live and are in a timely group know the same members of it: those. */
export const agreement: TimelyCheckerFactory = (history, report) => ({
  observe(event) {
    if (event.kind !== "over") return;
    const members = new Map<GroupNumber, NodeId[]>();
    for (const { id, groups } of history.nodes.values()) {
      if (!history.isAlive(id)) continue;
      for (const { group, members: known } of groups.values()) {
        if (known === undefined) continue;
        const all = members.get(group);
        if (all === undefined) members.set(group, [id]);
        else all.push(id);
      }
    }
    for (const [group, ids] of members) {
      const right = ids.sort((a, b) => a - b).join();
      const wrong = ids.find((id) => history.membership(id, group)?.members?.join() !== right);
      if (wrong !== undefined)
        report(`${nameOf(history, wrong)} has wrong members of ${groupName(history, group)}`, event.at);
    }
  },
});
