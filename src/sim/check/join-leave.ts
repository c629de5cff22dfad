import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";

/**
 * K29: a join shows once, a member is told that it has left exactly when it asked to, and no message of a group comes
 * to a process before the view that lets it in or after it has left. A member that reconnects is another member.
 */
export const joinLeave: CheckerFactory = (_history, report) => {
  const asked = new Map<string, { joins: number; leaves: number }>();
  const inside = new Set<string>();
  const counts = (name: string): { joins: number; leaves: number } => {
    let count = asked.get(name);
    if (count === undefined) {
      count = { joins: 0, leaves: 0 };
      asked.set(name, count);
    }
    return count;
  };
  return {
    observe(event) {
      if (event.kind === "ask") {
        counts(`${event.member} ${event.group}`)[event.what === "join" ? "joins" : "leaves"]++;
      } else if (event.kind === "view") {
        const name = `${event.member} ${event.group}`;
        if (inside.has(name)) return;
        inside.add(name);
        if (--counts(name).joins < 0) report(`${event.member} is in ${event.group} without having asked`, event.at);
      } else if (event.kind === "left") {
        const name = `${event.member} ${event.group}`;
        if (!inside.delete(name)) report(`${event.member} leaves ${event.group} without being in it`, event.at);
        if (--counts(name).leaves < 0) report(`${event.member} left ${event.group} without having asked`, event.at);
      } else if (event.kind === "groupDeliver" && !inside.has(`${event.member} ${event.group}`)) {
        report(`${event.member} gets ${messageName(event.message)} of ${event.group}, not being in it`, event.at);
      }
    },
  };
};
