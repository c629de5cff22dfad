import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

/** Runs a command line such as `run 100`; what it returns is what happened, a line each. */
export type Command = (...words: string[]) => readonly string[];

/**
 * Plays a transcript: blocks of a command line (behind comment lines with #), a line of dashes, and what happens.
 * With UPDATE=1 in the environment what happens now is written into the file: then read the difference.
 */
export function play(url: URL, commands: Readonly<Record<string, Command>>): void {
  const path = fileURLToPath(url);
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const blocks = before.trim().split(/\n\n+/);
  const now = blocks.map((block) => {
    const lines = block.split("\n");
    const dashes = lines.indexOf("----");
    const head = dashes < 0 ? lines : lines.slice(0, dashes);
    const happened = head.flatMap((line) => {
      if (line.startsWith("#")) return [];
      const [name = "", ...words] = line.split(" ");
      const command = commands[name];
      if (command === undefined) throw new Error(`no command "${name}" in ${path}`);
      return command(...words);
    });
    return head.every((line) => line.startsWith("#")) ? head.join("\n") : [...head, "----", ...happened].join("\n");
  });
  const after = `${now.join("\n\n")}\n`;
  if (process.env["UPDATE"] === "1") writeFileSync(path, after);
  else expect(after).toBe(before);
}
