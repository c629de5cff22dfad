import type { RingConfig } from "./config.ts";

/**
 * How many bytes a member may multicast at a visit of the token (protocols.md G31, G37; architecture.md decision 11). The
 * window counts bytes of one rotation, of all members together. It grows while nothing is lost and shrinks when
 * retransmissions are asked for, as loss on a LAN means that a receive buffer ran over.
 */
export class FlowWindow {
  readonly #config: RingConfig;
  readonly #bytesMin: number;
  #bytes: number;
  #cooldown = 0;

  constructor(config: RingConfig) {
    this.#config = config;
    this.#bytesMin = Math.min(config.windowBytesStart, 16 * config.datagramBytes);
    this.#bytes = config.windowBytesStart;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that may be sent now when the others sent `othersBytes` since the last visit. */
  allowance(othersBytes: number): number {
    const personal = othersBytes === 0 ? this.#bytes : this.#bytes / this.#config.personalShare;
    return Math.max(0, Math.min(this.#bytes - othersBytes, personal));
  }

  /** After each visit: whether somebody asked for packets, and whether the allowance was used up. */
  adapt(lost: boolean, used: boolean): void {
    if (this.#cooldown > 0) this.#cooldown--;
    if (lost) {
      if (this.#cooldown > 0) return;
      this.#bytes = Math.max(this.#bytesMin, this.#bytes * 0.7);
      this.#cooldown = 4;
    } else if (used) {
      this.#bytes = Math.min(this.#config.windowBytesMax, this.#bytes + 4 * this.#config.datagramBytes);
    }
  }
}
