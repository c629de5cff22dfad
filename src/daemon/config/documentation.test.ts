import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DIRECTIVE_NAMES } from "./directives.ts";
import { parseSiteConfig } from "./parse-site.ts";

const text = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");

test.each(DIRECTIVE_NAMES)("docs/configuration.md explains %s", (name) => expect(text).toContain(`\`${name}\``));

test("the files shown in docs/configuration.md are right", () => {
  const files = [...text.matchAll(/```text\n([^`]*Spread_Segment \d[^`]*)```/g)].map((match) => match[1] ?? "");
  expect(files).toHaveLength(4);
  let address = 0;
  const lookup = (): string[] => [`10.9.0.${++address}`];
  for (const file of files) expect(parseSiteConfig(file, "spread.conf", lookup).warnings).toEqual([]);
});
