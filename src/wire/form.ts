import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import { type Representative, readRepresentatives, writeRepresentatives } from "./announce.ts";
import { Reader, Writer } from "./bytes.ts";
import { PREFIX_BYTES, type Prefix } from "./prefix.ts";

/** A promise of a site: every packet of it with a seq above `seq` has an LTS above `lts` (recovery.md). */
export type SitePromise = { readonly seq: number; readonly lts: number };

/** What is known together of one site's stream in an old configuration. */
export type StreamRecord = {
  readonly site: number;
  high: number;
  known: SitePromise;
  announced: SitePromise;
  closed: boolean;
};

/** Of one stream: what no visited member in `newSite` holds. */
export type Lack = { readonly newSite: number; readonly stream: number; missing: RangeSet };

/** The record that travels of one old configuration (recovery.md, "Exchange"). */
export type OldConfigurationRecord = {
  readonly configuration: ConfigurationId;
  /** Time of the transitional configuration; 0 until FORM2's first reader from it. */
  transitionalTime: number;
  /** Greatest LTS known received by all members. */
  stable: number;
  streams: StreamRecord[];
  lacks: Lack[];
  /** Who of the old configuration is on this form, in the order of visits. */
  transitional: DaemonId[];
  commit: DaemonId[];
};

export type MemberEpoch = { readonly daemon: DaemonId; readonly incarnation: number; readonly epoch: number };

type FormBody = {
  /** Names the attempt: who created FORM1, and its counter. */
  readonly creator: DaemonId;
  readonly attempt: number;
  /** Greatest time that any member on the form has used. */
  maxTime: number;
  /** The lowest of the members' greatest wire versions. */
  version: number;
  /** Incarnation and epoch of each daemon that FORM1 has visited, in the order of visits (wire/announce.ts). */
  epochs: MemberEpoch[];
  /** Daemons that were called and left out, because whoever had to pass the form on does not reach them. */
  leftOut: DaemonId[];
  records: OldConfigurationRecord[];
};

/** FORM1 collects members and their records. */
export type Form1 = FormBody & {
  /** Visited daemons, then those to be visited before the next representative, then representatives to come. */
  done: DaemonId[];
  pending: DaemonId[];
  representatives: Representative[];
};

/** FORM2 tells the members, in the order of the new ring; `position` of them have read it. */
export type Form2 = FormBody & {
  readonly members: readonly DaemonId[];
  position: number;
  /** Set by its first reader. */
  configuration: ConfigurationId;
};

const DAEMONS_MAX = 4096;
const RECORDS_MAX = 4096;
const RANGES_MAX = 8192;

export function encodeForm1(form: Form1): Uint8Array {
  const out = new Writer(512);
  daemons(out, form.done);
  daemons(out, form.pending);
  writeRepresentatives(out, form.representatives);
  writeBody(out, form);
  return out.finish();
}

export function decodeForm1(prefix: Prefix, bytes: Uint8Array): Form1 | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const done = readDaemons(input);
  const pending = readDaemons(input);
  const representatives = readRepresentatives(input);
  const body = readBody(input);
  return input.failed || input.remaining > 0 ? undefined : { done, pending, representatives, ...body };
}

export function encodeForm2(form: Form2): Uint8Array {
  const out = new Writer(512);
  daemons(out, form.members);
  out.u16(form.position).u32(form.configuration.leader).u32(form.configuration.time);
  writeBody(out, form);
  return out.finish();
}

export function decodeForm2(prefix: Prefix, bytes: Uint8Array): Form2 | undefined {
  const input = new Reader(bytes, PREFIX_BYTES, PREFIX_BYTES + prefix.bodyLength);
  const members = readDaemons(input);
  const position = input.u16();
  const configuration = { leader: input.u32(), time: input.u32() };
  const body = readBody(input);
  if (position >= members.length) input.fail();
  return input.failed || input.remaining > 0 ? undefined : { members, position, configuration, ...body };
}

function writeBody(out: Writer, form: FormBody): void {
  out.u32(form.creator).u32(form.attempt).u32(form.maxTime).u8(form.version);
  out.u16(form.epochs.length);
  for (const { daemon, incarnation, epoch } of form.epochs) out.u32(daemon).u32(incarnation).u32(epoch);
  daemons(out, form.leftOut);
  out.u16(form.records.length);
  for (const record of form.records) {
    out.u32(record.configuration.leader).u32(record.configuration.time);
    out.u32(record.transitionalTime).u32(record.stable);
    out.u16(record.streams.length);
    for (const stream of record.streams) {
      out
        .u16(stream.site)
        .u32(stream.high)
        .u8(stream.closed ? 1 : 0);
      out.u32(stream.known.seq).u32(stream.known.lts).u32(stream.announced.seq).u32(stream.announced.lts);
    }
    out.u16(record.lacks.length);
    for (const lack of record.lacks) out.u16(lack.newSite).u16(lack.stream).rangeSet(lack.missing);
    daemons(out, record.transitional);
    daemons(out, record.commit);
  }
}

function readBody(input: Reader): FormBody {
  const creator = input.u32();
  const attempt = input.u32();
  const maxTime = input.u32();
  const version = input.u8();
  const epochs: MemberEpoch[] = [];
  const epochCount = input.count(DAEMONS_MAX, 12);
  for (let i = 0; i < epochCount; i++) {
    epochs.push({ daemon: input.u32(), incarnation: input.u32(), epoch: input.u32() });
  }
  const leftOut = readDaemons(input);
  const records: OldConfigurationRecord[] = [];
  const count = input.count(RECORDS_MAX, 24);
  for (let i = 0; i < count && !input.failed; i++) {
    const configuration = { leader: input.u32(), time: input.u32() };
    const transitionalTime = input.u32();
    const stable = input.u32();
    const streams: StreamRecord[] = [];
    const streamCount = input.count(0xffff, 23);
    for (let j = 0; j < streamCount; j++) {
      const site = input.u16();
      const high = input.u32();
      const closed = input.u8() === 1;
      const known = { seq: input.u32(), lts: input.u32() };
      const announced = { seq: input.u32(), lts: input.u32() };
      streams.push({ site, high, closed, known, announced });
    }
    const lacks: Lack[] = [];
    const lackCount = input.count(0xffff, 5);
    for (let j = 0; j < lackCount && !input.failed; j++) {
      lacks.push({ newSite: input.u16(), stream: input.u16(), missing: input.rangeSet(RANGES_MAX) });
    }
    const transitional = readDaemons(input);
    const commit = readDaemons(input);
    records.push({ configuration, transitionalTime, stable, streams, lacks, transitional, commit });
  }
  return { creator, attempt, maxTime, version, epochs, leftOut, records };
}

function daemons(out: Writer, ids: readonly DaemonId[]): void {
  out.u16(ids.length);
  for (const id of ids) out.u32(id);
}

function readDaemons(input: Reader): DaemonId[] {
  const ids: DaemonId[] = [];
  const count = input.count(DAEMONS_MAX, 4);
  for (let i = 0; i < count; i++) ids.push(input.u32());
  return ids;
}
