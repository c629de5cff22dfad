import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { replaceFile, stateFile } from "./state-file.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "amalgam-state-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a text is replaced as a whole", () => {
  const path = stateFile(folder, "a/b", "epoch");
  replaceFile(path, "old");
  replaceFile(path, "new");
  expect(readFileSync(join(folder, "a_b.epoch"), "utf8")).toBe("new");
});

test("a disk that takes only a part of a text leaves the one before", () => {
  const path = join(folder, "a.epoch");
  writeFileSync(path, "old");
  // As on a full disk: the kernel takes what fits, says how much that was, and only the next call fails.
  const module = new URL("state-file.ts", import.meta.url).href;
  const script = `import { replaceFile } from ${JSON.stringify(module)}; replaceFile(${JSON.stringify(path)}, "new".repeat(1_000));`;
  const command = 'ulimit -f 1 && exec "$0" --import tsx --input-type=module --eval "$1"';
  const { status, stderr } = spawnSync("bash", ["-c", command, process.execPath, script], { encoding: "utf8" });
  expect([status, stderr]).toEqual([1, expect.stringContaining("EFBIG")]);
  expect(readFileSync(path, "utf8")).toBe("old");
});
