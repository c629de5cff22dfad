import { assert } from "../base/assert.ts";
import { RoundTrip } from "../base/round-trip.ts";
import type { FeedScheduler } from "../machine/feed.ts";
import { NEVER } from "../machine/machine.ts";
import { hopTime, hopTimeBetween } from "../wire/hop/clock.ts";
import {
  type CutObject,
  encodeHopData,
  HOP_BEGIN_BYTES_MIN,
  HOP_DATA_HEAD_BYTES,
  HOP_OBJECT_HEAD_BYTES,
  hopObjectBytesMax,
  repeatedHopData,
} from "../wire/hop/data.ts";
import type { HopState } from "../wire/hop/state.ts";
import { ByteBucket } from "./byte-bucket.ts";
import type { HopConfig } from "./config.ts";
import { LinkRate } from "./link-rate.ts";

/** Between sites: a call round the world takes 300 ms. */
const ROUND_TRIP = { startMs: 200, minMs: 10, maxMs: 2_000 };
/** Less than this is not worth a rate of its own. */
const RATE_MIN = 8_000;
/** Times on the wire are 10 µs: a round trip that is shorter than its error. */
const ROUND_TRIP_MS_MIN = 0.05;
/** Nothing has followed the last datagram for so long: the other end is told, lest it does not know that it lacks it. */
const TAIL_MS = 10;
/** A clock that jumped, or a forged packet: no round trip is that long. */
const ROUND_TRIP_MS_MAX = 60_000;

const NOTHING = new Uint8Array(0);

/** A datagram until it is acknowledged. */
type Sent = {
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** Last time, ms. */
  sentAt: number;
  /** Not known to have arrived or been lost. */
  isUnderWay: boolean;
  isQueued: boolean;
};

export type HopSenderStatistics = {
  /** Datagrams, with those that were sent again. */
  sent: number;
  sentBytes: number;
  resent: number;
  objects: number;
};

/**
 * The sending half of a hop: packs objects into datagrams, cutting what does not fit so that all are full, numbers them, and keeps them until they are acknowledged (protocols.md G12, G14,
 * G15). What is asked for again goes before what is new.
 */
export class HopSender {
  readonly statistics: HopSenderStatistics = { sent: 0, sentBytes: 0, resent: 0, objects: 0 };
  readonly #config: HopConfig;
  readonly #feeds: FeedScheduler;
  readonly #rate: LinkRate;
  readonly #bucket: ByteBucket;
  readonly #roundTrip = new RoundTrip(ROUND_TRIP);
  readonly #kept = new Map<number, Sent>();
  #keptBytes = 0;
  #next = 1;
  #aru = 0;
  /** The greatest number that the other end has heard of. */
  #passed = 0;
  #underWayBytes = 0;
  /** Sent again, oldest first, until an echo shows that they have arrived or been lost. */
  #repeated: Sent[] = [];
  /** By number: the other end waits for the first ones longest. */
  #requests: Sent[] = [];
  /** Of all that was asked for, each time. */
  #requestedBytes = 0;
  /** Of an object that was cut: goes first in the next datagram. */
  #rest: Uint8Array = NOTHING;
  /** Whether nothing waited when something could have been sent, or the host was too late to send it, since the last acknowledgement. */
  #isIdle = true;
  /** Something waits for the rate alone. */
  #isPaced = false;
  #clockMs = 0;
  #clockAt: number | undefined;
  #probeAt = NEVER;
  #probeMs = 0;
  /** When to tell up to which number has been sent, unless more is. */
  #tailAt = NEVER;

  constructor(config: HopConfig, feeds: FeedScheduler, rateMax: number, now: number) {
    this.#config = config;
    this.#feeds = feeds;
    const { rateStart, datagramBytes } = config;
    this.#rate = new LinkRate({ rateStart, rateMin: Math.min(RATE_MIN, rateMax), rateMax, datagramBytes });
    this.#bucket = new ByteBucket(this.#rate.pacing, now);
  }

  /** The greatest number that has been sent. */
  get sent(): number {
    return this.#next - 1;
  }

  /** All up to this number have come. */
  get acknowledged(): number {
    return this.#aru;
  }

  get unacknowledged(): number {
    return this.#kept.size;
  }

  get unacknowledgedBytes(): number {
    return this.#keptBytes;
  }

  /** Smoothed, ms; 0 before the first measurement. */
  get roundTripMs(): number {
    return this.#roundTrip.smoothedMs;
  }

  /** Bytes per second that it sends at now, at most. */
  get pacing(): number {
    return this.#rate.pacing;
  }

