import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { dropZeroRuns, restoreZeroRuns, ZERO_RUNS_BYTES_MAX } from "./zero-runs.ts";

function packed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + ZERO_RUNS_BYTES_MAX);
  return out.subarray(0, dropZeroRuns(bytes, out, 0));
}

describe("bytes without runs of zeros", () => {
  it("come back as they were, and take hardly more", () => {
    const random = new Random(7);
    const long = new Uint8Array(65_535).fill(1);
    expect(packed(long).length).toBeLessThanOrEqual(65_535 + ZERO_RUNS_BYTES_MAX);
    expect(restoreZeroRuns(packed(long), 65_535)).toEqual(long);
    for (let i = 0; i < 2_000; i++) {
      const zeroShare = random.unit();
      const bytes = new Uint8Array(random.integer(0, 700));
      for (let at = 0; at < bytes.length; ) {
        const run = random.integer(1, random.chance(0.1) ? 300 : 9);
        if (!random.chance(zeroShare)) bytes.fill(random.integer(1, 255), at, at + run);
        at += run;
      }
      const small = packed(bytes);
      expect(small.length).toBeLessThanOrEqual(bytes.length + 3);
      expect(restoreZeroRuns(small, 700)).toEqual(bytes);
    }
  });

  it("take two bytes for a run of four and more, wherever it is, and two at the beginning", () => {
    for (let at = 0; at <= 20; at++) {
      const bytes = new Uint8Array(30).fill(1);
      bytes.fill(0, at, at + 10);
      expect(packed(bytes)).toHaveLength(24);
    }
  });

  it("are refused when malformed or too long", () => {
    const bytes = packed(new Uint8Array(600).fill(3, 200, 210));
    expect(restoreZeroRuns(bytes, 600)).toHaveLength(600);
    expect(restoreZeroRuns(bytes, 599)).toBeUndefined();
    for (let length = 1; length < bytes.length; length++) {
      const cut = restoreZeroRuns(bytes.subarray(0, length), 600);
      if (cut !== undefined) expect(cut.length).toBeLessThan(600);
    }
    expect(restoreZeroRuns(Uint8Array.of(4, 2, 1), 600)).toBeUndefined();
  });
});
