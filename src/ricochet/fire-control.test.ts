import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { FireControl } from "./fire-control.ts";
import { failureOf, isSameRate } from "./rate-of-fire.ts";

const BY = { others: 12, isAligned: true };
const UPDATE_MS = 200;

/** A receiver of 1,000 packets/s whose losses are repaired as well as (r, c) promise, or `worse` times as badly. */
class Receiver {
  readonly control: FireControl;
  readonly #random = new Random(7);
  #now = 0;
  #burstLeft = 0;
  changes = 0;
  missed = 0;
  failed = 0;

  constructor(recovery = 0.99) {
    this.control = new FireControl(recovery);
  }

  run(seconds: number, loss: number, { burst = 1, worse = 1 } = {}): void {
    this.changes = 0;
    this.missed = 0;
    this.failed = 0;
    const end = this.#now + 1_000 * seconds;
    for (let next = this.#now + UPDATE_MS; this.#now < end; this.#now++) {
      this.#packet(loss, burst, worse);
      if (this.#now < next) continue;
      next += UPDATE_MS;
      const { every } = this.control.rate;
      this.control.filled(every, every - 1);
      if (this.control.update(this.#now, BY)) this.changes++;
    }
  }

  get overhead(): number {
    return this.control.rate.copies / this.control.rate.every;
  }

  #packet(loss: number, burst: number, worse: number): void {
    if (this.#burstLeft === 0 && this.#random.chance(loss / burst / (1 - loss))) this.#burstLeft = burst;
    if (this.#burstLeft === 0) {
      this.control.came(this.#now);
      return;
    }
    this.#burstLeft--;
    const { rate } = this.control;
    // Bursts longer than what is provided for leave several gaps in a repair.
    const failure = burst > 2 * rate.burst ? 0.5 : worse * failureOf(loss, rate, true);
    const isRebuilt = !this.#random.chance(Math.min(1, failure));
    this.missed++;
    if (!isRebuilt) this.failed++;
    this.control.missed(this.#now, isRebuilt);
  }
}

describe("how a receiver wants to be repaired", () => {
  test("follows a loss that rises within a second or two, and one that falls when that has lasted", () => {
    const receiver = new Receiver();
    receiver.run(20, 0.001);
    const little = receiver.overhead;
    receiver.run(1.5, 0.1);
    expect(receiver.overhead).toBeGreaterThan(2 * little);
    expect(failureOf(0.1, receiver.control.rate, true)).toBeLessThan(0.02);
    receiver.run(10, 0.1);
    const much = receiver.overhead;
    receiver.run(2, 0.001);
    expect(receiver.overhead).toBeGreaterThan(0.7 * much);
    receiver.run(30, 0.001);
    expect(receiver.overhead).toBeLessThan(0.3 * much);
  });

  test("holds what is asked for, and is settled, at any loss", () => {
    for (const loss of [0.001, 0.01, 0.05, 0.2]) {
      const receiver = new Receiver();
      receiver.run(20, loss);
      receiver.run(120, loss);
      expect(1 - receiver.failed / receiver.missed).toBeGreaterThan(0.985);
      expect(receiver.changes).toBeLessThan(24);
    }
  });

  test("asks for more where more is wanted, and not for all there is if even that is hardly enough", () => {
    const overheads = [0.9, 0.99, 0.9995].map((recovery) => {
      const receiver = new Receiver(recovery);
      receiver.run(40, 0.01);
      return receiver.overhead;
    });
    expect(overheads).toEqual(overheads.toSorted((a, b) => a - b));
    expect(overheads[2]).toBeLessThan(0.6);
  });

  test("costs little where little is lost", () => {
    const overheads = [0.0001, 0.01, 0.1].map((loss) => {
      const receiver = new Receiver();
      receiver.run(40, loss);
      return receiver.overhead;
    });
    expect(overheads[0]).toBeLessThan(0.15);
    expect(overheads[1]).toBeLessThan(0.3);
    expect(overheads[2]).toBeLessThan(1);
    expect(overheads).toEqual(overheads.toSorted((a, b) => a - b));
  });

  test("learns where repairs bring less than is thought, and where they bring more", () => {
    const of = (worse: number) => {
      const receiver = new Receiver();
      receiver.run(200, 0.05, { worse });
      receiver.run(100, 0.05, { worse });
      expect(1 - receiver.failed / receiver.missed).toBeGreaterThan(0.985);
      return receiver.overhead;
    };
    const overheads = [0.25, 1, 8].map(of);
    expect(overheads[0]).toBeLessThan(overheads[1] as number);
    expect(overheads[1]).toBeLessThan(overheads[2] as number);
  });

  test("does not take repairs that come late now and then for slow bins", () => {
    const receiver = new Receiver();
    receiver.run(20, 0.01);
    const { overhead } = receiver;
    for (let i = 0; i < 2_000; i++) receiver.control.filled(24, i % 5 === 0 ? 1_000 : 23);
    receiver.run(6, 0.01);
    expect(receiver.overhead).toBeLessThan(1.5 * overhead);
  });

  test("provides for bursts about as long as they are, and for none where losses are independent", () => {
    const receiver = new Receiver();
    receiver.run(20, 0.05);
    expect(receiver.control.rate.burst).toBe(1);
    receiver.run(20, 0.01, { burst: 10 });
    expect(receiver.control.rate.burst).toBeGreaterThanOrEqual(6);
    expect(receiver.control.rate.burst).toBeLessThanOrEqual(16);
    receiver.run(20, 0.01);
    expect(receiver.control.rate.burst).toBe(1);
  });

  test("is not asked of more members than there are, and not changed before there is something to go by", () => {
    const control = new FireControl(0.99);
    const { rate } = control;
    expect(control.update(1_000, BY)).toBe(false);
    expect(isSameRate(control.rate, rate)).toBe(true);
    for (let i = 0; i < 2_000; i++) {
      if (i % 5 === 0) control.missed(i, false);
      else control.came(i);
    }
    expect(control.update(2_000, { ...BY, others: 2 })).toBe(true);
    expect(control.rate.copies).toBeLessThanOrEqual(2);
  });
});
