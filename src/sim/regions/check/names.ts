import type { NodeId } from "../../../base/ids.ts";
import type { RegionView } from "../../../cms/views.ts";
import type { RegionsHistory } from "./history.ts";

/** The counter in an id: all are issued in one epoch. */
export function numberOf(id: number): number {
  return id % 0x1_0000_0000;
}

/** A node for people: its number, and its machine. */
export function nodeName(history: RegionsHistory, node: NodeId): string {
  const machine = history.nodes.get(node)?.machine;
  return `node ${numberOf(node)}${machine === undefined ? "" : ` (machine ${machine})`}`;
}

/** A region's view for people. */
export function viewName({ region, view }: { readonly region: number; readonly view: number }): string {
  return `view ${numberOf(region)}.${view}`;
}

/** All that must be the same wherever a view is known. */
export function contentOf({ members, address, absent }: RegionView): string {
  return `${members.map(({ id }) => id).join(" ")} / ${address} / ${JSON.stringify(absent)}`;
}
