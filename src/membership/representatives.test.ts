import fc from "fast-check";
import { expect, test } from "vitest";
import type { Representative } from "../wire/announce.ts";
import { Layout } from "./layout.ts";
import { compareRepresentatives } from "./representatives.ts";

// The order of the file, not of the ids.
const layout = new Layout([9, 4, 7, 1].map((id, i) => ({ id, segment: i >> 1 })));
const representative = (daemon: number, type: Representative["type"]): Representative => ({
  daemon,
  segment: layout.segmentOf(daemon),
  type,
});

test("representatives of segments come before those of rings, then the order of the configuration counts", () => {
  const all = [
    representative(9, "ring"),
    representative(1, "segment"),
    representative(7, "ring"),
    representative(4, "segment"),
  ];
  const sorted = all.toSorted((a, b) => compareRepresentatives(layout, a, b));
  expect(sorted.map(({ daemon, type }) => `${type} ${daemon}`)).toEqual(["segment 4", "segment 1", "ring 9", "ring 7"]);
});

test("two representatives always agree on which of them is smaller", () => {
  const any = fc
    .tuple(fc.constantFrom(9, 4, 7, 1), fc.constantFrom<Representative["type"]>("segment", "ring"))
    .map(([daemon, type]) => representative(daemon, type));
  fc.assert(
    fc.property(any, any, any, (a, b, c) => {
      const compare = (x: Representative, y: Representative): number => Math.sign(compareRepresentatives(layout, x, y));
      expect(compare(a, b) + compare(b, a)).toBe(0);
      expect(compare(a, b) === 0).toBe(a.daemon === b.daemon && a.type === b.type);
      if (compare(a, b) < 0 && compare(b, c) < 0) expect(compare(a, c)).toBe(-1);
    }),
  );
});
