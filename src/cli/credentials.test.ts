import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseCommandLine } from "./arguments.ts";
import { send } from "./commands/send.ts";
import { credentialsOf } from "./credentials.ts";
import type { Terminal } from "./terminal.ts";

const directory = mkdtempSync(join(tmpdir(), "amalgam-"));
afterAll(() => rmSync(directory, { recursive: true }));

function terminalOf(typed: string | undefined): Terminal {
  return {
    print: () => {},
    write: async () => {},
    note: () => {},
    redraw: () => {},
    ask: () => {},
    input: (async function* () {
      if (typed !== undefined) yield new TextEncoder().encode(typed);
    })(),
    hideInput: () => {},
    interactive: false,
    outputInteractive: false,
    inputInteractive: typed !== undefined,
    columns: 80,
    rows: 24,
    style: (_, text) => text,
    signal: new AbortController().signal,
  };
}

function found(options: readonly string[], environment: Record<string, string> = {}, typed?: string): Promise<unknown> {
  return credentialsOf(parseCommandLine(send, ["g", ...options]), terminalOf(typed), environment);
}

test("the password comes from the file, else from the environment, else from the terminal", async () => {
  const file = join(directory, "password");
  writeFileSync(file, "of the file\nnot this\n");
  const environment = { AMALGAM_PASSWORD: "of the environment" };
  expect(await found([], environment, "typed\n")).toBeUndefined();
  expect(await found(["-u", "ann", "--password-file", file], environment, "typed\n")).toEqual({
    user: "ann",
    password: "of the file",
  });
  expect(await found(["--user", "ann"], environment, "typed\n")).toMatchObject({ password: "of the environment" });
  expect(await found(["--user", "ann"], {}, "typed\n")).toMatchObject({ password: "typed" });
});

test("without a password nobody is logged in, and the message says what to do", async () => {
  const empty = join(directory, "empty");
  writeFileSync(empty, "\n");
  await expect(found(["--user", "ann"])).rejects.toThrow("AMALGAM_PASSWORD");
  await expect(found(["--user", "ann"], {}, "\n")).rejects.toThrow("no password");
  await expect(found(["--password-file", empty])).rejects.toThrow("--user");
  await expect(found(["--user", "ann", "--password-file", empty])).rejects.toThrow("empty");
  await expect(found(["--user", "ann", "--password-file", join(directory, "none")])).rejects.toThrow("cannot be read");
});
