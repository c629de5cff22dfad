import type { ConfigurationId, NodeId } from "../base/ids.ts";
import { Reader, Writer } from "../wire/bytes.ts";
import { type EpochRecord, type Standing, WITNESSED_MAX } from "./continuity.ts";
import { readAddress, readList, readText, writeAddress, writeList, writeText } from "./fields.ts";
import type { NodeReport, Registration } from "./replica.ts";
import { readSettled, SETTLED_BYTES_MIN, writeSettled } from "./settled.ts";

/*
 * A command of a daemon to the membership services of all, sent safe. Numbers are varints, lists a count and their elements, texts u8
 * length and a byte for each character; ids of configurations leader u32, time u32.
 *
 *   version u8, kind u8
 *   1 hello: configuration, flags u8 (bit 0: an attempt follows, bit 1: has begun nothing since its start), [epoch, configuration, basis], witnessed, epoch, n, chain
 *   2 state: configuration, index, last u8, bytes (the rest)
 *   3 recorded: configuration, epoch
 *   4 register: user, client, name, address, flags u8 (bit 0: a place follows), [node, seq]
 *   5 flush
 *   6 report: reports, each node, n, sealed views (region, view, last), retired views (region, view), nodes asked for,
 *     settled streams (settled.ts)
 *   7 failed: node, attachment
 */

export type Command =
  /** A primary configuration has begun: what its sender knows. */
  | { readonly kind: "hello"; readonly configuration: ConfigurationId; readonly standing: Standing }
  /** A piece of the state that goes on. `bytes` is a view. */
  | {
      readonly kind: "state";
      readonly configuration: ConfigurationId;
      readonly index: number;
      readonly last: boolean;
      readonly bytes: Uint8Array;
    }
  /** The sender has made the configuration's epoch durable. */
  | { readonly kind: "recorded"; readonly configuration: ConfigurationId; readonly epoch: number }
  | { readonly kind: "register"; readonly registration: Registration }
  /** What has collected up to here is one batch. */
  | { readonly kind: "flush" }
  | { readonly kind: "report"; readonly reports: readonly NodeReport[] }
  /** The sender declares a node failed, if no other session carries it than the one that it has seen. */
  | { readonly kind: "failed"; readonly node: NodeId; readonly attachment: number };

const VERSION = 1;
const HAS_ATTEMPT = 1;
const IS_NEW = 2;
const KINDS = ["hello", "state", "recorded", "register", "flush", "report", "failed"] as const;

export function encodeCommand(command: Command): Uint8Array {
  const out = new Writer(128);
  out.u8(VERSION).u8(KINDS.indexOf(command.kind) + 1);
  switch (command.kind) {
    case "hello":
      writeStanding(writeConfiguration(out, command.configuration), command.standing);
      break;
    case "state":
      writeConfiguration(out, command.configuration).varint(command.index);
      out.u8(command.last ? 1 : 0).raw(command.bytes);
      break;
    case "recorded":
      writeConfiguration(out, command.configuration).varint(command.epoch);
      break;
    case "register":
      writeRegistration(out, command.registration);
      break;
    case "flush":
      break;
    case "report":
      writeList(out, command.reports, writeReport);
      break;
    case "failed":
      out.varint(command.node).varint(command.attachment);
      break;
  }
  return out.finish();
}

/** `undefined` if the bytes are no well-formed command. */
export function decodeCommand(bytes: Uint8Array): Command | undefined {
  const input = new Reader(bytes);
  if (input.u8() !== VERSION) return undefined;
  const kind = KINDS[input.u8() - 1];
  const command = kind && readCommand(kind, input);
  return input.failed || input.remaining > 0 ? undefined : command;
}

function readCommand(kind: (typeof KINDS)[number], input: Reader): Command {
  switch (kind) {
    case "hello":
      return { kind, configuration: readConfiguration(input), standing: readStanding(input) };
    case "state": {
      const configuration = readConfiguration(input);
      const index = input.varint();
      const last = readFlag(input);
      return { kind, configuration, index, last, bytes: input.raw(input.remaining) };
    }
    case "recorded":
      return { kind, configuration: readConfiguration(input), epoch: input.varint() };
    case "register":
      return { kind, registration: readRegistration(input) };
    case "flush":
      return { kind };
    case "report":
      return { kind, reports: readList(input, 6, readReport) };
    case "failed":
      return { kind, node: input.varint(), attachment: input.varint() };
  }
}

function writeStanding(out: Writer, { attempt, witnessed, isNew, epoch, n, chain }: Standing): void {
  out.u8((attempt === undefined ? 0 : HAS_ATTEMPT) | (isNew ? IS_NEW : 0));
  if (attempt !== undefined) writeConfiguration(out.varint(attempt.epoch), attempt.configuration).varint(attempt.basis);
  writeList(out, witnessed, writeConfiguration);
  writeText(out.varint(epoch).varint(n), chain);
}

function readStanding(input: Reader): Standing {
  let attempt: EpochRecord | undefined;
  const flags = input.u8();
  if (flags > (HAS_ATTEMPT | IS_NEW)) input.fail();
  if ((flags & HAS_ATTEMPT) !== 0) {
    attempt = { epoch: input.varint(), configuration: readConfiguration(input), basis: input.varint() };
  }
  const witnessed = readList(input, 8, readConfiguration);
  if (witnessed.length > WITNESSED_MAX) input.fail();
  const isNew = (flags & IS_NEW) !== 0;
  return { attempt, witnessed, isNew, epoch: input.varint(), n: input.varint(), chain: readText(input) };
}

function writeRegistration(out: Writer, { user, client, name, address, place }: Registration): void {
  for (const text of [user, client, name]) writeText(out, text);
  writeAddress(out, address);
  out.u8(place === undefined ? 0 : 1);
  if (place !== undefined) out.varint(place.node).varint(place.seq);
}

function readRegistration(input: Reader): Registration {
  const [user, client, name] = [readText(input), readText(input), readText(input)];
  const address = readAddress(input);
  const place = readFlag(input) ? { node: input.varint(), seq: input.varint() } : undefined;
  return { user, client, name, address, place };
}

function writeReport(out: Writer, { node, n, sealed, retired, inquired, settled }: NodeReport): void {
  out.varint(node).varint(n);
  writeList(out, sealed, (to, { id, last }) => void to.varint(id.region).varint(id.view).varint(last));
  writeList(out, retired, (to, id) => void to.varint(id.region).varint(id.view));
  writeList(out, inquired, (to, id) => void to.varint(id));
  writeList(out, settled, writeSettled);
}

function readReport(input: Reader): NodeReport {
  return {
    node: input.varint(),
    n: input.varint(),
    sealed: readList(input, 3, (from) => ({ id: { region: from.varint(), view: from.varint() }, last: from.varint() })),
    retired: readList(input, 2, (from) => ({ region: from.varint(), view: from.varint() })),
    inquired: readList(input, 1, (from) => from.varint()),
    settled: readList(input, SETTLED_BYTES_MIN, readSettled),
  };
}

function writeConfiguration(out: Writer, { leader, time }: ConfigurationId): Writer {
  return out.u32(leader).u32(time);
}

function readConfiguration(input: Reader): ConfigurationId {
  return { leader: input.u32(), time: input.u32() };
}

/** 0 or 1: there is one encoding of everything. */
function readFlag(input: Reader): boolean {
  const flag = input.u8();
  if (flag > 1) input.fail();
  return flag === 1;
}
