import { readFileSync } from "node:fs";
import { decodeEpochRecord, encodeEpochRecord, type EpochRecord } from "../cms/continuity.ts";
import { replaceFile, stateFile } from "./state-file.ts";

/** The record that an earlier life of the daemon has kept; `undefined` if there is none. Throws if it cannot be read. */
export function lastEpoch(directory: string, daemon: string): EpochRecord | undefined {
  const path = stateFile(directory, daemon, "epoch");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const record = decodeEpochRecord(text);
  // To begin without it could give numbers of views out again (protocols.md K59).
  if (record === undefined)
    throw new Error(`${path} is no record of an epoch: restore it, or remove it while the other daemons run`);
  return record;
}

/** Durable when it returns. Throws if it cannot be written. */
export function keepEpoch(directory: string, daemon: string, record: EpochRecord): void {
  replaceFile(stateFile(directory, daemon, "epoch"), encodeEpochRecord(record));
}
