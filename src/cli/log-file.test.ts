import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogFile } from "./log-file.ts";

let folder: string;
let path: string;
let elsewhere: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "amalgam-log-"));
  path = join(folder, "daemon.log");
  elsewhere = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (): Promise<LogFile> => LogFile.open(path, (line) => elsewhere.push(line));

test("lines are appended in their order, behind what was there", async () => {
  for (const lines of [["1", "2"], ["3"]]) {
    await using log = await open();
    for (const line of lines) log.write(line);
  }
  expect(readFileSync(path, "utf8")).toBe("1\n2\n3\n");
});

test("a file that was moved away is followed by a new one", async () => {
  {
    await using log = await open();
    log.write("old");
  }
  await using log = await open();
  renameSync(path, `${path}.1`);
  log.write("new");
  await log[Symbol.asyncDispose]();
  expect([readFileSync(`${path}.1`, "utf8"), readFileSync(path, "utf8")]).toEqual(["old\n", "new\n"]);
});

test("what the file does not take goes elsewhere, with the reason, and the file is tried again", async () => {
  await using log = await open();
  rmSync(path);
  mkdirSync(path);
  log.write("lost");
  await log[Symbol.asyncDispose]();
  log.write("lost too");
  await log[Symbol.asyncDispose]();
  expect(elsewhere).toEqual([
    expect.stringMatching(/the log cannot be written, and goes here until it can: EISDIR/),
    "lost",
    "lost too",
  ]);
  rmSync(path, { recursive: true });
  log.write("kept");
  await log[Symbol.asyncDispose]();
  expect(readFileSync(path, "utf8")).toBe("kept\n");
});

test("a file that cannot be made is an error", async () => {
  path = join(folder, "missing", "daemon.log");
  await expect(open()).rejects.toThrow("ENOENT");
});
