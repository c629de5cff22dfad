import type { SiteSet } from "../base/site-set.ts";
import { SourceTree, type Weights } from "./source-tree.ts";

/**
 * All source trees of one membership of sites, as one site uses them. Made anew when a site comes or goes, not when a daemon does (protocols.md
 * G18).
 */
export class Routes {
  readonly me: number;
  /** Ascending. */
  readonly sites: readonly number[];
  readonly #trees: ReadonlyMap<number, SourceTree>;

  constructor(me: number, sites: readonly number[], weights: Weights) {
    this.me = me;
    this.sites = sites.toSorted((a, b) => a - b);
    this.#trees = new Map(this.sites.map((site) => [site, new SourceTree(site, this.sites, weights)]));
  }

  /** Undefined for a site that is not in this membership. */
  tree(source: number): SourceTree | undefined {
    return this.#trees.get(source);
  }

  /** The sites with which this one has a hop in any tree, ascending: the only links that are needed. */
  get neighbours(): readonly number[] {
    const neighbours = new Set<number>();
    for (const tree of this.#trees.values()) {
      const parent = tree.parent(this.me);
      if (parent !== undefined) neighbours.add(parent);
      for (const child of tree.children(this.me)) neighbours.add(child);
    }
    return [...neighbours].sort((a, b) => a - b);
  }

  /** Where this site sends on what comes from `source` for these sites. */
  next(source: number, interested: SiteSet): readonly number[] {
    return this.#trees.get(source)?.next(this.me, interested) ?? [];
  }

  /** Whether a packet of `source` may come from that neighbour: anybody else is not on its way. */
  comesFrom(source: number, neighbour: number): boolean {
    return this.#trees.get(source)?.parent(this.me) === neighbour;
  }
}
