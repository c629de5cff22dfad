import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * A daemon's configuration file, replaced while it runs: first written aside, where it shows whether that is possible at all, then put in the
 * place of the file in one step. Daemons of one host may share the file: each writes aside for itself. All throw where the file system does.
 */
export class SiteFile {
  readonly #given: string;
  readonly #daemon: string;

  constructor(path: string, daemon: string) {
    this.#given = path;
    this.#daemon = daemon.replaceAll(/[^\w.-]/g, "_");
  }

  /** Durable when it returns. */
  writeAside(text: string): void {
    const mode = this.#mode;
    const file = openSync(this.#aside, "w", mode);
    try {
      // All of it or an error: a disk that is nearly full takes a part.
      writeFileSync(file, text);
      // What is asked for at the opening the process may take a part of away.
      fchmodSync(file, mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Durable when it returns; a crash leaves the file before or this one. */
  putInForce(text: string): void {
    this.writeAside(text);
    const path = this.#path;
    renameSync(this.#aside, path);
    const directory = openSync(dirname(path), "r");
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

  /** A link to the file stays one: what it leads to is replaced. */
  get #path(): string {
    try {
      return realpathSync(this.#given);
    } catch {
      return this.#given;
    }
  }

  get #aside(): string {
    return `${this.#path}.${this.#daemon}.next`;
  }

  /** Whoever could read or write the file can do so with the next one. */
  get #mode(): number {
    try {
      return statSync(this.#path).mode & 0o777;
    } catch {
      return 0o644;
    }
  }
}
