import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBody, encodeViewId, FlushType, SUBGROUP_CAST, subgroupTrailer, vulnerableTrailer } from "./body.ts";

const id = { leader: 482_711_334, time: 1_795_186_603, index: 2 };

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

describe("bodies of the flush layer", () => {
  test("a vote is the view's id, as in trace 10.9", () => {
    const bytes = encodeViewId(id);
    expect([...bytes.subarray(0, 4)]).toEqual([0x26, 0x97, 0xc5, 0x1c]);
    expect(decodeBody(FlushType.ok, false, true, bytes)).toEqual({ kind: "ok", id });
    expect(decodeBody(FlushType.recv, false, false, bytes.slice().reverse())).toEqual({
      kind: "recv",
      id: { leader: id.index, time: id.time, index: id.leader },
    });
  });

  test("trailers come off in the reverse order, and the user's type is back", () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.integer({ min: -32_765, max: 32_767 }),
        fc.boolean(),
        (payload, type, subgroup) => {
          const pieces = [payload, vulnerableTrailer(type, id)];
          if (subgroup) pieces.push(subgroupTrailer("quotes"));
          const body = decodeBody(FlushType.vulnerable, subgroup, true, joined(...pieces));
          expect(body).toEqual({
            kind: "data",
            type,
            payload,
            vulnerableIn: id,
            subgroup: subgroup ? "quotes" : undefined,
          });
        },
      ),
    );
    expect(SUBGROUP_CAST).toBe(0x4000_0000);
  });

  test("a body of a big-endian sender is read in its order", () => {
    const bytes = Uint8Array.of(0x68, 0x01, 0x02, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3);
    expect(decodeBody(FlushType.vulnerable, false, false, bytes)).toEqual({
      kind: "data",
      type: 0x0102,
      payload: Uint8Array.of(0x68),
      vulnerableIn: { leader: 1, time: 2, index: 3 },
      subgroup: undefined,
    });
  });

  test("any bytes decode or are refused, and never throw", () => {
    const type = fc.oneof(fc.constantFrom(-32_768, -32_767, -32_766), fc.integer({ min: -32_768, max: 32_767 }));
    fc.assert(
      fc.property(type, fc.boolean(), fc.boolean(), fc.uint8Array({ maxLength: 64 }), (code, cast, little, bytes) => {
        const body = decodeBody(code, cast, little, bytes);
        if (body?.kind === "data") expect(body.payload.length).toBeLessThanOrEqual(bytes.length);
        else if (body) expect(bytes.length).toBe(12);
      }),
    );
  });
});
