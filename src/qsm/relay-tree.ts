import type { NodeId } from "../base/ids.ts";
import { type NodeInfo, placeOf } from "../cms/views.ts";

/** So many nodes are below each: the same everywhere, since all find the tree by themselves. */
export const RELAY_WIDTH = 4;

/**
 * Where a packet goes from a node, if there is no multicast and its receivers pass it on: the nodes after it in a tree with the sender at its
 * root, in which each has `width` others below it. All members of a view find the same tree, and nobody tells anybody of it: the sender's
 * others in order of their ids, beginning at a place that the packet's number says, so that all of them carry about alike: one copy
 * of each packet on average, and the sender `width`.
 *
 * Below a node that is gone, its parent takes its place. Who knows it later, or loses the packet, leaves those below without; the token finds
 * that as it finds any loss. Whoever sees whom as gone, a packet only goes to places further on, so it comes to an end: as long as nobody is
 * sent what is for another place. A former life of a process, at whose address it is now, has to count as gone (`Peers.isGone`).
 */
export function relayTargets(
  members: readonly NodeInfo[],
  origin: NodeId,
  me: NodeId,
  seq: number,
  isGone: (node: NodeId) => boolean,
  width = RELAY_WIDTH,
): NodeInfo[] {
  const root = placeOf(members, origin);
  const mine = placeOf(members, me);
  const count = members.length - (root === undefined ? 0 : 1);
  const first = seq % Math.max(1, count);
  // The root has position 0; position p belongs to the p-th of the others from `first` on.
  const at = (position: number): NodeInfo => {
    const place = (first + position - 1) % count;
    return members[root !== undefined && place >= root ? place + 1 : place] as NodeInfo;
  };
  let position = 0;
  if (me !== origin) {
    if (mine === undefined) return [];
    const place = root !== undefined && mine > root ? mine - 1 : mine;
    position = ((place - first + count) % count) + 1;
  }
  const targets: NodeInfo[] = [];
  const add = (parent: number): void => {
    for (let child = parent * width + 1; child <= Math.min(count, parent * width + width); child++) {
      const node = at(child);
      if (isGone(node.id)) add(child);
      else targets.push(node);
    }
  };
  add(position);
  return targets;
}
