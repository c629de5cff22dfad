/** Where a protocol's units begin and end. */
export interface Units {
  /** Bytes after which a unit's length is known. */
  readonly headBytes: number;
  /** The whole length of the unit at `at`, whose head is there; `undefined` if it is malformed or too long. */
  lengthAt(bytes: Uint8Array, at: number): number | undefined;
  /** A whole unit. The bytes are never changed afterwards. */
  unit(bytes: Uint8Array, at: number, length: number): void;
}

/**
 * Cuts a byte stream into units where they lie: only a unit that came in several chunks is copied, once.
 */
export class Splitter {
  readonly #units: Units;
  #pieces: Uint8Array[] = [];
  #have = 0;
  /** How many bytes the unit in `#pieces` needs: a head first, then all of it. */
  #need = 0;
  #headKnown = false;

  constructor(units: Units) {
    this.#units = units;
  }

  /** False if the stream is malformed: then nothing more can be read from it. */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#have > 0) {
        const wanted = Math.min(this.#need - this.#have, chunk.length - at);
        this.#keep(chunk.subarray(at, at + wanted));
        at += wanted;
        if (this.#have === this.#need && !this.#complete()) return false;
        continue;
      }
      const available = chunk.length - at;
      this.#headKnown = available >= this.#units.headBytes;
      this.#need = this.#units.headBytes;
      if (this.#headKnown) {
        const length = this.#units.lengthAt(chunk, at);
        if (length === undefined) return false;
        this.#need = length;
      }
      if (available < this.#need) {
        this.#keep(chunk.subarray(at));
        return true;
      }
      this.#units.unit(chunk, at, this.#need);
      at += this.#need;
    }
    return true;
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#have += piece.length;
  }

  #complete(): boolean {
    const bytes = new Uint8Array(this.#have);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    if (!this.#headKnown) {
      const length = this.#units.lengthAt(bytes, 0);
      if (length === undefined) return false;
      this.#headKnown = true;
      this.#need = length;
      if (length > bytes.length) {
        this.#pieces = [bytes];
        return true;
      }
    }
    this.#pieces = [];
    this.#have = 0;
    this.#units.unit(bytes, 0, bytes.length);
    return true;
  }
}
