import { closeSync, fsyncSync, openSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * A daemon's configuration file, replaced while it runs: first written aside, where it shows whether that is possible at all, then put in the
 * place of the file in one step. Daemons of one host may share the file: each writes aside for itself. All throw where the file system does.
 */
export class SiteFile {
  readonly #path: string;
  readonly #aside: string;

  constructor(path: string, daemon: string) {
    this.#path = path;
    this.#aside = `${path}.${daemon.replaceAll(/[^\w.-]/g, "_")}.next`;
  }

  /** Durable when it returns. */
  writeAside(text: string): void {
    const file = openSync(this.#aside, "w", this.#mode);
    try {
      // All of it or an error: a disk that is nearly full takes a part.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Durable when it returns; a crash leaves the file before or this one. */
  putInForce(text: string): void {
    this.writeAside(text);
    renameSync(this.#aside, this.#path);
    const directory = openSync(dirname(this.#path), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  /** Takes away what was written aside and did not come into force. */
  drop(): void {
    try {
      unlinkSync(this.#aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Whoever could read the file can read the next one. */
  get #mode(): number {
    try {
      return statSync(this.#path).mode & 0o777;
    } catch {
      return 0o644;
    }
  }
}
