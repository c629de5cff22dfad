import { expect, test } from "vitest";
import type { LinkStatus, SitesStatus } from "../daemon/sites-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { siteSections } from "./sites-view.ts";

const link: LinkStatus = {
  site: "east",
  peer: "e1",
  isOpen: true,
  rateMax: undefined,
  silenceMs: 3_000,
  roundTripMs: 70,
  rate: 1_250_000,
  sentDatagrams: 1_000,
  sentBytes: 1_400_000,
  resentDatagrams: 10,
  receivedDatagrams: 500,
  requested: 5,
  underWayBytes: 2_000,
  waitingBytes: 1_000,
};

function statusOf(name: string, uptimeMs: number, sites: SitesStatus | undefined): DaemonStatus {
  return { name, uptimeMs, sites, configuration: { id: { leader: 1, time: 7 } } } as unknown as DaemonStatus;
}

const SITES: SitesStatus = {
  own: "west",
  sites: [
    { name: "west", configured: 2, members: ["w1", "w2"], representative: "w1" },
    { name: "east", configured: 1, members: [], representative: undefined },
  ],
  links: [link],
  trees: [{ source: "west", hops: [["west", "east"]] }],
  pruning: { pruned: 3_000, passedOver: 4 },
};

test("one site has no sections of its own", () => {
  expect(siteSections([statusOf("a", 1, undefined)], [], 80)).toEqual([]);
});

test("sites, links with their rates and losses, and ways are shown", () => {
  const earlier = { ...SITES, links: [{ ...link, sentBytes: 400_000 }] };
  const now = [
    statusOf("w1", 3_000, SITES),
    statusOf("w2", 3_000, { ...SITES, links: [], trees: [], pruning: undefined }),
  ];
  const [sites = "", links = "", ways = "", ...more] = siteSections(now, [statusOf("w1", 1_000, earlier)], 100);
  expect(more).toEqual([]);
  expect(sites).toMatch(/west +2 of 2 +w1 +3,000 +4 +w1 w2/);
  expect(sites).toMatch(/east +0 of 1 +- +- +-/);
  expect(links.split("\n")).toHaveLength(3);
  expect(links).toMatch(/west > east +open +70.* ms .*1\.0 % +10/);
  expect(links).toMatch(/(500|488).*\/s/);
  expect(ways).toContain("west: west > east");
});
