import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Lineage, lineageOf, withLineage, withoutLineage } from "./lineage.ts";
import { parseSiteConfig } from "./parse-site.ts";

const TEXT = "Spread_Segment 10.0.0.255:4803 { a 10.0.0.1 ; b 10.0.0.2 }\n";
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const lineages: fc.Arbitrary<Lineage> = fc.record({
  generation: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  root: uint32,
  agreement: uint32,
  ancestors: fc.array(uint32, { maxLength: 32 }),
  before: fc.option(
    fc.record({
      policy: fc.constantFrom("majority", "oldest", "static 3"),
      daemons: fc.uniqueArray(uint32, { maxLength: 10 }),
    }),
    { nil: undefined },
  ),
  addresses: fc.dictionary(fc.constantFrom("db1.example.org", "db2"), fc.ipV4()),
});

describe("a file's lineage", () => {
  test("comes back as it was written, and can be taken out and replaced", () => {
    fc.assert(
      fc.property(lineages, lineages, (first, second) => {
        const text = withLineage(TEXT, first);
        expect(lineageOf(text, first.agreement)).toEqual(first);
        expect(withoutLineage(text)).toBe(TEXT);
        expect(lineageOf(withLineage(text, second), second.agreement)).toEqual(second);
      }),
    );
  });

  test("changes the hash of a file, and not what it says", () => {
    const { site } = parseSiteConfig(TEXT);
    const lineage = { ...lineageOf(TEXT, site.agreement), generation: 1, ancestors: [site.hash] };
    const next = parseSiteConfig(withLineage(TEXT, lineage)).site;
    expect(site.hash).toBe(site.agreement);
    expect(next.agreement).toBe(site.agreement);
    expect(next.hash).not.toBe(site.hash);
    const later = parseSiteConfig(withLineage(TEXT, { ...lineage, generation: 2 })).site;
    expect(later.hash).not.toBe(next.hash);
    // Where a name led to when somebody looked is no part of it.
    const looked = { ...lineage, addresses: { b: "10.0.0.2" } };
    expect(parseSiteConfig(withLineage(TEXT, looked)).site.hash).toBe(next.hash);
  });

  test("of another text counts as none: somebody has edited the file", () => {
    const { site } = parseSiteConfig(TEXT);
    const text = withLineage(TEXT, { ...lineageOf(TEXT, site.agreement), generation: 5 });
    const edited = parseSiteConfig(text.replace("b 10.0.0.2", "b 10.0.0.3")).site;
    expect(edited.lineage.generation).toBe(0);
    expect(edited.hash).toBe(edited.agreement);
  });

  test("that makes no sense counts as none", () => {
    const { agreement } = parseSiteConfig(TEXT).site;
    const whole = { ...lineageOf(TEXT, agreement), generation: 1 };
    const wrong = [
      { ...whole, generation: -1 },
      { ...whole, ancestors: Array(33).fill(1) },
      { ...whole, before: { policy: "static 0", daemons: [] } },
      { ...whole, before: { policy: "majority", daemons: [1, 1] } },
      { ...whole, addresses: { a: 7 } },
      [],
    ];
    for (const lineage of wrong) {
      expect(lineageOf(`${TEXT}# amalgam-lineage ${JSON.stringify(lineage)}\n`, agreement).generation).toBe(0);
    }
    expect(lineageOf(`${TEXT}# amalgam-lineage {"generation":\n`, agreement).generation).toBe(0);
  });
});
