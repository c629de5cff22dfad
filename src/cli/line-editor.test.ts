import { PassThrough } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import { describe, expect, test } from "vitest";
import { openLineEditor } from "./line-editor.ts";
import type { Terminal } from "./terminal.ts";

const SEQUENCE = new RegExp(`${"\x1b"}\\[\\d*[A-Z]|[\\s\\S]`, "g");

/** A terminal of 40 columns that understands as much as readline and the editor use. */
class Screen {
  rows: string[] = [""];
  #row = 0;
  #column = 0;

  write(text: string): void {
    for (const [part] of text.matchAll(SEQUENCE)) {
      if (part === "\n") this.#moveTo(this.#row + 1, 0);
      else if (part === "\r") this.#column = 0;
      else if (part.startsWith("\x1b[")) this.#obey(part.at(-1) ?? "", Number(part.slice(2, -1) || "1"));
      else this.#put(part);
    }
  }

  get text(): string {
    return this.rows
      .map((row) => row.trimEnd())
      .join("\n")
      .trimEnd();
  }

  #obey(command: string, count: number): void {
    if (command === "A") this.#moveTo(Math.max(0, this.#row - count), this.#column);
    else if (command === "B") this.#moveTo(this.#row + count, this.#column);
    else if (command === "G") this.#column = count - 1;
    else if (command === "C") this.#column += count;
    else if (command === "D") this.#column -= count;
    else if (command === "J") {
      this.rows = [...this.rows.slice(0, this.#row), (this.rows[this.#row] ?? "").slice(0, this.#column)];
    } else throw new Error(`the screen does not know ${command}`);
  }

  #moveTo(row: number, column: number): void {
    while (this.rows.length <= row) this.rows.push("");
    this.#row = row;
    this.#column = column;
  }

  #put(character: string): void {
    if (this.#column >= 40) this.#moveTo(this.#row + 1, 0);
    const row = (this.rows[this.#row] ?? "").padEnd(this.#column);
    this.rows[this.#row] = row.slice(0, this.#column) + character + row.slice(this.#column + 1);
    this.#column++;
  }
}

function onScreen() {
  const screen = new Screen();
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { columns: 40, isTTY: true });
  output.on("data", (bytes: Buffer) => screen.write(bytes.toString()));
  const tty = { input: input as unknown as ReadStream, output: output as unknown as WriteStream };
  const editor = openLineEditor({ tty, columns: 40 } as unknown as Terminal, (line) =>
    ["/join ", "/leave "].filter((word) => word.startsWith(line)),
  );
  const lines = editor.lines[Symbol.asyncIterator]();
  const type = async (keys: string): Promise<void> => {
    input.write(keys);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { screen, editor, lines, type };
}

describe("the line editor on a terminal", () => {
  test("shows what comes in above the line that is being typed, and keeps that line", async () => {
    const { screen, editor, lines, type } = onScreen();
    const first = lines.next();
    await type("half ty");
    editor.print("room bob  hello");
    expect(screen.text).toBe("room bob  hello\n> half ty");
    await type("ped\r");
    expect((await first).value).toBe("half typed");
    editor.close();
  });

  test("does so for lines of several rows, and breaks what it shows between words", async () => {
    const { screen, editor, lines, type } = onScreen();
    const first = lines.next();
    await type("x".repeat(60));
    editor.print("room bob  somebody says something that is long", 2);
    expect(screen.text).toBe(
      `room bob  somebody says something that\n  is long\n> ${"x".repeat(38)}\n${"x".repeat(22)}`,
    );
    await type("\r");
    expect((await first).value).toBe("x".repeat(60));
    editor.close();
  });

  test("takes a line back that shows by itself later", async () => {
    const { screen, editor, lines, type } = onScreen();
    const first = lines.next();
    await type("hello\r");
    await first;
    editor.takeBack("hello");
    editor.print("room ann  hello");
    expect(screen.text).toBe("room ann  hello\n>");
    editor.close();
  });

  test("completes by Tab, and ends at Ctrl-D", async () => {
    const { editor, lines, type } = onScreen();
    const first = lines.next();
    await type("/j");
    await type("\t");
    await type("room\r");
    expect((await first).value).toBe("/join room");
    editor.setPrompt("room> ");
    const second = lines.next();
    await type("\x04");
    expect((await second).done).toBe(true);
  });
});

test("lines of a pipe that come before anybody asks for them are there when somebody does", async () => {
  const input = (async function* () {
    yield new TextEncoder().encode("one\ntwo\n");
  })();
  const editor = openLineEditor({ tty: undefined, input, print: () => {} } as unknown as Terminal, () => []);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const lines: string[] = [];
  for await (const line of editor.lines) lines.push(line);
  expect(lines).toEqual(["one", "two"]);
});
