/** A part of a configuration file, as offsets into its text. */
export type Span = { readonly start: number; readonly end: number };

/** The text of a configuration file and its name for messages. */
export type Source = { readonly name: string; readonly text: string };

/** Something that is wrong, or odd, at a place of a configuration file. */
export type Problem = {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units; a tab counts as one. */
  readonly column: number;
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** What would be right, if that is known. */
  readonly remedy: string | undefined;
  /** All of it for people: `file:line:column`, the line and a caret below the culprit. */
  readonly rendered: string;
};

/** A configuration that cannot be used. `message` is the whole explanation, ready to print. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.rendered, options);
    this.problem = problem;
  }
}

export function problemAt(
  severity: Problem["severity"],
  source: Source,
  span: Span,
  message: string,
  remedy?: string,
): Problem {
  const before = source.text.slice(0, span.start);
  const line = count(before, "\n") + 1;
  const lineStart = before.lastIndexOf("\n") + 1;
  const newline = source.text.indexOf("\n", span.start);
  const lineEnd = newline < 0 ? source.text.length : newline;
  const column = span.start - lineStart + 1;
  // A tab keeps its width in the caret's line, whatever that is in the reader's terminal.
  const indent = source.text.slice(lineStart, span.start).replace(/[^\t]/g, " ");
  const caret = "^".repeat(Math.max(1, Math.min(span.end, lineEnd) - span.start));
  const gutter = String(line);
  const rendered = [
    `${source.name}:${line}:${column}: ${severity}: ${message}`,
    `  ${gutter} | ${printable(source.text.slice(lineStart, lineEnd).trimEnd())}`,
    `  ${" ".repeat(gutter.length)} | ${indent}${caret}`,
    ...(remedy === undefined ? [] : [`  ${remedy}`]),
  ].join("\n");
  return { severity, file: source.name, line, column, message, remedy, rendered };
}

export function configError(source: Source, span: Span, message: string, remedy?: string): ConfigError {
  return new ConfigError(problemAt("error", source, span, message, remedy));
}

function count(text: string, character: string): number {
  let n = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) n++;
  return n;
}

/** Control characters of a broken file must not reach the terminal. One stands for one, so the caret stays right. */
function printable(line: string): string {
  return line.replace(/(?!\t)\p{Cc}/gu, "\ufffd");
}
