import type { BinPacket } from "./bins.ts";
import { checksumOf } from "./checksum.ts";
import { Xor } from "./xor.ts";

/** No datagram is longer, whatever other nodes are set to. */
const PACKET_BYTES_MAX = 65_536;

/** What a repair brings of its packets: the exclusive or of their bytes, of their lengths, and of their checksums. One serves for one repair after the other. */
export class RepairSum {
  readonly #xor = new Xor(PACKET_BYTES_MAX);
  #lengths = 0;
  #checksum = 0;

  /** Of these packets from now on. */
  of(packets: readonly BinPacket[]): void {
    this.#xor.clear();
    this.#lengths = 0;
    this.#checksum = 0;
    for (const packet of packets) {
      this.#xor.add(packet.bytes);
      this.#lengths ^= packet.bytes.length;
      this.#checksum ^= checksumOf(packet);
    }
  }

  /** Of the longest packet. */
  get bytesLength(): number {
    return this.#xor.length;
  }

  /** Of lengths and checksums. */
  get sums(): { readonly lengths: number; readonly checksum: number } {
    return { lengths: this.#lengths, checksum: this.#checksum };
  }

  /** Writes the exclusive or of the bytes to the end of a repair. */
  copyTo(repair: Uint8Array, at: number): void {
    this.#xor.copyTo(repair, at);
  }
}
