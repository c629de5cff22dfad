import fc from "fast-check";
import { expect, test } from "vitest";
import { TypeBit } from "../spread/codes.ts";
import { encodeFrame } from "../spread/frame.ts";
import { decodeGroupFacts, decodeNodeSite, encodeGroupFacts, encodeNodeSite } from "./node-facts.ts";
import { REPAIRS_DEFAULT } from "../timely/repairs.ts";

test("what a node is told of its site and its groups comes back as it was", () => {
  const pool = { base: 0xefc0_0000, size: 65_536, port: 4_805, ttl: 1 };
  for (const site of [
    { cluster: 0xffff_ffff, pool, usesMulticast: true },
    { cluster: 1, pool, usesMulticast: false },
    { cluster: 2, pool: undefined, usesMulticast: false },
  ]) {
    expect(decodeNodeSite(encodeNodeSite(site), 0)).toEqual(site);
    expect(decodeGroupFacts(encodeNodeSite(site), 0)).toBeUndefined();
  }
  for (const policy of ["wait", "drop", "expel", undefined] as const) {
    for (const repairs of [undefined, REPAIRS_DEFAULT]) {
      const one = { group: "prices", policy, repairs, isOrdered: repairs !== undefined };
      expect(decodeGroupFacts(encodeGroupFacts(one), 0)).toEqual(one);
      expect(decodeNodeSite(encodeGroupFacts(one), 0)).toBeUndefined();
    }
  }
});

test("other messages are none of these, and arbitrary bytes never throw", () => {
  expect(decodeNodeSite(encodeFrame(TypeBit.agreed, "", ["g"], 4, new Uint8Array(20)), 0)).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (data) => {
      decodeNodeSite(encodeFrame(TypeBit.agreed, "", [], 4, data), 0);
      decodeGroupFacts(encodeFrame(TypeBit.agreed, "", [], 5, data), 0);
    }),
  );
});
