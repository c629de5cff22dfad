import type { EpochRecord } from "../cms/continuity.ts";
import { keepEpoch, lastEpoch } from "../host/epoch-file.ts";
import { nextIncarnation, reserveIncarnations } from "../host/incarnation.ts";
import { DaemonError } from "./error.ts";

/** A disk that was full, or a directory that was closed, is tried again so often. */
const RETRY_MS = 5_000;

/**
 * What a daemon keeps over its restarts, in its state directory; without one the clock has to do, and nothing is kept. At the start a directory
 * that cannot be used is a `DaemonError`; later the daemon goes on, and `warn` is told what it goes on without.
 */
export class KeptState {
  readonly #directory: string | undefined;
  readonly #daemon: string;
  readonly #warn: (message: string) => void;
  #retry: NodeJS.Timeout | undefined;

  constructor(directory: string | undefined, daemon: string, warn: (message: string) => void) {
    this.#directory = directory;
    this.#daemon = daemon;
    this.#warn = warn;
  }

  /** The number of this start, greater than at every start before. */
  begin(wallSeconds: number): number {
    return this.#atStart(() => nextIncarnation(this.#directory, this.#daemon, wallSeconds));
  }

  /** The record that an earlier life has kept. */
  lastEpoch(): EpochRecord | undefined {
    const directory = this.#directory;
    return directory === undefined ? undefined : this.#atStart(() => lastEpoch(directory, this.#daemon));
  }

  /** The next start has to come after this second too. */
  reserve(seconds: number): void {
    if (this.#directory === undefined) return;
    try {
      reserveIncarnations(this.#directory, this.#daemon, seconds);
    } catch (error) {
      this.#warn(`a restart within the next seconds may not be safe, because nothing can be kept: ${whyOf(error)}`);
    }
  }

  /** Calls `kept` once the record is durable, however long that takes, unless another record is given before. */
  keepEpoch(record: EpochRecord, kept: () => void): void {
    clearTimeout(this.#retry);
    try {
      if (this.#directory !== undefined) keepEpoch(this.#directory, this.#daemon, record);
    } catch (error) {
      this.#warn(`scalable groups stay suspended, because their epoch cannot be kept: ${whyOf(error)}`);
      this.#retry = setTimeout(() => this.keepEpoch(record, kept), RETRY_MS);
      return;
    }
    kept();
  }

  close(): void {
    clearTimeout(this.#retry);
  }

  #atStart<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw new DaemonError("STATE", `the state directory ${this.#directory} cannot be used: ${whyOf(error)}`, {
        cause: error,
      });
    }
  }
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
