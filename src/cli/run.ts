import { ConfigError } from "../daemon/config/problem.ts";
import { nearest } from "../daemon/config/suggest.ts";
import { parseCommandLine } from "./arguments.ts";
import type { Command } from "./command.ts";
import { CliError, ExitCode, usageError } from "./exit-codes.ts";
import { helpOf, overview } from "./help.ts";
import type { Terminal } from "./terminal.ts";

/** Runs a command line (without `node` and the script) and returns the exit code. Never throws. */
export async function run(
  args: readonly string[],
  terminal: Terminal,
  commands: readonly Command[],
  version: string,
): Promise<number> {
  let command: Command | undefined;
  try {
    const [name, ...rest] = args;
    if (name === undefined || name === "--help" || name === "-h" || (name === "help" && rest[0] === undefined)) {
      terminal.print(overview(commands).trimEnd());
      return name === undefined ? ExitCode.usage : ExitCode.ok;
    }
    if (name === "--version" || name === "-V") {
      terminal.print(version);
      return ExitCode.ok;
    }
    const wanted = name === "help" ? (rest[0] ?? "") : name;
    command = commands.find((candidate) => candidate.name === wanted);
    if (command === undefined) throw unknownCommand(wanted, commands);
    if (name === "help" || asksForHelp(rest)) {
      terminal.print(helpOf(command).trimEnd());
      return ExitCode.ok;
    }
    return await command.run(parseCommandLine(command, rest), terminal);
  } catch (error) {
    return report(error, command, terminal);
  }
}

/** `--help` wins over whatever else is wrong in the line, but not behind `--`. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

function unknownCommand(name: string, commands: readonly Command[]): CliError {
  const names = commands.map((command) => command.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `there are ${names.join(", ")}` : `did you mean amalgam ${meant}?`;
  return usageError(`there is no command ${JSON.stringify(name)}; ${hint}`);
}

function report(error: unknown, command: Command | undefined, terminal: Terminal): number {
  if (terminal.signal.aborted && isAbort(error)) return ExitCode.interrupted;
  if (error instanceof ConfigError) {
    terminal.note(error.message);
    return ExitCode.configuration;
  }
  if (error instanceof CliError) {
    terminal.note(`amalgam: ${error.message}`);
    if (error.exitCode === ExitCode.usage && command !== undefined)
      terminal.note(`Try: amalgam ${command.name} --help`);
    return error.exitCode;
  }
  const code = errorCode(error);
  const unreachable = code === "UNREACHABLE" || code === "ECONNREFUSED" || code === "ENOENT";
  terminal.note(`amalgam: ${error instanceof Error ? error.message : String(error)}`);
  if (code === "ILLEGAL_NAME") return ExitCode.usage;
  // A bug of ours: with the stack somebody can find it.
  if (code === undefined && error instanceof Error && error.stack !== undefined) terminal.note(error.stack);
  return unreachable ? ExitCode.unreachable : ExitCode.failed;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || errorCode(error) === "CLOSED");
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
