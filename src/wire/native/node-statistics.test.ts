import fc from "fast-check";
import { expect, test } from "vitest";
import { Writer } from "../bytes.ts";
import {
  decodeNodeStatistics,
  encodeNodeStatistics,
  NODE_COUNTERS,
  NODE_GAUGES,
  type NodeStatistics,
  REGION_FIGURES,
  REGIONS_MAX,
} from "./node-statistics.ts";

function figures<Name extends string>(names: readonly Name[]): fc.Arbitrary<Record<Name, number>> {
  return fc.record(Object.fromEntries(names.map((name) => [name, fc.maxSafeNat()]))) as fc.Arbitrary<
    Record<Name, number>
  >;
}

const statistics: fc.Arbitrary<NodeStatistics> = fc.record({
  figures: figures([...NODE_COUNTERS, ...NODE_GAUGES]),
  regions: fc.array(
    fc.record({
      id: fc.record({ region: fc.maxSafeNat(), view: fc.nat() }),
      figures: figures(REGION_FIGURES),
    }),
    { maxLength: REGIONS_MAX },
  ),
});

test("what a node counts arrives as it was", () => {
  fc.assert(
    fc.property(statistics, (told) => {
      expect(decodeNodeStatistics(encodeNodeStatistics(told))).toEqual(told);
    }),
  );
});

test("cut, damaged and arbitrary bytes never throw, and cut ones are refused", () => {
  fc.assert(
    fc.property(statistics, fc.nat(), fc.nat(255), (told, at, byte) => {
      const bytes = encodeNodeStatistics(told).slice();
      expect(decodeNodeStatistics(bytes.subarray(0, at % bytes.length))).toBeUndefined();
      bytes[at % bytes.length] = byte;
      expect(() => decodeNodeStatistics(bytes)).not.toThrow();
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void decodeNodeStatistics(bytes)));
});

test("a later version may count more, and an earlier one less", () => {
  const more = new Writer().u8(2);
  more.varint(NODE_COUNTERS.length + 2);
  for (let i = 0; i < NODE_COUNTERS.length + 2; i++) more.varint(i + 1);
  more.varint(1).varint(77);
  more.varint(1).varint(5).varint(6).varint(0);
  const read = decodeNodeStatistics(more.raw(Uint8Array.of(9, 9)).finish());
  expect(read?.figures).toMatchObject({
    upMs: 1,
    [NODE_COUNTERS.at(-1) as string]: NODE_COUNTERS.length,
    applied: 77,
    queuedBytes: 0,
  });
  expect(read?.regions).toMatchObject([{ id: { region: 5, view: 6 }, figures: { leader: 0, rateGreatest: 0 } }]);
});

test("more regions than a node tells of are refused", () => {
  const bytes = new Writer()
    .u8(1)
    .varint(0)
    .varint(0)
    .varint(REGIONS_MAX + 1);
  for (let i = 0; i <= REGIONS_MAX; i++) bytes.varint(i).varint(1).varint(0);
  expect(decodeNodeStatistics(bytes.finish())).toBeUndefined();
});
