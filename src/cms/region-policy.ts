import type { DisseminationRule } from "./dissemination-rule.ts";

/** How nodes become regions. The same for all of a membership service, and part of its state. */
export type RegionPolicy = {
  /** Which groups get a multicast address of their own. */
  readonly dissemination: DisseminationRule;
  /** Share of what nodes receive that they may not want (0 … 1, without 1): 0 for exact regions. */
  readonly wasteLimit: number;
};

export const exactRegions: RegionPolicy = { dissemination: "regions", wasteLimit: 0 };
