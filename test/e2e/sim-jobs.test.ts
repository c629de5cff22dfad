import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt } from "./site.ts";

const AMALGAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SHORT = ["--seconds", "0.3", "--daemons", "3-4", "--rate", "100"];
let folder: string;

beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "amalgam-sim-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function sim(args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [AMALGAM, "sim", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

function seedsOf(lines: string): number[] {
  const all = lines.trimEnd().split("\n");
  return all.map((line) => (JSON.parse(line) as { readonly seed: number }).seed);
}

describe("amalgam sim with several jobs", () => {
  it.each([
    { layer: "both", runs: 6 },
    { layer: "clients", runs: 3 },
  ])("says the same as with one, in the same order (layer $layer)", ({ layer, runs }) => {
    const of = (jobs: number) => {
      const file = join(folder, `${layer}-${jobs}.json`);
      const args = ["--seed", "31", "--runs", String(runs), "--layer", layer, ...SHORT, "--jobs", String(jobs)];
      const { status, stdout, stderr } = sim([...args, "--json", "--save", file]);
      // What takes long says how far it is.
      expect(stderr.replace(/^sim .*\n/gm, "")).toBe(`saved to ${file}; again: amalgam sim --schedule ${file}\n`);
      return { status, stdout, saved: readFileSync(file, "utf8") };
    };
    const one = of(1);
    expect(one.status).toBe(0);
    expect(seedsOf(one.stdout)).toEqual(Array.from({ length: runs }, (_, i) => 31 + i));
    expect(of(3)).toEqual(one);
  });

  it("adds up what all of them have reached", () => {
    const of = (jobs: number) => {
      const args = ["--seed", "31", "--runs", "4", ...SHORT, "--coverage", "--jobs", String(jobs)];
      // How long it took is no result.
      return sim(args).stdout.replace(/ in \d.*/, "");
    };
    const one = of(1);
    expect(one).toMatch(/^PASSED 4 schedules: every guarantee held; \d+ simulated seconds\nCells entered:\n/);
    expect(of(2)).toBe(one);
  });

  it("ends with its threads on Ctrl-C, and what it has said by then is whole", async () => {
    const args = [AMALGAM, "sim", "--seed", "1", "--runs", "100000", ...SHORT, "--jobs", "3", "--json"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (output === "") child.kill("SIGINT");
      output += text;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(130);
    const seeds = seedsOf(output);
    expect(seeds).toEqual(seeds.map((_, i) => 1 + i));
    expect(seeds.length).toBeLessThan(100_000);
  });
});
