import { describe, expect, test } from "vitest";
import { couldDecideTwice, differenceOf } from "./difference.ts";
import { parseSiteConfig } from "./parse-site.ts";
import type { SiteConfig } from "./site.ts";

function siteOf(names: string, settings = ""): SiteConfig {
  const daemons = names
    .split("")
    .map((name) => `${name} 10.0.0.${name.charCodeAt(0)}`)
    .join("\n");
  return parseSiteConfig(`${settings}\nSpread_Segment 10.0.0.255:4803 {\n${daemons}\n}`).site;
}

describe("what a file changes", () => {
  test("is who comes and goes, what all change together, and what waits for a restart", () => {
    const old = siteOf("abc");
    const fresh = siteOf("abd", "PrimaryPolicy = static 2\nDatagramBytes = 1300\nTimeoutProfile = fast");
    const difference = differenceOf(old, fresh);
    expect(difference.added.map(({ name }) => name)).toEqual(["d"]);
    expect(difference.removed.map(({ name }) => name)).toEqual(["c"]);
    expect(difference.together).toEqual(["PrimaryPolicy: majority becomes static 2"]);
    expect(difference.later).toEqual(["DatagramBytes", "timeouts"]);
    expect(difference.refused).toEqual([]);
  });

  test("is nothing where two files say the same", () => {
    const difference = differenceOf(siteOf("abc"), siteOf("abc", "# another comment"));
    expect(Object.values(difference).flat()).toEqual([]);
  });

  test.each([
    [siteOf("abc"), siteOf("abc", "PayloadLimit = 100000"), "PayloadLimit would change"],
    [siteOf("abc"), siteOf("abc", "RegionWaste = 5"), "GroupAddresses or RegionWaste would change"],
    [siteOf("abcde"), siteOf("abxyz"), "only 2 of 5 daemons would stay, and 3 have to: replace them in several steps"],
    [siteOf("abc", "PrimaryPolicy = oldest"), siteOf("bcd", "PrimaryPolicy = oldest"), "it has to stay"],
  ])("is refused where daemons could not follow", (old, fresh, why) => {
    expect(differenceOf(old, fresh).refused.join()).toContain(why);
  });

  test("is refused where a daemon that stays would be somewhere else", () => {
    const fresh = parseSiteConfig("Spread_Segment 10.0.0.255:4803 { a 10.0.0.97 ; b 10.0.0.200 ; c 10.0.0.99 }").site;
    expect(differenceOf(siteOf("abc"), fresh).refused).toEqual([
      expect.stringMatching(
        /^b would move from b \d+ at 10.0.0.98:4803 in segment 10.0.0.255:4803 to b \d+ at 10.0.0.200:4803/,
      ),
    ]);
  });
});

/** Sites of a daemon each, of these names: `ab c` has the daemons a and b in the site ab, and c in another one. */
function sitesOf(names: string, settings = "TimeoutProfile = sites"): SiteConfig {
  const blocks = names.split(" ").map((site) => {
    const daemons = site.split("").map((name) => `${name} 10.0.0.${name.charCodeAt(0)}`);
    const segment = `Spread_Segment 10.0.${site.charCodeAt(0)}.255:4803 { ${daemons.join(" ; ")} }`;
    return names.includes(" ") ? `Site s${site[0]} { ${segment} }` : segment;
  });
  return parseSiteConfig(`${settings}\n${blocks.join("\n")}`).site;
}

describe("what a file changes of sites", () => {
  test("is which of them come and go, wherever in the file, and their links", () => {
    const difference = differenceOf(
      sitesOf("ab c d"),
      sitesOf("ab d e", "TimeoutProfile = sites\nLink sa sd { Weight = 7 }"),
    );
    expect(difference.refused).toEqual([]);
    expect(difference.added.map(({ name }) => name)).toEqual(["e"]);
    expect(difference.removed.map(({ name }) => name)).toEqual(["c"]);
    expect(difference.together).toEqual([
      "site se comes",
      "site sc goes",
      "link of sa and sd: weight 100, no limit, silence 3000 ms becomes weight 7, no limit, silence 3000 ms",
    ]);
  });

  test("may be that there are several from now on, or only one is left", () => {
    expect(differenceOf(sitesOf("ab"), sitesOf("ab c"))).toMatchObject({
      refused: [],
      together: ["site sa comes", "site sc comes"],
    });
    expect(differenceOf(sitesOf("ab c"), sitesOf("ab")).refused).toEqual([]);
  });

  test.each([
    [sitesOf("abc"), sitesOf("ab cd"), /segment 10.0.97.255:4803 to c .* in segment 10.0.99.255:4803/],
    [sitesOf("ab", ""), sitesOf("ab c", ""), /set TimeoutProfile = sites, start them again/],
    [sitesOf("ab c d"), sitesOf("a bc d"), /b would move .* of site sa to b .* of site sb/],
  ])("is refused where daemons could not follow", (old, fresh, why) => {
    expect(differenceOf(old, fresh).refused.join()).toMatch(why);
  });

  test("is refused where a ring would be torn, or made of several", () => {
    const [first, second] = [
      "Spread_Segment 10.0.1.255:4803 { a 10.0.0.1 }",
      "Spread_Segment 10.0.2.255:4803 { b 10.0.0.2 }",
    ];
    const one = parseSiteConfig(`TimeoutProfile = sites ${first} ${second}`).site;
    const two = parseSiteConfig(`TimeoutProfile = sites Site x { ${first} } Site y { ${second} }`).site;
    expect(differenceOf(one, two).refused.join()).toContain("the daemons of one ring would be in several sites");
    expect(differenceOf(two, one).refused.join()).toContain("daemons of several sites would become one site");
  });
});

describe("whether two sides could decide at once", () => {
  test.each([
    ["abc", "abcd", false],
    ["abcd", "abc", false],
    ["a", "ab", false],
    ["abc", "abd", true],
    ["abc", "abcde", true],
    ["abcde", "abc", true],
    ["abcde", "abcd", false],
    ["abcde", "abcdefg", true],
    ["abc", "abc", false],
  ])("of %s and %s: %s", (old, fresh, expected) => {
    expect(couldDecideTwice(siteOf(old), siteOf(fresh))).toBe(expected);
  });

  test("never, where every side may decide or none", () => {
    expect(couldDecideTwice(siteOf("abc", "PrimaryPolicy = all"), siteOf("abcde", "PrimaryPolicy = all"))).toBe(false);
  });

  test("always, where the rule itself changes", () => {
    expect(couldDecideTwice(siteOf("abc"), siteOf("abc", "PrimaryPolicy = static 2"))).toBe(true);
  });
});