  /** Bytes per second that get through. */
  get rate(): number {
    return this.#rate.rate;
  }

  /** When the other end has to be asked what it has: packets are unacknowledged, and nothing is heard of them. */
  get probeAt(): number {
    return this.#probeAt;
  }

  /** When the other end has to be told up to which number has been sent: it finds out then that it lacks the last ones. */
  get tailAt(): number {
    return this.#tailAt;
  }

  /** The other end has been told. */
  told(): void {
    this.#tailAt = NEVER;
  }

  get deadline(): number {
    const wantsToSend = this.#requests.length > 0 || (this.#hasMore && this.#isWindowOpen());
    return Math.min(this.#probeAt, this.#tailAt, wantsToSend ? this.#bucket.deadline : NEVER);
  }

  /** Sends what is due and possible. */
  flush(life: number, peerLife: number, now: number, transmit: (bytes: Uint8Array) => void): void {
    const hasLost = this.#bucket.takeLost(now);
    if (this.#isPaced && hasLost) this.#isIdle = true;
    this.#isPaced = false;
    this.#bucket.setRate(this.#requests.length > 0 ? this.#rate.repairPacing : this.#rate.pacing, now);
    while (this.#requests.length > 0 && this.#bucket.isOpen(now)) this.#repeat(now, transmit);
    while (this.#requests.length === 0 && this.#hasMore && this.#isWindowOpen()) {
      if (!this.#bucket.isOpen(now)) {
        this.#isPaced = true;
        return;
      }
      if (!this.#sendNext(life, peerLife, now, transmit)) break;
    }
    if (this.#requests.length === 0 && !this.#hasMore) this.#isIdle = true;
  }

  onState(state: HopState, now: number): void {
    // Of the past, or of somebody who invents numbers.
    if (state.aru < this.#aru || state.highest > this.sent) return;
    const roundTripMs = hopTimeBetween(state.echo, hopTime(now));
    this.#forget(state.aru);
    this.#pass(state.highest);
    this.#passRepeated(now - roundTripMs);
    this.#request(state, now);
    this.#probeMs = 0;
    this.#probeAt = this.#kept.size === 0 ? NEVER : now + this.#roundTrip.waitMs;
    if (state.highest === 0 || roundTripMs < -1 || roundTripMs > ROUND_TRIP_MS_MAX) return;
    const measuredMs = Math.max(ROUND_TRIP_MS_MIN, roundTripMs);
    this.#roundTrip.measured(measuredMs);
    const sample = {
      bytes: state.bytes,
      lostBytes: this.#requestedBytes,
      receivedAt: this.#unwrapped(state.at),
      roundTripMs: measuredMs,
    };
    this.#rate.observe({ ...sample, isIdle: this.#isIdle }, now);
    this.#isIdle = false;
  }

  /** The other end has been asked: it is asked again later, and later each time while it does not answer. */
  probed(now: number): void {
    this.#probeMs = this.#probeMs === 0 ? this.#roundTrip.waitMs : this.#roundTrip.afterSilence(this.#probeMs);
    this.#probeAt = now + this.#probeMs;
  }

  /** Whether there is anything that has not been sent yet. */
  get #hasMore(): boolean {
    return this.#rest.length > 0 || this.#feeds.size > 0;
  }

  #isWindowOpen(): boolean {
    const { windowPackets, windowBytes } = this.#config;
    return (
      this.#kept.size < windowPackets &&
      this.#next - this.#aru <= windowPackets &&
      this.#keptBytes < windowBytes &&
      this.#underWayBytes < this.#rate.windowBytes
    );
  }

  /** One datagram of what the feeds have, filled as far as it goes. False if they had nothing. */
  #sendNext(life: number, peerLife: number, now: number, transmit: (bytes: Uint8Array) => void): boolean {
    const { datagramBytes } = this.#config;
    const rest = this.#rest;
    const objects: Uint8Array[] = [];
    let left = datagramBytes - HOP_DATA_HEAD_BYTES - rest.length;
    while (left >= HOP_BEGIN_BYTES_MIN && this.#feeds.size > 0) {
      const before = objects.length;
      this.#feeds.pull(1, hopObjectBytesMax(datagramBytes), objects);
      if (objects.length === before) break;
      left -= HOP_OBJECT_HEAD_BYTES + (objects[before] as Uint8Array).length;
    }
    if (objects.length === 0 && rest.length === 0) {
      assert(this.#feeds.size === 0, "an object fits into a datagram");
      return false;
    }
    this.statistics.objects += objects.length;
    let cut: CutObject | undefined;
    this.#rest = NOTHING;
    if (left < 0) {
      const last = objects.pop() as Uint8Array;
      cut = { begin: last.subarray(0, left), length: last.length };
      this.#rest = last.subarray(left);
    }
    // As long as the others, too, if what is left is not worth beginning an object in it.
    const padding = this.#hasMore ? Math.max(0, left) : 0;
    const seq = this.#next++;
    const waitMs = Math.round(this.#roundTrip.waitMs);
    const data = { life, peerLife, seq, sentAt: hopTime(now), waitMs, rest, objects, cut };
    const bytes = encodeHopData(this.#config.origin, data, padding);
    this.#kept.set(seq, { seq, bytes, sentAt: now, isUnderWay: true, isQueued: false });
    this.#keptBytes += bytes.length;
    this.#underWayBytes += bytes.length;
    this.#probeAt = now + this.#roundTrip.waitMs;
    this.#tailAt = now + TAIL_MS;
    this.#transmit(bytes, transmit);
    return true;
  }

  #repeat(now: number, transmit: (bytes: Uint8Array) => void): void {
    const sent = this.#requests.shift() as Sent;
    if (!sent.isQueued) return;
    sent.isQueued = false;
    sent.sentAt = now;
    if (!sent.isUnderWay) {
      sent.isUnderWay = true;
      this.#underWayBytes += sent.bytes.length;
    }
    this.#repeated.push(sent);
    this.statistics.resent++;
    this.#probeAt = now + this.#roundTrip.waitMs;
    this.#transmit(repeatedHopData(sent.bytes, hopTime(now), Math.round(this.#roundTrip.waitMs)), transmit);
  }

  #transmit(bytes: Uint8Array, transmit: (bytes: Uint8Array) => void): void {
    this.#bucket.pay(bytes.length);
    this.statistics.sent++;
    this.statistics.sentBytes += bytes.length;
    transmit(bytes);
  }

  #forget(aru: number): void {
    for (let seq = this.#aru + 1; seq <= aru; seq++) {
      const sent = this.#kept.get(seq);
      assert(sent !== undefined, "what is not acknowledged is kept");
      this.#kept.delete(seq);
      this.#keptBytes -= sent.bytes.length;
      sent.isQueued = false;
      this.#leave(sent);
    }
    this.#aru = aru;
  }

  /** All up to here have arrived or been lost, but for what was sent again since. */
  #pass(highest: number): void {
    for (let seq = Math.max(this.#passed, this.#aru) + 1; seq <= highest; seq++) {
      const sent = this.#kept.get(seq);
      if (sent !== undefined) this.#leave(sent);
    }
    this.#passed = Math.max(this.#passed, highest);
  }

  #passRepeated(before: number): void {
    let count = 0;
    while (count < this.#repeated.length && (this.#repeated[count] as Sent).sentAt <= before) {
      this.#leave(this.#repeated[count] as Sent);
      count++;
    }
    if (count > 0) this.#repeated = this.#repeated.slice(count);
  }

  #leave(sent: Sent): void {
    if (!sent.isUnderWay) return;
    sent.isUnderWay = false;
    this.#underWayBytes -= sent.bytes.length;
  }

  /** A request that was made before what was sent again could arrive is answered already (protocols.md section 0, G15). */
  #request({ requests }: HopState, now: number): void {
    const before = now - Math.max(1, this.#roundTrip.smoothedMs * 0.9);
    for (const [low, high] of requests.ranges()) {
      for (let seq = Math.max(low, this.#aru + 1); seq <= Math.min(high, this.sent); seq++) {
        const sent = this.#kept.get(seq);
        if (sent === undefined || sent.isQueued) continue;
        const wasRepeated = sent.isUnderWay && this.#passed >= seq;
        if (wasRepeated && sent.sentAt > before) continue;
        this.#leave(sent);
        sent.isQueued = true;
        this.#requestedBytes += sent.bytes.length;
        this.#queue(sent);
      }
    }
  }

  #queue(sent: Sent): void {
    let place = this.#requests.length;
    while (place > 0 && (this.#requests[place - 1] as Sent).seq > sent.seq) place--;
    this.#requests.splice(place, 0, sent);
  }

  /** The receiver's clock, without its wraps. */
  #unwrapped(at: number): number {
    if (this.#clockAt !== undefined) this.#clockMs += hopTimeBetween(this.#clockAt, at);
    this.#clockAt = at;
    return this.#clockMs;
  }
}
