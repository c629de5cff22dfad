import type { NodeId } from "../../base/ids.ts";
import type { Change } from "../../cms/views.ts";
import type { Node } from "../../qsm/node.ts";

/** Names that are kept beyond those of present members, before they are looked through. */
const FORMER_MAX = 1_024;

/** Names of nodes, also of those that have left or failed, as long as messages of theirs may still come. */
export class NodeNames {
  readonly #names = new Map<NodeId, string>();
  #lookAt = FORMER_MAX;

  learn({ regionsCreated, regionsChanged }: Change): void {
    for (const { members } of regionsCreated) for (const { id, name } of members) this.#names.set(id, name);
    for (const { added } of regionsChanged) for (const { id, name } of added) this.#names.set(id, name);
  }

  of(node: NodeId): string {
    return this.#names.get(node) ?? `#${node}`;
  }

  /** Forgets names of nodes that are in no view that is alive. */
  prune(node: Pick<Node, "views" | "regions">): void {
    if (this.#names.size < this.#lookAt) return;
    const alive = new Set<NodeId>();
    for (const { members } of node.views.regions.values()) for (const { id } of members) alive.add(id);
    for (const { view, streams } of node.regions) {
      for (const { id } of view.members) alive.add(id);
      for (const sender of streams.keys()) alive.add(sender);
    }
    for (const id of this.#names.keys()) if (!alive.has(id)) this.#names.delete(id);
    this.#lookAt = 2 * this.#names.size + FORMER_MAX;
  }
}
