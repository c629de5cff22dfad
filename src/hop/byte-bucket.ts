import { NEVER } from "../machine/machine.ts";

/** What a host's timers may be late: credits of this time are saved up, so that the rate is reached all the same … */
const BURST_MS = 30;
/** … but no more bytes than these, which sockets and short queues on the way hold … */
const BURST_BYTES_MAX = 192 * 1024;
/** … unless they last for less than this … */
const BURST_MS_MIN = 5;
/** … and no less than these: at a low rate that time is less than a datagram. */
const BURST_BYTES_MIN = 6_000;
/** Credits for less than this time are waited for together. */
const WAKE_MS = 0.5;

/**
 * Paces by bytes: whoever has credit may send one more datagram, of any size, and pays for it afterwards. Over any time t no more than
 * rate · t bytes and a burst leave, and one datagram: 30 ms of the rate, within 6 and 192 KB, or 5 ms if that is more.
 */
export class ByteBucket {
  /** Bytes per second. */
  #rate: number;
  #credit: number;
  #at: number;
  #hasLost = false;

  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#credit = 0;
    this.#at = now;
  }

  setRate(rate: number, now: number): void {
    this.#accrue(now);
    this.#rate = rate;
  }

  isOpen(now: number): boolean {
    this.#accrue(now);
    return this.#credit >= 0;
  }

  /** When there is credit again; in the past while there is. */
  get deadline(): number {
    if (this.#credit >= 0) return this.#at;
    return this.#rate > 0 ? this.#at + Math.max(WAKE_MS, (-this.#credit * 1000) / this.#rate) : NEVER;
  }

  /** Whether credits have been lost since the last call, as nobody came in time to use them. */
  takeLost(now: number): boolean {
    this.#accrue(now);
    const had = this.#hasLost;
    this.#hasLost = false;
    return had;
  }

  pay(bytes: number): void {
    this.#credit -= bytes;
  }

  #accrue(now: number): void {
    if (now <= this.#at) return;
    const perMs = this.#rate / 1000;
    const most = Math.max(BURST_BYTES_MIN, perMs * BURST_MS_MIN, Math.min(BURST_BYTES_MAX, perMs * BURST_MS));
    const credit = this.#credit + ((now - this.#at) * this.#rate) / 1000;
    if (credit > most) this.#hasLost = true;
    this.#credit = Math.min(most, credit);
    this.#at = now;
  }
}
