import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { SITES_MAX } from "../base/site-set.ts";
import { getU16, getU32, setU16 } from "./bytes.ts";
import { FIRST, FragmentCursor } from "./fragment.ts";
import { FRAGMENTS_AT, NO_HEAD, readKnownHead, restoreFragment, takeFragment } from "./fragment-heads.ts";
import { Kind, PREFIX_BYTES, writePrefix } from "./prefix.ts";
import { isDigest, RING_DATA_HEAD_BYTES, writeRingDataHead } from "./ring-data.ts";
import { dropZeroRuns, restoreZeroRuns, ZERO_RUNS_BYTES_MAX } from "./zero-runs.ts";

/*
 * An object on a hop between sites: a packet of a site on its way to others.
 *
 *   source u8     the site whose tree it follows
 *   count u8      0: it is for all sites
 *   sites u8[count]
 *   fragments u8  so many, from the first on, are relative to heads that both ends know (fragment-heads.ts)
 *   for each      {slot · 2 + defines, slot that gets this fragment's head if defines}: slots in one byte, or two as counts of zero-runs.ts; 0: none
 *   packet        with its prefix and padding: RING_DATA, RING_UNRELIABLE, SITE_UPDATE, SITE_DONE. Its head is taken (XOR) relative to
 *                 one that both ends know, with lengths as if it had no padding, so that what is as ever is 0; runs of zeros are left out (zero-runs.ts)
 */

export type SiteObject = {
  readonly source: number;
  /** `undefined`: all. */
  readonly sites: readonly number[] | undefined;
  readonly packet: Uint8Array;
};

/** A place for a head that both ends of a hop know. */
export type HeadSlot = { readonly number: number; readonly head: Uint8Array };

/** What a fragment is relative to, and the slot that gets its own head. */
export type HeadReference = { readonly relativeTo: HeadSlot | undefined; readonly defines: HeadSlot | undefined };

/** Of the sending end. */
export interface HeadSource {
  refer(origin: DaemonId, session: number, isFirst: boolean): HeadReference;
}

/** Of the receiving end. Undefined: there is no such slot. */
export interface HeadTable {
  head(slot: number): Uint8Array | undefined;
  /** Where the slot's head is to be written. */
  define(slot: number): Uint8Array | undefined;
}

const HEAD_BYTES = 2;
/** More are seldom in a packet, and each reference takes bytes. */
const FRAGMENTS_MAX = 16;
const SLOT_BYTES_MAX = 2;
const REFERENCES_BYTES_MAX = 1 + FRAGMENTS_MAX * 2 * SLOT_BYTES_MAX;
/** What an object takes beside its packet at most, if it is for all; with a list of sites, one more for each. */
export const SITE_OBJECT_BYTES_MAX = HEAD_BYTES + REFERENCES_BYTES_MAX + ZERO_RUNS_BYTES_MAX;
/** As a packet's length says at most. */
const PACKET_BYTES_MAX = 0xffff;
/** Slots that take one byte. */
const SHORT_MAX = 0x7f;

/** The head that packets of a site have, as far as all have the same: its representative's RING_DATA in a configuration. */
export function usualHead(
  { version, confHash }: { readonly version: number; readonly confHash: number },
  configuration: ConfigurationId,
  site: number,
  representative: DaemonId,
): Uint8Array {
  const head = new Uint8Array(RING_DATA_HEAD_BYTES);
  writePrefix(head, 0, version, Kind.ringData, confHash, 0, representative, 0);
  writeRingDataHead(head, configuration, site, 0, 0, 0, 0);
  return head;
}

/** `usual`: `usualHead` of the source. */
export function encodeSiteObject(
  { source, sites, packet }: SiteObject,
  usual: Uint8Array,
  heads: HeadSource,
): Uint8Array {
  const count = sites?.length ?? 0;
  const object = new Uint8Array(SITE_OBJECT_BYTES_MAX + count + packet.length);
  object[0] = source;
  object[1] = count;
  if (sites !== undefined) object.set(sites, HEAD_BYTES);
  const relative = packet.slice();
  const at = takeFragments(packet, relative, heads, object, HEAD_BYTES + count);
  takeHead(relative, usual);
  return object.subarray(0, dropZeroRuns(relative, object, at));
}

