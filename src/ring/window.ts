import type { RingConfig } from "./config.ts";

/** This part of its share a member may always send. */
const LEAST = 8;

/**
 * How many bytes a member may multicast at a visit of the token (protocols.md G31, G37; architecture.md decision 11). The
 * window counts bytes of one rotation, of all members together. It grows while nothing is lost and shrinks when
 * retransmissions are asked for, as loss on a LAN means that a receive buffer ran over.
 */
export class FlowWindow {
  #config: RingConfig;
  #bytes: number;
  #cooldown = 0;

  constructor(config: RingConfig) {
    this.#config = config;
    this.#bytes = config.windowBytesStart;
  }

  /** Other bounds: the window keeps what it has learnt, as far as they allow. */
  reconfigure(config: RingConfig): void {
    this.#config = config;
    this.#bytes = Math.min(this.#bytes, config.windowBytesMax);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What each member may send at a visit when so many others have something to send: all have the same share. */
  share(othersWaiting: number): number {
    // A share of less than a datagram would let nobody send, for ever: all would wait.
    const share = Math.max(this.#config.datagramBytes, this.#bytes / (othersWaiting + 1));
    return Math.min(share, this.#config.personalBytesMax);
  }

  /**
   * Bytes that may be sent now when the others sent `othersBytes` since the last visit. What one share adds to the
   * window lets a member that has just begun in at once, while those who filled the window so far still see it full.
   */
  allowance(othersBytes: number, othersWaiting: number): number {
    const share = this.share(othersWaiting);
    // Windows differ, as not all see each request: who has a small one must not starve beside who fills a large one. All who begin at once are still within twice the window.
    return Math.min(share, Math.max(share / LEAST, this.#bytes + share - othersBytes));
  }

  /** After each visit: whether somebody asked for packets, and whether the allowance was used up. */
  adapt(lost: boolean, used: boolean): void {
    if (this.#cooldown > 0) this.#cooldown--;
    if (lost) {
      if (this.#cooldown > 0) return;
      const { windowBytesStart, datagramBytes } = this.#config;
      const bytesMin = Math.min(windowBytesStart, 16 * datagramBytes);
      this.#bytes = Math.max(bytesMin, this.#bytes * 0.7);
      this.#cooldown = 4;
    } else if (used) {
      this.#bytes = Math.min(this.#config.windowBytesMax, this.#bytes + 4 * this.#config.datagramBytes);
    }
  }
}
