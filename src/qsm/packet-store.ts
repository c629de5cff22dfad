import { assert } from "../base/assert.ts";
import { emptySlots } from "../base/empty-slots.ts";

const CAPACITY_START = 64;

/** Packets by number, for numbers that lie close together: a window that moves on, kept in a circle. */
export class PacketStore {
  readonly #capacityMax: number;
  #packets: (Uint8Array | undefined)[] = [];
  /** Everything below is gone. */
  #low = 1;
  #count = 0;
  #bytes = 0;

  /** `capacityMax`: greatest distance between the first and the last number, a power of two. */
  constructor(capacityMax = 1 << 20) {
    assert((capacityMax & (capacityMax - 1)) === 0 && capacityMax >= CAPACITY_START, "a capacity is a power of two");
    this.#capacityMax = capacityMax;
  }

  /** Packets that are kept. */
  get count(): number {
    return this.#count;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Numbers below this one are not kept. */
  get low(): number {
    return this.#low;
  }

  get(seq: number): Uint8Array | undefined {
    if (seq < this.#low || seq >= this.#low + this.#packets.length) return undefined;
    return this.#packets[seq % this.#packets.length];
  }

  /** Keeps a packet; false if it is too far ahead of the first one. The first packet for a number stays. */
  set(seq: number, packet: Uint8Array): boolean {
    if (seq < this.#low) return true;
    if (seq - this.#low >= this.#packets.length && !this.#grow(seq - this.#low + 1)) return false;
    const at = seq % this.#packets.length;
    if (this.#packets[at] !== undefined) return true;
    this.#packets[at] = packet;
    this.#count++;
    this.#bytes += packet.length;
    return true;
  }

  delete(seq: number): void {
    const packet = this.get(seq);
    if (packet === undefined) return;
    this.#packets[seq % this.#packets.length] = undefined;
    this.#count--;
    this.#bytes -= packet.length;
  }

  /** Lets everything up to this number go. */
  dropUpTo(seq: number): void {
    if (this.#count > 0) {
      const end = Math.min(seq, this.#low + this.#packets.length - 1);
      for (let n = this.#low; n <= end; n++) this.delete(n);
    }
    this.#low = Math.max(this.#low, seq + 1);
    if (this.#count === 0 && this.#packets.length > CAPACITY_START) this.#packets = [];
  }

  #grow(needed: number): boolean {
    if (needed > this.#capacityMax) return false;
    let capacity = Math.max(CAPACITY_START, this.#packets.length);
    while (capacity < needed) capacity *= 2;
    const larger = emptySlots<Uint8Array>(capacity);
    for (let n = this.#low; n < this.#low + this.#packets.length; n++) {
      larger[n % capacity] = this.#packets[n % this.#packets.length];
    }
    this.#packets = larger;
    return true;
  }
}
