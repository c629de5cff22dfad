import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import { newPartitionPart, type RegionToken, type TokenRecord } from "../wire/region/token.ts";
import { Gather, merge } from "./gather.ts";

const CANDIDATES = RangeSet.of([1, 10]);

function token(records: readonly TokenRecord[], changes: Partial<RegionToken> = {}): RegionToken {
  return {
    kind: "token",
    id: { region: 5, view: 1 },
    phase: "complete",
    failure: 0,
    round: 1,
    level: 0,
    partition: 0,
    partitions: 4,
    quiesce: true,
    quiesceCommit: true,
    retire: false,
    admissible: { least: 0xffff_ffff, sum: 0, greatest: 0, count: 0 },
    records: [...records],
    ...changes,
  };
}

function record(sender: number, changes: Partial<TokenRecord> = {}): TokenRecord {
  return {
    sender,
    maximumSeen: 0,
    cutOff: 0,
    maxContiguous: 0,
    toClean: 0,
    keptContiguous: 0,
    toTrim: 0,
    settle: undefined,
    ...newPartitionPart(),
    ...changes,
  };
}

/** What a part may have found: of some senders, of which 1 has failed and 2 was not known when the round began. */
const set = fc
  .uniqueArray(fc.integer({ min: 1, max: 10 }), { maxLength: 6 })
  .map((numbers) => RangeSet.of(...numbers.map((number) => [number, number] as const)));
const found = fc
  .record({
    seen: fc.nat(20),
    contiguous: fc.nat(20),
    kept: fc.nat(20),
    claimed: set,
    orphans: set,
    lost: set,
    knows: fc.boolean(),
    isIdle: fc.boolean(),
    rates: fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 3 }),
  })
  .map(({ seen, contiguous, kept, claimed, orphans, lost, knows, isIdle, rates }) => (): RegionToken => {
    const candidates = CANDIDATES.clone();
    candidates.removeAll(claimed);
    const settle = { candidates, orphans: orphans.clone(), lost: lost.clone() };
    const records = [record(1, { maximumSeen: seen, maxContiguous: contiguous, keptContiguous: kept, settle })];
    if (knows) records.push(record(2, { maximumSeen: seen }));
    const admissible = {
      least: Math.min(0xffff_ffff, ...rates),
      sum: rates.reduce((sum, rate) => sum + rate, 0),
      greatest: Math.max(0, ...rates),
      count: rates.length,
    };
    return token(records, { quiesce: isIdle, quiesceCommit: isIdle, admissible });
  });

/** A token for people, senders in order. */
function told(token: RegionToken): string {
  const records = token.records
    .toSorted((a, b) => a.sender - b.sender)
    .map(({ sender, maximumSeen, maxContiguous, keptContiguous, settle }) => {
      const { candidates, orphans, lost } = settle ?? {};
      return `${sender}: ${maximumSeen} ${maxContiguous} ${keptContiguous} [${String(candidates)}] [${String(orphans)}] [${String(lost)}]`;
    });
  return JSON.stringify([token.quiesce, token.quiesceCommit, token.admissible, records]);
}

test("what parts have found is the same in whatever order, and however grouped, it is merged", () => {
  fc.assert(
    fc.property(fc.array(found, { minLength: 2, maxLength: 6 }), fc.nat(), fc.nat(), (parts, seed, at) => {
      const inOrder = parts.map((make) => make()).reduce((all, next) => (merge(all, next), all));
      const shuffled = parts
        .map((make, i) => ({ make, place: (seed * 31 + i * 17) % 7 }))
        .sort((a, b) => a.place - b.place);
      const split = 1 + (at % (parts.length - 1));
      const [left, right] = [shuffled.slice(0, split), shuffled.slice(split)].map((some) =>
        some.map(({ make }) => make()).reduce((all, next) => (merge(all, next), all)),
      ) as [RegionToken, RegionToken];
      merge(left, right);
      expect(told(left)).toBe(told(inOrder));
    }),
  );
});

test("a packet counts as claimed if one part had it, and as stable only if all have it", () => {
  const settle = (...candidates: [number, number][]) => ({
    candidates: RangeSet.of(...candidates),
    orphans: new RangeSet(),
    lost: new RangeSet(),
  });
  const all = token([record(1, { maxContiguous: 9, keptContiguous: 5, settle: settle([1, 4]) })]);
  merge(all, token([record(1, { maxContiguous: 7, keptContiguous: 8, settle: settle([3, 6]) })]));
  expect(all.records[0]).toMatchObject({ maxContiguous: 7, keptContiguous: 5 });
  expect(String(all.records[0]?.settle?.candidates)).toBe("3-4");
});

test("of a sender that only some parts know, nothing is stable", () => {
  const all = token([]);
  merge(all, token([record(3, { maximumSeen: 4, maxContiguous: 4, keptContiguous: 4 })]));
  expect(all.records[0]).toMatchObject({ maximumSeen: 4, maxContiguous: 0, keptContiguous: 0 });
});

test("a head waits for each of its parts once", () => {
  const gather = new Gather(1, [
    { level: 0, first: 0 },
    { level: 0, first: 1 },
  ]);
  expect(gather.add(7, token([]))).toBeUndefined();
  expect(gather.add(0, token([]))).toBeUndefined();
  expect(gather.add(0, token([]))).toBeUndefined();
  expect(gather.add(1, token([], { quiesce: false }))).toMatchObject({ quiesce: false });
});
