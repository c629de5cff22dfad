import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** One subcommand: what `--help` says about it, what it accepts, and what it does. */
export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it is for and how it behaves, in a few sentences; blank lines separate paragraphs. */
  readonly description: string;
  readonly positionals: readonly PositionalSpec[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  /** What exit code 1 means here, if it can occur. */
  readonly failure: string | undefined;
  /** Returns the exit code. Throws a `CliError` to end with a message. */
  run(args: Arguments, terminal: Terminal): Promise<number>;
};

export type PositionalSpec = {
  /** As shown in the usage line: `GROUP`. */
  readonly name: string;
  readonly help: string;
  readonly required: boolean;
  /** Takes all that follow. */
  readonly many: boolean;
};

export type OptionSpec = { readonly help: string; readonly short?: string } & (
  | { readonly kind: "flag" }
  | { readonly kind: "text"; readonly value: string; readonly otherwise?: string; readonly many?: boolean }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly otherwise: string }
  | {
      readonly kind: "number";
      readonly value: string;
      readonly min: number;
      readonly max: number;
      readonly otherwise?: number;
      /** Whether fractions are allowed. */
      readonly fraction?: boolean;
    }
);

/** Checks the types of a command's definition where it stands. */
export function defineCommand(command: Command): Command {
  return command;
}

/** Options that several commands have in the same words. */
export const commonOptions = {
  address: {
    kind: "text",
    short: "a",
    value: "ADDRESS",
    otherwise: "4803@localhost",
    help: "the daemon: port@host, or a port alone for the Unix socket /tmp/<port>",
  },
  name: { kind: "text", short: "n", value: "NAME", help: "your name at the daemon, up to 10 characters" },
  service: {
    kind: "choice",
    short: "s",
    choices: ["unreliable", "reliable", "fifo", "causal", "agreed", "safe"],
    otherwise: "agreed",
    help: "guarantee of delivery and order",
  },
  quality: {
    kind: "choice",
    choices: ["ordered", "scalable", "timely"],
    otherwise: "ordered",
    help: "ordered by the daemons; or straight between members: scalable, or timely (at once, and repaired); a group has one quality",
  },
  order: {
    kind: "choice",
    choices: ["none", "total"],
    otherwise: "none",
    help: "with --quality timely: total gives all members the messages in one order; a group has one, or none",
  },
  optimistic: {
    kind: "flag",
    help: "with --order total: messages as soon as their place is likely, and some are taken back; without it when it is certain",
  },
  "node-host": {
    kind: "text",
    value: "ADDRESS",
    help: "for scalable and timely groups: this host's address for the other members, if the daemon's view of it will not do",
  },
  protocol: {
    kind: "choice",
    choices: ["auto", "native", "spread"],
    otherwise: "auto",
    help: "spread for a stock Spread daemon",
  },
  user: {
    kind: "text",
    short: "u",
    value: "USER",
    help: "log in with a password: of --password-file, else of AMALGAM_PASSWORD, else asked for on the terminal",
  },
  "password-file": { kind: "text", value: "FILE", help: "its first line is the password" },
  json: { kind: "flag", help: "print data as JSON" },
} as const satisfies Record<string, OptionSpec>;
