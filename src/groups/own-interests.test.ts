import { expect, test } from "vitest";
import type { Announcement } from "../wire/interest.ts";
import { OwnInterests } from "./own-interests.ts";

function announcing(): { interests: OwnInterests; said: Announcement[] } {
  const said: Announcement[] = [];
  return { interests: new OwnInterests((announcement) => said.push(announcement)), said };
}

/** Lets a client join, whose request is delivered. */
function join({ interests, said }: ReturnType<typeof announcing>, group: string): void {
  const request = {};
  if (!interests.mayJoin(group, request)) {
    interests.noted(said.at(-1) as Announcement);
    interests.mayJoin(group, request);
  }
  interests.delivered(group);
  interests.changed(group, true);
}

test("a join waits until all have noted that this daemon is interested, which is announced once", () => {
  const { interests, said } = announcing();
  const request = {};
  expect(interests.mayJoin("town", request)).toBe(false);
  expect(interests.mayJoin("town", request)).toBe(false);
  expect(said).toEqual([{ number: 1, wants: true, group: "town" }]);
  // Of an earlier configuration.
  expect(interests.noted({ number: 9, wants: true, group: "town" })).toBe(false);
  expect(interests.mayJoin("town", request)).toBe(false);
  expect(interests.noted({ number: 1, wants: true, group: "town" })).toBe(true);
  expect(interests.mayJoin("town", request)).toBe(true);
  expect(interests.mayJoin("town", {})).toBe(true);
});

test("in a new configuration nobody has noted anything", () => {
  const one = announcing();
  join(one, "town");
  one.interests.restart();
  expect(one.interests.mayJoin("town", {})).toBe(false);
  expect(one.said.map(({ number }) => number)).toEqual([1, 2]);
});

test("of groups that nobody is in any more the last ones stay announced", () => {
  const one = announcing();
  for (let i = 0; i < 66; i++) join(one, `g${i}`);
  for (let i = 0; i < 64; i++) one.interests.changed(`g${i}`, false);
  expect(one.said.filter(({ wants }) => !wants)).toEqual([]);
  one.interests.changed("g64", false);
  expect(one.said.filter(({ wants }) => !wants)).toEqual([{ number: 1, wants: false, group: "g0" }]);
  expect([one.interests.mayJoin("g1", {}), one.interests.mayJoin("g0", {})]).toEqual([true, false]);
  expect(one.said.at(-1)).toEqual({ number: 67, wants: true, group: "g0" });
});

test("what somebody still asks to join is not withdrawn, though nobody is in it", () => {
  const one = announcing();
  for (let i = 0; i < 70; i++) join(one, `g${i}`);
  one.interests.mayJoin("g0", {});
  for (let i = 0; i < 70; i++) one.interests.changed(`g${i}`, false);
  expect(one.said.filter(({ wants }) => !wants).map(({ group }) => group)).toEqual(["g1", "g2", "g3", "g4", "g5"]);
  one.interests.delivered("g0");
  one.interests.changed("g0", false);
  expect(one.said.filter(({ wants }) => !wants).length).toBe(6);
});
