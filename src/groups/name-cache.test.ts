import fc from "fast-check";
import { expect, test } from "vitest";
import { NameCache } from "./name-cache.ts";

test("a name is what stands before the first NUL, whatever was cached before", () => {
  const cache = new NameCache(2);
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 20 }), (fields) => {
      for (const field of [...fields, ...fields]) {
        const all = String.fromCharCode(...field);
        expect(cache.text(field, 0, 8)).toBe(all);
        expect(cache.name(field, 0, 8)).toBe(all.includes("\0") ? all.slice(0, all.indexOf("\0")) : all);
      }
    }),
  );
});

test("changing the bytes afterwards does not change what was read", () => {
  const cache = new NameCache(1);
  const bytes = Uint8Array.of(97, 98, 0, 0);
  expect(cache.name(bytes, 0, 4)).toBe("ab");
  bytes[1] = 99;
  expect(cache.name(bytes, 0, 4)).toBe("ac");
  expect(cache.name(Uint8Array.of(97, 98, 0, 7), 0, 4)).toBe("ab");
});
