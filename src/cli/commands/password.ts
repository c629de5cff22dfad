import { isPasswordUser, passwordLine } from "../../host/passwords.ts";
import { defineCommand } from "../command.ts";
import { CliError, ExitCode, usageError } from "../exit-codes.ts";
import { SecretReader } from "../secret.ts";

/** Spread's protocol has no room for more. */
const SPREAD_PASSWORD_BYTES = 8;

export const password = defineCommand({
  name: "password",
  summary: "make a line for a password file",
  description: `Reads a password from the terminal, twice and without showing it, or the first line of the standard input, and prints
    the line of this user for the file that PasswordFile names. Daemons read the file again when it changes.

    The line holds an scrypt hash with a salt of its own. A password of more than 8 characters cannot be used by clients that
    speak Spread's protocol.`,
  positionals: [{ name: "USER", help: "the user, 1 to 32 bytes without colon or blank", required: true, many: false }],
  options: {},
  examples: [
    { line: "amalgam password ann >> /etc/amalgam/passwords", does: "adds a user" },
    { line: "pass show ann | amalgam password ann", does: "takes the password from another program" },
  ],
  failure: "the two passwords differ, or there is none",
  async run(args, terminal) {
    const [user = ""] = args.positionals;
    if (!isPasswordUser(user)) {
      throw usageError(`${JSON.stringify(user)} is no user: 1 to 32 bytes without colon, blank or # in front`);
    }
    const reader = new SecretReader(terminal);
    const secret = await reader.read(`password of ${user}: `);
    if (secret === "") throw new CliError(ExitCode.failed, "there is no password");
    if (terminal.inputInteractive && (await reader.read("once again: ")) !== secret) {
      throw new CliError(ExitCode.failed, "the two passwords differ");
    }
    if (Buffer.byteLength(secret) > SPREAD_PASSWORD_BYTES) {
      terminal.note("more than 8 bytes: clients that speak Spread's protocol cannot use it, native ones can");
    }
    terminal.print(await passwordLine(user, secret));
    return ExitCode.ok;
  },
});
