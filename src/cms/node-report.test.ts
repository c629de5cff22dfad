import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeNodeTelling, encodeNodeTelling } from "./node-report.ts";

const id = fc.record({ region: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), view: fc.nat(1_000_000) });
const telling = fc.record({
  n: fc.nat(),
  sealed: fc.array(fc.record({ id, last: fc.integer({ min: 0, max: 2 ** 48 - 1 }) }), { maxLength: 5 }),
  retired: fc.array(id, { maxLength: 5 }),
  settled: fc.array(
    fc.record({
      id,
      sender: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      seq: fc.nat(),
      lost: fc.array(
        fc.tuple(fc.nat(1_000), fc.nat(9)).map(([low, more]): [number, number] => [low, low + more]),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 3 },
  ),
  inquired: fc.array(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { maxLength: 5 }),
});

test("what a node tells comes back as it was, and nothing else is taken for it", () => {
  fc.assert(
    fc.property(telling, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = encodeNodeTelling(value);
      expect(decodeNodeTelling(bytes)).toEqual(value);
      expect(decodeNodeTelling(bytes.subarray(0, at % bytes.length))).toBeUndefined();
      bytes[at % bytes.length] = byte;
      decodeNodeTelling(bytes);
    }),
  );
});
