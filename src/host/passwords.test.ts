import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scryptSync } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { isPasswordUser, PasswordFile, passwordLine } from "./passwords.ts";

const directory = mkdtempSync(join(tmpdir(), "amalgam-passwords-"));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

/** A line that is quick to check. */
function line(user: string, password: string): string {
  const salt = Buffer.from("salt of a test");
  const hash = scryptSync(password, salt, 32, { N: 16, r: 1, p: 1 });
  return `${user}:scrypt:16:1:1:${salt.toString("base64")}:${hash.toString("base64")}`;
}

function fileOf(...lines: readonly string[]): string {
  const path = join(directory, `${++files}`);
  writeFileSync(path, `# users\n\n${lines.join("\n")}\n`);
  return path;
}

test("the right password is right, another one and another user are not", async () => {
  const file = await PasswordFile.open(fileOf(line("ann", "täglich:8"), line("bob", "secret")), () => {});
  const checks: [string, string][] = [
    ["ann", "täglich:8"],
    ["bob", "secret"],
    ["ann", "secret"],
    ["ann", ""],
    ["ann", "täglich:"],
    ["eve", "secret"],
    ["", ""],
  ];
  const verdicts = await Promise.all(checks.map(([user, password]) => file.verify(user, password)));
  expect(verdicts).toEqual([true, true, false, false, false, false, false]);
});

test("a line that was made for a password lets in who has it", async () => {
  const made = await passwordLine("ann", "correct horse");
  expect(made).toMatch(/^ann:scrypt:16384:8:1:[A-Za-z0-9+/]{22}==:[A-Za-z0-9+/]{43}=$/);
  expect(await passwordLine("ann", "correct horse")).not.toBe(made);
  const file = await PasswordFile.open(fileOf(made), () => {});
  expect([await file.verify("ann", "correct horse"), await file.verify("ann", "correct")]).toEqual([true, false]);
});

test("whoever has turned away when its turn comes costs no check", async () => {
  const warnings: string[] = [];
  const path = fileOf(line("ann", "secret"));
  const file = await PasswordFile.open(path, (text) => warnings.push(text));
  rmSync(path);
  // Each check says that the file is gone.
  const checks = Array.from({ length: 1_000 }, (_, i) => file.verify("ann", "secret", () => i % 100 === 99));
  expect(await Promise.all(checks)).toEqual(checks.map(() => false));
  expect(warnings).toHaveLength(10);
});

test("a file that changes is read again; one that is gone lets nobody in", async () => {
  const warnings: string[] = [];
  const path = fileOf(line("ann", "old"));
  const file = await PasswordFile.open(path, (text) => warnings.push(text));
  expect(await file.verify("ann", "old")).toBe(true);
  writeFileSync(path, `${line("ann", "a new one")}\nbob:$1$crypt\n`);
  expect([await file.verify("ann", "old"), await file.verify("ann", "a new one")]).toEqual([false, true]);
  expect(warnings).toEqual([expect.stringContaining("line 2 is not user:scrypt")]);
  rmSync(path);
  expect(await file.verify("ann", "a new one")).toBe(false);
  expect(warnings.at(-1)).toContain("nobody is let in");
  writeFileSync(path, line("ann", "back"));
  expect(await file.verify("ann", "back")).toBe(true);
});

test("a file that is missing or wrong at the start is an error that says what to do", async () => {
  await expect(PasswordFile.open(join(directory, "none"), () => {})).rejects.toMatchObject({ code: "ENOENT" });
  const good = line("ann", "x");
  const wrong = [
    "ann:xyDhKGVKVmzxE",
    good.replace("scrypt", "bcrypt"),
    good.replace(":16:", ":17:"),
    good.replace(":16:", ":0:"),
    good.replace(":16:1:", ":8388608:8:"),
    good.replace(":1:1:", ":1:99:"),
    good.replace("ann", "an n"),
    good.replace(/:[^:]*$/, ":AAAA"),
    `${good}:more`,
  ];
  for (const text of wrong) {
    await expect(PasswordFile.open(fileOf(good, text), () => {})).rejects.toThrow(
      'line 4 is not user:scrypt:N:r:p:salt:hash: make it with "amalgam password USER"',
    );
  }
});

test("users have 1 to 32 bytes, without what would break a line", () => {
  expect(["ann", "a".repeat(32), "jörg"].every(isPasswordUser)).toBe(true);
  expect(["", "a".repeat(33), "a:b", "a b", "#a", "a\n"].some(isPasswordUser)).toBe(false);
});
