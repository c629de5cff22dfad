import { type Address, parseAddress } from "./address.ts";
import { configError, type Problem, problemAt, type Source, type Span } from "./problem.ts";

/** A word of spread.conf with its place in the file. */
export type Token = Span &
  (
    | { readonly kind: "word" | "quoted"; readonly text: string }
    | { readonly kind: "number"; readonly text: string; readonly value: number }
    | {
        readonly kind: "address";
        readonly text: string;
        readonly address: Address;
        readonly port: number | undefined;
      }
    | { readonly kind: "open" | "close" | "equals" | "semicolon" | "not" | "end"; readonly text: string }
  );

const BLANK = /[ \t\r\n\v\f]/;
const WORD_END = /[ \t\r\n\v\f#{}[\]]/;

/**
 * Splits a spread.conf into tokens; the last one is `end`. Throws a `ConfigError` on what can be no token. Source of
 * the rules: spread-client-protocol.md 9.1.
 */
export function tokens(source: Source, warnings: Problem[]): Token[] {
  const { text } = source;
  const found: Token[] = [];
  // What editors put before a text to say that it is UTF-8.
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  while (at < text.length) {
    const character = text[at] as string;
    if (BLANK.test(character)) {
      at++;
    } else if (character === "#") {
      at = endOfLine(text, at);
    } else {
      const token = tokenAt(source, at, warnings);
      found.push(token);
      at = token.end;
    }
  }
  found.push({ kind: "end", text: "", start: text.length, end: text.length });
  return found;
}

function tokenAt(source: Source, start: number, warnings: Problem[]): Token {
  const { text } = source;
  const character = text[start] as string;
  switch (character) {
    case "{":
      return { kind: "open", text: character, start, end: start + 1 };
    case "}":
      return { kind: "close", text: character, start, end: start + 1 };
    case '"':
    case "'":
      return quotedAt(source, start, character);
    case "[":
      return bracketedAt(source, start);
    case "]":
      throw configError(
        source,
        { start, end: start + 1 },
        "this ] closes nothing",
        "Brackets surround an IPv6 address that a port follows: [ff02::1]:4803",
      );
    case "!":
      // As in Spread's lexer: at the end of a line it is an ordinary word.
      if (/\S/.test(text.slice(start + 1, endOfLine(text, start)))) {
        return { kind: "not", text: character, start, end: start + 1 };
      }
  }
  let end = start;
  while (end < text.length && !WORD_END.test(text[end] as string)) end++;
  return wordToken(source, { start, end }, warnings);
}

function wordToken(source: Source, span: Span, warnings: Problem[]): Token {
  const text = source.text.slice(span.start, span.end);
  if (text === "=") return { kind: "equals", text, ...span };
  if (text === ";") return { kind: "semicolon", text, ...span };
  if (/^\d{1,9}$/.test(text)) return { kind: "number", text, value: Number(text), ...span };

  const withPort = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d+)$/.exec(text);
  const address = parseAddress(withPort?.[1] ?? text);
  if (address !== undefined) {
    const port = withPort === null ? undefined : portOf(source, span, withPort[2] ?? "");
    return { kind: "address", text, address, port, ...span };
  }
  if (/^\d{1,3}(\.\d{1,3}){3}/.test(text)) {
    const remedy = "An IPv4 address has four numbers of 0 to 255, such as 10.0.0.1; with a port 10.0.0.1:4803";
    warnings.push(problemAt("warning", source, span, `${text} is no address and is taken as a name`, remedy));
  }
  return { kind: "word", text, ...span };
}

function quotedAt(source: Source, start: number, quote: string): Token {
  const close = source.text.indexOf(quote, start + 1);
  if (close < 0) {
    const span = { start, end: endOfLine(source.text, start) };
    throw configError(source, span, "the quoted text that begins here never ends", `Close it with ${quote}`);
  }
  return { kind: "quoted", text: source.text.slice(start + 1, close), start, end: close + 1 };
}

function bracketedAt(source: Source, start: number): Token {
  const match = /^\[([^\]\s]*)\](?::(\d+))?/.exec(source.text.slice(start, start + 128));
  const address = match === null ? undefined : parseAddress(match[1] ?? "");
  if (match === null || address === undefined || address.family !== "ipv6") {
    const span = { start, end: start + (match?.[0].length ?? 1) };
    throw configError(source, span, "only an IPv6 address stands in brackets", "For example [ff02::1]:4803");
  }
  const span = { start, end: start + match[0].length };
  const port = match[2] === undefined ? undefined : portOf(source, span, match[2]);
  return { kind: "address", text: match[0], address, port, ...span };
}

function portOf(source: Source, span: Span, digits: string): number {
  const port = Number(digits);
  if (port > 65_535) throw configError(source, span, `there is no port ${digits}`, "Ports end at 65535");
  return port;
}

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf("\n", from);
  return newline < 0 ? text.length : newline;
}
