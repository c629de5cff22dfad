import { groupName, nameOf, packetName, type TimelyHistory } from "./check/history.ts";
import type { TimelyEvent } from "./event.ts";

/** A line of the timeline; `undefined` for what would be too much. */
export function describeTimely(event: TimelyEvent, history: TimelyHistory): string | undefined {
  const { kind } = event;
  if (kind === "start") return `${nameOf(history, event.node)} starts`;
  if (kind === "end") return `${nameOf(history, event.node)} ends`;
  if (kind === "failed") return `service: ${nameOf(history, event.failed)} has failed`;
  if (kind === "members") {
    const members = event.members?.map((member) => member % 0x1_0000_0000).join(", ");
    const what = members === undefined ? "is not a member any more" : `knows the members {${members}}`;
    return `${nameOf(history, event.node)} in ${event.name || groupName(history, event.group)}: ${what}`;
  }
  if (kind === "lost") {
    const more = event.count > 1 ? ` and ${event.count - 1} more` : "";
    return `${nameOf(history, event.node)}: lost ${packetName(history, event.first)}${more}`;
  }
  if (kind === "rollback") {
    return `${nameOf(history, event.node)} in ${groupName(history, event.group)}: back to place ${event.position}`;
  }
  return kind === "quiet" ? "no more faults" : undefined;
}
