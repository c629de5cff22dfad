import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const PROGRAM = `
  import { keepFreedMemory } from ${JSON.stringify(new URL("./freed-memory.ts", import.meta.url).href)};
  import { readFileSync } from "node:fs";

  const kept = process.argv.includes("keep") && keepFreedMemory();
  // Pages that came from the kernel so far (proc(5): minflt).
  const faults = () => Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[7]);
  // By default a piece larger than all that were freed before comes from the kernel and goes back there.
  const round = async (bytes) => {
    let taken = [];
    for (let i = 0; i < 10; i++) taken.push(new Uint8Array(bytes).fill(1));
    taken = [];
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const before = faults();
  for (let i = 1; i <= 10; i++) await round((1 + i / 5) * 1024 * 1024);
  console.log(JSON.stringify({ kept, faults: faults() - before }));
`;

/** Of the smallest round. */
const PAGES_OF_A_ROUND = (10 * 1.2 * 1024 * 1024) / 4096;

function run(...args: string[]): { readonly kept: boolean; readonly faults: number } {
  const flags = ["--import", "tsx", "--expose-gc", "--input-type=module", "-e", PROGRAM, ...args];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as { kept: boolean; faults: number };
}

test.skipIf(process.platform !== "linux")(
  "what is freed is used again without the kernel",
  ({ skip }) => {
    const { kept, faults } = run("keep");
    skip(!kept, "needs the optional package koffi and the GNU C library");
    expect(faults).toBeLessThan(3 * PAGES_OF_A_ROUND);
    expect(run().faults).toBeGreaterThan(5 * PAGES_OF_A_ROUND);
  },
  60_000,
);
