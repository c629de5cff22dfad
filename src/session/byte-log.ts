import { assert } from "../base/assert.ts";

/** Blocks grow from here while the log is not empty, so that a session which gets little takes little. */
const BLOCK_BYTES_MIN = 2 * 1024;
const BLOCK_BYTES_MAX = 64 * 1024;
/** Longer pieces are kept as they are. */
const COPY_BYTES_MAX = 8 * 1024;
/** Blocks that wait to be filled again, while the log is not empty. */
const SPARE_BLOCKS_MAX = 16;

/** Bytes that lie together; of a block several, where a long piece stands between what was added before and behind it. */
type Segment = {
  readonly bytes: Uint8Array;
  readonly start: number;
  end: number;
  /** The last one of its block, which nothing more is added to. */
  closes: boolean;
};

/**
 * Bytes in order, added at the end, read from the middle and released at the front. What lies together is read as one view, however
 * many pieces it was added in, and memory that was released is used again.
 *
 * Invariant: front ≤ what was read ≤ end.
 */
export class ByteLog {
  #segments: Segment[] = [];
  /** Where the front is, in the bytes of the first segment. */
  #front = 0;
  /** Where reading goes on: a segment, and a place in its bytes. */
  #readSegment = 0;
  #readAt = 0;
  /** The block that is being filled, up to where, and the last segment in it. */
  #block: Uint8Array = EMPTY;
  #filled = 0;
  #filling: Segment | undefined;
  #blockBytes = BLOCK_BYTES_MIN;
  #spare: Uint8Array[] = [];

  /** The block in which `reserve` has found room. */
  get memory(): Uint8Array {
    return this.#block;
  }

  /** Room for so many bytes at the end: `memory` from the returned place on, to be written before anything else is called. */
  reserve(length: number): number {
    if (this.#filled + length > this.#block.length) {
      if (this.#filling !== undefined) this.#filling.closes = true;
      this.#block = this.#newBlock(length);
      this.#filled = 0;
      this.#filling = undefined;
    }
    const at = this.#filled;
    this.#filled += length;
    if (this.#filling === undefined || this.#filling !== this.#segments.at(-1)) {
      this.#filling = this.#push(this.#block, at, this.#filled);
    }
    this.#filling.end = this.#filled;
    return at;
  }

  /** Adds bytes that never change: a copy, or if they are many themselves. */
  add(bytes: Uint8Array): void {
    if (!this.copies(bytes.length)) this.#push(bytes, 0, bytes.length);
    else {
      const at = this.reserve(bytes.length);
      this.#block.set(bytes, at);
    }
  }

  /** Whether `add` would copy so many bytes, so that they may be reserved together with what stands before them. */
  copies(length: number): boolean {
    return length <= COPY_BYTES_MAX;
  }

  /** Moves the next so many bytes behind `views`. They are valid until they are released. */
  read(length: number, views: Uint8Array[]): void {
    this.#pass(length, views);
  }

  /** The same without looking at them. */
  skip(length: number): void {
    this.#pass(length, undefined);
  }

  /** Reading begins again at the front. */
  rewind(): void {
    this.#readSegment = 0;
    this.#readAt = this.#front;
  }

  /** Lets go of so many bytes at the front, which were read. `reuse`: nobody looks at the views of them any more. */
  release(length: number, reuse: boolean): void {
    for (let left = length; left > 0; ) {
      const first = this.#segments[0];
      assert(first !== undefined, "only what is in the log is released");
      const count = Math.min(left, first.end - this.#front);
      this.#front += count;
      left -= count;
      if (this.#front === first.end) this.#dropFirst(first, reuse);
    }
    if (this.#segments.length === 0) {
      this.#block = EMPTY;
      this.#filled = 0;
      this.#filling = undefined;
      this.#blockBytes = BLOCK_BYTES_MIN;
      this.#spare = [];
    }
  }

  #dropFirst(first: Segment, reuse: boolean): void {
    assert(this.#readSegment > 0 || this.#readAt === first.end, "only what was read is released");
    this.#segments.shift();
    this.#front = this.#segments[0]?.start ?? 0;
    if (this.#readSegment > 0) this.#readSegment -= 1;
    else this.#readAt = this.#front;
    const isWhole = first.closes && first.bytes.length === BLOCK_BYTES_MAX;
    if (reuse && isWhole && this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(first.bytes);
  }

  #push(bytes: Uint8Array, start: number, end: number): Segment {
    const segment = { bytes, start, end, closes: false };
    if (this.#segments.length === 0) {
      this.#front = start;
      this.#readSegment = 0;
      this.#readAt = start;
    }
    this.#segments.push(segment);
    return segment;
  }

  #pass(length: number, views: Uint8Array[] | undefined): void {
    for (let left = length; left > 0; ) {
      const segment = this.#segments[this.#readSegment];
      assert(segment !== undefined, "only what is in the log is read");
      const count = Math.min(left, segment.end - this.#readAt);
      if (count > 0) views?.push(segment.bytes.subarray(this.#readAt, this.#readAt + count));
      this.#readAt += count;
      left -= count;
      if (left === 0) return;
      this.#readSegment += 1;
      this.#readAt = this.#segments[this.#readSegment]?.start ?? 0;
    }
  }

  #newBlock(length: number): Uint8Array {
    if (length > BLOCK_BYTES_MAX) return new Uint8Array(length);
    while (this.#blockBytes < length) this.#blockBytes *= 2;
    const spare = this.#blockBytes === BLOCK_BYTES_MAX ? this.#spare.pop() : undefined;
    const bytes = spare ?? new Uint8Array(this.#blockBytes);
    this.#blockBytes = Math.min(this.#blockBytes * 2, BLOCK_BYTES_MAX);
    return bytes;
  }
}

const EMPTY = new Uint8Array(0);
