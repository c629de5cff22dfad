import { expect, test } from "vitest";
import { decodeAnnouncement, encodeAnnouncement } from "../wire/interest.ts";
import { Interests } from "./interests.ts";

const anybody = (): boolean => true;

test("a daemon wants what it has announced, until it withdraws that and not what it has announced since", () => {
  const interests = new Interests();
  interests.note(3, { number: 1, wants: true, group: "town" });
  expect([interests.has("town", anybody), interests.has("village", anybody)]).toEqual([true, false]);
  expect(interests.has("town", (daemon) => daemon !== 3)).toBe(false);
  // The second one is held before the withdrawal of the first.
  interests.note(3, { number: 2, wants: true, group: "town" });
  interests.note(3, { number: 1, wants: false, group: "town" });
  expect(interests.has("town", anybody)).toBe(true);
  interests.note(3, { number: 2, wants: false, group: "town" });
  expect(interests.has("town", anybody)).toBe(false);
});

test("a withdrawal of an earlier configuration that is stamped late withdraws nothing", () => {
  const interests = new Interests();
  interests.note(3, { number: 4, wants: false, group: "town" });
  interests.note(3, { number: 5, wants: true, group: "town" });
  expect(interests.has("town", anybody)).toBe(true);
});

test("the groups that daemons want, and no others, are kept", () => {
  const interests = new Interests();
  for (let i = 1; i < 1_000; i++) {
    interests.note(3, { number: i, wants: i % 3 !== 0, group: `g${i}` });
    if (i % 3 === 1) interests.note(3, { number: i, wants: false, group: `g${i}` });
  }
  expect(interests.groups).toBe(333);
});

test("its version tells when somebody wants more", () => {
  const interests = new Interests();
  const versions = [interests.version];
  for (const wants of [true, false]) {
    interests.note(3, { number: 1, wants, group: "town" });
    versions.push(interests.version);
  }
  expect(versions).toEqual([0, 1, 1]);
});

test("announcements come back as they were, and what is none is refused", () => {
  for (const wants of [true, false]) {
    const announcement = { number: 7, wants, group: "Zürich" };
    expect(decodeAnnouncement(encodeAnnouncement(announcement))).toEqual(announcement);
  }
  expect(decodeAnnouncement(new Uint8Array(4))).toBeUndefined();
  expect(decodeAnnouncement(Uint8Array.of(0, 0, 0, 1, 2, 65))).toBeUndefined();
  expect(decodeAnnouncement(new Uint8Array(60))).toBeUndefined();
});
