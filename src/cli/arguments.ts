import { parseArgs } from "node:util";
import { nearest } from "../daemon/config/suggest.ts";
import { SERVICES, type Service } from "../ordering/service.ts";
import type { Command, OptionSpec } from "./command.ts";
import { usageError } from "./exit-codes.ts";

/** A command line that was checked against its command. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #command: Command;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(command: Command, values: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#command = command;
    this.#values = values;
    this.positionals = positionals;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** The option's text or its default; `undefined` if it has neither. */
  text(name: string): string | undefined {
    const given = this.#values.get(name)?.at(-1);
    if (given !== undefined) return given;
    const spec = this.#command.options[name];
    return spec?.kind === "text" || spec?.kind === "choice" ? spec.otherwise : undefined;
  }

  /** All values of an option that may be repeated. */
  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  number(name: string): number | undefined {
    const given = this.#values.get(name)?.at(-1);
    if (given !== undefined) return Number(given);
    const spec = this.#command.options[name];
    return spec?.kind === "number" ? spec.otherwise : undefined;
  }

  service(name = "service"): Service {
    const text = this.text(name);
    return SERVICES.find((service) => service === text) ?? "agreed";
  }
}

/** Checks a command line against its command. Throws a usage error that names what was probably meant. */
export function parseCommandLine(command: Command, args: readonly string[]): Arguments {
  const known = { ...command.options, help: { kind: "flag", short: "h", help: "" } } satisfies Record<
    string,
    OptionSpec
  >;
  const specs: Readonly<Record<string, OptionSpec>> = known;
  const { tokens } = parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(specs).map(([name, spec]) => [
        name,
        {
          type: spec.kind === "flag" ? "boolean" : "string",
          ...(spec.short === undefined ? {} : { short: spec.short }),
        },
      ]),
    ),
  });

  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) throw unknownOption(command, token.rawName, Object.keys(specs));
    const list = values.get(token.name) ?? [];
    if (list.length > 0 && !(spec.kind === "text" && spec.many === true)) {
      throw usageError(`${token.rawName} is given twice`);
    }
    list.push(checkedValue(token.rawName, spec, token.value));
    values.set(token.name, list);
  }
  checkPositionals(command, positionals);
  return new Arguments(command, values, positionals);
}

function checkedValue(rawName: string, spec: OptionSpec, value: string | undefined): string {
  if (spec.kind === "flag") {
    if (value !== undefined) throw usageError(`${rawName} takes no value`);
    return "";
  }
  if (value === undefined || value === "") {
    const what = spec.kind === "choice" ? spec.choices.join(", ") : spec.value;
    throw usageError(`${rawName} needs a value: ${what}`);
  }
  if (spec.kind === "choice" && !spec.choices.includes(value)) {
    const meant = nearest(value, spec.choices);
    const hint = meant === undefined ? `choose from ${spec.choices.join(", ")}` : `did you mean ${meant}?`;
    throw usageError(`${rawName} cannot be ${JSON.stringify(value)}; ${hint}`);
  }
  if (spec.kind === "number") {
    const number = /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    const whole = spec.fraction === true || Number.isInteger(number);
    if (!(number >= spec.min && number <= spec.max) || !whole) {
      const kind = spec.fraction === true ? "a number" : "a whole number";
      throw usageError(`${rawName} is ${kind} from ${spec.min} to ${spec.max}, not ${JSON.stringify(value)}`);
    }
  }
  return value;
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const missing = command.positionals.find((spec, i) => spec.required && positionals[i] === undefined);
  if (missing !== undefined) throw usageError(`${missing.name} is missing: ${missing.help}`);
  const last = command.positionals.at(-1);
  const extra = last?.many === true ? undefined : positionals[command.positionals.length];
  if (extra !== undefined) throw usageError(`there is an argument too many: ${JSON.stringify(extra)}`);
}

function unknownOption(command: Command, rawName: string, names: readonly string[]): Error {
  const meant = nearest(rawName.replace(/^-+/, ""), names);
  const hint = meant === undefined ? `see amalgam ${command.name} --help` : `did you mean --${meant}?`;
  return usageError(`amalgam ${command.name} has no option ${rawName}; ${hint}`);
}
