#!/usr/bin/env node
import { VERSION } from "../daemon/version.ts";
import { commands } from "./commands/index.ts";
import { run } from "./run.ts";
import { processTerminal } from "./terminal.ts";

const interrupted = new AbortController();
// The first one lets the command end in order; a second one ends it at once.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruptBy(signal));
let interruptions = 0;
function interruptBy(signal: NodeJS.Signals): void {
  // The terminal was closed: who does not say goodbye then stays a member for a while. Where there is none (nohup, a service manager) it means
  // nothing of the kind, and Node does not leave it ignored as it was.
  const { stdin, stdout, stderr } = process;
  if (signal === "SIGHUP" && ![stdin, stdout, stderr].some(({ isTTY }) => isTTY)) return;
  if (interruptions++ > 0) process.exit(130);
  interrupted.abort(new DOMException("interrupted", "AbortError"));
}
// A reader that has seen enough (`| head`) is no error: the command ends as if interrupted, and successfully.
let unread = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  unread = true;
  if (error.code !== "EPIPE" && error.code !== "EIO") {
    process.stderr.write(`amalgam: the output cannot be written: ${error.message}\n`);
    process.exitCode = 1;
  }
  interrupted.abort(new DOMException("the output is not read any more", "AbortError"));
});
// Nobody reads remarks any more, or the disk that they go to is full: a daemon does not end for want of a log.
process.stderr.on("error", () => {});

const exitCode = await run(process.argv.slice(2), processTerminal(interrupted.signal), commands, VERSION);
// Whatever else would keep the process alive, such as an unread standard input, is not waited for.
const end = (): never => process.exit(unread ? (process.exitCode ?? 0) : exitCode);
if (unread) end();
process.stdout.write("", () => setImmediate(end));
