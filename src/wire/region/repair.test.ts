import fc from "fast-check";
import { expect, test } from "vitest";
import { headFault } from "./head.ts";
import { decodeRegionRepair, encodeRegionRepair } from "./repair.ts";

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const repair = fc.record({
  origin: id,
  id: fc.record({ region: id, view: fc.integer({ min: 1, max: 0xffff_ffff }) }),
  packets: fc.array(fc.record({ sender: id, seq: fc.integer({ min: 1, max: 2 ** 48 - 1 }) }), {
    minLength: 1,
    maxLength: 64,
  }),
  lengths: fc.nat(0xffff),
  checksum: fc.nat(0xffff_ffff),
});

test("repairs of regions come back as they were", () => {
  fc.assert(
    fc.property(repair, fc.integer({ min: 1, max: 60 }), (told, xorBytes) => {
      const bytes = encodeRegionRepair(5, told, xorBytes);
      expect(headFault(bytes)).toBeUndefined();
      expect(decodeRegionRepair(bytes)).toEqual({ ...told, xor: new Uint8Array(xorBytes) });
    }),
  );
});

test("whatever bytes come, reading them does not throw", () => {
  fc.assert(
    fc.property(repair, fc.nat(200), fc.nat(255), (told, at, value) => {
      const bytes = encodeRegionRepair(5, told, 9);
      bytes[at % bytes.length] = value;
      decodeRegionRepair(bytes);
      decodeRegionRepair(bytes.subarray(0, at % bytes.length));
    }),
  );
});
