import { FeedScheduler, type Sink } from "../machine/feed.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { decodeHopData, type HopData } from "../wire/hop/data.ts";
import { decodeHopHello, encodeHopHello, type HopHello } from "../wire/hop/hello.ts";
import { decodeHopState, encodeHopState } from "../wire/hop/state.ts";
import { Kind, type Prefix } from "../wire/prefix.ts";
import type { HopConfig } from "./config.ts";
import { CutObjects } from "./cut-objects.ts";
import { HopReceiver } from "./hop-receiver.ts";
import { HopSender, type HopSenderStatistics } from "./hop-sender.ts";

/**
 * Classes of objects, the most urgent first: what controls order and stability, what clients send with high priority, repairs for those behind,
 * everything else.
 */
export const HOP_CLASSES = 4;

/** Answers to packets that are not of this pairing are no faster than this. */
const GREETING_MS_MIN = 10;

/** Why a hop ended. */
export type HopFailure =
  /** Nothing was heard of the other end for `silenceMs`. */
  | { readonly kind: "silence"; readonly ms: number }
  /** A packet did not come for `missingMs`, though others did. */
  | { readonly kind: "missing"; readonly seq: number; readonly ms: number }
  /** The other end began anew: it has forgotten this hop. */
  | { readonly kind: "restarted" };

/** What a hop asks of its host. */
export interface HopOutbox {
  /** Sends to the other end. The bytes are given away. */
  transmit(bytes: Uint8Array): void;
  /** The other end has answered: objects flow from now on. */
  opened(now: number): void;
  /** An object has come, once, but perhaps before earlier ones. It is given away; it may be a view of the datagram. */
  deliver(object: Uint8Array, now: number): void;
  /** Called once. The hop does nothing any more; what was not acknowledged may have arrived or not. */
  failed(why: HopFailure, now: number): void;
}

export type HopStatistics = HopSenderStatistics & {
  received: number;
  duplicates: number;
  /** Datagrams of another life of either end. */
  foreign: number;
  malformed: number;
  /** Beyond the window. */
  beyond: number;
};

/**
 * One end of a link between two sites over an unreliable, long network (Amir and Stanton, section 4.1; protocols.md G9 to G17). Both
 * directions are independent streams of objects; each object comes exactly once, as soon as its datagram does (or both that it lies in),
 * whatever is missing before it.
 */
export class Hop implements Machine {
  readonly #config: HopConfig;
  readonly #outbox: HopOutbox;
  readonly #feeds: FeedScheduler;
  readonly #receiver: HopReceiver;
  readonly #cutObjects: CutObjects;
  readonly #counts = { received: 0, duplicates: 0, foreign: 0, malformed: 0, beyond: 0 };
  #sender: HopSender | undefined;
  #peerLife = 0;
  #failure: HopFailure | undefined;
  #peerRateMax = Number.POSITIVE_INFINITY;
  #helloAt: number;
  #greetedAt = Number.NEGATIVE_INFINITY;
  #heardAt: number;
  #saidAt: number;

  constructor(config: HopConfig, outbox: HopOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#feeds = new FeedScheduler(HOP_CLASSES, () => {});
    this.#receiver = new HopReceiver(config);
    this.#cutObjects = new CutObjects(config.windowPackets);
    this.#helloAt = now;
    this.#heardAt = now;
    this.#saidAt = now;
  }

  get isOpen(): boolean {
    return this.#sender !== undefined && this.#failure === undefined;
  }

  get failure(): HopFailure | undefined {
    return this.#failure;
  }

  /** Undefined before the hop is open. */
  get sender(): HopSender | undefined {
    return this.#sender;
  }

  get receiver(): HopReceiver {
    return this.#receiver;
  }

