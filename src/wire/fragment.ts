import { getU16, getU32, setU16, setU32 } from "./bytes.ts";

/*
 * The body of a data packet is a sequence of fragments. A message that fits is one fragment; a longer one starts in
 * whatever room a packet has left and continues in the next packets (protocols.md, correction 15).
 *
 *   flags u8    bits 0-2 service rank, bit 3 first, bit 4 last fragment of its message
 *   content u8
 *   length u16  of the bytes after this head
 *   session u32 at the origin
 *   previous u32  siteSeq of the packet in which the session's message before this one (FIFO or stronger) ended; 0: none
 *   -- unless first and last: message u32 (counts the origin's long messages), offset u32, total u32
 *   -- causal only:           dependency lts u32, dependency site u16, reserved u16
 */

export const FRAGMENT_HEAD_BYTES = 12;
export const PARTIAL_BYTES = 12;
export const DEPENDENCY_BYTES = 8;

export const FIRST = 0x08;
export const LAST = 0x10;
export const WHOLE = FIRST | LAST;
export const SERVICE_MASK = 0x07;
/** Rank of causal, whose fragments carry a dependency. */
const CAUSAL = 3;
const SAFE = 5;

/** Length of the head of a fragment with these flags. */
export function fragmentHeadBytes(flags: number): number {
  let length = FRAGMENT_HEAD_BYTES;
  if ((flags & WHOLE) !== WHOLE) length += PARTIAL_BYTES;
  if ((flags & SERVICE_MASK) === CAUSAL) length += DEPENDENCY_BYTES;
  return length;
}

/** A cursor over the fragments of a packet: its fields are those of the fragment at `start`. Reused, never kept. */
export class FragmentCursor {
  #bytes: Uint8Array = EMPTY;
  #end = 0;
  /** Where the current fragment begins; `next` is where the one after it does. */
  start = 0;
  next = 0;
  flags = 0;
  service = 0;
  content = 0;
  session = 0;
  previous = 0;
  message = 0;
  offset = 0;
  total = 0;
  dependencyLts = 0;
  dependencySite = 0;
  /** The fragment's own bytes: `dataStart` … `next`. */
  dataStart = 0;

  open(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.next = at;
  }

  /** Moves to the next fragment; false at the end, and at anything malformed. */
  advance(): boolean {
    const bytes = this.#bytes;
    const at = this.next;
    if (this.#end - at < FRAGMENT_HEAD_BYTES) return false;
    const flags = bytes[at] as number;
    const service = flags & SERVICE_MASK;
    const head = fragmentHeadBytes(flags);
    const length = getU16(bytes, at + 2);
    if (service > SAFE || at + head + length > this.#end) return false;
    this.start = at;
    this.flags = flags;
    this.service = service;
    this.content = bytes[at + 1] as number;
    this.session = getU32(bytes, at + 4);
    this.previous = getU32(bytes, at + 8);
    let field = at + FRAGMENT_HEAD_BYTES;
    if ((flags & WHOLE) === WHOLE) {
      this.message = 0;
      this.offset = 0;
      this.total = length;
    } else {
      this.message = getU32(bytes, field);
      this.offset = getU32(bytes, field + 4);
      this.total = getU32(bytes, field + 8);
      field += PARTIAL_BYTES;
    }
    if (service === CAUSAL) {
      this.dependencyLts = getU32(bytes, field);
      this.dependencySite = getU16(bytes, field + 4);
      field += DEPENDENCY_BYTES;
    }
    this.dataStart = field;
    this.next = field + length;
    return true;
  }

  /** A view of the fragment's bytes. */
  data(): Uint8Array {
    return this.#bytes.subarray(this.dataStart, this.next);
  }

  get isWhole(): boolean {
    return (this.flags & WHOLE) === WHOLE;
  }

  get isLast(): boolean {
    return (this.flags & LAST) !== 0;
  }
}

/** Writes a fragment's head at `at`; the caller puts `length` bytes behind it. Returns where they go. */
export function writeFragmentHead(
  bytes: Uint8Array,
  at: number,
  fields: {
    readonly flags: number;
    readonly content: number;
    readonly length: number;
    readonly session: number;
    readonly previous: number;
    readonly message: number;
    readonly offset: number;
    readonly total: number;
    readonly dependencyLts: number;
    readonly dependencySite: number;
  },
): number {
  bytes[at] = fields.flags;
  bytes[at + 1] = fields.content;
  setU16(bytes, at + 2, fields.length);
  setU32(bytes, at + 4, fields.session);
  setU32(bytes, at + 8, fields.previous);
  let field = at + FRAGMENT_HEAD_BYTES;
  if ((fields.flags & WHOLE) !== WHOLE) {
    setU32(bytes, field, fields.message);
    setU32(bytes, field + 4, fields.offset);
    setU32(bytes, field + 8, fields.total);
    field += PARTIAL_BYTES;
  }
  if ((fields.flags & SERVICE_MASK) === CAUSAL) {
    setU32(bytes, field, fields.dependencyLts);
    setU16(bytes, field + 4, fields.dependencySite);
    setU16(bytes, field + 6, 0);
    field += DEPENDENCY_BYTES;
  }
  return field;
}

const EMPTY = new Uint8Array(0);
