/** So much may be kept alive beside what waits, and so many times what waits. */
const PINNED_FREE = 1024 * 1024;
const PINNED_FACTOR = 4;

/**
 * How much memory the frames that wait for one session keep alive. Each is a view of what it came in: a read of a socket, with other packets, or a slab. Where all of that
 * waits it costs nothing; but a session that gets a hundred bytes of each read, and does not read itself, would keep all the traffic of its daemon, however few its own
 * bytes are. What is kept is estimated from above: memory that frames come from by turns counts each time, unless only two take turns, as the packets do in which
 * small messages lie with the pieces that longer ones were put together in.
 */
export class Pins {
  #bytes = 0;
  /** Which memory was counted last, and before that. */
  #last: ArrayBufferLike | undefined;
  #before: ArrayBufferLike | undefined;

  /** One more frame waits, besides `waitingBytes`: whether it is to be kept as a copy, since too much would be kept alive otherwise. */
  add(frame: Uint8Array, tail: Uint8Array | undefined, waitingBytes: number): boolean {
    const length = frame.length + (tail?.length ?? 0);
    let bytes = this.#bytes;
    if (!this.#counts(frame)) bytes += frame.buffer.byteLength;
    if (tail !== undefined && tail.buffer !== frame.buffer && !this.#counts(tail)) bytes += tail.buffer.byteLength;
    if (bytes > PINNED_FREE + PINNED_FACTOR * (waitingBytes + length)) {
      this.#bytes += length;
      return true;
    }
    this.#bytes = bytes;
    this.#count(frame.buffer);
    if (tail !== undefined) this.#count(tail.buffer);
    return false;
  }

  /** Of what waited this share is left: 0 … 1. */
  left(share: number): void {
    this.#bytes *= share;
    if (share > 0) return;
    this.#last = undefined;
    this.#before = undefined;
  }

  #counts({ buffer }: Uint8Array): boolean {
    return buffer === this.#last || buffer === this.#before;
  }

  #count(buffer: ArrayBufferLike): void {
    if (buffer === this.#last) return;
    this.#before = this.#last;
    this.#last = buffer;
  }
}
