import { NEVER } from "../machine/machine.ts";

/** Credits for less than this time are waited for together: a wake-up costs more than a packet. */
const WAKE_MS = 1;

/** What sums of fractions may lack of a whole credit: who comes at the deadline finds it there. */
const ROUNDING = 1e-4;

export type PacerConfig = {
  /** Packets per second at the start; 0 stops. */
  readonly rate: number;
  /**
   * Credits that may be saved up, as the time in which they come. It has to exceed what the host's turns are late, or the rate is
   * not reached: tens of milliseconds where processors are shared. What is more only makes bursts that receivers' buffers have to take.
   */
  readonly burstMs: number;
  /** Bounds of the burst in packets, whatever the rate. At least 1. */
  readonly burstMin: number;
  readonly burstMax: number;
};

export const pacerDefaults: Omit<PacerConfig, "rate"> = { burstMs: 40, burstMin: 8, burstMax: 500 };

/**
 * A token bucket: how many packets may leave now (protocols.md A46). Over any time t it lets at most rate · t + burst packets out,
 * with the burst of the greatest rate of that time; over a change of the rate, the integral of the rate.
 *
 * The burst grows with the rate, unlike that of A46, which has 500 credits at 10,000 packets/s: at 100 packets/s these would be five
 * seconds' worth at once.
 */
export class Pacer {
  readonly #config: PacerConfig;
  #rate: number;
  #burst: number;
  #credits: number;
  #at: number;

  /** Begins with a full bucket. */
  constructor(config: PacerConfig, now: number) {
    this.#config = config;
    this.#at = now;
    this.#rate = config.rate;
    this.#burst = this.#burstAt(config.rate);
    this.#credits = this.#burst;
  }

  /** Packets per second. */
  get rate(): number {
    return this.#rate;
  }

  /**
   * When the next credits are there: one packet's, or at high rates those of a millisecond. In the past while there are some left.
   * Who has nothing to send does not ask.
   */
  get deadline(): number {
    if (this.#credits >= 1 - ROUNDING) return this.#at;
    if (this.#rate <= 0) return NEVER;
    const awaited = Math.min(this.#burst, Math.max(1, (this.#rate * WAKE_MS) / 1000));
    return this.#at + ((awaited - this.#credits) * 1000) / this.#rate;
  }

  /** Changes the rate from now on; credits of the time before came at the old one. */
  setRate(rate: number, now: number): void {
    if (rate === this.#rate) return;
    this.#accrue(now);
    this.#rate = rate;
    this.#burst = this.#burstAt(rate);
    this.#credits = Math.min(this.#credits, this.#burst);
  }

  /** Takes credits for up to `count` packets; returns for how many. */
  take(count: number, now: number): number {
    this.#accrue(now);
    const taken = Math.min(count, Math.floor(this.#credits + ROUNDING));
    this.#credits -= taken;
    return taken;
  }

  #accrue(now: number): void {
    if (now <= this.#at) return;
    this.#credits = Math.min(this.#burst, this.#credits + ((now - this.#at) * this.#rate) / 1000);
    this.#at = now;
  }

  #burstAt(rate: number): number {
    const { burstMs, burstMin, burstMax } = this.#config;
    return Math.min(burstMax, Math.max(burstMin, (rate * burstMs) / 1000));
  }
}
