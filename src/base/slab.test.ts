import fc from "fast-check";
import { expect, test } from "vitest";
import { Slab } from "./slab.ts";

test("pieces have the length asked for, are zeroed, and never overlap", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.boolean()), { maxLength: 60 }), (sizes) => {
      const slab = new Slab(4096);
      const pieces = sizes.map(([length, shrink], i) => {
        let piece = slab.take(length);
        expect(piece.every((byte) => byte === 0)).toBe(true);
        piece.fill(1 + (i % 200));
        if (shrink) piece = slab.shrinkLast(piece, length >> 1);
        return { piece, length: shrink ? length >> 1 : length, mark: 1 + (i % 200) };
      });
      for (const { piece, length, mark } of pieces) {
        expect(piece.length).toBe(length);
        expect(piece.every((byte) => byte === mark)).toBe(true);
      }
    }),
  );
});
