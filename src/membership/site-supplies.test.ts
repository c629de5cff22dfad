import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import { Routes } from "../routing/routes.ts";
import type { OldConfigurationRecord } from "../wire/form.ts";
import { holesOf } from "./obligation.ts";
import { SiteSupplies } from "./site-supplies.ts";

const ID = { leader: 1, time: 9 };
const HIGH = 12;
const STREAM = 7;
const PROMISE = { seq: 0, lts: 0 };

/** What nobody in each of these sites holds of one stream. */
function recordOf(lacking: ReadonlyMap<number, readonly number[]>): OldConfigurationRecord {
  const lacks = [...lacking].map(([newSite, numbers]) => {
    const missing = new RangeSet();
    for (const n of numbers) missing.add(n);
    return { newSite, stream: STREAM, missing };
  });
  const streams = [{ site: STREAM, high: HIGH, known: PROMISE, announced: PROMISE, closed: false }];
  return { configuration: ID, transitionalTime: 0, stable: 0, streams, lacks, transitional: [], commit: [] };
}

/** Sites on a line: the farther their numbers, the longer the way. */
const routesOf = (me: number, sites: readonly number[]) => new Routes(me, sites, (a, b) => (a - b) ** 2);

describe("what sites owe each other", () => {
  test("each packet that a site lacks and another holds comes once, from the nearest of those that hold it", () => {
    const missing = fc.uniqueArray(fc.integer({ min: 1, max: HIGH }));
    fc.assert(
      fc.property(fc.array(missing, { minLength: 2, maxLength: 5 }), (lists) => {
        const sites = lists.map((_, i) => i + 1);
        const lacking = new Map(lists.map((list, i) => [i + 1, list]));
        const record = recordOf(lacking);
        const holes = holesOf(record, STREAM);
        const supplies = sites.map((site) => new SiteSupplies([record], routesOf(site, sites)));
        for (const to of sites) {
          for (let seq = 1; seq <= HIGH; seq++) {
            const holders = sites.filter((site) => lacking.get(site)?.includes(seq) !== true);
            const distance = (site: number): number => Math.abs(site - to);
            const nearest = holders.toSorted((a, b) => distance(a) - distance(b) || a - b)[0];
            const from = sites.filter((site) => supplies[site - 1]?.take(ID, STREAM, seq, seq).includes(to));
            const isLacking = lacking.get(to)?.includes(seq) === true && !holes.has(seq);
            expect(from).toEqual(isLacking ? [nearest] : []);
            // A packet is asked for once for all sites: put back what was taken for the others.
            sites.forEach((site, i) => (supplies[i] = new SiteSupplies([record], routesOf(site, sites))));
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test("what is left is asked for, and what was sent is not any more", () => {
    const record = recordOf(
      new Map([
        [1, []],
        [2, [3, 4, 9]],
      ]),
    );
    const supplies = new SiteSupplies([record], routesOf(1, [1, 2]));
    expect(supplies.left).toBe(3);
    expect(supplies.take(ID, STREAM, 4, 4)).toEqual([2]);
    expect(supplies.take(ID, STREAM, 4, 4)).toEqual([]);
    expect(supplies.take({ leader: 1, time: 8 }, STREAM, 3, 3)).toEqual([]);
    const [request, ...others] = supplies.requests();
    expect([...(request?.missing.numbers() ?? [])]).toEqual([3, 9]);
    expect([request?.configuration, request?.site, others]).toEqual([ID, STREAM, []]);
    supplies.take(ID, STREAM, 3, 3);
    supplies.take(ID, STREAM, 9, 9);
    expect([supplies.left, supplies.requests()]).toEqual([0, []]);
  });
});
