/**
 * How messages to a group reach its regions (protocols.md A14, A16): each region by itself; all by one packet to an address of the group
 * (hybrid); or the latter only where that is worth it.
 */
export type DisseminationRule = "regions" | "hybrid" | "auto";

/** Up to so many regions a group sends to each by itself: batching with other groups saves more. */
const REGIONS_FEW = 4;
/** From this median size on, too. */
const REGION_LARGE = 4;

/** Whether a group whose regions have so many members each goes by an address of its own. One region is reached by one packet in any case. */
export function isHybrid(rule: DisseminationRule, sizes: readonly number[]): boolean {
  if (rule === "regions" || sizes.length < 2) return false;
  if (rule === "hybrid") return true;
  const median = sizes.toSorted((a, b) => a - b)[sizes.length >> 1] ?? 0;
  return sizes.length > REGIONS_FEW && median < REGION_LARGE;
}
