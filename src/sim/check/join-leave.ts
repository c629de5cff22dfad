import { messageName } from "../trace.ts";
import type { CheckerFactory } from "./checker.ts";
import { Memberships } from "./memberships.ts";

/** What was asked for and did not show yet, and what shows. */
type Standing = { joins: number; leaves: number; isInside: boolean };

/**
 * K29: a join shows once, a member is told that it has left exactly when it asked to, and no message of a group comes
 * to a process before the view that lets it in or after it has left. A member that reconnects is another member.
 */
export const joinLeave: CheckerFactory = (_history, report) => {
  const standings = new Memberships<Standing>();
  const standingOf = (member: string, group: string): Standing => {
    let standing = standings.get(member, group);
    if (standing === undefined) {
      standing = { joins: 0, leaves: 0, isInside: false };
      standings.set(member, group, standing);
    }
    return standing;
  };
  return {
    kinds: ["ask", "view", "left", "groupDeliver"],
    observe(event) {
      if (event.kind === "ask") {
        standingOf(event.member, event.group)[event.what === "join" ? "joins" : "leaves"]++;
      } else if (event.kind === "view") {
        const standing = standingOf(event.member, event.group);
        if (standing.isInside) return;
        standing.isInside = true;
        if (--standing.joins < 0) report(`${event.member} is in ${event.group} without having asked`, event.at);
      } else if (event.kind === "left") {
        const standing = standingOf(event.member, event.group);
        if (!standing.isInside) report(`${event.member} leaves ${event.group} without being in it`, event.at);
        standing.isInside = false;
        if (--standing.leaves < 0) report(`${event.member} left ${event.group} without having asked`, event.at);
      } else if (event.kind === "groupDeliver" && standings.get(event.member, event.group)?.isInside !== true) {
        report(`${event.member} gets ${messageName(event.message)} of ${event.group}, not being in it`, event.at);
      }
    },
  };
};
