import { assert } from "../base/assert.ts";
import { SiteSet } from "../base/site-set.ts";

/** What it costs to send from one site straight to another, > 0; ∞ where no hop may be. Need not be symmetric. */
export type Weights = (from: number, to: number) => number;

/** A site of a tree. */
type Place = {
  readonly parent: number | undefined;
  /** Sum of the weights from the root. */
  readonly distance: number;
  /** Ascending. */
  readonly children: number[];
  /** The site and all below it. */
  readonly below: SiteSet;
};

/**
 * The tree along which one site's messages reach all others: the shortest paths over the sites that are connected (Dijkstra; Amir &
 * Stanton 1998, section 4; protocols.md G18). All daemons that know the same sites and weights make the same tree: of equally short paths
 * the one over the parent with the lower number is taken.
 */
export class SourceTree {
  readonly source: number;
  readonly #places = new Map<number, Place>();

  constructor(source: number, sites: readonly number[], weights: Weights) {
    assert(sites.includes(source), "a tree's source is one of its sites");
    this.source = source;
    const reached: number[] = [];
    const open = new Map<number, { distance: number; parent: number | undefined }>();
    open.set(source, { distance: 0, parent: undefined });
    while (open.size > 0) {
      const site = nearest(open);
      const { distance, parent } = open.get(site) as { distance: number; parent: number | undefined };
      open.delete(site);
      this.#places.set(site, { parent, distance, children: [], below: SiteSet.of(site) });
      reached.push(site);
      for (const to of sites) {
        if (this.#places.has(to)) continue;
        const weight = weights(site, to);
        assert(weight > 0, "a hop costs something");
        const known = open.get(to);
        const through = distance + weight;
        if (through === Number.POSITIVE_INFINITY) continue;
        const isBetter =
          known === undefined ||
          through < known.distance ||
          (through === known.distance && site < (known.parent as number));
        if (isBetter) open.set(to, { distance: through, parent: site });
      }
    }
    // The farthest first, so that what is below a site is complete when its parent takes it over.
    for (const site of reached.toReversed()) {
      const { parent, below } = this.#place(site);
      if (parent === undefined) continue;
      const above = this.#place(parent);
      above.children.push(site);
      above.below.addAll(below);
    }
    for (const { children } of this.#places.values()) children.sort((a, b) => a - b);
  }

  /** Sites that cannot be reached over any hops are in no tree. */
  has(site: number): boolean {
    return this.#places.has(site);
  }

  /** Where the source's packets come from; undefined at the source itself, and at sites that are not reached. */
  parent(site: number): number | undefined {
    return this.#places.get(site)?.parent;
  }

  /** To whom the site passes on what comes from the source. */
  children(site: number): readonly number[] {
    return this.#places.get(site)?.children ?? [];
  }

  /** Sum of the weights on the way from the source; ∞ if there is none. */
  distance(site: number): number {
    return this.#places.get(site)?.distance ?? Number.POSITIVE_INFINITY;
  }

  /** The children of `site` below which somebody is interested (G19). The source decides who; it may name too many, never too few. */
  next(site: number, interested: SiteSet): number[] {
    return this.children(site).filter((child) => this.#place(child).below.intersects(interested));
  }

  #place(site: number): Place {
    const place = this.#places.get(site);
    assert(place !== undefined, "the site is in the tree");
    return place;
  }
}

/** The lowest of the nearest. */
function nearest(open: ReadonlyMap<number, { readonly distance: number }>): number {
  let best = -1;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [site, { distance }] of open) {
    if (best >= 0 && (distance > bestDistance || (distance === bestDistance && site > best))) continue;
    best = site;
    bestDistance = distance;
  }
  return best;
}
