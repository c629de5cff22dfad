import { assert } from "../base/assert.ts";

/** Blocks grow from here while the log is not empty, so that a session which gets little takes little. */
const BLOCK_BYTES_MIN = 2 * 1024;
const BLOCK_BYTES_MAX = 64 * 1024;
/** Longer pieces are kept as they are. */
const COPY_BYTES_MAX = 8 * 1024;
/** Blocks that wait to be filled again, while the log is not empty. */
const SPARE_BLOCKS_MAX = 16;

type Block = { readonly bytes: Uint8Array; used: number; readonly isOurs: boolean };

/**
 * Bytes in order, added at the end, read from the middle and released at the front. What lies together is read as one view, however
 * many pieces it was added in, and memory that was released is used again.
 *
 * Invariant: front ≤ what was read ≤ end.
 */
export class ByteLog {
  #blocks: Block[] = [];
  /** Where the front is, in the first block. */
  #front = 0;
  /** Where reading goes on: a block, and a place in it. */
  #readBlock = 0;
  #readAt = 0;
  #blockBytes = BLOCK_BYTES_MIN;
  #spare: Uint8Array[] = [];

  /** The block in which `reserve` has found room. */
  memory: Uint8Array = EMPTY;

  /** Room for so many bytes at the end: `memory` from the returned place on, to be written before anything else is called. */
  reserve(length: number): number {
    let last = this.#blocks.at(-1);
    if (last === undefined || !last.isOurs || last.used + length > last.bytes.length) {
      last = { bytes: this.#block(length), used: 0, isOurs: true };
      this.#blocks.push(last);
    }
    const at = last.used;
    last.used += length;
    this.memory = last.bytes;
    return at;
  }

  /** Adds bytes that never change: a copy, or if they are many themselves. */
  add(bytes: Uint8Array): void {
    if (bytes.length > COPY_BYTES_MAX) this.#blocks.push({ bytes, used: bytes.length, isOurs: false });
    else {
      const at = this.reserve(bytes.length);
      this.memory.set(bytes, at);
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
    this.#readBlock = 0;
    this.#readAt = this.#front;
  }

  /** Lets go of so many bytes at the front, which were read. `reuse`: nobody looks at the views of them any more. */
  release(length: number, reuse: boolean): void {
    for (let left = length; left > 0; ) {
      const block = this.#blocks[0];
      assert(block !== undefined, "only what is in the log is released");
      const count = Math.min(left, block.used - this.#front);
      this.#front += count;
      left -= count;
      if (this.#front === block.used) this.#dropFirst(block, reuse);
    }
    if (this.#blocks.length === 0) {
      this.#blockBytes = BLOCK_BYTES_MIN;
      this.#spare = [];
      this.memory = EMPTY;
    }
  }

  #dropFirst(block: Block, reuse: boolean): void {
    assert(this.#readBlock > 0 || this.#readAt === block.used, "only what was read is released");
    this.#blocks.shift();
    this.#front = 0;
    if (this.#readBlock > 0) this.#readBlock -= 1;
    else this.#readAt = 0;
    const isWhole = block.isOurs && block.bytes.length === BLOCK_BYTES_MAX;
    if (reuse && isWhole && this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(block.bytes);
  }

  #pass(length: number, views: Uint8Array[] | undefined): void {
    for (let left = length; left > 0; ) {
      const block = this.#blocks[this.#readBlock];
      assert(block !== undefined, "only what is in the log is read");
      const count = Math.min(left, block.used - this.#readAt);
      if (count > 0) views?.push(block.bytes.subarray(this.#readAt, this.#readAt + count));
      this.#readAt += count;
      left -= count;
      if (left === 0) return;
      this.#readBlock += 1;
      this.#readAt = 0;
    }
  }

  #block(length: number): Uint8Array {
    if (length > BLOCK_BYTES_MAX) return new Uint8Array(length);
    while (this.#blockBytes < length) this.#blockBytes *= 2;
    const spare = this.#blockBytes === BLOCK_BYTES_MAX ? this.#spare.pop() : undefined;
    const bytes = spare ?? new Uint8Array(this.#blockBytes);
    this.#blockBytes = Math.min(this.#blockBytes * 2, BLOCK_BYTES_MAX);
    return bytes;
  }
}

const EMPTY = new Uint8Array(0);
