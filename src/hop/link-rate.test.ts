import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { LinkRate } from "./link-rate.ts";

const CAPACITY = 1_250_000;
const ROUND_MS = 70;

/** A sender with enough to send over a link of 10 Mbit/s without a queue; each round one acknowledgement. */
class Sender {
  readonly rate = new LinkRate({ rateStart: 125_000, rateMin: 8_000, rateMax: 125_000_000, datagramBytes: 1_400 });
  #now = 0;
  #seq = 1;
  #bytes = 0;
  #sent = 0;

  round(capacity = CAPACITY): void {
    this.#now += ROUND_MS;
    // What was sent a round ago arrives now.
    this.#bytes += Math.min(this.#sent, (capacity * ROUND_MS) / 1000);
    this.#sent = (this.rate.pacing * ROUND_MS) / 1000;
    const sample = {
      bytes: this.#bytes,
      receivedAt: this.#now,
      roundTripMs: ROUND_MS,
      highest: this.#seq,
      nextSeq: this.#seq + 1,
    };
    this.#seq++;
    this.rate.observe({ ...sample, isIdle: false }, this.#now);
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
      const inRound = Math.floor((ROUND_MS * CAPACITY) / 1000 / DATAGRAM);
      const sample = { bytes: read * DATAGRAM, receivedAt: at, roundTripMs: ROUND_MS };
      rate.observe({ ...sample, highest: read, nextSeq: read + inRound, isIdle: false }, at + ROUND_MS / 2);
    }
    if (now < 2_000) continue;
    expect(rate.rate).toBeLessThan(1.03 * CAPACITY);
    expect(rate.rate).toBeGreaterThan(0.95 * CAPACITY);
  }
});
