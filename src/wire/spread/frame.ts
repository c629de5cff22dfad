import { BODY_BYTES_MAX, ENDIAN_MASK, FORBIDDEN_BITS, GROUPS_MAX, HINT_BITS, REQUEST_BITS, TypeBit } from "./codes.ts";
import { NAME_BYTES, readName, writeName } from "./names.ts";

/**
 * The frame of the Spread client protocol, the same in both directions (spread-client-protocol section 3):
 *
 *     0 type u32 · 4 sender or group (32) · 36 groups i32 · 40 hint u32 · 44 data bytes i32 · 48 groups × 32 · data
 *
 * Integers stand in the writer's byte order, which `type` tells. `hint` tells its own order and is never converted, so that
 * the receiver learns in which order the sender wrote its data. Functions here take the frame at an offset of a greater
 * buffer and allocate nothing, unless they say so.
 */

/** Bytes before the destination groups. */
export const HEADER_BYTES = 48;
const SENDER = 4;
const GROUPS = 36;
const HINT = 40;
const DATA = 44;

/** A frame's header in parts, for those who do not mind the allocation. */
export type FrameHeader = {
  /** Without the byte order's bits. */
  readonly type: number;
  /** The sender's private group; in a membership message the group. */
  readonly sender: string;
  readonly groupCount: number;
  /** The sender's own number for what this is: -32768 … 32767. */
  readonly messageType: number;
  /** Whether the sender writes its data in the other byte order than little endian. */
  readonly endianMismatch: boolean;
  readonly dataBytes: number;
};

/** What is wrong with a client's header. */
export type HeaderFault = "type" | "forged" | "sender" | "groups" | "hint" | "size";

/** Whether the word at `offset` was written by a little-endian machine. */
export function isLittleEndian(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] as number) & (bytes[offset + 3] as number) & 0x80) !== 0;
}

/** Reads a word of either byte order, unsigned. */
export function readWord(bytes: Uint8Array, offset: number, littleEndian: boolean): number {
  const a = bytes[offset] as number;
  const b = bytes[offset + 1] as number;
  const c = bytes[offset + 2] as number;
  const d = bytes[offset + 3] as number;
  return (littleEndian ? a | (b << 8) | (c << 16) | (d << 24) : d | (c << 8) | (b << 16) | (a << 24)) >>> 0;
}

