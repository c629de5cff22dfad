import fc from "fast-check";
import { expect, test } from "vitest";
import { CutObjects } from "./cut-objects.ts";

const WINDOW = 8;

test("objects come whole, once, in whatever order their parts do", () => {
  const parts = fc.array(fc.tuple(fc.uint8Array({ minLength: 2, maxLength: 20 }), fc.nat(), fc.boolean()), {
    minLength: 1,
    maxLength: WINDOW,
  });
  fc.assert(
    fc.property(parts, (cuts) => {
      const objects = new CutObjects(WINDOW);
      const steps = cuts.map(([object, at, isEndFirst], i) => {
        const length = 1 + (at % (object.length - 1));
        const begin = () => objects.begin(i, { begin: object.subarray(0, length), length: object.length });
        const end = () => objects.end(i, object.subarray(length));
        return isEndFirst ? [end, begin] : [begin, end];
      });
      for (const [first] of steps) expect(first?.()).toBeUndefined();
      expect(objects.size).toBe(cuts.length);
      expect(steps.map(([, second]) => second?.())).toEqual(cuts.map(([object]) => object));
      expect(objects.size).toBe(0);
    }),
  );
});

test("what a peer begins and never ends is bounded, and parts that do not fit give nothing", () => {
  const objects = new CutObjects(WINDOW);
  for (let seq = 1; seq <= 100; seq++) objects.begin(seq, { begin: Uint8Array.of(1), length: 2 });
  expect(objects.size).toBe(WINDOW + 1);
  expect(objects.end(100, Uint8Array.of(2, 3))).toBeUndefined();
  expect(objects.end(99, Uint8Array.of(2))).toEqual(Uint8Array.of(1, 2));
});
