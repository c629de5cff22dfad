import { NEVER } from "../machine/machine.ts";

/** What a host may be late: credits of this time are saved up, so that the rate is reached all the same. */
const SAVED_MS = 40;
/** What has been saved up leaves at this multiple of the rate … */
const PEAK = 2;
/** … but for a burst of so much time … */
const BURST_MS = 30;
/** … and no more bytes than these, which sockets and short queues on the way hold … */
const BURST_BYTES_MAX = 64 * 1024;
/** … unless they last for less than this. */
const BURST_MS_MIN = 5;
/** No less than these: at a low rate those times are less than a datagram. */
const BYTES_MIN = 6_000;
/** Credits for less than this time are waited for together. */
const WAKE_MS = 0.5;

/**
 * Paces by bytes: whoever has credit may send one more datagram, of any size, and pays for it afterwards. Over any time t no more than
 * rate · t bytes and what 40 ms are good for leave, and no more than 2 · rate · t and a burst: 30 ms of the rate up to 64 KB, or 5 ms if
 * that is more.
 */
export class ByteBucket {
  /** Bytes per second. */
  #rate: number;
  /** Of the rate, and of its peak; negative: overdrawn. */
  #saved = 0;
  #burst = 0;
  #at: number;
  #hasLost = false;

  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#at = now;
  }

  setRate(rate: number, now: number): void {
    this.#accrue(now);
    this.#rate = rate;
  }

  isOpen(now: number): boolean {
    this.#accrue(now);
    return this.#saved >= 0 && this.#burst >= 0;
  }

  /** When there is credit again; in the past while there is. */
  get deadline(): number {
    if (this.#saved >= 0 && this.#burst >= 0) return this.#at;
    if (this.#rate <= 0) return NEVER;
    return this.#at + Math.max(WAKE_MS, (Math.max(-this.#saved, -this.#burst / PEAK) * 1000) / this.#rate);
  }

  /** Whether credits have been lost since the last call, as nobody came in time to use them. */
  takeLost(now: number): boolean {
    this.#accrue(now);
    const had = this.#hasLost;
    this.#hasLost = false;
    return had;
  }

  pay(bytes: number): void {
    this.#saved -= bytes;
    this.#burst -= bytes;
  }

  #accrue(now: number): void {
    if (now <= this.#at) return;
    const perMs = this.#rate / 1000;
    const gained = (now - this.#at) * perMs;
    const savedMax = Math.max(BYTES_MIN, perMs * SAVED_MS);
    const burstMax = Math.max(BYTES_MIN, perMs * BURST_MS_MIN, Math.min(BURST_BYTES_MAX, perMs * BURST_MS));
    if (this.#saved + gained > savedMax) this.#hasLost = true;
    this.#saved = Math.min(savedMax, this.#saved + gained);
    this.#burst = Math.min(burstMax, this.#burst + PEAK * gained);
    this.#at = now;
  }
}