/** Writes a word, little endian. */
export function writeWord(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

/** The type word without the bits of the byte order. */
export function typeOf(bytes: Uint8Array, offset: number): number {
  return (readWord(bytes, offset, isLittleEndian(bytes, offset)) & ~ENDIAN_MASK) >>> 0;
}

/** How many groups the frame names. */
export function groupCountOf(bytes: Uint8Array, offset: number): number {
  return readWord(bytes, offset + GROUPS, isLittleEndian(bytes, offset)) | 0;
}

/** Bytes of data behind the groups. */
export function dataBytesOf(bytes: Uint8Array, offset: number): number {
  return readWord(bytes, offset + DATA, isLittleEndian(bytes, offset)) | 0;
}

/** The sender's private group, or the group of a membership message. */
export function senderOf(bytes: Uint8Array, offset: number): string {
  return readName(bytes, offset + SENDER);
}

/** The n-th group of the frame; the frame must have it. */
export function groupOf(bytes: Uint8Array, offset: number, n: number): string {
  return readName(bytes, offset + HEADER_BYTES + n * NAME_BYTES);
}

/** The sender's own number for what this is. */
export function messageTypeOf(bytes: Uint8Array, offset: number): number {
  const hint = readWord(bytes, offset + HINT, isLittleEndian(bytes, offset + HINT));
  return ((hint >>> 8) << 16) >> 16;
}

/** The header in parts. 48 bytes must be there. */
export function readHeader(bytes: Uint8Array, offset: number): FrameHeader {
  return {
    type: typeOf(bytes, offset),
    sender: senderOf(bytes, offset),
    groupCount: groupCountOf(bytes, offset),
    messageType: messageTypeOf(bytes, offset),
    endianMismatch: !isLittleEndian(bytes, offset + HINT),
    dataBytes: dataBytesOf(bytes, offset),
  };
}

/**
 * The length of the whole frame at `offset` (with the four extra bytes of a REJECT), or `undefined` if its counts are
 * negative or the whole were longer than `bytesMax`. 48 bytes must be there. For readers of what a daemon sends.
 */
export function frameBytes(bytes: Uint8Array, offset: number, bytesMax: number): number | undefined {
  const groups = groupCountOf(bytes, offset);
  const data = dataBytesOf(bytes, offset);
  if (groups < 0 || data < 0) return undefined;
  const extra = typeOf(bytes, offset) & TypeBit.reject ? 4 : 0;
  const length = HEADER_BYTES + extra + groups * NAME_BYTES + data;
  return length <= bytesMax ? length : undefined;
}

/**
 * Checks a client's header (section 4.2, and the stricter rules against forged membership messages and internal bits), as
 * soon as its 48 bytes are in. `sender` is the field of 32 bytes that it must carry.
 */
export function headerFault(
  bytes: Uint8Array,
  offset: number,
  sender: Uint8Array | undefined,
  bodyBytesMax: number = BODY_BYTES_MAX,
): HeaderFault | undefined {
  const littleEndian = isLittleEndian(bytes, offset);
  const type = readWord(bytes, offset, littleEndian);
  const request = type & REQUEST_BITS;
  if (request === 0 || (request & (request - 1)) !== 0) return "type";
  if ((type & FORBIDDEN_BITS) !== 0) return "forged";
  if (sender !== undefined && !isSentBy(bytes, offset, sender)) return "sender";
  const groups = readWord(bytes, offset + GROUPS, littleEndian) | 0;
  if (groups < 0 || groups > GROUPS_MAX) return "groups";
  if ((readWord(bytes, offset + HINT, true) & ~HINT_BITS) !== 0) return "hint";
  const data = readWord(bytes, offset + DATA, littleEndian) | 0;
  if (data < 0 || data + groups * NAME_BYTES > bodyBytesMax) return "size";
  return undefined;
}

/** Whether the frame's sender field holds the name of this field; what stands behind its NUL does not count. */
export function isSentBy(bytes: Uint8Array, offset: number, sender: Uint8Array): boolean {
  for (let i = 0; i < NAME_BYTES; i++) {
    const byte = sender[i] as number;
    if (bytes[offset + SENDER + i] !== byte) return false;
    if (byte === 0) return true;
  }
  return true;
}

/**
 * Brings a client's header into the form in which it is ordered and delivered: little endian with the mask, the sender's
 * field clean. Hint, group fields, and type bits 0 … 6 and 24 … 30 stay as they were sent.
 */
export function normalise(bytes: Uint8Array, offset: number, sender: Uint8Array): void {
  if (!isLittleEndian(bytes, offset)) {
    swapWord(bytes, offset);
    swapWord(bytes, offset + GROUPS);
    swapWord(bytes, offset + DATA);
    bytes[offset] = (bytes[offset] as number) | 0x80;
    bytes[offset + 3] = (bytes[offset + 3] as number) | 0x80;
  }
  for (let i = 0; i < NAME_BYTES; i++) bytes[offset + SENDER + i] = sender[i] as number;
}

/** Writes a little-endian header. `type` may have any bits; the mask is added. */
export function writeHeader(
  bytes: Uint8Array,
  offset: number,
  header: {
    readonly type: number;
    readonly sender: string;
    readonly groupCount: number;
    readonly messageType: number;
    readonly dataBytes: number;
  },
): void {
  writeWord(bytes, offset, header.type | ENDIAN_MASK);
  writeName(bytes, offset + SENDER, header.sender);
  writeWord(bytes, offset + GROUPS, header.groupCount);
  writeWord(bytes, offset + HINT, ((header.messageType & 0xffff) << 8) | ENDIAN_MASK);
  writeWord(bytes, offset + DATA, header.dataBytes);
}

/** Header and groups of a frame, newly allocated, for data that goes behind it in pieces. */
export function frameHead(
  type: number,
  sender: string,
  groups: readonly string[],
  messageType: number,
  dataBytes: number,
): Uint8Array {
  const head = new Uint8Array(HEADER_BYTES + groups.length * NAME_BYTES);
  writeHead(head, type, sender, groups, messageType, dataBytes);
  return head;
}

/** A whole frame, in `frame` of just its size. */
export function encodeFrame(
  type: number,
  sender: string,
  groups: readonly string[],
  messageType: number,
  data: Uint8Array,
  frame: Uint8Array = new Uint8Array(HEADER_BYTES + groups.length * NAME_BYTES + data.length),
): Uint8Array {
  writeHead(frame, type, sender, groups, messageType, data.length);
  frame.set(data, HEADER_BYTES + groups.length * NAME_BYTES);
  return frame;
}

function writeHead(
  bytes: Uint8Array,
  type: number,
  sender: string,
  groups: readonly string[],
  messageType: number,
  dataBytes: number,
): void {
  writeHeader(bytes, 0, { type, sender, groupCount: groups.length, messageType, dataBytes });
  for (let n = 0; n < groups.length; n++) writeName(bytes, HEADER_BYTES + n * NAME_BYTES, groups[n] as string);
}

function swapWord(bytes: Uint8Array, offset: number): void {
  const a = bytes[offset] as number;
  const b = bytes[offset + 1] as number;
  bytes[offset] = bytes[offset + 3] as number;
  bytes[offset + 1] = bytes[offset + 2] as number;
  bytes[offset + 2] = b;
  bytes[offset + 3] = a;
}
