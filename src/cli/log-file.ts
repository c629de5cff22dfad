import { appendFile } from "node:fs/promises";

/** Lines that may wait for the disk; beyond them they go where they go when it does not take them. */
const LINES_MAX = 10_000;

/**
 * Appends lines to a file, in their order and without waiting. The file is opened anew each time, so it can be moved away while the daemon
 * runs. Lines that it does not take go to `elsewhere`, once with the reason, until it takes them again.
 */
export class LogFile implements AsyncDisposable {
  readonly #path: string;
  readonly #elsewhere: (line: string) => void;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  #isRefused = false;

  private constructor(path: string, elsewhere: (line: string) => void) {
    this.#path = path;
    this.#elsewhere = elsewhere;
  }

  /** Makes the file if there is none. Rejects if it cannot be written. */
  static async open(path: string, elsewhere: (line: string) => void): Promise<LogFile> {
    await appendFile(path, "");
    return new LogFile(path, elsewhere);
  }

  write(line: string): void {
    if (this.#waiting.length >= LINES_MAX) this.#elsewhere(line);
    else this.#waiting.push(line);
    this.#writing ??= this.#writeAll();
  }

  /** When all that was written is in the file, or elsewhere. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        await appendFile(this.#path, `${lines.join("\n")}\n`);
        this.#isRefused = false;
      } catch (error) {
        if (!this.#isRefused) {
          const why = error instanceof Error ? error.message : String(error);
          this.#elsewhere(`amalgam: the log cannot be written, and goes here until it can: ${why}`);
        }
        this.#isRefused = true;
        for (const line of lines) this.#elsewhere(line);
      }
    }
    this.#writing = undefined;
  }
}
