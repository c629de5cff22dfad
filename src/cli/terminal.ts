import type { ReadStream, WriteStream } from "node:tty";
import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** Where a command reads and writes. Tests give it strings; `processTerminal` gives it the process's streams. */
export interface Terminal {
  /** Results, one line or several; a newline is added. */
  print(text: string): void;
  /** Bytes of results, as they are. Resolves when the reader has room for more. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Remarks that are no results: progress, warnings. They go to the standard error. */
  note(text: string): void;
  /** Draws over the remarks line that was drawn last; only where `interactive`. */
  redraw(text: string): void;
  /** A remark without a new line behind it. */
  ask(text: string): void;
  readonly input: AsyncIterable<Uint8Array>;
  /** Whether what is typed is shown, and edited, by the terminal; only where `inputInteractive`. */
  hideInput(hidden: boolean): void;
  /** Whether remarks go to a terminal that can be redrawn. */
  readonly interactive: boolean;
  /** Whether results go to a terminal. */
  readonly outputInteractive: boolean;
  readonly inputInteractive: boolean;
  /** Width and height of the terminal; 80 by 24 where there is none. */
  readonly columns: number;
  readonly rows: number;
  /** Styled text where results go to a terminal that shows colours, else the text. */
  style(format: Format, text: string): string;
  /** The terminal itself, to edit lines on; only where both input and results are one. */
  readonly tty?: { readonly input: ReadStream; readonly output: WriteStream };
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** The process's own streams. */
export function processTerminal(signal: AbortSignal): Terminal {
  const { stdin, stdout, stderr } = process;
  const colours = stdout.isTTY === true && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
  return {
    print(text) {
      stdout.write(`${text}\n`);
    },
    async write(bytes) {
      if (stdout.write(bytes) || stdout.destroyed) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          stdout.off("drain", done);
          stdout.off("close", done);
          resolve();
        };
        stdout.on("drain", done);
        stdout.on("close", done);
      });
    },
    note(text) {
      stderr.write(`${text}\n`);
    },
    redraw(text) {
      if (stderr.isTTY) stderr.write(`\r\x1b[2K${text}`);
    },
    ask(text) {
      stderr.write(text);
    },
    input: stdin,
    hideInput(hidden) {
      if (stdin.isTTY) stdin.setRawMode(hidden);
    },
    interactive: stderr.isTTY === true,
    outputInteractive: stdout.isTTY === true,
    inputInteractive: stdin.isTTY === true,
    get columns() {
      return stdout.columns ?? 80;
    },
    get rows() {
      return stdout.rows ?? 24;
    },
    style(format, text) {
      return colours ? styleText(format, text) : text;
    },
    ...(stdin.isTTY && stdout.isTTY ? { tty: { input: stdin, output: stdout } } : {}),
    signal,
  };
}

/** Text from outside for a terminal: control characters are shown and not carried out. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) =>
    character === "\t" ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
