import type { Command, OptionSpec } from "./command.ts";
import { EXIT_CODE_MEANINGS, ExitCode } from "./exit-codes.ts";
import { wrapped } from "./format.ts";

const WIDTH = 96;

/** What `amalgam --help` says. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  return `Usage: amalgam COMMAND [options]

Group communication: daemons that order messages, groups with views, and tools for both.

Commands:
${commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`).join("\n")}

Begin with a daemon on this machine and two clients, each in a terminal of its own:
  amalgam daemon
  amalgam chat --name alice --join room
  amalgam chat --name bob --join room

amalgam COMMAND --help shows options and examples of a command; amalgam --version the version.

${exitCodes(undefined)}
`;
}

/** What `amalgam COMMAND --help` says. */
export function helpOf(command: Command): string {
  const positionals = command.positionals.map(({ name, required, many }) => {
    const shown = many ? `${name}...` : name;
    return required ? shown : `[${shown}]`;
  });
  const usage = ["Usage: amalgam", command.name, ...positionals, "[options]"].join(" ");
  const description = command.description
    .split(/\n\s*\n/)
    .map((paragraph) => wrapped(paragraph.trim(), WIDTH))
    .join("\n\n");
  const argumentRows = command.positionals.map(({ name, help }): [string, string] => [name, help]);
  const optionRows = Object.entries(command.options).map(([name, spec]): [string, string] => [
    optionUsage(name, spec),
    optionHelp(spec),
  ]);
  optionRows.push(["-h, --help", "show this"]);
  return [
    usage,
    description,
    ...(argumentRows.length > 0 ? [`Arguments:\n${rows(argumentRows)}`] : []),
    `Options:\n${rows(optionRows)}`,
    `Examples:\n${command.examples.map(({ line, does }) => `  ${line}\n${wrapped(does, WIDTH, "      ")}`).join("\n")}`,
    exitCodes(command),
    "",
  ]
    .join("\n\n")
    .replace(/\n+$/, "\n");
}

function optionUsage(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  switch (spec.kind) {
    case "flag":
      return `${short}--${name}`;
    case "choice":
      return `${short}--${name} ${name.toUpperCase()}`;
    case "text":
    case "number":
      return `${short}--${name} ${spec.value}`;
  }
}

function optionHelp(spec: OptionSpec): string {
  const parts = [spec.help];
  if (spec.kind === "choice") parts.push(`one of ${spec.choices.join(", ")}`);
  if (spec.kind === "text" && spec.many === true) parts.push("may be repeated");
  if (spec.kind !== "flag" && spec.otherwise !== undefined) parts.push(`default ${spec.otherwise}`);
  return parts.join("; ");
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([left]) => left.length));
  const indent = " ".repeat(width + 4);
  return pairs
    .map(([left, right]) => `  ${left.padEnd(width)}  ${wrapped(right, WIDTH, indent).trimStart()}`)
    .join("\n");
}

function exitCodes(command: Command | undefined): string {
  const lines = EXIT_CODE_MEANINGS.flatMap(([code, meaning]) => {
    if (command === undefined || code !== ExitCode.failed) return [`  ${String(code).padStart(3)}  ${meaning}`];
    return command.failure === undefined ? [] : [`  ${String(code).padStart(3)}  ${command.failure}`];
  });
  return `Exit codes:\n${lines.join("\n")}`;
}
