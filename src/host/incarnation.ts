import { mkdirSync, readFileSync } from "node:fs";
import { replaceFile, stateFile } from "./state-file.ts";

/**
 * A number for this start of a daemon, in whole seconds, greater than at every start before it: the wall clock's, or one
 * more than the last one if the clock has gone back or two starts share a second. Kept in `directory`; without one
 * the clock alone has to do.
 */
export function nextIncarnation(directory: string | undefined, daemon: string, wallSeconds: number): number {
  const seconds = Math.floor(wallSeconds);
  if (directory === undefined) return seconds;
  mkdirSync(directory, { recursive: true });
  const path = stateFile(directory, daemon, "incarnation");
  const incarnation = Math.max(seconds, lastIncarnation(path) + 1);
  keep(path, incarnation);
  return incarnation;
}

/**
 * Makes the next incarnation greater than `seconds` as well: the time in the id of a configuration, which runs ahead of the
 * clock when many configurations follow each other. A daemon that is started again must not use such an id twice.
 */
export function reserveIncarnations(directory: string, daemon: string, seconds: number): void {
  const path = stateFile(directory, daemon, "incarnation");
  if (lastIncarnation(path) < seconds) keep(path, seconds);
}

function keep(path: string, incarnation: number): void {
  replaceFile(path, `${incarnation}\n`);
}

function lastIncarnation(path: string): number {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return 0;
  }
  const value = Number(text.trim());
  return Number.isSafeInteger(value) && value >= 0 && value < 2 ** 32 ? value : 0;
}
