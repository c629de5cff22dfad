import { type CoverageTable, cover } from "../../base/coverage.ts";
import type { TimelyEvent } from "./event.ts";

/** Counts what an event is an example of. `isApplying`: its node applies a change. */
export function coverTimely(event: TimelyEvent, isApplying: boolean): void {
  const { kind } = event;
  if (kind === "arrive") {
    cover(`timely ${event.how}`);
    if (isApplying && event.how !== "sent") cover("timely early packet");
  } else if (kind === "repair") cover(isApplying ? "timely repair at a change" : "timely repair");
  else if (kind === "lost") cover("timely lost");
  else if (kind === "show") cover(event.message.isOrdered ? "plato delivered in order" : "plato delivered early");
  else if (kind === "commit" || kind === "rollback") cover(`plato ${kind}`);
}

/**
 * Situations of nodes in timely groups as the code names them, rare ones above all: there is no table of states.
 */
export const TIMELY_CELLS: CoverageTable = {
  reachable: [
    "timely sent",
    "timely received",
    "timely rebuilt",
    "timely resent",
    "timely lost",
    "timely early packet",
    "timely repair",
    "timely repair at a change",
    // Losses that are told, by their causes.
    "timely given up",
    "timely gone at its sender",
    "timely gone unheard of",
    "timely departed",
    // What repairs cannot do.
    "timely repair undecodable",
    "timely repair waits",
    // Members that come and go.
    "timely beginning asked",
    "timely asked too soon",
    "timely packet of before",
    "timely sender back",
    "timely drop fenced",
  ],
  fatal: ["timely repair damaged", "timely drop malformed"],
};

export const PLATO_CELLS: CoverageTable = {
  reachable: [
    "plato delivered early",
    "plato delivered in order",
    "plato commit",
    "plato rollback",
    "plato view opened",
    "plato view superseded",
    "plato place left out",
    "plato order stashed",
    "plato order repeated",
    "plato state fetched",
    "plato message fetched",
    "plato own forwarded",
  ],
  fatal: ["plato drop malformed"],
};
