/**
 * What has come before it can be understood, and is looked at again when more is known: bounded in bytes, the oldest goes first.
 */
export class EarlyPackets<T extends { readonly bytes: Uint8Array }> {
  readonly #bytesMax: number;
  #packets: T[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Keeps one. Returns how many others had to go for it. */
  keep(packet: T): number {
    this.#packets.push(packet);
    this.#bytes += packet.bytes.length;
    let gone = 0;
    while (this.#bytes > this.#bytesMax) {
      this.#bytes -= (this.#packets.shift() as T).bytes.length;
      gone++;
    }
    return gone;
  }

  /** All of them, oldest first; none is kept any more. */
  take(): readonly T[] {
    const packets = this.#packets;
    this.#packets = [];
    this.#bytes = 0;
    return packets;
  }
}
