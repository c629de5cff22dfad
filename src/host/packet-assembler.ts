import { getU16 } from "../wire/bytes.ts";
import { MAGIC, packetBytes, PREFIX_BYTES } from "../wire/prefix.ts";

/** Takes a packet that is whole, given away. `continues`: it came with the one before, in one piece. False: no more of the stream is wanted. */
export type TakePacket = (bytes: Uint8Array, continues: boolean) => boolean;

/**
 * Cuts a stream into packets, whose lengths say where they end. Packets that lie whole in a piece of it are views of that piece; only one that
 * lies across two is put together by a copy. Holds at most one packet, whatever comes.
 */
export class PacketAssembler {
  readonly #take: TakePacket;
  /** Of a packet that has begun: its head alone, then all of it. */
  #partial: Uint8Array | undefined;
  #have = 0;
  #isEnded = false;

  constructor(take: TakePacket) {
    this.#take = take;
  }

  /** The next piece of the stream, given away. False: this is none of our packets. */
  push(piece: Uint8Array): boolean {
    let at = 0;
    let continues = false;
    while (this.#partial !== undefined && !this.#isEnded) {
      const { length } = this.#partial;
      const end = Math.min(piece.length, at + length - this.#have);
      this.#partial.set(piece.subarray(at, end), this.#have);
      this.#have += end - at;
      at = end;
      if (this.#have < length) return true;
      const whole = packetBytes(this.#partial, 0);
      if (whole === 0) return false;
      if (whole > length) {
        this.#grow(whole);
        continue;
      }
      const packet = this.#partial;
      this.#partial = undefined;
      this.#hand(packet, continues);
      continues = true;
    }
    while (piece.length - at >= PREFIX_BYTES && !this.#isEnded) {
      const length = packetBytes(piece, at);
      if (length === 0) return false;
      if (at + length > piece.length) break;
      this.#hand(new Uint8Array(piece.buffer, piece.byteOffset + at, length), continues);
      continues = true;
      at += length;
    }
    return this.#isEnded || at === piece.length || this.#begin(piece, at);
  }

  #hand(packet: Uint8Array, continues: boolean): void {
    this.#isEnded = !this.#take(packet, continues);
  }

  /** Keeps the rest of a piece, in which a packet has begun. */
  #begin(piece: Uint8Array, at: number): boolean {
    const rest = piece.length - at;
    if (rest >= 2 && getU16(piece, at) !== MAGIC) return false;
    const length = rest < PREFIX_BYTES ? PREFIX_BYTES : packetBytes(piece, at);
    this.#partial = new Uint8Array(length);
    this.#partial.set(piece.subarray(at));
    this.#have = rest;
    return true;
  }

  #grow(length: number): void {
    const larger = new Uint8Array(length);
    larger.set(this.#partial as Uint8Array);
    this.#partial = larger;
  }
}
