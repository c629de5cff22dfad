/** What the process ends with; documented in docs/cli.md and in every `--help`. */
export const ExitCode = {
  ok: 0,
  /** It ran, and the answer is no: a check failed, messages were lost, a daemon refused. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** No daemon could be reached. */
  unreachable: 3,
  /** The configuration file is wrong or cannot be read. */
  configuration: 4,
  /** Ended by Ctrl-C (128 + SIGINT) before it was done; what runs until Ctrl-C succeeds by it. */
  interrupted: 130,
} as const;

export const EXIT_CODE_MEANINGS: readonly (readonly [number, string])[] = [
  [ExitCode.ok, "success"],
  [ExitCode.failed, "it ran, and the answer is no: a check failed, messages are missing, the daemon refused"],
  [ExitCode.usage, "wrong option, command or argument"],
  [ExitCode.unreachable, "no daemon could be reached"],
  [ExitCode.configuration, "the configuration file is wrong or cannot be read"],
  [ExitCode.interrupted, "ended by Ctrl-C before it was done"],
];

/** Ends a command with a message for people and an exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A mistake in the command line. */
export function usageError(message: string): CliError {
  return new CliError(ExitCode.usage, message);
}
