import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import { Reader, Writer } from "./bytes.ts";

test("what a writer writes a reader reads", () => {
  const value = fc.record({
    a: fc.integer({ min: 0, max: 0xff }),
    b: fc.integer({ min: 0, max: 0xffff }),
    c: fc.integer({ min: 0, max: 0xffff_ffff }),
    d: fc.maxSafeNat(),
    e: fc.uint8Array({ maxLength: 600 }),
    ranges: fc.array(fc.tuple(fc.integer({ min: 0, max: 0xffff_0000 }), fc.integer({ min: 0, max: 300 }))),
  });
  fc.assert(
    fc.property(value, ({ a, b, c, d, e, ranges }) => {
      const set = RangeSet.of(...ranges.map(([low, length]) => [low, low + length] as const));
      const bytes = new Writer(4).u8(a).u16(b).u32(c).varint(d).rangeSet(set).raw(e).finish();
      const reader = new Reader(bytes);
      expect([reader.u8(), reader.u16(), reader.u32(), reader.varint()]).toEqual([a, b, c, d]);
      expect(reader.rangeSet(1000).equals(set)).toBe(true);
      expect(reader.raw(e.length)).toEqual(e);
      expect(reader.failed).toBe(false);
      expect(reader.remaining).toBe(0);
    }),
  );
});

test("a reader fails on arbitrary bytes rather than throwing or reading past the end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const reader = new Reader(bytes);
      while (reader.remaining > 0) {
        reader.rangeSet(3);
        reader.varint();
        reader.raw(reader.count(4, 1));
      }
      reader.u32();
      expect(reader.failed).toBe(true);
    }),
  );
});
