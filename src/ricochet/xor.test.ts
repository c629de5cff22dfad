import fc from "fast-check";
import { expect, test } from "vitest";
import { Xor } from "./xor.ts";

/** A view of these bytes that begins at any place of its buffer. */
const strings = fc.tuple(fc.uint8Array({ maxLength: 70 }), fc.nat(7)).map(([bytes, offset]) => {
  const buffer = new Uint8Array(offset + bytes.length);
  buffer.set(bytes, offset);
  return buffer.subarray(offset);
});

test("the XOR of byte strings is that of their bytes, wherever they lie in memory", () => {
  const xor = new Xor(70);
  fc.assert(
    fc.property(fc.array(strings, { maxLength: 6 }), (list) => {
      xor.clear();
      const expected = new Uint8Array(Math.max(0, ...list.map(({ length }) => length)));
      for (const bytes of list) {
        xor.add(bytes);
        for (let i = 0; i < bytes.length; i++) expected[i] = (expected[i] as number) ^ (bytes[i] as number);
      }
      expect(xor.length).toBe(expected.length);
      const result = new Uint8Array(expected.length + 3);
      xor.copyTo(result, 3);
      expect(result.subarray(3)).toEqual(expected);
    }),
  );
});

test("a string that is taken in twice is gone again", () => {
  const xor = new Xor(16);
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  xor.add(Uint8Array.of(9, 9));
  xor.add(bytes);
  xor.add(bytes);
  const result = new Uint8Array(5);
  xor.copyTo(result, 0);
  expect(result).toEqual(Uint8Array.of(9, 9, 0, 0, 0));
});
