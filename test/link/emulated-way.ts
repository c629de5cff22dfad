import type { Random } from "../../src/base/random.ts";
import { type Machine, NEVER } from "../../src/machine/machine.ts";
import { type LossModel, LossState, NO_LOSS } from "../../src/sim/loss.ts";

/** What a way does to datagrams. */
export type WayConditions = {
  readonly delayMs: number;
  /** Each datagram takes up to so much longer, by chance, and may overtake others. */
  readonly jitterMs?: number;
  /** Mbit/s, of datagrams with their heads of IP and UDP; without it: any. */
  readonly megabits?: number;
  /** What the queue before the bottleneck holds, ms of its capacity; what does not fit is dropped. */
  readonly queueMs?: number;
  readonly loss?: LossModel;
};

export type WayStatistics = {
  offered: number;
  delivered: number;
  deliveredBytes: number;
  /** By chance. */
  lost: number;
  /** Because the queue was full. */
  overflowed: number;
  /** While the way was cut, or under way when it was. */
  cut: number;
};

/** Heads of IPv4 and UDP: they take capacity like what they carry. */
const HEAD_BYTES = 28;
/** What a way without a bottleneck holds, datagrams: a bound for the memory. */
const UNDER_WAY_MAX = 65_536;
const QUEUE_MS = 50;

type UnderWay<T> = { readonly at: number; readonly bytes: Uint8Array; readonly tag: T };

/**
 * One direction of an emulated link: a bottleneck with a queue, then a way that takes time and loses. It has no clock and no sockets, so
 * that its own behaviour can be tested to the millisecond. `T` says where a datagram goes.
 */
export class EmulatedWay<T> implements Machine {
  readonly statistics: WayStatistics = { offered: 0, delivered: 0, deliveredBytes: 0, lost: 0, overflowed: 0, cut: 0 };
  #conditions: WayConditions;
  readonly #random: Random;
  readonly #loss = new LossState(1);
  readonly #deliver: (bytes: Uint8Array, tag: T) => void;
  #isUp = true;
  /** When the bottleneck has sent all that it has taken. */
  #freeAt = Number.NEGATIVE_INFINITY;
  /** By time of arrival. */
  #underWay: UnderWay<T>[] = [];

  constructor(conditions: WayConditions, random: Random, deliver: (bytes: Uint8Array, tag: T) => void) {
    this.#conditions = conditions;
    this.#random = random;
    this.#deliver = deliver;
  }

  /** Other conditions from now on; what is under way keeps its time of arrival. */
  set(conditions: WayConditions): void {
    this.#conditions = conditions;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Cuts the way, and loses what is under way, or mends it. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    if (isUp) return;
    this.statistics.cut += this.#underWay.length;
    this.#underWay = [];
    this.#freeAt = Number.NEGATIVE_INFINITY;
  }

  /** Takes a datagram; its bytes are given away. */
  offer(bytes: Uint8Array, tag: T, now: number): void {
    this.statistics.offered++;
    if (!this.#isUp) {
      this.statistics.cut++;
      return;
    }
    const { delayMs, jitterMs = 0, megabits, queueMs = QUEUE_MS, loss = NO_LOSS } = this.#conditions;
    let leavesAt = now;
    if (megabits !== undefined) {
      const beginsAt = Math.max(now, this.#freeAt);
      if (beginsAt - now > queueMs) {
        this.statistics.overflowed++;
        return;
      }
      leavesAt = beginsAt + (bytes.length + HEAD_BYTES) / (megabits * 125);
      this.#freeAt = leavesAt;
    } else if (this.#underWay.length >= UNDER_WAY_MAX) {
      this.statistics.overflowed++;
      return;
    }
    // Behind the bottleneck: what is lost has taken its capacity.
    if (this.#loss.isLost(0, loss, this.#random, now)) {
      this.statistics.lost++;
      return;
    }
    const at = leavesAt + delayMs + (jitterMs > 0 ? this.#random.unit() * jitterMs : 0);
    let place = this.#underWay.length;
    while (place > 0 && (this.#underWay[place - 1] as UnderWay<T>).at > at) place--;
    this.#underWay.splice(place, 0, { at, bytes, tag });
  }

  get deadline(): number {
    return this.#underWay[0]?.at ?? NEVER;
  }

  /** Delivers what has arrived by now. */
  tick(now: number): void {
    let arrived = 0;
    while (arrived < this.#underWay.length && (this.#underWay[arrived] as UnderWay<T>).at <= now) arrived++;
    for (const { bytes, tag } of this.#underWay.splice(0, arrived)) {
      this.statistics.delivered++;
      this.statistics.deliveredBytes += bytes.length;
      this.#deliver(bytes, tag);
    }
  }
}
