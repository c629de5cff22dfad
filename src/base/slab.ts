const SLAB_BYTES_START = 8 * 1024;

/**
 * Cuts small byte arrays out of large ones, because making a small `Uint8Array` of its own costs far more than a
 * view of a shared one. A piece keeps its whole slab alive: meant for bytes that live about equally long.
 */
export class Slab {
  readonly #slabBytesMax: number;
  /** Grows with use, so that who needs little takes little. */
  #slabBytes = SLAB_BYTES_START;
  #current: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(slabBytesMax = 256 * 1024) {
    this.#slabBytesMax = slabBytesMax;
  }

  /** A zeroed piece of exactly this length. */
  take(length: number): Uint8Array {
    if (length * 4 > this.#slabBytesMax) return new Uint8Array(length);
    if (this.#used + length > this.#current.length) {
      while (this.#slabBytes < length * 4) this.#slabBytes *= 2;
      this.#current = new Uint8Array(this.#slabBytes);
      this.#slabBytes = Math.min(this.#slabBytes * 2, this.#slabBytesMax);
      this.#used = 0;
    }
    const piece = this.#current.subarray(this.#used, this.#used + length);
    this.#used += length;
    return piece;
  }

  /** Gives back the unused end of the piece taken last. */
  shrinkLast(piece: Uint8Array, length: number): Uint8Array {
    if (piece.buffer === this.#current.buffer && piece.byteOffset + piece.length === this.#used) {
      piece.fill(0, length);
      this.#used -= piece.length - length;
    }
    return piece.subarray(0, length);
  }
}
