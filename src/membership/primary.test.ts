import fc from "fast-check";
import { expect, test } from "vitest";
import { Layout } from "./layout.ts";
import { type PrimaryPolicy, isPrimary } from "./primary.ts";

const layoutOf = (count: number): Layout =>
  new Layout(Array.from({ length: count }, (_, i) => ({ id: i + 1, segment: 0 })));

test.each<[PrimaryPolicy, number, readonly number[], boolean]>([
  [{ name: "majority" }, 4, [1, 2], false],
  [{ name: "majority" }, 4, [2, 3, 4], true],
  [{ name: "majority" }, 1, [1], true],
  [{ name: "static", daemons: 3 }, 9, [1, 2, 3], true],
  [{ name: "static", daemons: 3 }, 9, [1, 2], false],
  [{ name: "oldest" }, 5, [1], true],
  [{ name: "oldest" }, 5, [2, 3, 4, 5], false],
  [{ name: "all" }, 5, [5], true],
  [{ name: "none" }, 1, [1], false],
])("%o of %i daemons: %o is primary: %s", (policy, count, members, primary) => {
  expect(isPrimary(policy, layoutOf(count), members)).toBe(primary);
});

test("of the sides of a split at most one is primary, under every policy that promises it", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 9 }), (sideOf) => {
      const layout = layoutOf(sideOf.length);
      const policies: PrimaryPolicy[] = [
        { name: "majority" },
        { name: "static", daemons: (sideOf.length >> 1) + 1 },
        { name: "oldest" },
        { name: "none" },
      ];
      for (const policy of policies) {
        const sides = [0, 1, 2, 3].map((side) => sideOf.flatMap((s, i) => (s === side ? [i + 1] : [])));
        const primaries = sides.filter((members) => members.length > 0 && isPrimary(policy, layout, members));
        expect(primaries.length).toBeLessThanOrEqual(1);
      }
    }),
  );
});
