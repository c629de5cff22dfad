import { expect, test } from "vitest";
import { type Token, UNLIMITED_CREDIT } from "../wire/ring-token.ts";
import { Configuration } from "./configuration.ts";
import { isPlausibleToken } from "./plausible.ts";

const id = { leader: 1, time: 1 };

function tokenWith(change: Partial<Token>): Token {
  const seq = change.siteSeq ?? 5;
  return {
    configuration: id,
    hop: 12,
    linkSeq: seq,
    linkAru: 4,
    linkAruSetter: 2,
    siteSeq: seq,
    siteLts: seq,
    siteAru: 4,
    siteAruSetter: 0,
    rotationBytes: 0,
    waiting: 0,
    idleHops: 0,
    recovered: 1,
    recoveredSetter: 3,
    requests: [],
    remotes: [],
    installs: false,
    credit: UNLIMITED_CREDIT,
    ...change,
  };
}

test("a token that cannot come next is told from one that can", () => {
  const configuration = new Configuration(id, [1, 2, 3], [0], 0);
  configuration.local.announce({ seq: 3, lts: 3 });
  const admits = (change: Partial<Token>): boolean => isPlausibleToken(tokenWith(change), configuration, 9);
  expect(admits({})).toBe(true);
  expect(admits({ siteSeq: 4096 })).toBe(true);
  const impossible: Partial<Token>[] = [
    { hop: 13 },
    { siteSeq: 2, linkAru: 2, siteAru: 2 },
    { siteSeq: 32_769 },
    { linkSeq: 6 },
    { siteLts: 6 },
    { linkAru: 6 },
    { siteAru: 6 },
    { recovered: 2 },
    { linkAruSetter: 4 },
    { siteAruSetter: 4 },
    { recoveredSetter: 4 },
  ];
  for (const change of impossible) expect(admits(change), JSON.stringify(change)).toBe(false);
});

test("a token among sites speaks of just the other ones, and vouches for no more than can be held", () => {
  const configuration = new Configuration(id, [1, 2, 3], [4, 5], 4, (daemon) => (daemon === 3 ? 5 : 4));
  const remote = { site: 5, seq: 3, lts: 8, aru: 2 };
  const isPlausible = (change: Partial<Token>): boolean => {
    return isPlausibleToken(tokenWith({ siteLts: 9, remotes: [remote], ...change }), configuration, 11);
  };
  expect(isPlausible({})).toBe(true);
  expect(isPlausible({ siteLts: 4 })).toBe(false);
  expect(isPlausible({ siteLts: 2 ** 31 + 1 })).toBe(false);
  expect(isPlausible({ remotes: [] })).toBe(false);
  expect(isPlausible({ remotes: [remote, remote] })).toBe(false);
  expect(isPlausible({ remotes: [{ ...remote, site: 4 }] })).toBe(false);
  expect(isPlausible({ remotes: [{ ...remote, lts: 2 }] })).toBe(false);
  expect(isPlausible({ remotes: [{ ...remote, seq: 40_000, lts: 41_000 }] })).toBe(false);
  expect(isPlausible({ remotes: [{ ...remote, aru: 10 }] })).toBe(false);
});
