import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where a daemon keeps something of this kind over its restarts. */
export function stateFile(directory: string, daemon: string, kind: string): string {
  return join(directory, `${daemon.replaceAll(/[^\w.-]/g, "_")}.${kind}`);
}

/** Written aside, forced to disk and renamed, and the name forced too, so that a crash leaves the old text or the new one. */
export function replaceFile(path: string, text: string): void {
  const fresh = `${path}.new`;
  const file = openSync(fresh, "w", 0o644);
  try {
    // All of it or an error: a disk that is nearly full takes a part.
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
