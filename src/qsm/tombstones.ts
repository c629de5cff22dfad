import { type GroupNumber, type NodeId, type RegionViewId, regionViewKey } from "../base/ids.ts";
import type { SealedView } from "../wire/region/data.ts";

/** What one node still knows of a view that it has retired. */
export type Tombstone = {
  /** Who was its leader then, as far as failures were known. */
  readonly leader: NodeId;
  /** Of senders that had failed: greatest number that came from them, or was given up, and that others may name later all the same. */
  readonly ended: Map<NodeId, number>;
  /** In which this node was until the end of the view, and has been since. */
  readonly groups: Set<GroupNumber>;
};

/** What a failed sender had sent in a view after the last packet that anybody left had of it. */
export type LatelyLost = { readonly groups: readonly GroupNumber[]; readonly count: number };

/** Views that were retired here are known so many of: later packets of them need no answer but this. */
const TOMBSTONES_MAX = 4_096;

/**
 * Views that a node has retired (region-views.md, rule 9). Who still has something to do with one is told that it has ended. And what a
 * failed sender says, in packets that come later, to have sent there beyond what the members of the view had of it, is lost.
 */
export class Tombstones {
  /** The oldest first. */
  readonly #views = new Map<string, Tombstone>();

  add(id: RegionViewId, tombstone: Tombstone): void {
    if (this.#views.size >= TOMBSTONES_MAX) this.#views.delete(this.#views.keys().next().value as string);
    this.#views.set(regionViewKey(id), tombstone);
  }

  has(id: RegionViewId): boolean {
    return this.#views.has(regionViewKey(id));
  }

  leaderOf(id: RegionViewId): NodeId | undefined {
    return this.#views.get(regionViewKey(id))?.leader;
  }

  /** The node is told of nothing that is lost in these groups any more. */
  leave(groups: readonly GroupNumber[]): void {
    for (const tombstone of this.#views.values()) for (const group of groups) tombstone.groups.delete(group);
  }

  /** The sender says that it had sent up to `last` there. Returns what that shows to be lost, once. */
  lost({ id, last }: SealedView, sender: NodeId): LatelyLost | undefined {
    const tombstone = this.#views.get(regionViewKey(id));
    const end = tombstone?.ended.get(sender);
    if (tombstone === undefined || end === undefined || last <= end) return undefined;
    tombstone.ended.set(sender, last);
    return { groups: [...tombstone.groups], count: last - end };
  }
}
