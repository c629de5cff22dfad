import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Claim } from "../sim/load/claims.ts";
import type { Suite } from "../sim/load/experiment.ts";
import { suites } from "../sim/suites.ts";
import { runClaims } from "./claims.ts";
import { sim } from "./commands/sim.ts";
import { parseCommandLine } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

const claim = (group: string, bound: number): Claim<number> => ({
  group,
  what: `the last digit of the seed in ${group}`,
  kind: "ratio",
  unit: "ms",
  digits: 1,
  bound: { atMost: bound },
  runs: [group],
  of: (result) => ({ part: result, whole: 1 }),
});

/** Runs whose result is the last digit of their seed. */
const suite: Suite<number, number> = {
  name: "digits",
  experiments: [],
  run: (seed) => seed % 10,
  told: (seed) => seed,
  claims: { claims: [claim("low", 9), claim("high", 0.5)], scenario: (_run, seed) => seed },
};

async function claims(
  of: Suite,
  names: readonly string[],
  ...options: string[]
): Promise<{ code: number; output: string[] }> {
  const output: string[] = [];
  const terminal = {
    print: (text: string) => output.push(text),
    note: () => {},
    interactive: false,
    signal: new AbortController().signal,
  } as unknown as Terminal;
  const code = await runClaims(of, names, parseCommandLine(sim, ["--jobs", "1", ...options]), terminal);
  return { code, output: output.flatMap((text) => text.split("\n")) };
}

test("claims are measured with the seeds that are asked for, and one that is missed fails the command", async () => {
  const { code, output } = await claims(suite as Suite, [], "--seed", "100", "--seeds", "3");
  expect(code).toBe(1);
  expect(output[1]).toMatch(/^the last digit of the seed in low +at most 9 ms +1.0 ms +-1.5 to 3.5 +3 +yes$/);
  expect(output[2]).toMatch(/in high .* no$/);
  expect((await claims(suite as Suite, ["low"], "--seed", "100", "--seeds", "3")).code).toBe(0);
});

test("what is written keeps what was found of other claims, in the order of the claims", async () => {
  const folder = await mkdtemp(join(tmpdir(), "amalgam-claims-"));
  try {
    await claims(suite as Suite, ["high"], "--seed", "100", "--out", folder);
    await claims(suite as Suite, ["low"], "--seed", "110", "--out", folder);
    const rows = JSON.parse(await readFile(join(folder, "data", "digits-claims.json"), "utf8"));
    expect(rows).toMatchObject([
      { group: "low", mean: 4.5, seeds: [110, 10], reached: "yes" },
      { group: "high", mean: 4.5, seeds: [100, 10], reached: "no" },
    ]);
    expect((await readFile(join(folder, "data", "digits-claims.md"), "utf8")).split("\n")).toHaveLength(5);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a long measurement can be made in parts: seeds that follow those of an earlier call count together", async () => {
  const folder = await mkdtemp(join(tmpdir(), "amalgam-claims-"));
  const read = async () => JSON.parse(await readFile(join(folder, "data", "digits-claims.json"), "utf8"));
  const part = (...options: string[]) => claims(suite as Suite, [], "--out", folder, "--more", ...options);
  try {
    for (const seed of ["100", "101", "102"]) await part("--seed", seed, "--seeds", "1");
    await part("--seed", "103", "--seeds", "7");
    const inParts = await read();
    await claims(suite as Suite, [], "--out", folder, "--seed", "100");
    expect(inParts).toEqual(await read());
    await expect(part("--seed", "111", "--seeds", "2")).rejects.toThrow("--more goes on with 110");
    await expect(part("--seed", "105", "--seeds", "2")).rejects.toThrow("--more goes on with 110");
    await expect(part()).rejects.toThrow("from --seed on");
    expect(await read()).toEqual(inParts);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what was found before a run ends with an error is kept", async () => {
  const folder = await mkdtemp(join(tmpdir(), "amalgam-claims-"));
  try {
    let runs = 0;
    const run = (seed: number): number => {
      if (++runs > 15) throw new Error("two members disagree");
      return suite.run(seed);
    };
    await expect(claims({ ...suite, run } as Suite, [], "--seed", "110", "--out", folder)).rejects.toThrow("disagree");
    const rows = JSON.parse(await readFile(join(folder, "data", "digits-claims.json"), "utf8"));
    expect(rows).toMatchObject([{ group: "low", seeds: [110, 10] }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a group of claims that there is not is refused, and the one that was meant is named", async () => {
  await expect(claims(suite as Suite, ["lows"])).rejects.toThrow("did you mean low?");
  await expect(claims({ ...suite, claims: undefined } as unknown as Suite, [])).rejects.toThrow(
    "nothing is claimed of digits",
  );
});

test.each(suites.filter((one) => one.claims !== undefined))(
  "each claim of $name is another one, of runs that there are",
  ({ claims: set }) => {
    const all = set?.claims ?? [];
    expect(all.length).toBeGreaterThan(10);
    expect(new Set(all.map(({ what }) => what)).size).toBe(all.length);
    for (const { runs } of all)
      for (const run of runs) expect(set?.scenario(run, 7)).toMatchObject({ seeds: 1, firstSeed: 7 });
  },
);
