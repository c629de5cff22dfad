import { clearScreenDown, createInterface, cursorTo, moveCursor } from "node:readline";
import { Readable } from "node:stream";
import { hung } from "./format.ts";
import type { Terminal } from "./terminal.ts";

/** Where a person types lines while other things are shown: what comes in never tears apart what is being typed. */
export interface LineEditor {
  /** Until the end of the input, Ctrl-D, or `close`. */
  readonly lines: AsyncIterable<string>;
  /** Shows text above the line that is being typed; broken between words where `indent` is given. */
  print(text: string, indent?: number): void;
  /** Takes the line away that was entered last, because what it causes shows by itself. */
  takeBack(line: string): void;
  /** What stands before the line, from the next one on. */
  setPrompt(prompt: string): void;
  close(): void;
}

/** The lines from now on: who begins to iterate over an interface later has missed what came before. */
function takenFromNow(lines: AsyncIterable<string>): AsyncIterable<string> {
  const iterator = lines[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => iterator };
}

/**
 * On a terminal a prompt with history and completion by Tab (`complete` gets the line and says what it could become);
 * elsewhere the lines of the input, and plain output.
 */
export function openLineEditor(terminal: Terminal, complete: (line: string) => readonly string[]): LineEditor {
  const { tty } = terminal;
  if (tty === undefined) {
    const plain = createInterface({ input: Readable.from(terminal.input), terminal: false });
    const lines = takenFromNow(plain);
    return {
      lines,
      print: (text) => terminal.print(text),
      takeBack: () => undefined,
      setPrompt: () => undefined,
      close: () => plain.close(),
    };
  }
  const { input, output } = tty;
  const completer = (line: string): [string[], string] => [[...complete(line)], line];
  const editor = createInterface({ input, output, terminal: true, completer, prompt: "> " });
  let prompt = "> ";
  let isOpen = true;
  editor.on("close", () => {
    if (isOpen) output.write("\n");
    isOpen = false;
  });
  // The terminal hands Ctrl-C over as a key here; it is to mean what it means elsewhere.
  editor.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const lines = takenFromNow(editor);
  return {
    lines: (async function* () {
      editor.prompt();
      for await (const line of lines) {
        yield line;
        if (isOpen) editor.prompt();
      }
    })(),
    print(text, indent) {
      const shown = indent === undefined ? text : hung(text, terminal.columns, indent);
      if (!isOpen) {
        output.write(`${shown}\n`);
        return;
      }
      moveCursor(output, 0, -editor.getCursorPos().rows);
      cursorTo(output, 0);
      clearScreenDown(output);
      output.write(`${shown}\n`);
      editor.prompt(true);
    },
    takeBack(line) {
      const rows = Math.max(1, Math.ceil((prompt.length + line.length) / terminal.columns));
      moveCursor(output, 0, -rows);
      cursorTo(output, 0);
      clearScreenDown(output);
    },
    setPrompt(next) {
      prompt = next;
      editor.setPrompt(next);
    },
    close: () => editor.close(),
  };
}
