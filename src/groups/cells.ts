import type { CoverageTable } from "../base/coverage.ts";

/** The states of the groups machine, by the names of the paper (protocols.md H.2). */
const STATES = ["GOP", "GTRANS", "GGATHER", "GGT"] as const;
export type GroupsStateName = (typeof STATES)[number];

/** What can happen to it; `kill` is the end of a client, whatever its cause. */
const EVENTS = ["join", "leave", "kill", "transitional", "regular", "state"] as const;
export type GroupsEvent = (typeof EVENTS)[number];

/** Correct layers below never reach these: client traffic is blocked during an exchange, configurations alternate. */
const FATAL = new Set([
  "groups GOP regular",
  "groups GOP state",
  "groups GTRANS transitional",
  "groups GTRANS state",
  "groups GGATHER join",
  "groups GGATHER leave",
  "groups GGATHER kill",
  "groups GGATHER regular",
  "groups GGT join",
  "groups GGT leave",
  "groups GGT kill",
  "groups GGT transitional",
]);

const CELLS = STATES.flatMap((state) => EVENTS.map((event) => `groups ${state} ${event}`));

/** The cells of H.2 for coverage reports (base/coverage.ts). */
export const groupsCells: CoverageTable = {
  reachable: CELLS.filter((cell) => !FATAL.has(cell)),
  fatal: CELLS.filter((cell) => FATAL.has(cell)),
};
