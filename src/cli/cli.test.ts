import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commands } from "./commands/index.ts";
import { defineCommand } from "./command.ts";
import { CliError, ExitCode } from "./exit-codes.ts";
import { helpOf } from "./help.ts";
import { cliReference } from "./reference.ts";
import { run } from "./run.ts";
import type { Terminal } from "./terminal.ts";

type Recorder = Terminal & { readonly output: string[]; readonly notes: string[] };

function recorder(signal = new AbortController().signal): Recorder {
  const output: string[] = [];
  const notes: string[] = [];
  return {
    output,
    notes,
    print: (text) => void output.push(text),
    write: async (bytes) => void output.push(typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)),
    note: (text) => void notes.push(text),
    redraw: () => {},
    ask: () => {},
    hideInput: () => {},
    input: (async function* () {})(),
    interactive: false,
    outputInteractive: false,
    inputInteractive: false,
    columns: 80,
    rows: 24,
    style: (_, text) => text,
    signal,
  };
}

const seen: unknown[] = [];
const probe = defineCommand({
  name: "probe",
  summary: "for tests",
  description: "Shows what it was given.",
  positionals: [{ name: "GROUP", help: "groups to join", required: true, many: true }],
  options: {
    count: { kind: "number", short: "c", value: "N", min: 1, max: 10, otherwise: 3, help: "how many" },
    service: { kind: "choice", choices: ["agreed", "safe"], otherwise: "agreed", help: "which" },
    message: { kind: "text", short: "m", value: "TEXT", many: true, help: "what" },
    name: { kind: "text", value: "NAME", help: "who" },
    json: { kind: "flag", help: "how" },
  },
  examples: [{ line: "amalgam probe g", does: "nothing" }],
  failure: undefined,
  async run(args) {
    seen.push({
      groups: args.positionals,
      count: args.number("count"),
      service: args.text("service"),
      messages: args.texts("message"),
      name: args.text("name"),
      json: args.flag("json"),
    });
    if (args.text("name") === "unreachable") throw new CliError(ExitCode.unreachable, "no daemon there");
    if (args.text("name") === "bug") throw new TypeError("a bug");
    return ExitCode.ok;
  },
});

async function runProbe(...args: string[]) {
  const terminal = recorder();
  const code = await run(args, terminal, [probe], "1.2.3");
  return { code, output: terminal.output.join("\n"), notes: terminal.notes };
}

describe("a command line", () => {
  test("is read with options anywhere, short or long", async () => {
    seen.length = 0;
    expect((await runProbe("probe", "-c", "5", "a", "--message=x", "-m", "y", "--json", "b")).code).toBe(0);
    expect(seen).toEqual([
      { groups: ["a", "b"], count: 5, service: "agreed", messages: ["x", "y"], name: undefined, json: true },
    ]);
  });

  test.each([
    [["prob", "g"], 'amalgam: there is no command "prob"; did you mean amalgam probe?'],
    [["xyz"], 'amalgam: there is no command "xyz"; there are probe'],
    [["probe"], "amalgam: GROUP is missing: groups to join"],
    [["probe", "g", "--cuont", "3"], "amalgam: amalgam probe has no option --cuont; did you mean --count?"],
    [["probe", "g", "--zzz"], "amalgam: amalgam probe has no option --zzz; see amalgam probe --help"],
    [["probe", "g", "--constructor"], "amalgam: amalgam probe has no option --constructor; see amalgam probe --help"],
    [["probe", "g", "--count", "11"], 'amalgam: --count is a whole number from 1 to 10, not "11"'],
    [["probe", "g", "-c", "1.5"], 'amalgam: -c is a whole number from 1 to 10, not "1.5"'],
    [["probe", "g", "--count"], "amalgam: --count needs a value: N"],
    [["probe", "g", "--service", "saef"], 'amalgam: --service cannot be "saef"; did you mean safe?'],
    [["probe", "g", "--json=yes"], "amalgam: --json takes no value"],
    [["probe", "g", "--name", "a", "--name", "b"], "amalgam: --name is given twice"],
  ])("%j is a mistake that is named", async (args, message) => {
    const { code, notes } = await runProbe(...args);
    expect([code, notes[0]]).toEqual([2, message]);
  });

  test("never throws, whatever it holds", async () => {
    const words = fc.oneof(
      fc.constantFrom("probe", "help", "--count", "-m", "--", "--json", "-", "--no-json"),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 5 }), async (args) => {
        expect([0, 2, 3, 1]).toContain((await runProbe(...args)).code);
      }),
    );
  });
});

describe("the end of a command", () => {
  test("is told by its exit code", async () => {
    expect(await runProbe("probe", "g", "--name", "unreachable")).toMatchObject({
      code: 3,
      notes: ["amalgam: no daemon there"],
    });
    expect(await runProbe("probe", "g", "--name", "bug")).toMatchObject({ code: 1 });
    expect(await runProbe("--version")).toMatchObject({ code: 0, output: "1.2.3" });
    expect(await runProbe()).toMatchObject({ code: 2 });
  });
});

describe("help", () => {
  test("wins over mistakes in the same line", async () => {
    for (const args of [
      ["probe", "--help", "--zzz"],
      ["help", "probe"],
      ["probe", "-h"],
    ]) {
      const { code, output } = await runProbe(...args);
      expect(code).toBe(0);
      expect(output).toMatchInlineSnapshot(`
        "Usage: amalgam probe GROUP... [options]

        Shows what it was given.

        Arguments:
          GROUP  groups to join

        Options:
          -c, --count N          how many; default 3
              --service SERVICE  which; one of agreed, safe; default agreed
          -m, --message TEXT     what; may be repeated
              --name NAME        who
              --json             how
          -h, --help             show this

        Examples:
          amalgam probe g
              nothing

        Exit codes:
            0  success
            2  wrong option, command or argument
            3  no daemon could be reached
            4  the configuration file is wrong or cannot be read
          130  ended by Ctrl-C before it was done"
      `);
    }
  });

  test.each(commands.map((command) => [command.name, command] as const))(
    "of %s teaches by examples within the width",
    (name, command) => {
      const text = helpOf(command);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const { line } of command.examples) expect(line).toContain(`amalgam ${name}`);
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(110);
      const shorts = Object.values(command.options).flatMap((option) => option.short ?? []);
      expect(new Set(shorts).size).toBe(shorts.length);
    },
  );

  test("of the whole lists every command", async () => {
    const terminal = recorder();
    await run(["--help"], terminal, commands, "1");
    for (const { name, summary } of commands)
      expect(terminal.output[0]).toMatch(new RegExp(`^  ${name} +${summary.slice(0, 20)}`, "m"));
  });
});

test("docs/cli.md says what --help says", async () => {
  await expect(cliReference(commands)).toMatchFileSnapshot("../../docs/cli.md");
});

describe("a command that needs a daemon", () => {
  test.each(["send", "ping", "flood", "monitor", "chat"])("%s says that there is none", async (name) => {
    const terminal = recorder();
    const args = [name, ...(name === "send" ? ["g", "-m", "x"] : []), "--address", "1@127.0.0.1"];
    expect(await run(args, terminal, commands, "1")).toBe(ExitCode.unreachable);
    expect(terminal.notes.join("\n")).toContain("1@127.0.0.1");
  });
});
