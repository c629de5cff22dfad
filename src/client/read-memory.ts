const START_BYTES = 8 * 1024;
/** Also what a message that a program keeps may keep alive (docs/client.md). */
const BYTES_MAX = 64 * 1024;

/**
 * What a socket is read into, piece behind piece. Node itself reads into 64 KB, and copies what came into memory of its own, which it has cleared for that: a tenth of
 * what a client does with large messages.
 */
export class ReadMemory {
  #size = START_BYTES;
  #memory = new Uint8Array(0);
  #used = 0;

  /** Where the next read may write. */
  next(): Uint8Array {
    // A small rest would make small reads.
    if (this.#memory.length - this.#used < this.#size / 2) {
      // Not cleared: nobody sees what was not read.
      this.#memory = new Uint8Array(Buffer.allocUnsafeSlow(this.#size).buffer);
      this.#used = 0;
    }
    return this.#memory.subarray(this.#used);
  }

  /** So many bytes were read into what `next` gave: they are never written again. */
  take(count: number): Uint8Array {
    const start = this.#used;
    this.#used += count;
    if (this.#used === this.#memory.length) this.#size = Math.min(this.#size * 2, BYTES_MAX);
    return this.#memory.subarray(start, this.#used);
  }
}
