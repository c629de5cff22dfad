import { expect, test } from "vitest";
import type { GroupView, RegionView } from "../../cms/views.ts";
import { isOnlyCarried, Rosters } from "./rosters.ts";

const address = { host: "127.0.0.1", controlPort: 1, repairPort: 2, dataPort: 3 };
const member = (id: number) => ({ id, name: `#n${id}`, address });

test("who is in a region that carries a group without being in the group is not shown as its member", () => {
  const view: RegionView = {
    id: { region: 9, view: 1 },
    address: 0,
    members: [member(3), member(4)],
    absent: [{ node: 4, groups: [2] }],
  };
  const [one, two] = [1, 2].map(
    (group): GroupView => ({ group, name: `g${group}`, view: 1, regions: [9], places: [group - 1] }),
  ) as [GroupView, GroupView];
  const views = {
    n: 1,
    regions: new Map([[9, view]]),
    groups: new Map([one, two].map((each) => [each.group, each])),
    groupsIn: () => [1, 2],
  };
  const rosters = new Rosters(views);
  expect(rosters.of(one).names).toEqual(["#n3", "#n4"]);
  expect(rosters.of(two).names).toEqual(["#n3"]);
  expect([3, 4].map((node) => isOnlyCarried(two, views, node))).toEqual([false, true]);
  expect(isOnlyCarried(one, views, 4)).toBe(false);
});
