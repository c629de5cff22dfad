import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../../base/range-set.ts";
import { SEQ_COUNT_MAX, SEQ_MAX } from "./fields.ts";
import { decodeRegionMessage, encodeRegionMessage, type RegionMessage, type RegionNak } from "./message.ts";
import { newPartitionPart, type RegionToken, type TokenPhase, type TokenRecord } from "./token.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const number = fc.maxSafeNat();
const id = number.map((n) => Math.max(1, n));
const seq = fc.oneof(fc.nat(1_000), fc.integer({ min: 0, max: SEQ_MAX }));
const viewId = fc.record({ region: id, view: fc.integer({ min: 1, max: 0xffff_ffff }) });
/** Some way out, so that the numbers do not fit 32 bits. */
const seqs = fc
  .tuple(
    fc.constantFrom(0, 2 ** 40),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 5_000 }), fc.nat(9)), { maxLength: 6 }),
  )
  .map(([base, ranges]) => RangeSet.of(...ranges.map(([low, more]) => [base + low, base + low + more] as const)));
const settle = fc.record({ candidates: seqs, orphans: seqs, lost: seqs });
const partitionPart = fc.record({
  covered: seq,
  naks: seqs,
  aggregateCovered: fc.oneof(seq, fc.constant(Number.MAX_SAFE_INTEGER)),
  aggregate: seqs,
});
const record = (phase: TokenPhase): fc.Arbitrary<TokenRecord> =>
  fc
    .tuple(
      fc.record({
        sender: id,
        maximumSeen: seq,
        cutOff: seq,
        maxContiguous: seq,
        toClean: seq,
        keptContiguous: seq,
        toTrim: seq,
        settle: fc.option(settle, { nil: undefined }),
      }),
      phase === "visit" || phase === "close" ? partitionPart : fc.constant(null).map(newPartitionPart),
    )
    .map(([fields, part]) => ({ ...fields, ...part }));
const token: fc.Arbitrary<RegionToken> = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.constantFrom<TokenPhase>("open", "visit", "close", "complete"))
  .chain(([partitions, phase]) =>
    fc.record({
      kind: fc.constant("token" as const),
      id: viewId,
      phase: fc.constant(phase),
      failure: number,
      round: number,
      level: fc.nat(16),
      partition: fc.nat(partitions - 1),
      partitions: fc.constant(partitions),
      quiesce: fc.boolean(),
      quiesceCommit: fc.boolean(),
      retire: fc.boolean(),
      admissible: fc.record({ least: u32, sum: number, greatest: u32, count: number }),
      records: fc.uniqueArray(record(phase), { maxLength: 4, selector: ({ sender }) => sender }),
    }),
  );
const k = <K extends string>(kind: K): fc.Arbitrary<K> => fc.constant(kind);
const message: fc.Arbitrary<RegionMessage> = fc.oneof(
  token,
  fc.record({
    kind: k("ack"),
    id: viewId,
    acknowledged: seq,
    grant: u32,
    least: u32,
    average: u32,
    greatest: u32,
    isolated: seqs,
  }),
  fc.record({
    kind: k("nak"),
    id: viewId,
    failure: number,
    round: number,
    partition: fc.nat(7),
    partitions: fc.integer({ min: 8, max: 4_096 }),
    ranges: seqs,
  }),
  fc.record({ kind: k("pull"), id: viewId, sender: id, round: number, partition: fc.nat(4_095), ranges: seqs }),
  fc.record({ kind: k("wake"), id: viewId }),
  fc.record({ kind: k("retired"), id: viewId }),
);

test("what is encoded decodes to the same message", () => {
  fc.assert(
    fc.property(message, (value) => {
      const bytes = encodeRegionMessage(value);
      const decoded = decodeRegionMessage(bytes);
      expect(decoded).toEqual(value);
      // Range sets keep their content private: equal bytes say that they are equal too.
      expect(decoded && encodeRegionMessage(decoded)).toEqual(bytes);
    }),
    { numRuns: 300 },
  );
});

test("a message that was cut short, or that something follows, does not decode", () => {
  fc.assert(
    fc.property(message, (value) => {
      const bytes = encodeRegionMessage(value);
      for (let length = 0; length < bytes.length; length++) {
        expect(decodeRegionMessage(bytes.subarray(0, length))).toBeUndefined();
      }
      expect(decodeRegionMessage(Uint8Array.of(...bytes, 0))).toBeUndefined();
    }),
  );
});

