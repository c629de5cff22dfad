import { describe, expect, test } from "vitest";
import { parseSiteConfig } from "./parse-site.ts";
import { ConfigError } from "./problem.ts";
import { chooseDaemon, hasAddress } from "./site.ts";

const WEST = "Site west {\n  Spread_Segment 10.1.0.255:4803 { a 10.1.0.1  b 10.1.0.2 }\n}\n";
const EAST = "Site east {\n  Spread_Segment 10.2.0.255:4803 { c 10.2.0.1 }\n}\n";
const NORTH = "Site north {\n  Spread_Segment 10.3.0.255:4803 { d 10.3.0.1 }\n}\n";

function failure(text: string): ConfigError {
  try {
    parseSiteConfig(text);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("expected a ConfigError");
}

describe("a file with sites", () => {
  test("gives each daemon its site, and a link to each pair of them", () => {
    const { site, warnings } = parseSiteConfig(`${WEST}${EAST}${NORTH}`);
    expect(warnings).toEqual([]);
    expect(site.sites.map(({ name, daemons }) => [name, ...daemons.map((daemon) => daemon.name)])).toEqual([
      ["west", "a", "b"],
      ["east", "c"],
      ["north", "d"],
    ]);
    expect(site.daemons.map((daemon) => daemon.site)).toEqual([0, 0, 1, 2]);
    expect(site.segments.map((segment) => segment.site)).toEqual([0, 1, 2]);
    expect(site.links.map(({ ends }) => ends)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(site.links[0]).toEqual({
      ends: [0, 1],
      weight: 100,
      rateMax: undefined,
      rateStart: 125_000,
      silenceMs: 3_000,
    });
  });

  test("may describe links: one by its sites, or all of them, the closer word first", () => {
    const { site } = parseSiteConfig(`${WEST}${EAST}${NORTH}
      Link { RateLimit = 10000 Weight = 30 }
      Link east west { Weight = 5 StartRate = 2000 SilenceTimeout = 10000 }
      Link west north { Weight = none }
      Link north east { RateLimit = none }
      WideAreaOrder = clock`);
    expect(site.wideAreaOrder).toBe("clock");
    expect(site.links).toEqual([
      { ends: [0, 1], weight: 5, rateMax: 1_250_000, rateStart: 250_000, silenceMs: 10_000 },
      { ends: [1, 2], weight: 30, rateMax: undefined, rateStart: 125_000, silenceMs: 3_000 },
    ]);
  });

  test("may have several segments in a site, whose daemons are one ring", () => {
    const { site } = parseSiteConfig(`Site west {
      Spread_Segment 10.1.0.255:4803 { a 10.1.0.1 }
      Spread_Segment 10.4.0.255:4803 { b 10.4.0.1 }
    } ${EAST}`);
    expect(site.daemons.map(({ segment, site: at }) => [segment, at])).toEqual([
      [0, 0],
      [1, 0],
      [2, 1],
    ]);
  });

  test("without Site has one, whatever segments there are, and no links: as Spread reads it", () => {
    const { site } = parseSiteConfig(
      "Spread_Segment 10.1.0.255 { a 10.1.0.1 } Spread_Segment 10.2.0.255 { b 10.2.0.1 }",
    );
    expect(site.sites).toEqual([{ name: "site", daemons: site.daemons }]);
    expect(site.links).toEqual([]);
  });

  test("counts sites, weights and order in what must be equal everywhere, and rates not", () => {
    const hash = (more: string): number => parseSiteConfig(`${WEST}${EAST}${more}`).site.hash;
    const plain = hash("");
    expect(hash("Link { Weight = 3 }")).not.toBe(plain);
    expect(hash("WideAreaOrder = clock")).not.toBe(plain);
    expect(hash("Link { RateLimit = 5000 SilenceTimeout = 9000 }")).toBe(plain);
    const segments = `${WEST}${EAST}`.replaceAll(/Site \w+ \{\n/g, "").replaceAll(/^\}\n/gm, "");
    expect(parseSiteConfig(segments).site.hash).not.toBe(plain);
  });

  test.each([
    [`${WEST}${WEST.replace("10.1", "10.9")}`, "4:6", "two sites are called west", undefined],
    [`Site west {\n}`, "1:1", "the site west has no segment", undefined],
    [`${WEST}Site east { Spread_Segment 10.2.0.255 { } }`, "4:1", "the site east has no daemon", undefined],
    [
      `${WEST}Spread_Segment 10.2.0.255 { c 10.2.0.1 }`,
      "4:1",
      "this segment is in no site",
      "Either all segments stand in sites, or none and all are one site",
    ],
    [
      "Site west {\n  Window = 10\n}",
      "2:3",
      'expected Spread_Segment or }, found "Window"',
      "Set Window outside the sites: it holds for all of them",
    ],
    [
      `Site west {\n Spread_Segment 10.1.0.255 { a 10.1.0.1 }`,
      "1:11",
      "the site that begins here is not closed",
      "Close it with }",
    ],
    [`${WEST}${EAST}Link west eats { }`, "7:11", 'there is no site "eats"', "Did you mean east?"],
    [`${WEST}${EAST}Link west west { }`, "7:11", "west cannot be linked with itself", undefined],
    [
      `${WEST}${EAST}Link west east { }\nLink east west { }`,
      "8:1",
      "the link of east and west was described before",
      "Say all of it in one place",
    ],
    [`${WEST}${EAST}Link { Wieght = 3 }`, "7:8", 'a link has no "Wieght"', "Did you mean Weight?"],
    [`${WEST}${EAST}Link { Weight=3 }`, "7:8", "there must be blanks around =", "Write Weight = 3"],
    [
      `${WEST}${EAST}Link { Weight = 0 }`,
      "7:17",
      'Weight is a number from 1 to 1000000 (the cost of the way), or none; found "0"',
      undefined,
    ],
    [
      `${WEST}${EAST}Link { RateLimit = 100 StartRate = 200 }`,
      "7:24",
      "a link cannot begin with more than its limit",
      "The RateLimit of west and east is 100 kbit/s",
    ],
    [
      `${WEST}${EAST}${NORTH}Link north east { Weight = none } Link north west { Weight = none }`,
      "10:53",
      "no way leads from west to north",
      "Weight = none takes away west – north, east – north: leave one of them",
    ],
    [
      `${WEST}Link { Weight = 3 }`,
      "4:1",
      "there are no two sites to be linked",
      "Put the segments into sites: Site west { … }",
    ],
  ])("says what is wrong and where: %j", (text, place, message, remedy) => {
    const { problem } = failure(text);
    expect({ ...problem, place: `${problem.line}:${problem.column}` }).toMatchObject({ place, message, remedy });
  });
});

test("an order between sites where there are none is a warning", () => {
  const { warnings } = parseSiteConfig("WideAreaOrder = clock Spread_Segment 10.0.0.255 { a 10.0.0.1 }");
  expect(warnings.map(({ message }) => message)).toEqual([
    "one site needs no order between sites: this changes nothing",
  ]);
});

describe("a daemon that is found by a host's name", () => {
  const lookup = (name: string): string[] => (name === "db1.example.org" ? ["10.0.0.7"] : []);

  test("may have another name than its host, and a port", () => {
    const text = "Spread_Segment 10.0.0.255:4803 { a Host = db1.example.org:4900 VirtualID = 5 ; b 10.0.0.2 }";
    const { site } = parseSiteConfig(text, "spread.conf", lookup);
    expect(site.daemons[0]).toMatchObject({
      name: "a",
      id: 5,
      address: "10.0.0.7",
      host: "db1.example.org",
      port: 4900,
    });
    expect(site.daemons[1]?.host).toBeUndefined();
  });

  test("agrees with the others by the name, wherever it leads", () => {
    const text = "Spread_Segment 10.0.0.255:4803 { a Host = db1.example.org }";
    const hashAt = (address: string): number => parseSiteConfig(text, "spread.conf", () => [address]).site.hash;
    expect(hashAt("10.0.0.7")).toBe(hashAt("10.0.0.8"));
  });

  test("may be called Host itself", () => {
    const { site } = parseSiteConfig("Spread_Segment 10.0.0.255:4803 { Host 10.0.0.1 }");
    expect(site.daemons[0]).toMatchObject({ name: "Host", address: "10.0.0.1" });
  });

  test("may be down, so that its name leads nowhere now: the others go without it", () => {
    const text = "Spread_Segment 10.0.0.255:4803 { a Host = a.example ; b Host = b.example ; c Host = c.example }";
    const among = (known: string) => (name: string) => (name === known ? ["10.0.0.7"] : undefined);
    const { site, warnings } = parseSiteConfig(text, "spread.conf", among("b.example"));
    expect(site.daemons.map(hasAddress)).toEqual([false, true, false]);
    expect(warnings.map(({ message, column }) => [message, column])).toEqual([
      ['the name "a.example" leads nowhere now', 43],
      ['the name "c.example" leads nowhere now', 85],
    ]);
    expect(parseSiteConfig(text, "spread.conf", among("c.example")).site.hash).toBe(site.hash);
    expect(chooseDaemon(site, undefined, (address) => address === "10.0.0.7")).toMatchObject({ name: "b" });
    expect(chooseDaemon(site, "c", () => true)).toBe("the name c.example, where c is to run, leads nowhere now");
    expect(chooseDaemon(site, "d", () => true)).toContain("it has a (a.example), b (10.0.0.7), c (c.example)");
  });

  test("whose host is unknown, or no name, is an error at its place", () => {
    try {
      parseSiteConfig("Spread_Segment 10.0.0.255 { a Host = nowhere.example }", "spread.conf", lookup);
      expect.unreachable();
    } catch (error) {
      expect((error as ConfigError).problem).toMatchObject({
        column: 38,
        message: 'no address is known for the name "nowhere.example"',
      });
    }
    expect(failure("Spread_Segment 10.0.0.255 { a Host = b/c }").problem).toMatchObject({
      column: 38,
      message: 'Host is the name of a host, with or without a port; found "b/c"',
    });
  });
});
