import { readFileSync } from "node:fs";
import type { Arguments } from "./arguments.ts";
import { CliError, ExitCode, usageError } from "./exit-codes.ts";
import { SecretReader } from "./secret.ts";
import type { Terminal } from "./terminal.ts";

/** Where a password may stand. An argument would show it to everybody on the machine. */
const PASSWORD_VARIABLE = "AMALGAM_PASSWORD";

/**
 * Whom to log in as, as `--user` and `--password-file` say; `undefined` without a user. The password is the first line of the
 * file, else the environment's, else asked for. Throws a `CliError` if there is none.
 */
export async function credentialsOf(
  args: Arguments,
  terminal: Terminal,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly user: string; readonly password: string } | undefined> {
  const user = args.text("user");
  const file = args.text("password-file");
  if (user === undefined) {
    if (file !== undefined) throw usageError("--password-file needs a --user");
    return undefined;
  }
  if (file !== undefined) return { user, password: firstLineOf(file) };
  const known = environment[PASSWORD_VARIABLE];
  if (known !== undefined && known !== "") return { user, password: known };
  if (!terminal.inputInteractive) {
    throw usageError(`there is no password: give a --password-file, or set ${PASSWORD_VARIABLE}`);
  }
  const reader = new SecretReader(terminal);
  const password = await reader.read(`password of ${user}: `);
  await reader.close();
  if (password === "") throw new CliError(ExitCode.failed, "there is no password");
  return { user, password };
}

function firstLineOf(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.failed, `the password cannot be read: ${why}`);
  }
  const [line = ""] = text.split(/\r?\n/, 1);
  if (line === "") throw new CliError(ExitCode.failed, `the first line of ${file} is empty: it has to be the password`);
  return line;
}
