import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PasswordFile } from "../host/passwords.ts";
import { password } from "./commands/password.ts";
import { ExitCode } from "./exit-codes.ts";
import { run } from "./run.ts";
import type { Terminal } from "./terminal.ts";

type Outcome = {
  readonly code: number;
  readonly output: string[];
  readonly notes: string[];
  readonly hidden: boolean[];
};

async function runWith(user: string, input: readonly string[], isInteractive: boolean): Promise<Outcome> {
  const outcome = { code: 0, output: [] as string[], notes: [] as string[], hidden: [] as boolean[] };
  const terminal: Terminal = {
    print: (text) => void outcome.output.push(text),
    write: async () => {},
    note: (text) => void outcome.notes.push(text),
    redraw: () => {},
    ask: () => {},
    input: (async function* () {
      for (const text of input) yield new TextEncoder().encode(text);
    })(),
    hideInput: (hidden) => void outcome.hidden.push(hidden),
    interactive: isInteractive,
    outputInteractive: false,
    inputInteractive: isInteractive,
    columns: 80,
    rows: 24,
    style: (_, text) => text,
    signal: new AbortController().signal,
  };
  outcome.code = await run(["password", user], terminal, [password], "0");
  return outcome;
}

async function fits(line: string | undefined, user: string, secret: string): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), "amalgam-password-"));
  const path = join(directory, "passwords");
  writeFileSync(path, `${line}\n`);
  const file = await PasswordFile.open(path, () => {});
  const isRight = await file.verify(user, secret);
  rmSync(directory, { recursive: true });
  return isRight;
}

test("a password that is piped in becomes a line that lets its user in", async () => {
  const { code, output, notes, hidden } = await runWith("ann", ["sec", "ret\nmore\n"], false);
  expect({ code, notes, hidden }).toEqual({ code: ExitCode.ok, notes: [], hidden: [] });
  expect(await fits(output[0], "ann", "secret")).toBe(true);
});

test("a password that is typed is hidden, can be corrected, and is asked for twice", async () => {
  const { code, output, notes, hidden } = await runWith(
    "ann",
    "längerx\x7f als acht\rlänger als acht\r".split(""),
    true,
  );
  expect({ code, hidden }).toEqual({ code: ExitCode.ok, hidden: [true, false, true, false] });
  expect(notes).toEqual([expect.stringContaining("more than 8 bytes")]);
  expect(await fits(output[0], "ann", "länger als acht")).toBe(true);
});

test("what cannot be a line ends with a code, and the terminal shows what is typed again", async () => {
  expect(await runWith("ann", ["one\r", "two\r"], true)).toMatchObject({ code: ExitCode.failed, output: [] });
  expect(await runWith("ann", ["on\x03"], true)).toMatchObject({ code: ExitCode.interrupted, hidden: [true, false] });
  expect(await runWith("ann", ["\x04"], true)).toMatchObject({ code: ExitCode.failed });
  expect(await runWith("ann", [], false)).toMatchObject({ code: ExitCode.failed });
  expect(await runWith("a:b", ["x\n"], false)).toMatchObject({ code: ExitCode.usage });
});