  get statistics(): HopStatistics {
    const sender = this.#sender?.statistics ?? { sent: 0, sentBytes: 0, resent: 0, objects: 0 };
    return { ...sender, ...this.#counts };
  }

  /** Where objects of a class are registered, 0 … `HOP_CLASSES` − 1, the most urgent first. Follow it with `flush`. */
  sink(priority: number): Sink {
    return this.#feeds.sink(priority);
  }

  get deadline(): number {
    if (this.#failure !== undefined) return NEVER;
    const { silenceMs, idleMs, missingMs } = this.#config;
    let deadline = Math.min(this.#heardAt + silenceMs, this.#helloAt);
    if (this.#sender === undefined) return deadline;
    deadline = Math.min(deadline, this.#sender.deadline, this.#receiver.deadline, this.#saidAt + idleMs);
    deadline = Math.min(deadline, this.#doubtAt);
    return Math.min(deadline, this.#receiver.stuckSince + missingMs);
  }

  tick(now: number): void {
    if (this.#failure !== undefined) return;
    const { silenceMs, missingMs } = this.#config;
    if (now - this.#heardAt >= silenceMs) return this.#fail({ kind: "silence", ms: now - this.#heardAt }, now);
    const ms = now - this.#receiver.stuckSince;
    if (ms >= missingMs) return this.#fail({ kind: "missing", seq: this.#receiver.aru + 1, ms }, now);
    if (now >= this.#helloAt) this.#greet(now);
    this.flush(now);
  }

  /** Sends what waits, as far as rate and window allow. */
  flush(now: number): void {
    const sender = this.#sender;
    if (sender === undefined || this.#failure !== undefined) return;
    sender.flush(this.#config.life, this.#peerLife, now, (bytes) => this.#outbox.transmit(bytes));
    const isQuestion = sender.probeAt <= now || this.#doubtAt <= now;
    const isDue = Math.min(this.#receiver.deadline, sender.tailAt, this.#saidAt + this.#config.idleMs) <= now;
    if (!isQuestion && !isDue) return;
    if (sender.probeAt <= now) sender.probed(now);
    sender.told();
    this.#saidAt = now;
    const { life, origin } = this.#config;
    const state = { life, peerLife: this.#peerLife, isQuestion, sent: sender.sent, ...this.#receiver.report(now) };
    this.#outbox.transmit(encodeHopState(origin, state));
  }

  /** A packet of kind `hopHello`, `hopData` or `hopState` from the other end, given away. */
  receive(prefix: Prefix, bytes: Uint8Array, now: number): void {
    if (this.#failure !== undefined) return;
    switch (prefix.kind) {
      case Kind.hopHello: {
        const hello = decodeHopHello(prefix, bytes);
        if (hello === undefined) this.#counts.malformed++;
        else this.#onHello(hello, now);
        break;
      }
      case Kind.hopData: {
        const data = decodeHopData(prefix, bytes);
        if (data === undefined) this.#counts.malformed++;
        else if (this.#isOurs(data, now)) {
          const arrival = this.#receiver.receive(data, prefix.length, now);
          if (arrival === "beyond") this.#counts.beyond++;
          else this.#counts.received++;
          if (arrival === "duplicate") this.#counts.duplicates++;
          if (arrival === "new") this.#deliver(data, now);
        }
        break;
      }
      case Kind.hopState: {
        const state = decodeHopState(prefix, bytes);
        if (state === undefined) this.#counts.malformed++;
        else if (this.#isOurs(state, now)) {
          this.#receiver.told(state, now);
          this.#sender?.onState(state, now);
        }
        break;
      }
      default:
        this.#counts.foreign++;
    }
  }

  #deliver({ seq, rest, objects, cut }: HopData, now: number): void {
    const first = rest.length === 0 ? undefined : this.#cutObjects.end(seq - 1, rest);
    if (first !== undefined) this.#outbox.deliver(first, now);
    for (const object of objects) this.#outbox.deliver(object, now);
    const last = cut === undefined ? undefined : this.#cutObjects.begin(seq, cut);
    if (last !== undefined) this.#outbox.deliver(last, now);
  }

  /** When to ask the other end whether it is there: it has said nothing for as long as two of its idle messages take. */
  get #doubtAt(): number {
    const { idleMs, helloMs } = this.#config;
    return Math.max(this.#heardAt + 2 * idleMs, this.#saidAt + helloMs);
  }

  #onHello({ life, peerLife, rateMax }: HopHello, now: number): void {
    if (this.#peerLife !== 0 && life !== this.#peerLife) {
      // A lesser one was under way for long: it is of a life before that which has answered.
      if (life > this.#peerLife) this.#fail({ kind: "restarted" }, now);
      else this.#counts.foreign++;
      return;
    }
    if (peerLife !== 0 && peerLife !== this.#config.life) {
      this.#counts.foreign++;
      // It speaks to an earlier life of this end, and has to hear of this one.
      this.#greetSoon(now);
      return;
    }
    this.#heardAt = now;
    this.#peerLife = life;
    this.#peerRateMax = rateMax === 0 ? this.#peerRateMax : rateMax;
    if (peerLife === 0) this.#greetSoon(now);
    else this.#open(now);
  }

  /** Whether a packet is of this pairing. One that is shows that the other end knows this life, even if its greeting was lost. */
  #isOurs({ life, peerLife }: { readonly life: number; readonly peerLife: number }, now: number): boolean {
    if (peerLife !== this.#config.life || life !== this.#peerLife) {
      this.#counts.foreign++;
      this.#greetSoon(now);
      return false;
    }
    this.#heardAt = now;
    this.#open(now);
    return true;
  }

  #open(now: number): void {
    if (this.#sender !== undefined) return;
    const rateMax = Math.min(this.#config.rateMax, this.#peerRateMax);
    this.#sender = new HopSender(this.#config, this.#feeds, rateMax, now);
    this.#greetSoon(now);
    this.#saidAt = now;
    this.#outbox.opened(now);
  }

  #greetSoon(now: number): void {
    this.#helloAt = Math.min(this.#helloAt, Math.max(now, this.#greetedAt + GREETING_MS_MIN));
  }

  #greet(now: number): void {
    const { origin, life, rateMax, helloMs } = this.#config;
    this.#greetedAt = now;
    this.#helloAt = this.#sender === undefined ? now + helloMs : NEVER;
    const hello = { life, peerLife: this.#peerLife, rateMax: Math.min(rateMax, 0xffff_ffff) };
    this.#outbox.transmit(encodeHopHello(origin, hello));
  }

  #fail(why: HopFailure, now: number): void {
    this.#failure = why;
    this.#outbox.failed(why, now);
  }
}
