import fc from "fast-check";
import { expect, test } from "vitest";
import { type GroupShape, planBins } from "./bin-plan.ts";

const A = 101;
const B = 102;

test("the worked example: two groups that overlap (O7)", () => {
  const bins = planBins(9, [
    { group: A, members: [1, 2, 3, 4, 9], repairs: 2 },
    { group: B, members: [3, 4, 5, 9], repairs: 2 },
  ]);
  expect(bins).toEqual([
    { groups: [A], region: [1, 2], targets: 1 },
    { groups: [A, B], region: [3, 4], targets: 1 },
    { groups: [B], region: [3, 4], targets: expect.closeTo(1 / 3) },
    { groups: [B], region: [5], targets: expect.closeTo(2 / 3) },
  ]);
});

test("each group's repairs are divided over all its members, in equal parts (K47)", () => {
  const me = 1;
  const shapes = fc.array(
    fc.record({
      others: fc.uniqueArray(fc.integer({ min: 2, max: 12 }), { minLength: 1, maxLength: 8 }),
      repairs: fc.integer({ min: 1, max: 6 }),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(shapes, (list) => {
      const groups: GroupShape[] = list.map(({ others, repairs }, i) => ({
        group: 100 + i,
        members: [me, ...others].sort((a, b) => a - b),
        repairs,
      }));
      const bins = planBins(me, groups);
      for (const { group, members, repairs } of groups) {
        for (const member of members) {
          if (member === me) continue;
          // The chance that a repair that covers a packet of the group goes to this member.
          const share = bins
            .filter((bin) => bin.groups.includes(group) && bin.region.includes(member))
            .reduce((sum, bin) => sum + bin.targets / bin.region.length, 0);
          expect(share).toBeCloseTo(repairs / (members.length - 1));
        }
      }
      // Nobody gets what he is not a member of.
      for (const bin of bins) {
        for (const group of bin.groups) {
          const { members } = groups.find((shape) => shape.group === group) as GroupShape;
          for (const member of bin.region) expect(members).toContain(member);
        }
      }
    }),
  );
});
