import fc from "fast-check";
import { expect, test } from "vitest";
import { maxMinShares } from "./max-min.ts";

const demands = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 8 });

/** One small piece after the other, each to whoever has least and wants more. */
function filledByPieces(capacity: number, wanted: readonly number[], piece: number): number[] {
  const shares = wanted.map(() => 0);
  for (let left = capacity; left > piece / 2; left -= piece) {
    let least = -1;
    for (let i = 0; i < wanted.length; i++) {
      const wants = (shares[i] as number) + piece / 2 < (wanted[i] as number);
      if (wants && (least < 0 || (shares[i] as number) < (shares[least] as number))) least = i;
    }
    if (least < 0) break;
    shares[least] = (shares[least] as number) + piece;
  }
  return shares;
}

test("the shares are those of filling by small pieces", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 150 }), demands, (capacity, wanted) => {
      const piece = 1 / 32;
      const expected = filledByPieces(capacity, wanted, piece);
      const shares = maxMinShares(capacity, wanted);
      for (const [i, share] of shares.entries()) {
        expect(Math.abs(share - (expected[i] as number))).toBeLessThanOrEqual(piece);
      }
    }),
  );
});

test("no share can grow without a smaller one shrinking, and nothing that is wanted is left over", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 }),
      (capacity, wanted) => {
        const shares = maxMinShares(capacity, wanted);
        const sum = shares.reduce((a, b) => a + b, 0);
        expect(sum).toBeLessThanOrEqual(capacity + 1e-6);
        const greatest = Math.max(...shares);
        for (const [i, share] of shares.entries()) {
          expect(share).toBeLessThanOrEqual(wanted[i] as number);
          // Who wants more has as much as anybody, and the capacity is used up.
          if (share < (wanted[i] as number)) {
            expect(share).toBeGreaterThanOrEqual(greatest - 1e-6);
            expect(sum).toBeGreaterThanOrEqual(capacity - 1e-6);
          }
        }
      },
    ),
  );
});

test("examples: all satisfied, a small one among large ones, nobody, nothing", () => {
  expect(maxMinShares(100, [10, 20, 30])).toEqual([10, 20, 30]);
  expect(maxMinShares(100, [90, 10, 80])).toEqual([45, 10, 45]);
  expect(maxMinShares(100, [])).toEqual([]);
  expect(maxMinShares(-5, [3, 4])).toEqual([0, 0]);
});
