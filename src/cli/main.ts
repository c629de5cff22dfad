#!/usr/bin/env -S node --initial-heap-size=256
import { VERSION } from "../daemon/version.ts";
import { commands } from "./commands/index.ts";
import { run } from "./run.ts";
import { processTerminal } from "./terminal.ts";

const interrupted = new AbortController();
// SIGHUP: the terminal was closed. Who does not say goodbye then stays a member for a while.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // The first one lets the command end in order; a second one ends it at once.
  process.once(signal, () => {
    interrupted.abort(new DOMException("interrupted", "AbortError"));
    process.once(signal, () => process.exit(130));
  });
}
// A reader that has seen enough (`| head`) is no error: the command ends as if interrupted, and successfully.
let unread = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
  unread = true;
  interrupted.abort(new DOMException("the output is not read any more", "AbortError"));
});

const exitCode = await run(process.argv.slice(2), processTerminal(interrupted.signal), commands, VERSION);
// Whatever else would keep the process alive, such as an unread standard input, is not waited for.
if (unread) process.exit(0);
process.stdout.write("", () => process.exit(exitCode));
