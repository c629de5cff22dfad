import { expect, test } from "vitest";
import { RangeSet } from "../../base/range-set.ts";
import type { OldConfigurationRecord } from "../../wire/form.ts";
import { type Held, Inspector, type Pass } from "./inspector.ts";

const ID = { leader: 1, time: 5 };
const LIMITS = { windowBytesMax: 10_000, gapMax: 100, acceleratedPackets: 15 };

/** What a member of {1, 2} holds: 1 … prefix, and the stable ones of them. */
function holds(prefix: number, stable = 0, discarded = 0): Held {
  const local = {
    site: 0,
    prefix,
    discarded,
    known: { seq: prefix, lts: prefix },
    has: (seq: number) => seq <= prefix,
    get: (seq: number) => (seq > discarded && seq <= prefix ? { lts: seq } : undefined),
    seqUpTo: (lts: number) => Math.min(lts, prefix),
  };
  return { id: ID, members: [1, 2], ring: [1, 2], stable, local, streams: [local] };
}

function asksFor(low: number, high: number) {
  return [{ configuration: ID, site: 0, missing: RangeSet.of([low, high]) }];
}

/** A pass by daemon 1 at hop 1, but for what is said otherwise. */
function pass(change: Partial<Pass>, token: Partial<Pass["token"]> = {}): Pass {
  return {
    daemon: 1,
    configuration: holds(10),
    newBytes: 0,
    limits: LIMITS,
    ...change,
    token: { hop: 1, siteSeq: 10, requests: [], ...token },
  };
}

function record(change: Partial<OldConfigurationRecord>): OldConfigurationRecord {
  const promise = { seq: 0, lts: 0 };
  return {
    configuration: ID,
    transitionalTime: 0,
    stable: 0,
    streams: [{ site: 0, high: 10, known: promise, announced: promise, closed: false }],
    lacks: [{ newSite: 0, stream: 0, missing: new RangeSet() }],
    transitional: [1, 2],
    commit: [1, 2],
    ...change,
  };
}

/** What an inspector objects to in these steps. */
function objections(...steps: ((inspector: Inspector) => void)[]): string[] {
  const inspector = new Inspector();
  for (const step of steps) step(inspector);
  return inspector.violations.map(({ property }) => property);
}

const ONE = (i: Inspector): void => i.joins(1, holds(10));
const TWO = (i: Inspector): void => i.joins(2, holds(8));

test("a rotation in which all goes well passes", () => {
  const two = holds(10);
  expect(
    objections(
      (i) => i.passes(pass({ newBytes: 5_000 }), 0),
      (i) => i.passes(pass({ daemon: 2, configuration: two, newBytes: 5_000 }, { hop: 2, siteSeq: 20 }), 1),
      (i) => i.passes(pass({ newBytes: 5_000 }, { hop: 3, siteSeq: 30, requests: asksFor(9, 10) }), 2),
      (i) => i.assigned(1, holds(9), 7, 10, 3),
      (i) => i.delivers(1, holds(10), 7),
      (i) => i.assigned(1, holds(10), 8, 11, 3),
      (i) => i.assigned(1, holds(11), 9, 12, 3),
      (i) => i.deliversSafe(1, holds(10), 7, 3),
      (i) => i.promises(1, record({}), 4),
    ),
  ).toEqual([]);
});

test.each<[string, string, (inspector: Inspector) => void]>([
  [
    "K13",
    "a safe message comes that another does not hold",
    (i) => (i.assigned(1, holds(8), 7, 9, 0), i.deliversSafe(1, holds(10), 7, 0)),
  ],
  ["K17", "what another lacks counts as stable", (i) => i.passes(pass({ configuration: holds(10, 9) }), 0)],
  ["K17", "what is not stable is dropped", (i) => i.passes(pass({ configuration: holds(10, 3, 4) }), 0)],
  ["K20", "a member sends more than the window", (i) => i.passes(pass({ newBytes: 20_001 }), 0)],
  ["K20", "a member stamps too far ahead", (i) => i.passes(pass({ newBytes: 1 }, { siteSeq: 101 }), 0)],
  ["K21", "what may be on its way is asked for", (i) => i.passes(pass({}, { requests: asksFor(5, 5) }), 0)],
  [
    "K25",
    "what is stamped after a delivery comes before it in the order",
    (i) => {
      i.assigned(2, holds(9), 7, 10, 0);
      i.delivers(1, holds(10), 7);
      // The next one has the same stamp again.
      i.assigned(1, holds(10), 8, 10, 0);
      i.passes(pass({}), 1);
    },
  ],
  [
    "recovery",
    "a form promises what nobody holds",
    (i) => i.promises(1, record({ streams: [{ ...record({}).streams[0]!, high: 11 }] }), 0),
  ],
  ["K19", "a form obliges to a stranger", (i) => i.promises(1, record({ commit: [1, 3] }), 0)],
])("%s is broken when %s", (property, _what, step) => {
  expect(objections(ONE, TWO, step)).toEqual([property]);
});

test("K18 is broken when two members pass the token on at once", () => {
  const two = (i: Inspector): void => i.passes(pass({ daemon: 2, configuration: holds(10) }), 1);
  expect(objections((i) => i.passes(pass({}), 0), two)).toEqual(["K18"]);
});

test("what is asked for again by another is not asked for by it", () => {
  const two = holds(10);
  expect(
    objections(
      (i) => i.passes(pass({}), 0),
      (i) => i.passes(pass({ daemon: 2, configuration: two }, { hop: 2 }), 1),
      (i) => i.passes(pass({}, { hop: 3, requests: asksFor(4, 5) }), 2),
      (i) => i.passes(pass({ daemon: 2, configuration: two }, { hop: 4, siteSeq: 30, requests: asksFor(4, 5) }), 3),
    ),
  ).toEqual([]);
});
