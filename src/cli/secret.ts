import { Readable } from "node:stream";
import { CliError, ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** More is no password, but a file that was piped in by mistake. */
const SECRET_BYTES_MAX = 4_096;

const [END_OF_TEXT, END_OF_TRANSMISSION, BACKSPACE, LINE_FEED, RETURN, DELETE] = [3, 4, 8, 10, 13, 127];

/**
 * Reads lines that are not shown: from a terminal with a prompt, otherwise without. Backspace takes back; Ctrl-C rejects with
 * a `CliError`, as if the process had been interrupted.
 */
export class SecretReader {
  readonly #terminal: Terminal;
  readonly #input: AsyncIterator<Uint8Array, unknown>;
  /** What came behind the line that was read last. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { input } = terminal;
    // Who reads after `close` finds the stream as it was.
    this.#input =
      input instanceof Readable ? input.iterator({ destroyOnReturn: false }) : input[Symbol.asyncIterator]();
  }

  /** Leaves the input to others. */
  async close(): Promise<void> {
    await this.#input.return?.();
  }

  /** The next line, without its end; empty if there is none. */
  async read(prompt: string): Promise<string> {
    const { inputInteractive } = this.#terminal;
    if (inputInteractive) {
      this.#terminal.ask(prompt);
      this.#terminal.hideInput(true);
    }
    try {
      const bytes: number[] = [];
      for (;;) {
        for (let at = 0; at < this.#rest.length; at++) {
          const byte = this.#rest[at] as number;
          const ends = byte === LINE_FEED || byte === RETURN || (inputInteractive && byte === END_OF_TRANSMISSION);
          if (ends) {
            this.#rest = this.#rest.subarray(at + 1);
            return text(bytes);
          }
          if (inputInteractive && byte === END_OF_TEXT) throw new CliError(ExitCode.interrupted, "interrupted");
          if (inputInteractive && (byte === BACKSPACE || byte === DELETE)) takeBack(bytes);
          else if (bytes.length < SECRET_BYTES_MAX) bytes.push(byte);
        }
        const { value, done } = await this.#input.next();
        this.#rest = done === true ? new Uint8Array(0) : value;
        if (done === true) return text(bytes);
      }
    } finally {
      if (inputInteractive) {
        this.#terminal.hideInput(false);
        this.#terminal.ask("\n");
      }
    }
  }
}

/** A character may be several bytes. */
function takeBack(bytes: number[]): void {
  while (bytes.length > 0) {
    const byte = bytes.pop() as number;
    if ((byte & 0xc0) !== 0x80) return;
  }
}

function text(bytes: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
