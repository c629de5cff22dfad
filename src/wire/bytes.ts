import { RangeSet } from "../base/range-set.ts";

/*
 * Big-endian integers in byte arrays, without a DataView: indexing is as fast and makes no object per packet. Callers
 * have checked that the bytes are there.
 */

export function getU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function getU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes a number of at most 48 bits. */
export function setU48(bytes: Uint8Array, at: number, value: number): void {
  setU16(bytes, at, Math.floor(value / 0x1_0000_0000));
  setU32(bytes, at + 2, value % 0x1_0000_0000);
}

export function getU48(bytes: Uint8Array, at: number): number {
  return getU16(bytes, at) * 0x1_0000_0000 + getU32(bytes, at + 2);
}

/** Writes a number of at most 53 bits as 64. */
export function setU64(bytes: Uint8Array, at: number, value: number): void {
  setU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  setU32(bytes, at + 4, value % 0x1_0000_0000);
}

/** Reads 64 bits; beyond 53 bits the result is not exact. */
export function getU64(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) * 0x1_0000_0000 + getU32(bytes, at + 4);
}

/** Appends to a byte array that grows. For control packets; data packets are written in place. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    setU16(this.#bytes, this.#length, value);
    this.#length += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    setU32(this.#bytes, this.#length, value);
    this.#length += 4;
    return this;
  }

  /** A non-negative safe integer, seven bits a byte, least significant first. */
  varint(value: number): this {
    while (value >= 0x80) {
      this.u8((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    return this.u8(value);
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /**
   * Varint count, then per range the gap from the end of the one before and its length − 1 (protocols.md P1). Only the first
   * `maxRanges` of them.
   */
  rangeSet(set: RangeSet, maxRanges = set.rangeCount): this {
    let left = Math.min(set.rangeCount, maxRanges);
    this.varint(left);
    let end = -1;
    for (const [low, high] of set.ranges()) {
      if (left-- === 0) break;
      this.varint(low - end - 1).varint(high - low);
      end = high;
    }
    return this;
  }

  /** What was written, given away: a view, unless the capacity was just right. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/**
 * Reads from bytes of a stranger. Reading past the end, or anything malformed, makes `failed` true and every later
 * read 0: a decoder checks `failed` once at its end.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #failed = false;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  get failed(): boolean {
    return this.#failed;
  }

  get remaining(): number {
    return this.#failed ? 0 : this.#end - this.#at;
  }

  fail(): void {
    this.#failed = true;
  }

  u8(): number {
    if (!this.#has(1)) return 0;
    return this.#bytes[this.#at++] as number;
  }

  u16(): number {
    if (!this.#has(2)) return 0;
    this.#at += 2;
    return getU16(this.#bytes, this.#at - 2);
  }

  u32(): number {
    if (!this.#has(4)) return 0;
    this.#at += 4;
    return getU32(this.#bytes, this.#at - 4);
  }

  /** A varint; one above `max` is malformed. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value <= max) return value;
        break;
      }
      scale *= 0x80;
    }
    this.fail();
    return 0;
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    if (!this.#has(length)) return EMPTY;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A count that a list begins with, when each of its elements takes at least `elementBytes`. */
  count(max: number, elementBytes: number): number {
    const count = this.u16();
    if (count > max || count * elementBytes > this.remaining) this.fail();
    return this.#failed ? 0 : count;
  }

  /** `Writer.rangeSet`, refused when it has more than `maxRanges` or a number above `maxNumber`. */
  rangeSet(maxRanges: number, maxNumber = 0xffff_ffff): RangeSet {
    const set = new RangeSet();
    const count = this.varint();
    if (count > maxRanges) this.fail();
    let end = -1;
    for (let i = 0; i < count && !this.#failed; i++) {
      const gap = this.varint();
      const low = end + 1 + gap;
      const high = low + this.varint();
      if (high > maxNumber || (i > 0 && gap === 0)) this.fail();
      if (!this.#failed) set.add(low, high);
      end = high;
    }
    return set;
  }

  #has(count: number): boolean {
    if (this.#failed || this.#end - this.#at < count) this.#failed = true;
    return !this.#failed;
  }
}

/** Reads a number of 48 bits. */
export function readU48(reader: Reader): number {
  return reader.u16() * 0x1_0000_0000 + reader.u32();
}

export function writeU48(writer: Writer, value: number): Writer {
  return writer.u16(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
}

/** Reads a number of 64 bits; one that JavaScript cannot hold exactly is malformed. */
export function readU64(reader: Reader): number {
  const value = reader.u32() * 0x1_0000_0000 + reader.u32();
  if (Number.isSafeInteger(value)) return value;
  reader.fail();
  return 0;
}

export function writeU64(writer: Writer, value: number): Writer {
  return writer.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
}

const EMPTY = new Uint8Array(0);
