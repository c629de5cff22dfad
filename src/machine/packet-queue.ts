/**
 * Datagrams that have been taken from the sockets and wait for their turn: first in, first out, with a bound in
 * packets and one in bytes. What does not fit is refused and counted, as a kernel does with a full receive buffer.
 */
export class PacketQueue {
  readonly #packetsMax: number;
  readonly #bytesMax: number;
  readonly #bytes: (Uint8Array | undefined)[];
  #head = 0;
  #length = 0;
  #byteLength = 0;
  #dropped = 0;

  /** `packetsMax` is rounded up to a power of two. */
  constructor(packetsMax: number, bytesMax: number) {
    let capacity = 1;
    while (capacity < packetsMax) capacity *= 2;
    this.#packetsMax = capacity;
    this.#bytesMax = bytesMax;
    this.#bytes = Array.from<Uint8Array | undefined>({ length: capacity }).fill(undefined);
  }

  /** Packets that wait. */
  get length(): number {
    return this.#length;
  }

  /** Packets that were refused because the queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a packet; `false` if there is no room for it. */
  push(bytes: Uint8Array): boolean {
    if (this.#length === this.#packetsMax || this.#byteLength + bytes.length > this.#bytesMax) {
      this.#dropped += 1;
      return false;
    }
    const at = (this.#head + this.#length) & (this.#packetsMax - 1);
    this.#bytes[at] = bytes;
    this.#length += 1;
    this.#byteLength += bytes.length;
    return true;
  }

  /** Removes the oldest packet; `undefined` when there is none. */
  shift(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const bytes = this.#bytes[this.#head];
    this.#bytes[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#packetsMax - 1);
    this.#length -= 1;
    this.#byteLength -= bytes?.length ?? 0;
    return bytes;
  }
}
