/**
 * Reads big-endian fields one after another. Past the end it reads zeros and says so by `ok`, so that a decoder checks once, at
 * its end, instead of at each field.
 */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #ok = true;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#at = offset;
  }

  /** Whether everything read so far was there. */
  get ok(): boolean {
    return this.#ok;
  }

  /** Whether everything was there and nothing is left. */
  get finished(): boolean {
    return this.#ok && this.#at === this.#bytes.length;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] as number);
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  /** A number of 64 bits; one that JavaScript cannot hold exactly counts as malformed. */
  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32();
    if (!Number.isSafeInteger(value)) this.#ok = false;
    return Number.isSafeInteger(value) ? value : 0;
  }

  /** A view of the next bytes; empty if they are not there. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + length);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#at);
  }

  text(length: number): string {
    return decodeUtf8(this.bytes(length));
  }

  #take(length: number): number {
    const at = this.#at;
    if (!this.#ok || length > this.#bytes.length - at) {
      this.#ok = false;
      return -1;
    }
    this.#at = at + length;
    return at;
  }
}

/** Collects big-endian fields. For the rare messages: the frequent ones are written in place. */
export class FieldWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    this.#room(4);
    writeU32(this.#bytes, this.#length, value);
    this.#length += 4;
    return this;
  }

  u64(value: number): this {
    this.#room(8);
    writeU64(this.#bytes, this.#length, value);
    this.#length += 8;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Bytes behind their length as u8; what is longer than 255 is cut. */
  short(value: Uint8Array): this {
    const cut = value.subarray(0, 0xff);
    return this.u8(cut.length).bytes(cut);
  }

  /** Bytes behind their length as u16; what is longer than 65,535 is cut. */
  long(value: Uint8Array): this {
    const cut = value.subarray(0, 0xffff);
    return this.u16(cut.length).bytes(cut);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + length));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** Writes a number of at most 53 bits as 64. */
export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, offset + 4, value % 0x1_0000_0000);
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] as number) * 0x100_0000 +
    (((bytes[offset + 1] as number) << 16) | ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number))
  );
}

/** Reads 64 bits; beyond 53 bits the result is not exact. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 0x1_0000_0000 + readU32(bytes, offset + 4);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Malformed sequences become replacement characters. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
