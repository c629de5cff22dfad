import type { NodeId } from "../base/ids.ts";
import type { NodeViews } from "../cms/node-views.ts";
import { type Change, type NodeInfo, placeOf } from "../cms/views.ts";

/** The other nodes, as far as this one has to do with them: where they are, and which have failed. */
export class Peers {
  readonly #views: NodeViews;
  /** Those that were told something, or were members of regions known here and are not any more. All others are found in the views. */
  readonly #infos = new Map<NodeId, NodeInfo>();
  readonly #fenced = new Set<NodeId>();
  /** Of members of views: those whose address a later one has. */
  readonly #replaced = new WeakMap<readonly NodeInfo[], ReadonlySet<NodeId>>();

  constructor(views: NodeViews) {
    this.#views = views;
  }

  /** Declared failed: nothing is taken from it directly any more (region-views.md, rule 4). */
  isFenced(node: NodeId): boolean {
    return this.#fenced.has(node);
  }

  /**
   * Whether nothing that is sent to this member of a view reaches it: it has failed, or a later member has its address. Then it was that
   * one's life before, as all members see, though its failure may not have been told yet.
   */
  isGone(node: NodeId, members: readonly NodeInfo[]): boolean {
    if (this.#fenced.has(node)) return true;
    let replaced = this.#replaced.get(members);
    if (replaced === undefined) this.#replaced.set(members, (replaced = replacedIn(members)));
    return replaced.has(node);
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

/** `members`: by id, so that those who came later are behind. */
function replacedIn(members: readonly NodeInfo[]): ReadonlySet<NodeId> {
  const byAddress = new Map<string, NodeId>();
  const replaced = new Set<NodeId>();
  for (const { id, address } of members) {
    const key = `${address.host} ${address.dataPort}`;
    const former = byAddress.get(key);
    if (former !== undefined) replaced.add(former);
    byAddress.set(key, id);
  }
  return replaced;
}
