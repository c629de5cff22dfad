import type { Representative } from "../wire/announce.ts";
import type { Layout } from "./layout.ts";

/**
 * Total order of representatives: segment representatives before ring representatives, then configuration order. The
 * smallest creates the form. Spread compares positions only between ring representatives, so that two segment
 * representatives each believe themselves smallest (protocols.md, correction 1).
 */
export function compareRepresentatives(layout: Layout, a: Representative, b: Representative): number {
  if (a.type !== b.type) return a.type === "segment" ? -1 : 1;
  return layout.positionOf(a.daemon) - layout.positionOf(b.daemon);
}
