import { describe, expect, test } from "vitest";
import { Grants } from "./grants.ts";

/** Senders that each send what they want or what they are granted, the lesser, over rounds of a second. */
function settle(capacity: number, wants: readonly number[], rounds = 12): number[] {
  const grants = new Grants(10);
  const seen = wants.map(() => 0);
  for (let round = 1; round <= rounds; round++) {
    wants.forEach((want, i) => {
      seen[i] = (seen[i] as number) + Math.min(want, grants.of(i) ?? 100);
    });
    grants.completed(
      capacity,
      seen.map((seq, i) => [i, seq] as const),
      round * 1_000,
    );
  }
  return wants.map((want, i) => Math.min(want, grants.of(i) as number));
}

describe("grants", () => {
  test("one sender gets everything, several that want all get the same", () => {
    expect(settle(10_000, [Number.POSITIVE_INFINITY])).toEqual([10_000]);
    for (const rate of settle(9_000, [1e9, 1e9, 1e9])) expect(rate).toBeCloseTo(3_000);
  });

  test("who wants little keeps it, and the others share what is left", () => {
    const [little, ...others] = settle(10_000, [500, 1e9, 1e9]);
    expect(little).toBe(500);
    for (const rate of others) expect(rate).toBeGreaterThan(4_500);
    expect((others[0] as number) + (others[1] as number) + 500).toBeLessThanOrEqual(10_000);
  });

  test("a sender that says nothing any more leaves its share to the others, and may begin again with a fair one", () => {
    const grants = new Grants(10);
    grants.completed(
      8_000,
      [
        [1, 100],
        [2, 100],
      ],
      1_000,
    );
    for (let round = 2; round < 8; round++)
      grants.completed(
        8_000,
        [
          [1, 4_000 * round],
          [2, 100],
        ],
        round * 1_000,
      );
    expect(grants.of(1)).toBeCloseTo(8_000);
    expect(grants.of(2)).toBeCloseTo(4_000);
  });

  test("nobody is held below the least rate", () => {
    expect(settle(1, [1e9, 1e9])).toEqual([10, 10]);
  });
});
