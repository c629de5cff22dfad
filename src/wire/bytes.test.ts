import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "../base/range-set.ts";
import { getU48, getU64, Reader, readU48, readU64, setU48, setU64, Writer, writeU48, writeU64 } from "./bytes.ts";

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

test("numbers of 48 and 64 bits are written big endian, and read", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.maxSafeNat(), (small, large) => {
      const bytes = new Uint8Array(14);
      setU48(bytes, 0, small);
      setU64(bytes, 6, large);
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      expect(hex).toBe(small.toString(16).padStart(12, "0") + large.toString(16).padStart(16, "0"));
      expect([getU48(bytes, 0), getU64(bytes, 6)]).toEqual([small, large]);
      expect(writeU64(writeU48(new Writer(), small), large).finish()).toEqual(bytes);
      const reader = new Reader(bytes);
      expect([readU48(reader), readU64(reader), reader.failed]).toEqual([small, large, false]);
    }),
  );
  const reader = new Reader(Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0));
  expect([readU64(reader), reader.failed]).toEqual([0, true]);
});

test("only as many ranges are written as are asked for, and only numbers as great as are allowed read", () => {
  const set = RangeSet.of([1, 2], [5, 5], [2 ** 40, 2 ** 40 + 1]);
  const read = (bytes: Uint8Array, max?: number): string | undefined => {
    const reader = new Reader(bytes);
    const result = reader.rangeSet(3, max);
    return reader.failed || reader.remaining > 0 ? undefined : result.toString();
  };
  const whole = new Writer().rangeSet(set).finish();
  expect(read(whole)).toBeUndefined();
  expect(read(whole, 2 ** 40)).toBeUndefined();
  expect(read(whole, 2 ** 40 + 1)).toBe(set.toString());
  expect(read(new Writer().rangeSet(set, 2).finish())).toBe("1-2,5");
  expect(read(new Writer().rangeSet(set, 9).finish(), 2 ** 48)).toBe(set.toString());
  const varint = new Reader(new Writer().varint(300).varint(300).finish());
  expect([varint.varint(300), varint.failed, varint.varint(299), varint.failed]).toEqual([300, false, 0, true]);
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
