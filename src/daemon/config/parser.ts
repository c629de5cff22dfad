import type { Address } from "./address.ts";
import {
  DEBUG_FLAGS,
  DIRECTIVE_NAMES,
  type DirectiveName,
  isDirective,
  isLinkDirective,
  isReserved,
  LINK_DIRECTIVE_NAMES,
  type LinkDirectiveName,
  linkDirectiveForm,
  valueForm,
} from "./directives.ts";
import { configError, type Problem, problemAt, type Source, type Span } from "./problem.ts";
import { nearest } from "./suggest.ts";
import { type Token, tokens } from "./tokens.ts";

/** A spread.conf as written, before anything was checked that needs more than one place of it. */
export type ConfigFile = {
  readonly source: Source;
  /** All of them, in their order, whether in a site or not. */
  readonly segments: readonly SegmentNode[];
  readonly sites: readonly SiteNode[];
  readonly links: readonly LinkNode[];
  readonly settings: ReadonlyMap<DirectiveName, Setting>;
  /** The whole text's last character, for what is missing altogether. */
  readonly end: Span;
};

/** A word of somebody's own, with its place. */
export type NameNode = { readonly at: Span; readonly text: string };

/** `Site NAME { Spread_Segment … }`. */
export type SiteNode = { readonly at: Span; readonly name: NameNode };

/** `Link SITE SITE { … }`, or without sites: what holds for all links. */
export type LinkNode = {
  readonly at: Span;
  readonly ends: readonly NameNode[];
  readonly settings: ReadonlyMap<LinkDirectiveName, { readonly at: Span; readonly value: number | "none" }>;
};

export type SegmentNode = {
  readonly at: Span;
  /** The one that it stands in: an index of `ConfigFile.sites`. */
  readonly site: number | undefined;
  readonly addresses: readonly AddressNode[];
  readonly daemons: readonly DaemonNode[];
};

export type AddressNode = { readonly at: Span; readonly address: Address; readonly port: number | undefined };

export type DaemonNode = {
  readonly at: Span;
  readonly name: NameNode | undefined;
  readonly address: AddressNode | undefined;
  /** Our extension: a name that is looked up, instead of an address. */
  readonly host: { readonly at: Span; readonly name: string; readonly port: number | undefined } | undefined;
  readonly virtualId: { readonly at: Span; readonly value: number } | undefined;
  readonly interfaces: readonly InterfaceNode[] | undefined;
};

export type InterfaceNode = AddressNode & {
  readonly client: boolean;
  readonly daemon: boolean;
  readonly monitor: boolean;
};

/** A directive's value: a boolean (also of bare directives), number or text, flags as a list, the policy as its words. */
export type Setting = { readonly at: Span; readonly value: boolean | number | string | readonly string[] };

/**
 * Parses a spread.conf (spread-client-protocol.md 9.2) with our extensions (docs/configuration.md). Throws a
 * `ConfigError` at the first thing that cannot be understood; what is only odd is added to `warnings`.
 */
export function parseConfigFile(source: Source, warnings: Problem[]): ConfigFile {
  return new Parser(source, warnings).file();
}

class Parser {
  readonly #source: Source;
  readonly #warnings: Problem[];
  readonly #tokens: readonly Token[];
  #position = 0;

  constructor(source: Source, warnings: Problem[]) {
    this.#source = source;
    this.#warnings = warnings;
    this.#tokens = tokens(source, warnings);
  }

