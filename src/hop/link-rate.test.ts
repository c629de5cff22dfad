import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { LinkRate } from "./link-rate.ts";

const CAPACITY = 1_250_000;
const ROUND_MS = 70;

/** A sender with enough to send over a link of 10 Mbit/s without a queue; each round one acknowledgement. */
class Sender {
  readonly rate = new LinkRate({ rateStart: 125_000, rateMin: 8_000, rateMax: 125_000_000, datagramBytes: 1_400 });
  #now = 0;
  #bytes = 0;
  #lostBytes = 0;
  #sent = 0;

  /** `isIdle`: for half of the round it has nothing to send, or its host does not come to it. */
  round(capacity = CAPACITY, { isIdle = false, queueMs = 0 } = {}): void {
    this.#now += ROUND_MS;
    // What was sent a round ago arrives now.
    const arrived = Math.min(this.#sent, (capacity * ROUND_MS) / 1000);
    this.#bytes += arrived;
    this.#lostBytes += this.#sent - arrived;
    this.#sent = (this.rate.pacing * ROUND_MS * (isIdle ? 0.5 : 1)) / 1000;
    const roundTripMs = ROUND_MS + queueMs;
    const sample = { bytes: this.#bytes, lostBytes: this.#lostBytes, receivedAt: this.#now, roundTripMs };
    this.rate.observe({ ...sample, isIdle }, this.#now);
  }
}

test("the capacity is found in a few rounds", () => {
  const sender = new Sender();
  for (let i = 0; i < 12; i++) sender.round();
  expect(sender.rate.rate).toBeCloseTo(CAPACITY, -2);
});

test("four times the rate, when a busy host lets more through, is found in less than two cycles", () => {
  const sender = new Sender();
  for (let i = 0; i < 12; i++) sender.round(CAPACITY / 4);
  expect(sender.rate.rate).toBeCloseTo(CAPACITY / 4, -2);
  for (let i = 0; i < 24; i++) sender.round();
  expect(sender.rate.rate).toBeGreaterThan(0.9 * CAPACITY);
});

test("what a sender without much to send gets through is no reason to send less later", () => {
  const sender = new Sender();
  for (let i = 0; i < 12; i++) sender.round();
  for (let i = 0; i < 100; i++) sender.round(CAPACITY, { isIdle: true });
  expect(sender.rate.rate).toBeGreaterThan(0.99 * CAPACITY);
  for (let i = 0; i < 3; i++) sender.round();
  expect(sender.rate.rate).toBeGreaterThan(0.99 * CAPACITY);
});

test("a rate that was too great is forgotten though most rounds are idle", () => {
  const sender = new Sender();
  for (let i = 0; i < 12; i++) sender.round(1.25 * CAPACITY);
  expect(sender.rate.rate).toBeCloseTo(1.25 * CAPACITY, -2);
  for (let i = 0; i < 20; i++) sender.round(CAPACITY, { isIdle: i % 3 === 0 });
  expect(sender.rate.rate).toBeCloseTo(CAPACITY, -2);
});

test("a queue that runs over says that a link has become slower, whatever the sender has to send", () => {
  for (const isIdle of [false, true]) {
    const sender = new Sender();
    for (let i = 0; i < 12; i++) sender.round();
    // Two round trips of 120 ms, and what was under way before.
    for (let i = 0; i < 8; i++) sender.round(CAPACITY / 5, { isIdle, queueMs: 50 });
    expect(sender.rate.rate).toBeLessThan(1.01 * (CAPACITY / 5));
  }
});

test("loss without a queue says nothing", () => {
  const sender = new Sender();
  for (let i = 0; i < 12; i++) sender.round();
  for (let i = 0; i < 8; i++) sender.round(CAPACITY / 5);
  expect(sender.rate.rate).toBeCloseTo(CAPACITY, -2);
});

test("a receiver that is away now and then, and reads what has waited at once, is not taken for a link that carries more", () => {
  const DATAGRAM = 1_450;
  const rate = new LinkRate({ rateStart: 125_000, rateMin: 8_000, rateMax: 125_000_000, datagramBytes: DATAGRAM });
  const random = new Random(1);
  let read = 0;
  let awayUntil = 0;
  for (let now = 0; now < 10_000; now++) {
    if (now < awayUntil) continue;
    if (random.chance(0.02)) awayUntil = now + random.integer(5, 40);
    // The link brings datagrams without a pause; each takes the receiver 30 µs, and every twentieth is acknowledged.
    const arrived = Math.floor((now * CAPACITY) / 1000 / DATAGRAM);
    for (let at = now; read < arrived; at += 0.03) {
      if (++read % 20 !== 0 && read < arrived) continue;
      const sample = { bytes: read * DATAGRAM, lostBytes: 0, receivedAt: at, roundTripMs: ROUND_MS };
      rate.observe({ ...sample, isIdle: false }, at + ROUND_MS / 2);
    }
    if (now < 2_000) continue;
    expect(rate.rate).toBeLessThan(1.03 * CAPACITY);
    expect(rate.rate).toBeGreaterThan(0.95 * CAPACITY);
  }
});
