import { assert } from "../base/assert.ts";

/** Whether a view can be read in words as it is. */
function isAligned(bytes: Uint8Array): boolean {
  return bytes.byteOffset % 4 === 0;
}

/**
 * The exclusive or of byte strings of different lengths, as if the shorter ones were padded with zeros. Works in words of four bytes:
 * three times as fast as byte by byte. What does not lie on a word in its buffer is copied first, which is still twice as fast.
 */
export class Xor {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #aside: Uint8Array;
  readonly #asideWords: Int32Array;
  /** Words that may be other than 0. */
  #used = 0;
  #length = 0;

  /** Of strings up to so many bytes. */
  constructor(bytesMax: number) {
    const words = Math.ceil(bytesMax / 4);
    this.#words = new Int32Array(words);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#asideWords = new Int32Array(words);
    this.#aside = new Uint8Array(this.#asideWords.buffer);
  }

  /** Longest string that it takes. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Whether all bytes from there on are 0. */
  isZeroFrom(at: number): boolean {
    for (let i = at; i < this.#length; i++) if (this.#bytes[i] !== 0) return false;
    return true;
  }

  /** Of the longest string so far. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#words.fill(0, 0, this.#used);
    this.#used = 0;
    this.#length = 0;
  }

  add(bytes: Uint8Array): void {
    assert(bytes.length <= this.#bytes.length, "a string is no longer than the XOR has room for");
    const whole = bytes.length >>> 2;
    const rest = bytes.length & 3;
    const words = this.#words;
    if (isAligned(bytes)) {
      xorWords(words, new Int32Array(bytes.buffer, bytes.byteOffset, whole), whole);
      const at = whole << 2;
      for (let i = 0; i < rest; i++) this.#bytes[at + i] = (this.#bytes[at + i] as number) ^ (bytes[at + i] as number);
    } else {
      this.#aside.set(bytes);
      const count = rest === 0 ? whole : whole + 1;
      if (rest > 0) this.#aside.fill(0, bytes.length, count << 2);
      xorWords(words, this.#asideWords, count);
    }
    this.#used = Math.max(this.#used, rest === 0 ? whole : whole + 1);
    this.#length = Math.max(this.#length, bytes.length);
  }

  /** Writes the first `length` bytes to `target` at `at`. */
  copyTo(target: Uint8Array, at: number, length = this.#length): void {
    target.set(this.#bytes.subarray(0, length), at);
  }
}

function xorWords(target: Int32Array, source: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) target[i] = (target[i] as number) ^ (source[i] as number);
}