  file(): ConfigFile {
    const segments: SegmentNode[] = [];
    const sites: SiteNode[] = [];
    const links: LinkNode[] = [];
    const settings = new Map<DirectiveName, Setting>();
    for (;;) {
      const token = this.#next();
      if (token.kind === "end") return { source: this.#source, segments, sites, links, settings, end: token };
      if (token.kind === "word" && token.text === "Spread_Segment") {
        segments.push(this.#segment(token, undefined));
      } else if (token.kind === "word" && token.text === "Site") {
        const { site, within } = this.#site(token, sites.length);
        sites.push(site);
        segments.push(...within);
      } else if (token.kind === "word" && token.text === "Link") {
        links.push(this.#link(token));
      } else if (token.kind === "word" && isDirective(token.text)) {
        if (settings.has(token.text)) {
          this.#warn(token, `${token.text} was set before; this value replaces the first one`);
        }
        settings.set(token.text, { at: token, value: this.#value(token, token.text) });
      } else {
        throw this.#notTopLevel(token);
      }
    }
  }

  #site(keyword: Token, index: number): { readonly site: SiteNode; readonly within: readonly SegmentNode[] } {
    const name = this.#ownWord("the site's name", "For example: Site west { Spread_Segment 10.0.0.255:4803 { … } }");
    if (this.#peek().kind !== "open") throw this.#expected("{ and the segments of the site");
    const open = this.#next();
    const within: SegmentNode[] = [];
    for (let token = this.#next(); token.kind !== "close"; token = this.#next()) {
      if (token.kind === "end") {
        throw configError(this.#source, open, "the site that begins here is not closed", "Close it with }");
      }
      if (token.kind !== "word" || token.text !== "Spread_Segment") {
        const remedy = isDirective(token.text)
          ? `Set ${token.text} outside the sites: it holds for all of them`
          : undefined;
        throw configError(this.#source, token, `expected Spread_Segment or }, found ${shown(token)}`, remedy);
      }
      within.push(this.#segment(token, index));
    }
    if (within.length === 0) throw configError(this.#source, keyword, `the site ${name.text} has no segment`);
    return { site: { at: keyword, name }, within };
  }

  #link(keyword: Token): LinkNode {
    const ends: NameNode[] = [];
    if (this.#peek().kind !== "open") {
      const example = "For example: Link west east { Weight = 20 }, or for all links: Link { RateLimit = 10000 }";
      ends.push(this.#ownWord("the name of a site", example), this.#ownWord("the name of the other site", example));
    }
    if (this.#peek().kind !== "open") throw this.#expected("{ and what is to be said of the link");
    const open = this.#next();
    const settings = new Map<LinkDirectiveName, { at: Span; value: number | "none" }>();
    for (let token = this.#next(); token.kind !== "close"; token = this.#next()) {
      if (token.kind === "end") {
        throw configError(this.#source, open, "the link that begins here is not closed", "Close it with }");
      }
      const { text } = token;
      if (token.kind !== "word" || !isLinkDirective(text)) {
        const spacing = glued(token);
        if (spacing !== undefined) throw configError(this.#source, token, "there must be blanks around =", spacing);
        const remedy = didYouMean(token, LINK_DIRECTIVE_NAMES) ?? `There are ${oneOf(LINK_DIRECTIVE_NAMES)}`;
        throw configError(this.#source, token, `a link has no ${shown(token)}`, remedy);
      }
      if (settings.has(text)) this.#warn(token, `${text} was set before; this value replaces the first one`);
      this.#equals(text);
      settings.set(text, { at: token, value: this.#linkValue(text) });
    }
    return { at: keyword, ends, settings };
  }

  #linkValue(name: LinkDirectiveName): number | "none" {
    const token = this.#next();
    const { min, max, unit, none } = linkDirectiveForm(name);
    if (none && token.kind === "word" && token.text === "none") return "none";
    if (token.kind !== "number" || token.value < min || token.value > max) {
      throw this.#badValue(token, `${name} is a number from ${min} to ${max} (${unit})${none ? ", or none" : ""}`);
    }
    return token.value;
  }

  /** A name that somebody has chosen for a site. */
  #ownWord(what: string, remedy: string): NameNode {
    const token = this.#peek();
    const isName = (token.kind === "word" && token.text !== "Spread_Segment") || token.kind === "quoted";
    if (!isName || token.text === "") throw this.#expected(what, remedy);
    this.#next();
    return { at: token, text: token.text };
  }

  #segment(keyword: Token, site: number | undefined): SegmentNode {
    const addresses: AddressNode[] = [];
    for (let token = this.#peek(); token.kind === "address"; token = this.#peek()) addresses.push(this.#address());
    if (addresses.length === 0) {
      throw this.#expected("the segment's address", "For example: Spread_Segment 10.0.0.255:4803 { … }");
    }
    if (this.#peek().kind !== "open") throw this.#expected("{ and the daemons of the segment");
    const open = this.#next();
    const daemons: DaemonNode[] = [];
    while (this.#peek().kind !== "close") {
      if (this.#peek().kind === "end") {
        throw configError(this.#source, open, "the segment that begins here is not closed", "Close it with }");
      }
      daemons.push(this.#daemon());
    }
    this.#next();
    return { at: keyword, site, addresses, daemons };
  }

  #daemon(): DaemonNode {
    const first = this.#peek();
    const name = first.kind === "address" ? undefined : this.#daemonName();
    const address = this.#peek().kind === "address" ? this.#address() : undefined;
    const host = address === undefined ? this.#host() : undefined;
    const virtualId = this.#virtualId();
    const interfaces = this.#peek().kind === "open" ? this.#interfaces() : undefined;
    if (this.#peek().kind === "semicolon") this.#next();
    return { at: first, name, address, host, virtualId, interfaces };
  }

  #daemonName(): { at: Span; text: string } {
    const token = this.#peek();
    const bare = token.kind === "word" && !isReserved(token.text);
    if (!bare && token.kind !== "quoted") {
      const quotable = token.kind === "word" || token.kind === "number";
      const why = token.kind === "number" ? "a number" : "a keyword";
      const remedy = quotable ? `${token.text} is ${why}; as a name write "${token.text}"` : undefined;
      throw this.#expected("a daemon's name or address", remedy);
    }
    this.#next();
    let { text } = token;
    if (token.kind === "word" && text.endsWith(";")) {
      this.#warn(token, `the name ends with a semicolon: "${text}"`, "To end an entry write a blank before the ;");
    }
    if (token.kind === "quoted" && text.includes("\n")) text = text.replaceAll("\n", " ");
    return { at: token, text };
  }

  #host(): DaemonNode["host"] {
    const keyword = this.#peek();
    // Somebody may be called so: only with the = it is ours.
    if (keyword.kind !== "word" || keyword.text !== "Host" || this.#peek(1).kind !== "equals") return undefined;
    this.#next();
    this.#next();
    const value = this.#next();
    const match = /^([A-Za-z0-9_.-]{1,253})(?::(\d{1,5}))?$/.exec(value.text);
    if ((value.kind !== "word" && value.kind !== "quoted") || match === null) {
      const remedy = "For example: node1 Host = node1.example.org:4803";
      throw this.#badValue(value, "Host is the name of a host, with or without a port", remedy);
    }
    const port = match[2] === undefined ? undefined : Number(match[2]);
    if (port !== undefined && port > 65_535) {
      throw configError(this.#source, value, `there is no port ${port}`, "Ports end at 65535");
    }
    return { at: value, name: match[1] as string, port };
  }

  #virtualId(): { at: Span; value: number } | undefined {
    const token = this.#peek();
    if (token.kind !== "word" || token.text !== "VirtualID") return undefined;
    this.#next();
    this.#equals("VirtualID");
    const value = this.#next();
    if (value.kind !== "number" || value.value === 0) {
      throw configError(this.#source, value, "a VirtualID is a number from 1 to 999999999");
    }
    return { at: value, value: value.value };
  }

  #interfaces(): InterfaceNode[] {
    const open = this.#next();
    const found: InterfaceNode[] = [];
    while (this.#peek().kind !== "close") {
      const letters = new Set<string>();
      for (let token = this.#peek(); isInterfaceLetter(token); token = this.#peek()) letters.add(this.#next().text);
      if (this.#peek().kind !== "address") {
        throw this.#expected("an interface's address", "For example: { C 192.168.0.1 D 10.0.0.1 }");
      }
      const all = letters.size === 0;
      found.push({
        ...this.#address(),
        client: all || letters.has("C"),
        daemon: all || letters.has("D"),
        monitor: all || letters.has("M"),
      });
    }
    this.#next();
    if (found.length === 0) throw configError(this.#source, open, "this list of interfaces is empty", "Leave it out");
    return found;
  }

  #address(): AddressNode {
    const token = this.#next();
    if (token.kind !== "address") throw configError(this.#source, token, "this is no address");
    return { at: token, address: token.address, port: token.port };
  }

  #value(keyword: Token, name: DirectiveName): Setting["value"] {
    const form = valueForm(name);
    if (form.form === "bare") return true;
    if (form.form === "format" && this.#peek().kind !== "equals") return true;
    this.#equals(name);
    const token = this.#next();
    switch (form.form) {
      case "boolean": {
        const value = token.kind === "word" ? BOOLEANS.get(token.text.toLowerCase()) : undefined;
        if (value === undefined) throw this.#badValue(token, `${name} is true or false`);
        return value;
      }
      case "number": {
        if (token.kind === "word" && form.word === token.text.toLowerCase()) return form.word;
        const value = numberOf(token);
        if (value === undefined || value < form.min || value > form.max) {
          const or = form.word === undefined ? "" : `, or ${form.word}`;
          throw this.#badValue(token, `${name} is a number from ${form.min} to ${form.max} (${form.unit})${or}`);
        }
        return value;
      }
      case "format":
      case "string": {
        const { text } = token;
        const isText =
          token.kind === "word" || token.kind === "quoted" || token.kind === "address" || token.kind === "number";
        if (!isText || text === "") {
          const remedy = form.form === "string" ? `For example: ${name} = ${form.example}` : undefined;
          throw this.#badValue(token, `${name} is a word or a text in quotes`, remedy);
        }
        if (new TextEncoder().encode(text).length > form.lengthMax) {
          throw this.#badValue(token, `${name} is longer than ${form.lengthMax} bytes`);
        }
        return text;
      }
      case "choice": {
        const plain = (text: string) => (form.anyCase ? text.toLowerCase() : text);
        const given = token.kind === "word" || token.kind === "quoted" ? plain(token.text) : undefined;
        const value = form.choices.find((choice) => plain(choice) === given);
        if (value === undefined)
          throw this.#badValue(token, `${name} is ${oneOf(form.choices)}`, didYouMean(token, form.choices));
        return value;
      }
      case "flags":
        return this.#flags(keyword, token);
      case "primaryPolicy":
        return this.#primaryPolicy(token);
    }
  }

  #flags(keyword: Token, open: Token): string[] {
    if (open.kind !== "open")
      throw this.#badValue(open, "DebugFlags is a list in braces", "For example: DebugFlags = { PRINT EXIT }");
    const flags = new Set<string>();
    for (;;) {
      const token = this.#next();
      if (token.kind === "close") return [...flags];
      if (token.kind === "end")
        throw configError(this.#source, keyword, "the list of DebugFlags is not closed", "Close it with }");
      const negated = token.kind === "not";
      const flag = negated ? this.#next() : token;
      const known = DEBUG_FLAGS.find((name) => flag.kind === "word" && name === flag.text);
      if (known === undefined) {
        throw this.#badValue(
          flag,
          "this is no debug flag",
          didYouMean(flag, DEBUG_FLAGS) ?? `There are ${oneOf(DEBUG_FLAGS)}`,
        );
      }
      const meant = known === "ALL" ? DEBUG_FLAGS.slice(0, -2) : [known];
      for (const name of meant) {
        if (name === "NONE") flags.clear();
        else if (negated) flags.delete(name);
        else flags.add(name);
      }
    }
  }

  #primaryPolicy(token: Token): string[] {
    const policies = ["majority", "static", "oldest", "all", "none"];
    const policy = token.kind === "word" ? token.text.toLowerCase() : "";
    if (!policies.includes(policy)) {
      throw this.#badValue(
        token,
        "PrimaryPolicy is majority, static N, oldest, all or none",
        didYouMean(token, policies),
      );
    }
    if (policy !== "static") return [policy];
    const size = this.#next();
    if (size.kind !== "number" || size.value === 0) {
      throw this.#badValue(
        size,
        "static needs the number of daemons that make a primary",
        "For example: PrimaryPolicy = static 3",
      );
    }
    return [policy, size.text];
  }

  #equals(name: string): void {
    if (this.#peek().kind === "equals") {
      this.#next();
      return;
    }
    throw this.#expected(
      `= after ${name}`,
      glued(this.#peek()) ?? `Write ${name} = …, with a blank on both sides of the =`,
    );
  }

  #notTopLevel(token: Token): Error {
    if (token.kind !== "word") {
      const what = token.kind === "close" ? "this } closes nothing" : `a directive was expected, not ${shown(token)}`;
      return configError(this.#source, token, what);
    }
    const spacing = glued(token);
    if (spacing !== undefined) return configError(this.#source, token, "there must be blanks around =", spacing);
    const other = DIRECTIVE_NAMES.find((name) => name.toLowerCase() === token.text.toLowerCase());
    const remedy =
      other === undefined
        ? didYouMean(token, ["Spread_Segment", "Site", "Link", ...DIRECTIVE_NAMES])
        : `Case counts: write ${other}`;
    return configError(this.#source, token, `there is no directive ${shown(token)}`, remedy);
  }

  #expected(what: string, remedy?: string): Error {
    const token = this.#peek();
    return configError(this.#source, token, `expected ${what}, found ${shown(token)}`, remedy);
  }

  #badValue(token: Token, rule: string, remedy?: string): Error {
    return configError(this.#source, token, `${rule}; found ${shown(token)}`, remedy);
  }

  #warn(at: Span, message: string, remedy?: string): void {
    this.#warnings.push(problemAt("warning", this.#source, at, message, remedy));
  }

  #peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#position + ahead, this.#tokens.length - 1)] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#position++;
    return token;
  }
}

const BOOLEANS = new Map([
  ["true", true],
  ["yes", true],
  ["false", false],
  ["no", false],
]);

/** In Spread's grammar ten digits are a name; as the value of a directive they can only be a number. */
function numberOf(token: Token): number | undefined {
  if (token.kind === "number") return token.value;
  return token.kind === "word" && /^\d{1,15}$/.test(token.text) ? Number(token.text) : undefined;
}

function isInterfaceLetter(token: Token): boolean {
  return token.kind === "word" && (token.text === "C" || token.text === "D" || token.text === "M");
}

/** `Window=160` is one word in Spread's grammar; says how to take it apart. */
function glued(token: Token): string | undefined {
  const match = token.kind === "word" ? /^(\w*)=(.*)$/.exec(token.text) : null;
  if (match === null) return undefined;
  return `Write ${[match[1], "=", match[2] === "" ? "…" : match[2]].join(" ").trim()}`;
}

function didYouMean(token: Token, candidates: readonly string[]): string | undefined {
  const meant = nearest(token.text, candidates);
  return meant === undefined ? undefined : `Did you mean ${meant}?`;
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 1 ? (choices[0] ?? "") : `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
}

function shown(token: Token): string {
  if (token.kind === "end") return "the end of the file";
  const text = token.text.length > 40 ? `${token.text.slice(0, 40)}…` : token.text;
  return JSON.stringify(text);
}
