import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SiteFile } from "./site-file.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "amalgam-site-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

test("what is written aside leaves the file as it is, until it is put in force", () => {
  const path = join(folder, "spread.conf");
  writeFileSync(path, "old");
  chmodSync(path, 0o640);
  const file = new SiteFile(path, "a b");
  file.writeAside("new");
  expect(readFileSync(path, "utf8")).toBe("old");
  file.putInForce("new");
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder)).toEqual(["spread.conf"]);
});

test("what did not come into force is taken away, once", () => {
  const path = join(folder, "spread.conf");
  const file = new SiteFile(path, "a");
  file.writeAside("new");
  file.drop();
  file.drop();
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder that is not there is an error", () => {
  expect(() => new SiteFile(join(folder, "none", "spread.conf"), "a").writeAside("new")).toThrow("ENOENT");
});

test("a file that is reached by a link is replaced where it is, and keeps who may write it", () => {
  const path = join(folder, "real", "site.conf");
  mkdirSync(join(folder, "real"));
  writeFileSync(path, "old");
  chmodSync(path, 0o666);
  const link = join(folder, "spread.conf");
  symlinkSync(join("real", "site.conf"), link);
  const file = new SiteFile(link, "a");
  file.writeAside("dropped");
  file.drop();
  file.putInForce("new");
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o666);
  expect([readdirSync(folder), readdirSync(join(folder, "real"))]).toEqual([["real", "spread.conf"], ["site.conf"]]);
});
