import { assert } from "../base/assert.ts";
import { RangeSet } from "../base/range-set.ts";
import { NEVER } from "../machine/machine.ts";
import { hopTime, hopTimeAfter, hopTimeBetween } from "../wire/hop/clock.ts";
import type { HopData } from "../wire/hop/data.ts";
import { HOP_REQUEST_RANGES_MAX, type HopState } from "../wire/hop/state.ts";
import type { HopConfig } from "./config.ts";

/** A missing packet may just have been overtaken: it is asked for only after so long, at least and at most. */
const OVERTAKEN_MS_MIN = 1;
const OVERTAKEN_MS_MAX = 50;
/** What a late packet teaches is forgotten by and by: a share of it with each request. */
const OVERTAKEN_DECAY = 0.98;
/** An answer cannot come sooner than this after a request. */
const ANSWER_MS_MIN = 10;

/** A packet that is missing. */
type Missing = {
  readonly since: number;
  /** When it was asked for last. */
  askedAt: number;
  askAt: number;
};

/** What a state packet says of what has been received. */
export type Received = {
  readonly aru: number;
  readonly highest: number;
  readonly bytes: number;
  readonly at: number;
  readonly echo: number;
  readonly requests: RangeSet;
};

/** What came of a packet. */
export type Arrival = "new" | "duplicate" | "beyond";

/**
 * The receiving half of a hop: what has come, what is missing, when to ask for it and when to acknowledge (protocols.md G13 to G15). It
 * keeps no packets: what comes is passed on at once, in whatever order.
 */
export class HopReceiver {
  readonly #config: HopConfig;
  readonly #missing = new Map<number, Missing>();
  #highest = 0;
  #bytes = 0;
  #lastAt = 0;
  #lastSentAt = 0;
  /** Datagrams that have come since the last acknowledgement, and when that is due. */
  #unacknowledged = 0;
  #ackAt = NEVER;
  #overtakenMs = OVERTAKEN_MS_MIN;
  #answerMs = 100;
  #askAt = NEVER;
  #requested = 0;
  /** When the first missing packet has come last. */
  #gainedAt = Number.NEGATIVE_INFINITY;

  constructor(config: HopConfig) {
    this.#config = config;
  }

  /** All up to this number have come. */
  get aru(): number {
    for (const seq of this.#missing.keys()) return seq - 1;
    return this.#highest;
  }

  get highest(): number {
    return this.#highest;
  }

  get missing(): number {
    return this.#missing.size;
  }

  /** Requests made, one for each packet and time. */
  get requested(): number {
    return this.#requested;
  }

  /** When a state packet should leave. */
  get deadline(): number {
    return Math.min(this.#ackAt, this.#askAt);
  }

  receive({ seq, sentAt, waitMs }: HopData, length: number, now: number): Arrival {
    if (seq > this.aru + this.#config.windowPackets) return "beyond";
    this.#bytes += length;
    this.#lastAt = hopTime(now);
    this.#lastSentAt = sentAt;
    this.#answerMs = Math.max(ANSWER_MS_MIN, waitMs);
    this.#unacknowledged++;
    if (this.#unacknowledged >= this.#config.ackPackets) this.#ackAt = now;
    else this.#ackAt = Math.min(this.#ackAt, now + this.#config.ackMs);
    if (seq > this.#highest) {
      this.#announce(seq - 1, now);
      this.#highest = seq;
      return "new";
    }
    const missing = this.#missing.get(seq);
    // Its sender has not heard that it had come: the acknowledgement was lost.
    if (missing === undefined) return "duplicate";
    if (seq === this.aru + 1) this.#gainedAt = now;
    this.#missing.delete(seq);
    this.#learn(missing, now);
    if (this.#missing.size === 0) this.#askAt = NEVER;
    return "new";
  }

  /** The other end says up to which number it has sent: what has not come is missing. */
  told({ sent, isQuestion }: HopState, now: number): void {
    if (sent > this.aru + this.#config.windowPackets) return;
    this.#announce(sent, now);
    if (isQuestion) this.#ackAt = Math.min(this.#ackAt, now);
  }

  /** What to tell the other end now; requests are made with it. */
  report(now: number): Received {
    const requests = new RangeSet();
    this.#askAt = NEVER;
    for (const [seq, missing] of this.#missing) {
      if (missing.askAt <= now && requests.rangeCount < HOP_REQUEST_RANGES_MAX) {
        requests.add(seq);
        missing.askedAt = now;
        missing.askAt = now + this.#answerMs;
        this.#requested++;
      }
      this.#askAt = Math.min(this.#askAt, missing.askAt);
    }
    if (!requests.isEmpty) {
      this.#overtakenMs = Math.max(OVERTAKEN_MS_MIN, this.#overtakenMs * OVERTAKEN_DECAY);
    }
    this.#unacknowledged = 0;
    this.#ackAt = NEVER;
    const heldMs = hopTimeBetween(this.#lastAt, hopTime(now));
    return {
      aru: this.aru,
      highest: this.#highest,
      bytes: this.#bytes,
      at: this.#lastAt,
      echo: hopTimeAfter(this.#lastSentAt, heldMs),
      requests,
    };
  }

  /**
   * Since when the first missing packet has been missing and the first; never if none is missing. As the other end repairs the first ones first, that is short
   * while repairs arrive at all, however many are missing.
   */
  get stuckSince(): number {
    for (const { since } of this.#missing.values()) return Math.max(since, this.#gainedAt);
    return NEVER;
  }

  #announce(upTo: number, now: number): void {
    if (upTo <= this.#highest) return;
    const askAt = now + this.#overtakenMs;
    for (let seq = this.#highest + 1; seq <= upTo; seq++) {
      this.#missing.set(seq, { since: now, askedAt: Number.NEGATIVE_INFINITY, askAt });
    }
    this.#askAt = Math.min(this.#askAt, askAt);
    this.#highest = upTo;
    assert(this.#missing.size <= this.#config.windowPackets, "what is missing is within the window");
  }

  /** Something that comes before an answer could have come was not lost but overtaken: others may be as late. */
  #learn(missing: Missing, now: number): void {
    const isAnswer = missing.askedAt >= missing.since && now - missing.askedAt >= this.#answerMs / 2;
    if (isAnswer) return;
    this.#overtakenMs = Math.min(OVERTAKEN_MS_MAX, Math.max(this.#overtakenMs, (now - missing.since) * 1.25));
  }
}
