import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { TimelyShape } from "./bin-plan.ts";

/**
 * Of each group of a node and each of its members: the first view since which both have been in it. Packets that one sends in it or in a later view are
 * for the other, earlier ones are not. All nodes number views alike, so both ends of a stream know this number, each once it has heard of the view.
 */
export class CommonViews {
  #since = new Map<GroupNumber, ReadonlyMap<NodeId, number>>();

  /** All groups of this node, with their present members. */
  set(groups: Iterable<TimelyShape>): void {
    const before = this.#since;
    this.#since = new Map();
    for (const { group, view, members } of groups) {
      const known = before.get(group);
      this.#since.set(group, new Map(members.map((member) => [member, known?.get(member) ?? view])));
    }
  }

  /** Undefined: this node, or that one, is not in the group. */
  since(group: GroupNumber, member: NodeId): number | undefined {
    return this.#since.get(group)?.get(member);
  }
}