test("a message with some other bytes in it does not throw, and is what it says if it decodes", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.nat(255))), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(message, changes, (value, bytesChanged) => {
      const bytes = encodeRegionMessage(value).slice();
      for (const [at, byte] of bytesChanged) bytes[at % bytes.length] = byte;
      const decoded = decodeRegionMessage(bytes);
      if (decoded === undefined) return;
      const again = encodeRegionMessage(decoded);
      expect(decodeRegionMessage(again)).toEqual(decoded);
    }),
    { numRuns: 2_000 },
  );
});

test("arbitrary bytes do not throw", () => {
  fc.assert(
    fc.property(fc.nat(7), fc.uint8Array({ maxLength: 200 }), (kind, bytes) => {
      decodeRegionMessage(Uint8Array.of(kind, ...bytes));
    }),
    { numRuns: 1_000 },
  );
});

const view = { region: 5, view: 1 };
const emptyToken: RegionToken = {
  kind: "token",
  id: view,
  phase: "visit",
  failure: 0,
  round: 1,
  level: 0,
  partition: 0,
  partitions: 2,
  quiesce: true,
  quiesceCommit: false,
  retire: false,
  admissible: { least: 0xffff_ffff, sum: 0, greatest: 0, count: 0 },
  records: [],
};

function recordOf(sender: number): TokenRecord {
  return {
    sender,
    maximumSeen: 0,
    cutOff: 0,
    maxContiguous: 0,
    toClean: 0,
    keptContiguous: 0,
    toTrim: 0,
    ...newPartitionPart(),
    settle: undefined,
  };
}

test("a token names no sender twice, and a partition that the view has", () => {
  const decoded = (changes: Partial<RegionToken>) =>
    decodeRegionMessage(encodeRegionMessage({ ...emptyToken, ...changes }));
  expect(decoded({ records: [recordOf(7), recordOf(8)] })).toBeDefined();
  expect(decoded({ records: [recordOf(7), recordOf(7)] })).toBeUndefined();
  expect(decoded({ partition: 2 })).toBeUndefined();
  expect(decoded({ partitions: 65_537 })).toBeUndefined();
  expect(decoded({ id: { region: 0, view: 1 } })).toBeUndefined();
});

test("rates are sent as whole numbers, as great as 32 bits hold", () => {
  const admissible = { least: 1.9, sum: 10.5, greatest: Number.POSITIVE_INFINITY, count: 3 };
  const decoded = decodeRegionMessage(encodeRegionMessage({ ...emptyToken, admissible }));
  expect(decoded).toMatchObject({ admissible: { least: 1, sum: 10, greatest: 0xffff_ffff, count: 3 } });
});

test("a token between partitions does not carry what is gathered inside one", () => {
  const gathered = { ...recordOf(7), covered: 9, naks: RangeSet.of([1, 3]) };
  const lengthOf = (phase: TokenPhase): number =>
    encodeRegionMessage({ ...emptyToken, phase, records: [gathered] }).length;
  expect(lengthOf("visit")).toBe(lengthOf("close"));
  expect(lengthOf("open")).toBe(lengthOf("complete"));
  expect(lengthOf("open")).toBeLessThan(lengthOf("visit"));
});

test("sets with number 0, or with more numbers than a sender can have under way, are refused", () => {
  const nak = (...ranges: [number, number][]): RegionNak => ({
    kind: "nak",
    id: view,
    failure: 0,
    round: 1,
    partition: 0,
    partitions: 1,
    ranges: RangeSet.of(...ranges),
  });
  const isTaken = (...ranges: [number, number][]): boolean =>
    decodeRegionMessage(encodeRegionMessage(nak(...ranges))) !== undefined;
  expect(isTaken([1, SEQ_COUNT_MAX])).toBe(true);
  expect(isTaken([1, SEQ_COUNT_MAX + 1])).toBe(false);
  expect(isTaken([0, 1])).toBe(false);
  expect(isTaken([SEQ_MAX, SEQ_MAX])).toBe(true);
  expect(isTaken([SEQ_MAX, SEQ_MAX + 1])).toBe(false);
});
