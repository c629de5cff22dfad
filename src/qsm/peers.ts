import type { NodeId } from "../base/ids.ts";
import type { NodeViews } from "../cms/node-views.ts";
import { type Change, type NodeInfo, placeOf } from "../cms/views.ts";

/** The other nodes, as far as this one has to do with them: where they are, and which have failed. */
export class Peers {
  readonly #views: NodeViews;
  /** Those that were told something, or were members of regions known here and are not any more. All others are found in the views. */
  readonly #infos = new Map<NodeId, NodeInfo>();
  readonly #fenced = new Set<NodeId>();

  constructor(views: NodeViews) {
    this.#views = views;
  }

  /** Declared failed: nothing is taken from it directly any more (region-views.md, rule 4). */
  isFenced(node: NodeId): boolean {
    return this.#fenced.has(node);
  }

  fence(node: NodeId): void {
    this.#fenced.add(node);
    this.#infos.delete(node);
  }

  /** Where a node is that lives and is, or was, in a region known here. */
  infoOf(node: NodeId): NodeInfo | undefined {
    const known = this.#infos.get(node);
    if (known !== undefined) return known;
    for (const { members } of this.#views.regions.values()) {
      const place = placeOf(members, node);
      const info = place === undefined ? undefined : members[place];
      if (info === undefined) continue;
      this.#infos.set(node, info);
      return info;
    }
    return undefined;
  }

  /** Whether it is in a present view of a region known here. */
  isPresent(node: NodeId): boolean {
    for (const { members } of this.#views.regions.values()) if (placeOf(members, node) !== undefined) return true;
    return false;
  }

  /** Before a change is applied: keeps who will not be found in the views any more. */
  remember({ regionsDeleted, regionsChanged }: Change): void {
    for (const region of regionsDeleted) {
      for (const member of this.#views.regions.get(region)?.members ?? []) this.#keep(member);
    }
    for (const { region, removed } of regionsChanged) {
      const { members } = this.#views.regions.get(region) ?? { members: [] };
      for (const node of removed) {
        const place = placeOf(members, node);
        if (place !== undefined) this.#keep(members[place] as NodeInfo);
      }
    }
  }

  #keep(info: NodeInfo): void {
    if (!this.#fenced.has(info.id)) this.#infos.set(info.id, info);
  }
}
