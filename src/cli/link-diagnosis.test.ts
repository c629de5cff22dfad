import { describe, expect, test } from "vitest";
import { parseSiteConfig } from "../daemon/config/index.ts";
import type { LinkStatus } from "../daemon/sites-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import { judgeMtu } from "./diagnosis.ts";
import { judgeSiteLinks } from "./link-diagnosis.ts";

const FILE = `Site west { Spread_Segment 10.1.0.255:4803 { w1 10.1.0.1 ; w2 10.1.0.2 } }
Site east { Spread_Segment 10.2.0.255:4803 { e1 10.2.0.1 } }`;
const { site } = parseSiteConfig(FILE);

const LINK: LinkStatus = {
  site: "",
  peer: "",
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
  waitingBytes: 0,
};

function status(name: string, own: string, members: readonly string[], ...links: Partial<LinkStatus>[]): DaemonStatus {
  const sites = { own, sites: [], trees: [], links: links.map((link) => ({ ...LINK, ...link })) };
  return { name, configuration: { members }, sites } as unknown as DaemonStatus;
}

const ALL = ["w1", "w2", "e1"];

/** Findings where the western end of the link is like this, and the eastern one like that. */
function judge(west: Partial<LinkStatus>, east: Partial<LinkStatus> = {}) {
  return judgeSiteLinks(site, [
    status("w1", "west", ALL, { site: "east", peer: "e1", ...west }),
    status("w2", "west", ALL),
    status("e1", "east", ALL, { site: "west", peer: "w1", ...east }),
  ]);
}

describe("the doctor, on links between sites", () => {
  test("says how long they are and what they carry, and nothing with one site", () => {
    expect(judge({})).toEqual([
      {
        check: "link of west and east",
        verdict: "ok",
        message: "round trip 70.0 ms, 10000 kbit/s got through",
        remedy: undefined,
      },
    ]);
    expect(judgeSiteLinks(parseSiteConfig("Spread_Segment 10.1.0.255 { a 10.1.0.1 }").site, [])).toEqual([]);
  });

  test("finds sites whose daemons run and are in no configuration together", () => {
    const apart = [status("w2", "west", ["w1", "w2"]), status("e1", "east", ["e1"])];
    expect(judgeSiteLinks(site, apart)).toEqual([
      expect.objectContaining({
        verdict: "problem",
        remedy: expect.stringContaining("(w2 at 10.1.0.2, UDP 4803 and 4804; e1 at 10.2.0.1, UDP 4803 and 4804)"),
      }),
    ]);
    // Who does not answer is found elsewhere.
    expect(judgeSiteLinks(site, [status("w2", "west", ["w1", "w2"])])).toEqual([]);
  });

  test.each([
    [{ isOpen: false }, "problem", /w1 in west gets no answer from e1/, /UDP 4803 at 10.2.0.1/],
    [{ roundTripMs: 200 }, "warning", /round trip 200 ms/, /TimeoutProfile = wan/],
    [{ silenceMs: 600, roundTripMs: 140 }, "warning", /600 ms of silence/, /SilenceTimeout = 1400/],
    [{ resentDatagrams: 300 }, "problem", /w1 had to send 30 % again/, /ping -M do -s \d+ 10.2.0.1/],
    [
      { rateMax: 1_250_000, rate: 400_000, waitingBytes: 9_000 },
      "warning",
      /9000 bytes wait at w1, and 3200 of 10000 kbit/,
      /less than its RateLimit/,
    ],
  ] as const)("finds what is wrong at one end: %o", (west, verdict, message, remedy) => {
    const { silenceMs, rateMax } = { ...LINK, ...west };
    expect(judge(west, { silenceMs, rateMax })).toEqual([
      {
        check: "link of west and east",
        verdict,
        message: expect.stringMatching(message),
        remedy: expect.stringMatching(remedy),
      },
    ]);
  });

  test("compares what the two ends have of their files", () => {
    const findings = judge({ rateMax: 125_000 }, { silenceMs: 5_000 });
    expect(findings.map(({ verdict, message }) => [verdict, message])).toEqual([
      ["warning", "RateLimit is 1000 kbit/s at w1 and none at e1"],
      ["warning", "SilenceTimeout is 3000 at w1 and 5000 at e1"],
    ]);
    expect(findings[0]?.remedy).toContain("amalgam reload");
  });

  test("counts the heads of a hop where datagrams have to fit an MTU", () => {
    const one = parseSiteConfig("Spread_Segment 10.1.0.255 { a 10.1.0.1 }").site;
    expect(judgeMtu(one, "10.1.0.1", "eth0", 1_430).verdict).toBe("ok");
    expect(judgeMtu(site, "10.1.0.1", "eth0", 1_430).verdict).toBe("warning");
    expect(judgeMtu(site, "10.1.0.1", "eth0", 1_500).verdict).toBe("ok");
  });
});
