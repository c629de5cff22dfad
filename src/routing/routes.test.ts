import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SITES_MAX, SiteSet } from "../base/site-set.ts";
import { Routes } from "./routes.ts";
import { SourceTree, type Weights } from "./source-tree.ts";

/** Some sites, and a weight for each pair of them in each direction; about one in six pairs has no hop. */
const networks = fc
  .uniqueArray(fc.nat(SITES_MAX - 1), { minLength: 1, maxLength: 12 })
  .chain((sites) =>
    fc.tuple(
      fc.constant(sites),
      fc.array(
        fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 6 }) }, fc.constant(Number.POSITIVE_INFINITY)),
        {
          minLength: sites.length * sites.length,
          maxLength: sites.length * sites.length,
        },
      ),
    ),
  )
  .map(([sites, list]) => {
    const weights: Weights = (from, to) => list[sites.indexOf(from) * sites.length + sites.indexOf(to)] as number;
    return { sites, weights };
  });

/** Shortest distances worked out the plain way (Floyd and Warshall). */
function distances(sites: readonly number[], weights: Weights): Map<string, number> {
  const result = new Map<string, number>();
  for (const a of sites) for (const b of sites) result.set(`${a},${b}`, a === b ? 0 : weights(a, b));
  const get = (a: number, b: number) => result.get(`${a},${b}`) as number;
  for (const via of sites) {
    for (const a of sites)
      for (const b of sites) result.set(`${a},${b}`, Math.min(get(a, b), get(a, via) + get(via, b)));
  }
  return result;
}

describe("source trees", () => {
  test("reach each site that can be reached, by a shortest path (K23)", () => {
    fc.assert(
      fc.property(networks, ({ sites, weights }) => {
        const shortest = distances(sites, weights);
        for (const source of sites) {
          const tree = new SourceTree(source, sites, weights);
          for (const site of sites) {
            const distance = shortest.get(`${source},${site}`) as number;
            expect(tree.distance(site)).toBe(distance);
            expect(tree.has(site)).toBe(distance < Number.POSITIVE_INFINITY);
            const parent = tree.parent(site);
            if (site === source || !tree.has(site)) expect(parent).toBeUndefined();
            else {
              // Of equally short paths the one over the parent with the lower number.
              const parents = sites.filter(
                (via) => via !== site && tree.distance(via) + weights(via, site) === distance,
              );
              expect(parent).toBe(Math.min(...parents));
            }
          }
        }
      }),
    );
  });

  test("are the same wherever and in whatever order the sites are listed", () => {
    fc.assert(
      fc.property(networks, fc.infiniteStream(fc.nat(1_000)), ({ sites, weights }, keys) => {
        const shuffled = sites
          .map((site) => ({ site, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ site }) => site);
        for (const source of sites) {
          const a = new SourceTree(source, sites, weights);
          const b = new SourceTree(source, shuffled, weights);
          for (const site of sites) {
            expect(a.parent(site)).toBe(b.parent(site));
            expect(a.children(site)).toEqual(b.children(site));
          }
        }
      }),
    );
  });

  test("bring a packet to each interested site exactly once, and over no hop below which nobody is interested (K23)", () => {
    fc.assert(
      fc.property(networks, fc.infiniteStream(fc.boolean()), ({ sites, weights }, coin) => {
        const interested = new SiteSet();
        for (const site of sites) if (coin.next().value === true) interested.add(site);
        const routes = new Map(sites.map((site) => [site, new Routes(site, sites, weights)]));
        for (const source of sites) {
          const visits = new Map<number, number>();
          const pass = (site: number): boolean => {
            visits.set(site, (visits.get(site) ?? 0) + 1);
            const next = routes.get(site)?.next(source, interested) ?? [];
            for (const child of next) expect(routes.get(child)?.comesFrom(source, site)).toBe(true);
            // Each way ends at somebody who wants the packet.
            const wanted = next.map((child) => pass(child));
            expect(wanted.every((isWanted) => isWanted)).toBe(true);
            return interested.has(site) || next.length > 0;
          };
          pass(source);
          const tree = new SourceTree(source, sites, weights);
          for (const site of sites) {
            expect(visits.get(site) ?? 0).toBeLessThanOrEqual(1);
            if (interested.has(site) && tree.has(site)) expect(visits.get(site)).toBe(1);
          }
        }
      }),
    );
  });

  test("need hops to neighbours only, and each is needed", () => {
    // Three sites of the paper: the coasts are far apart, and the two on the east near each other.
    const ms = [
      [0, 35, 38],
      [35, 0, 5],
      [38, 5, 0],
    ];
    const weights: Weights = (from, to) => ms[from]?.[to] ?? Number.POSITIVE_INFINITY;
    const [west, east, north] = [0, 1, 2].map((site) => new Routes(site, [0, 1, 2], weights)) as [
      Routes,
      Routes,
      Routes,
    ];
    expect(west.neighbours).toEqual([1, 2]);
    expect(east.neighbours).toEqual([0, 2]);
    expect(west.tree(0)?.children(0)).toEqual([1, 2]);
    // With a slow way between west and north, everything goes through east.
    (ms[0] as number[])[2] = 60;
    (ms[2] as number[])[0] = 60;
    const over = new Routes(0, [0, 1, 2], weights);
    expect(over.neighbours).toEqual([1]);
    expect(over.next(0, SiteSet.of(2))).toEqual([1]);
    expect(new Routes(1, [0, 1, 2], weights).next(0, SiteSet.of(2))).toEqual([2]);
    expect(new Routes(1, [0, 1, 2], weights).next(0, SiteSet.of(1))).toEqual([]);
    expect(north.comesFrom(0, 0)).toBe(true);
  });
});

describe("a set of sites", () => {
  test("is what was added, to the highest number", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(SITES_MAX - 1)), fc.array(fc.nat(SITES_MAX - 1)), (a, b) => {
        const set = SiteSet.of(...a);
        expect([...set.sites()]).toEqual([...new Set(a)].sort((x, y) => x - y));
        expect(set.intersects(SiteSet.of(...b))).toBe(a.some((site) => b.includes(site)));
        set.addAll(SiteSet.of(...b));
        expect([...set.sites()]).toEqual([...new Set([...a, ...b])].sort((x, y) => x - y));
      }),
    );
    expect(SiteSet.of(1).has(SITES_MAX)).toBe(false);
  });
});
