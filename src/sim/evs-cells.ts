import type { CoverageTable } from "../base/coverage.ts";

const EVERYWHERE = ["alive", "join", "refer", "form1", "form2"];
const WITH_TOKEN = ["operational", "gather", "recovery"];

/** The cells of daemon membership (protocols.md G.9) as the code names them: `evs`, the state, the event. */
export const EVS_CELLS: CoverageTable = {
  reachable: [
    ...["operational", "segment", "represented", "gather", "form", "recovery"].flatMap((state) =>
      EVERYWHERE.map((event) => `evs ${state} ${event}`),
    ),
    ...WITH_TOKEN.flatMap((state) => ["tokenLoss", "leave", "foreign"].map((event) => `evs ${state} ${event}`)),
    "evs operational timer",
    "evs represented timer",
    "evs form timer",
    "evs segment decide",
    "evs gather decide",
  ],
  // Where there is no ring, there is no token to lose.
  fatal: ["segment", "represented", "form"].flatMap((state) =>
    ["tokenLoss", "leave", "foreign"].map((event) => `evs ${state} ${event}`),
  ),
};
