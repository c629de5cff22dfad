/*
 * What a configuration that was put in force at run time has to say of those before it stands in the file's last line, a comment to everybody
 * else: so the file alone is what a daemon needs when it is started again, and what it can hand to another one.
 */
const LINE = /^# amalgam-lineage (\{.*\})$/m;

/** Hashes of configurations before this one that are remembered, two of each: who was away for longer needs the file by hand. */
export const ANCESTORS_MAX = 32;
const DAEMONS_MAX = 128;
const POLICY = /^(majority|oldest|all|none|static [1-9]\d{0,4})$/;

/** The rule by which daemons of the configuration before may still decide that they are primary. */
export type RuleBefore = {
  readonly policy: string;
  /** Ids, in their order. */
  readonly daemons: readonly number[];
};

export type Lineage = {
  /** How many configurations came before it at run time; 0 for one that was only ever read from a file. */
  readonly generation: number;
  /** The agreement of the first of them. */
  readonly root: number;
  /** The agreement of the text that this belongs to. Another text with this line in it is a new beginning. */
  readonly agreement: number;
  /** Of those before it, the latest first: hashes, and agreements for daemons that were given just the text. */
  readonly ancestors: readonly number[];
  /** Until it is known that the rule before can make nobody primary any more. */
  readonly before: RuleBefore | undefined;
  /** Addresses of hosts that the file has only names of, as they were found: so all daemons read the same. */
  readonly addresses: Readonly<Record<string, string>>;
};

/** What the text says of its lineage; a text that says nothing, or not of itself, begins one. */
export function lineageOf(text: string, agreement: number): Lineage {
  const begun: Lineage = {
    generation: 0,
    root: agreement,
    agreement,
    ancestors: [],
    before: undefined,
    addresses: {},
  };
  const read = readLineage(text);
  return read === undefined || read.agreement !== agreement ? begun : read;
}

/** The addresses that a text carries for its hosts. */
export function carriedAddresses(text: string): Readonly<Record<string, string>> {
  return readLineage(text)?.addresses ?? {};
}

/** The text with this lineage instead of the one that it has. */
export function withLineage(text: string, lineage: Lineage): string {
  return `${withoutLineage(text)}# amalgam-lineage ${JSON.stringify(lineage)}\n`;
}

export function withoutLineage(text: string): string {
  const rest = text.replace(LINE, "").trimEnd();
  return rest === "" ? "" : `${rest}\n`;
}

/** What daemons compare: where a host's name led to when somebody looked is no part of it. */
export function hashedLineage({ generation, root, agreement, ancestors, before }: Lineage): string {
  const rule = before === undefined ? "" : `${before.policy} ${before.daemons.join(" ")}`;
  return `amalgam lineage ${generation} ${root} ${agreement}\n${ancestors.join(" ")}\n${rule}`;
}

function readLineage(text: string): Lineage | undefined {
  const json = LINE.exec(text)?.[1];
  if (json === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { generation, root, agreement, ancestors, before, addresses } = value;
  if (!isUint32(generation) || generation === 0 || !isUint32(root) || !isUint32(agreement)) return undefined;
  if (!isUint32s(ancestors, ANCESTORS_MAX) || !isRecord(addresses)) return undefined;
  const found = Object.entries(addresses);
  if (found.length > DAEMONS_MAX || !found.every(([, address]) => typeof address === "string")) return undefined;
  const lineage = { generation, root, agreement, ancestors, addresses: addresses as Record<string, string> };
  if (before === undefined) return { ...lineage, before };
  if (!isRecord(before)) return undefined;
  const { policy, daemons } = before;
  if (typeof policy !== "string" || !POLICY.test(policy)) return undefined;
  if (!isUint32s(daemons, DAEMONS_MAX) || new Set(daemons).size < daemons.length) return undefined;
  return { ...lineage, before: { policy, daemons } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isUint32(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function isUint32s(value: unknown, lengthMax: number): value is number[] {
  return Array.isArray(value) && value.length <= lengthMax && value.every(isUint32);
}
