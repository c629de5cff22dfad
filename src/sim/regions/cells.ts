import { type CoverageTable, cover } from "../../base/coverage.ts";
import type { Change } from "../../cms/views.ts";

/** What a change can tell a node of. */
const CHANGE_KINDS = [
  "failed",
  "viewsFailed",
  "regionsCreated",
  "regionsChanged",
  "regionsDeleted",
  "groupsCreated",
  "groupsChanged",
  "groupsDeleted",
  "finals",
] as const;

/** Counts what a change tells its node of. */
export function coverChange(change: Change): void {
  for (const kind of CHANGE_KINDS) if (change[kind].length > 0) cover(`regions change ${kind}`);
}

/**
 * Situations of nodes in regions as the code names them: there is no table of states as for daemons and groups, so these are what is rare,
 * and what the rules of region-views.md are for. Those of `life` are the real membership service's.
 */
export const REGION_CELLS: CoverageTable = {
  reachable: [
    ...CHANGE_KINDS.map((kind) => `regions change ${kind}`),
    // Rule 1: views are sealed; what was begun stays, what was not goes out in the next ones.
    "regions seal",
    "regions seal with packets under way",
    "regions message moved",
    "regions return to a view",
    // Rule 4.
    "regions fence",
    "regions drop fenced",
    "regions expelled",
    // Rule 5.
    "regions token held for a failure",
    "regions token of before a failure",
    "regions token lost",
    // Rare: not met in some hundred schedules.
    "regions token overtaken at home",
    "regions token stale",
    "regions round through a tree",
    "regions part before others",
    "regions part of a round that is over",
    "regions early packet",
    "regions early token",
    "regions failure at leader",
    "regions failure at member",
    // Repairs, by who brings them.
    "regions repair pushed",
    "regions repair pulled",
    "regions repair pulled elsewhere",
    "regions repair forwarded late",
    "regions repair resent",
    "regions repair redundant",
    "regions nak",
    // Rule 7.
    "regions settle round",
    "regions settle asked",
    "regions settle found",
    "regions settle lost",
    // Rules 3, 8 and 9.
    "regions life excused",
    "regions life final",
    "regions life retired",
    "regions life deserted",
    "regions address recycled",
    "regions retire",
    "regions retire before final",
    "regions retire again",
    "regions retire unnamed",
    "regions retire incomplete",
    "regions retired heard",
    "regions retired told",
    "regions drop retired",
    // Rule 10.
    "regions quiet",
    "regions wake",
    // Rule 11.
    "regions order barred",
    "regions order waits",
    "regions lost lately",
  ],
  fatal: [
    // Nodes of one system understand each other, and count the members of a view alike.
    "regions drop malformed",
    "regions drop cluster",
    "regions token of another plan",
    "regions token for another",
    // Nobody knows of packets that were never sent.
    "regions acknowledged unsent",
  ],
};