/** `usualOf`: `usualHead` of a source, undefined if there is no such site. Undefined: malformed. */
export function decodeSiteObject(
  object: Uint8Array,
  usualOf: (source: number) => Uint8Array | undefined,
  heads: HeadTable,
): SiteObject | undefined {
  if (object.length < HEAD_BYTES + 1) return undefined;
  const source = object[0] as number;
  const count = object[1] as number;
  const referencesAt = HEAD_BYTES + count;
  if (source >= SITES_MAX || count > SITES_MAX || referencesAt >= object.length) return undefined;
  const sites = count === 0 ? undefined : [...object.subarray(HEAD_BYTES, referencesAt)];
  if (sites?.some((site) => site >= SITES_MAX) === true) return undefined;
  const usual = usualOf(source);
  const references = readReferences(object, referencesAt);
  if (usual === undefined || references === undefined) return undefined;
  const packet = restoreZeroRuns(object.subarray(references.end), PACKET_BYTES_MAX);
  if (packet === undefined) return undefined;
  takeHead(packet, usual);
  return restoreFragments(packet, references.slots, heads) ? { source, sites, packet } : undefined;
}

/** Makes a packet's head relative to the usual one; twice: as it was. */
function takeHead(packet: Uint8Array, usual: Uint8Array): void {
  const length = Math.min(packet.length, usual.length);
  for (let i = 0; i < length; i++) packet[i] = (packet[i] as number) ^ (usual[i] as number);
  if (packet.length < PREFIX_BYTES) return;
  setU16(packet, LENGTH_AT, getU16(packet, LENGTH_AT) ^ packet.length);
  setU16(packet, LENGTH_AT + 2, getU16(packet, LENGTH_AT + 2) ^ (packet.length - PREFIX_BYTES));
}

/** Makes the fragments in `relative`, a copy of the packet, relative to heads, and writes to which. Returns where that ends in `object`. */
function takeFragments(
  packet: Uint8Array,
  relative: Uint8Array,
  heads: HeadSource,
  object: Uint8Array,
  countAt: number,
): number {
  let at = countAt + 1;
  let count = 0;
  const end = fragmentsEnd(packet);
  cursor.open(packet, FRAGMENTS_AT, end);
  for (; count < FRAGMENTS_MAX && cursor.advance(); count++) {
    const isFirst = (cursor.flags & FIRST) !== 0;
    const { relativeTo, defines } = heads.refer(getU32(packet, ORIGIN_AT), cursor.session, isFirst);
    takeFragment(packet, end, cursor, relativeTo?.head ?? NO_HEAD, relative);
    at = writeSlot(object, at, (relativeTo?.number ?? 0) * 2 + (defines === undefined ? 0 : 1));
    if (defines === undefined) continue;
    at = writeSlot(object, at, defines.number);
    readKnownHead(packet, cursor.start, defines.head);
  }
  object[countAt] = count;
  return at;
}

type Slots = { readonly relativeTo: number; readonly defines: number };

/** Undefined: malformed. */
function readReferences(
  object: Uint8Array,
  countAt: number,
): { readonly slots: readonly Slots[]; readonly end: number } | undefined {
  let at = countAt + 1;
  const slots: Slots[] = [];
  const next = (): number => {
    const first = object[at++] ?? 0;
    return first > SHORT_MAX ? ((first & SHORT_MAX) << 8) | (object[at++] ?? 0) : first;
  };
  for (let left = object[countAt] as number; left > 0; left--) {
    const reference = next();
    slots.push({ relativeTo: reference >>> 1, defines: (reference & 1) === 0 ? 0 : next() });
    if (at > object.length) return undefined;
  }
  return { slots, end: at };
}

/** False: malformed. */
function restoreFragments(packet: Uint8Array, slots: readonly Slots[], heads: HeadTable): boolean {
  const end = fragmentsEnd(packet);
  let at = FRAGMENTS_AT;
  for (const { relativeTo, defines } of slots) {
    const known = relativeTo === 0 ? NO_HEAD : heads.head(relativeTo);
    const next = known === undefined ? undefined : restoreFragment(packet, at, end, known);
    if (next === undefined) return false;
    if (defines !== 0) {
      const out = heads.define(defines);
      if (out === undefined) return false;
      readKnownHead(packet, at, out);
    }
    at = next;
  }
  return true;
}

/** Where the fragments of a packet end; before they begin if it has none, as digests. */
function fragmentsEnd(packet: Uint8Array): number {
  if (packet.length < RING_DATA_HEAD_BYTES) return 0;
  const kind = packet[KIND_AT];
  if (kind !== Kind.ringData && kind !== Kind.ringUnreliable) return 0;
  if (isDigest(packet)) return 0;
  return Math.min(packet.length, PREFIX_BYTES + getU16(packet, LENGTH_AT + 2));
}

function writeSlot(object: Uint8Array, at: number, value: number): number {
  if (value > SHORT_MAX) object[at++] = 0x80 | (value >>> 8);
  object[at++] = value;
  return at;
}

const KIND_AT = 3;
const LENGTH_AT = 8;
const ORIGIN_AT = 12;
const cursor = new FragmentCursor();
