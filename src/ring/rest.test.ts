import { expect, test } from "vitest";
import type { RingPacket } from "../wire/ring-data.ts";
import { Configuration } from "./configuration.ts";
import { firstToken } from "./first-token.ts";
import { Rest } from "./rest.ts";

const id = { leader: 1, time: 1 };

/** Three members; 1 has sent two packets, and all have them. */
function settled(me: number, version = 2): { configuration: Configuration; rest: Rest } {
  const configuration = new Configuration(id, [1, 2, 3], [0], 0);
  const rest = new Rest(me, configuration, version);
  for (const seq of [1, 2]) {
    const packet = { origin: 1, site: 0, seq, first: seq, lts: seq, round: 9, bytes: new Uint8Array(40) } as RingPacket;
    configuration.local.hold(packet);
    rest.note(packet);
  }
  configuration.stable = 2;
  return { configuration, rest };
}

function tokenAfter(configuration: Configuration, idleHops: number, waiting = 0) {
  return { ...firstToken(configuration), siteSeq: 2, siteLts: 2, linkSeq: 2, idleHops, waiting };
}

test("the last sender keeps the token after one quiet rotation, and everybody after two", () => {
  const { configuration, rest } = settled(1);
  const decided = [2, 3, 5, 6].map((idleHops) => rest.keeps(tokenAfter(configuration, idleHops)));
  expect(decided).toEqual(["no", "announced", "announced", "yes"]);
  expect(settled(2).rest.keeps(tokenAfter(configuration, 6))).toBe("no");
});

test("it does not while somebody has data, or lacks some, or cannot be told", () => {
  const { configuration, rest } = settled(1);
  expect(rest.keeps(tokenAfter(configuration, 3, 1))).toBe("no");
  rest.wanted();
  expect(rest.keeps(tokenAfter(configuration, 3))).toBe("no");
  rest.passed(3);
  expect(rest.keeps(tokenAfter(configuration, 3))).toBe("announced");
  configuration.stable = 1;
  expect(rest.keeps(tokenAfter(configuration, 3))).toBe("no");
  expect(settled(1, 1).rest.keeps(tokenAfter(configuration, 3))).toBe("no");
});

test("who has data asks at once where the token may come to rest, but not while it comes by before", () => {
  const { rest } = settled(2);
  expect(rest.mayComeToRest(10)).toBe(false);
  rest.passed(1);
  expect(rest.mayComeToRest(10)).toBe(true);
  // With the token of hop 9 the last packets were sent, after this member had it.
  expect(rest.mayComeToRest(8)).toBe(false);
  rest.passed(3);
  expect(rest.mayComeToRest(8)).toBe(false);
});

test("a token is taken to rest only with who sent last, and only if nothing came after it", () => {
  const { rest } = settled(2);
  expect(rest.isPlausible(1, { hop: 12, seq: 2 }, 10)).toBe(true);
  expect(rest.isPlausible(3, { hop: 12, seq: 2 }, 10)).toBe(false);
  expect(rest.isPlausible(1, { hop: 9, seq: 2 }, 10)).toBe(false);
  expect(rest.isPlausible(1, { hop: 14, seq: 2 }, 10)).toBe(false);
  expect(rest.isPlausible(1, { hop: 12, seq: 1 }, 10)).toBe(false);
  expect(rest.isPlausible(1, { hop: 12, seq: 3 }, 10)).toBe(false);
});

test("who has not everything from 1 on does not believe that all have", () => {
  const configuration = new Configuration(id, [1, 2, 3], [0], 0);
  const rest = new Rest(2, configuration, 2);
  const packet = { origin: 1, site: 0, seq: 2, first: 2, lts: 2, bytes: new Uint8Array(40) } as RingPacket;
  configuration.local.hold(packet);
  rest.note(packet);
  expect(rest.isPlausible(1, { hop: 12, seq: 2 }, 10)).toBe(false);
});
