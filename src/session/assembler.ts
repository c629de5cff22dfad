/** Says how long the frame at `offset` is, as soon as its head is in; 0 if it is none that is accepted. */
export type Measure = (bytes: Uint8Array, offset: number) => number;

/** A frame that lies across chunks is collected in a buffer that grows from here, not at once to what it claims to be. */
const FIRST_BYTES = 64 * 1024;

/**
 * Cuts a stream of chunks into frames. A frame that lies in one chunk is not copied: `bytes`, `offset` and `length` say where
 * it is. Frames are pulled, so that whoever cannot take one leaves it where it is; a chunk boundary never makes a difference.
 */
export class Assembler {
  readonly #headBytes: number;
  readonly #measure: Measure;
  #chunks: Uint8Array[] = [];
  #first = 0;
  #at = 0;
  /** What there is of a frame that lies across chunks. */
  #partial: Uint8Array | undefined;
  #have = 0;
  /** Its whole length; 0 while its head is not complete. */
  #whole = 0;
  #ready = false;
  #invalid = false;

  /** Where the frame is that `next` has found. */
  bytes: Uint8Array = EMPTY;
  offset = 0;
  length = 0;

  constructor(headBytes: number, measure: Measure) {
    this.#headBytes = headBytes;
    this.#measure = measure;
  }

  /** Whether a head was refused: nothing more comes. */
  get invalid(): boolean {
    return this.#invalid;
  }

  /** Adds what arrived; the chunk is given away. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** Whether a whole frame is there. Asked again before `take` it answers the same. */
  next(): boolean {
    while (!this.#ready && !this.#invalid && this.#first < this.#chunks.length) {
      if (this.#partial === undefined) this.#begin();
      else this.#continue(this.#partial);
    }
    return this.#ready;
  }

  /** Goes past the frame that `next` has found. */
  take(): void {
    this.#ready = false;
  }

  /** Looks for a frame at the current place of the current chunk. */
  #begin(): void {
    const chunk = this.#chunks[this.#first] as Uint8Array;
    const left = chunk.length - this.#at;
    let whole = 0;
    if (left >= this.#headBytes) {
      whole = this.#measure(chunk, this.#at);
      if (whole <= 0) {
        this.#invalid = true;
        return;
      }
      if (whole <= left) {
        this.bytes = chunk;
        this.offset = this.#at;
        this.length = whole;
        this.#ready = true;
        this.#advance(chunk, whole);
        return;
      }
    }
    this.#whole = whole;
    this.#partial = new Uint8Array(whole === 0 ? this.#headBytes : Math.min(whole, Math.max(FIRST_BYTES, left)));
    this.#partial.set(chunk.subarray(this.#at));
    this.#have = left;
    this.#advance(chunk, left);
  }

  #continue(partial: Uint8Array): void {
    const chunk = this.#chunks[this.#first] as Uint8Array;
    const need = this.#whole === 0 ? this.#headBytes : this.#whole;
    const count = Math.min(need - this.#have, chunk.length - this.#at);
    const room = this.#room(partial, this.#have + count, need);
    room.set(chunk.subarray(this.#at, this.#at + count), this.#have);
    this.#partial = room;
    this.#have += count;
    this.#advance(chunk, count);
    if (this.#have < need) return;
    if (this.#whole === 0) {
      this.#whole = this.#measure(room, 0);
      if (this.#whole <= 0) this.#invalid = true;
      if (this.#have < this.#whole || this.#invalid) return;
    }
    this.bytes = room;
    this.offset = 0;
    this.length = this.#whole;
    this.#partial = undefined;
    this.#ready = true;
  }

  #room(partial: Uint8Array, length: number, whole: number): Uint8Array {
    if (length <= partial.length) return partial;
    const grown = new Uint8Array(Math.min(whole, Math.max(length, partial.length * 2, FIRST_BYTES)));
    grown.set(partial.subarray(0, this.#have));
    return grown;
  }

  #advance(chunk: Uint8Array, count: number): void {
    this.#at += count;
    if (this.#at < chunk.length) return;
    this.#at = 0;
    this.#first++;
    if (this.#first === this.#chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    }
  }
}

const EMPTY = new Uint8Array(0);
