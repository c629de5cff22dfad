import type { ConfigurationId } from "../base/ids.ts";

/** A 64-bit non-cryptographic hash over a sequence of numbers and texts (two FNV-1a lanes over 32-bit words). */
export class Digest {
  #a = 0x811c9dc5;
  #b = 0x9747b28c;

  number(value: number): this {
    this.#word(value >>> 0);
    if (value > 0xffff_ffff) this.#word(Math.floor(value / 0x1_0000_0000));
    return this;
  }

  id(configuration: ConfigurationId): this {
    return this.number(configuration.leader).number(configuration.time);
  }

  text(value: string): this {
    this.#word(value.length);
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
    return this;
  }

  /** 16 hexadecimal digits. */
  finish(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul(this.#b ^ ((word << 13) | (word >>> 19)), 0x85ebca6b);
    this.#b ^= this.#b >>> 15;
  }
}

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Of a number above 2³⁰ `toString(16)` takes several times as long. */
function hex(word: number): string {
  return `${BYTES[word >>> 24]}${BYTES[(word >>> 16) & 0xff]}${BYTES[(word >>> 8) & 0xff]}${BYTES[word & 0xff]}`;
}
