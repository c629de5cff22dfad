import { emptySlots } from "../base/empty-slots.ts";
import type { Random } from "../base/random.ts";
import type { EventQueue, EventTarget } from "./event-queue.ts";
import { type LossModel, LossState, NO_LOSS } from "./loss.ts";
import type { Latency, LinkCapacity, NetworkModel } from "./network-model.ts";
import { ARRIVE_DATA } from "./node.ts";

/** What became of the datagrams of a run. */
export type DatagramCounters = {
  sent: number;
  sentBytes: number;
  /** Copies on their way to a receiver: a multicast has one for each. */
  copies: number;
  lost: number;
  cut: number;
  duplicated: number;
  /** Dropped before a slow link whose queue was full. */
  linkDrops: number;
  /** Dropped by a sending interface whose queue was full. */
  interfaceDrops: number;
  /** Dropped by a receiver's kernel whose buffer was full. */
  receiveDrops: number;
};

/**
 * The datagram network between nodes 0 … n−1: what leaves an interface, when it arrives, and whether it does. It
 * queues arrivals as events of the receiving node (`what` is given by the sender).
 */
export class Datagrams {
  readonly counters: DatagramCounters = {
    sent: 0,
    sentBytes: 0,
    copies: 0,
    lost: 0,
    cut: 0,
    duplicated: 0,
    linkDrops: 0,
    interfaceDrops: 0,
    receiveDrops: 0,
  };
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #targets: readonly EventTarget[];
  readonly #size: number;
  #model: NetworkModel;
  readonly #loss: LossState;
  readonly #linkLoss: (LossModel | undefined)[];
  /** The chance that a link loses a datagram of the data channel, beyond all other losses. */
  readonly #dataLoss: Float64Array;
  /** 1 where a link has a latency of its own. */
  readonly #hasLatency: Uint8Array;
  readonly #baseMs: Float64Array;
  readonly #jitterMs: Float64Array;
  /** 1 where datagrams do not pass. */
  readonly #blocked: Uint8Array;
  readonly #interfaceFree: Float64Array;
  /** Bytes per ms of a link between two nodes, and the bytes that wait for it before it drops; unlimited if undefined. */
  readonly #capacity: (LinkCapacity | undefined)[];
  /** By link, the one whose capacity it uses: itself, or one that it shares it with. */
  readonly #sharing: Int32Array;
  /** Until when what a link has taken occupies it. */
  readonly #linkFree: Float64Array;
  /** Bytes that have passed a link with a capacity, what the capacity counts beside them included. */
  readonly #carried: Float64Array;
  /** When the last datagram of a link arrives: a link keeps the order of what it is not told to reorder. */
  readonly #lastArrival: Float64Array;
  readonly #detourMs: Float64Array;

  constructor(events: EventQueue, random: Random, targets: readonly EventTarget[], model: NetworkModel) {
    const size = targets.length;
    this.#events = events;
    this.#random = random;
    this.#targets = targets;
    this.#size = size;
    this.#model = model;
    this.#loss = new LossState(size * size);
    this.#linkLoss = emptySlots(size * size);
    this.#dataLoss = new Float64Array(size * size);
    this.#hasLatency = new Uint8Array(size * size);
    this.#baseMs = new Float64Array(size * size).fill(model.latency.baseMs);
    this.#jitterMs = new Float64Array(size * size).fill(model.latency.jitterMs);
    this.#blocked = new Uint8Array(size * size);
    this.#interfaceFree = new Float64Array(size);
    this.#capacity = emptySlots(size * size);
    this.#sharing = new Int32Array(size * size).map((_, link) => link);
    this.#linkFree = new Float64Array(size * size);
    this.#carried = new Float64Array(size * size);
    this.#lastArrival = new Float64Array(size * size);
    this.#detourMs = new Float64Array(size * size);
  }

  /** Sends to one node, from the moment `at`. */
  unicast(from: number, to: number, what: number, bytes: Uint8Array, at: number): void {
    const sentAt = this.#leave(from, bytes, at);
    if (sentAt >= 0) this.#propagate(from, to, what, bytes, sentAt);
  }

  /** Sends once from the interface and to each of the nodes but the sender, each with losses of its own. */
  multicast(from: number, to: readonly number[], what: number, bytes: Uint8Array, at: number): void {
    const sentAt = this.#leave(from, bytes, at);
    if (sentAt < 0) return;
    for (let i = 0; i < to.length; i++) {
      const receiver = to[i] as number;
      if (receiver !== from) this.#propagate(from, receiver, what, bytes, sentAt);
    }
  }

  /** Whether datagrams pass from one node to the other. */
  passes(from: number, to: number): boolean {
    return this.#blocked[from * this.#size + to] === 0;
  }

  /** Cuts or mends one direction of a link. */
  setBlocked(from: number, to: number, blocked: boolean): void {
    this.#blocked[from * this.#size + to] = blocked ? 1 : 0;
  }

  /** The loss of one direction of a link, or of all that have none of their own. */
  setLoss(model: LossModel, from?: number, to?: number): void {
    if (from !== undefined && to !== undefined) {
      this.#linkLoss[from * this.#size + to] = model.kind === "none" ? undefined : model;
    } else {
      this.#model = { ...this.#model, loss: model };
      if (model.kind === "none") {
        this.#linkLoss.fill(undefined);
        this.#dataLoss.fill(0);
      }
      this.#loss.reset();
    }
  }

  /** Loses datagrams of the data channel only, in one direction of a link; 0 ends it. */
  setDataLoss(probability: number, from: number, to: number): void {
    this.#dataLoss[from * this.#size + to] = probability;
  }

  /** Chances of duplicates and of datagrams that are overtaken. */
  setDisorder(duplicate: number, reorder: number): void {
    this.#model = { ...this.#model, duplicate, reorder };
  }

  /** What one direction of a link carries, beside what the interfaces do; `undefined`: anything. */
  setCapacity(capacity: LinkCapacity | undefined, from: number, to: number): void {
    this.#capacity[from * this.#size + to] = capacity;
  }

  /** The same for all links from some nodes to others, which share it as they would a line between two sites. */
  shareCapacity(capacity: LinkCapacity, from: readonly number[], to: readonly number[]): void {
    const shared = (from[0] as number) * this.#size + (to[0] as number);
    for (const a of from) {
      for (const b of to) {
        this.#capacity[a * this.#size + b] = capacity;
        this.#sharing[a * this.#size + b] = shared;
      }
    }
  }

  /** Bytes that have passed this link, or those that it shares its capacity with. */
  carried(from: number, to: number): number {
    return this.#carried[this.#sharing[from * this.#size + to] as number] as number;
  }

  /** The latency of one direction of a link, from now on, or of all that have none of their own. */
  setLatency({ baseMs, jitterMs }: Latency, from?: number, to?: number): void {
    const hasOne = from !== undefined && to !== undefined;
    const first = hasOne ? from * this.#size + to : 0;
    const last = hasOne ? first : this.#size * this.#size - 1;
    if (hasOne) this.#hasLatency[first] = 1;
    for (let link = first; link <= last; link++) {
      if (!hasOne && this.#hasLatency[link] === 1) continue;
      this.#baseMs[link] = baseMs;
      this.#jitterMs[link] = jitterMs;
    }
  }

  /** What takes this direction of a link from now on takes so much longer, and is overtaken by what comes after; 0: none does. */
  setDetour(ms: number, from: number, to: number): void {
    this.#detourMs[from * this.#size + to] = ms;
  }

  /** The one-way delay that a byte stream sees now. */
  streamDelay(from: number, to: number): number {
    const link = from * this.#size + to;
    return (this.#baseMs[link] as number) + this.#random.unit() * (this.#jitterMs[link] as number);
  }

  get model(): NetworkModel {
    return this.#model;
  }

  /** When the datagram has left the interface, or −1 if its queue is full. */
  #leave(from: number, bytes: Uint8Array, at: number): number {
    const { bytesPerMs, interfaceQueueBytes } = this.#model;
    this.counters.sent++;
    this.counters.sentBytes += bytes.length;
    const start = Math.max(at, this.#interfaceFree[from] as number);
    if ((start - at) * bytesPerMs > interfaceQueueBytes) {
      this.counters.interfaceDrops++;
      return -1;
    }
    const left = start + bytes.length / bytesPerMs;
    this.#interfaceFree[from] = left;
    return left;
  }

  #propagate(from: number, to: number, what: number, bytes: Uint8Array, sentAt: number): void {
    const link = from * this.#size + to;
    const { loss, duplicate, reorder, reorderMs } = this.#model;
    this.counters.copies++;
    if (this.#blocked[link] !== 0) {
      this.counters.cut++;
      return;
    }
    if (what === ARRIVE_DATA && this.#random.chance(this.#dataLoss[link] as number)) {
      this.counters.lost++;
      return;
    }
    const model = this.#linkLoss[link] ?? loss;
    if (model !== NO_LOSS && this.#loss.isLost(link, model, this.#random, sentAt)) {
      this.counters.lost++;
      return;
    }
    const capacity = this.#capacity[link];
    let leftAt = sentAt;
    if (capacity !== undefined) {
      leftAt = this.#pass(link, capacity, bytes.length, sentAt);
      if (leftAt < 0) return;
    }
    const jitter = this.#jitterMs[link] as number;
    let at = leftAt + (this.#baseMs[link] as number) + (jitter > 0 ? this.#random.unit() * jitter : 0);
    const detourMs = this.#detourMs[link] as number;
    if (detourMs > 0) {
      at += detourMs;
    } else if (reorder > 0 && this.#random.chance(reorder)) {
      at += this.#random.unit() * reorderMs;
    } else {
      const last = this.#lastArrival[link] as number;
      if (at < last) at = last;
      this.#lastArrival[link] = at;
    }
    const target = this.#targets[to] as EventTarget;
    this.#events.push(at, target, what, 0, bytes);
    if (duplicate > 0 && this.#random.chance(duplicate)) {
      this.counters.duplicated++;
      this.#events.push(at + this.#random.unit() * reorderMs, target, what, 0, bytes);
    }
  }

  /** When a datagram has left the queue before a slow link, or −1 if that is full. */
  #pass(own: number, { bytesPerMs, queueBytes, overheadBytes }: LinkCapacity, length: number, at: number): number {
    const link = this.#sharing[own] as number;
    const start = Math.max(at, this.#linkFree[link] as number);
    if ((start - at) * bytesPerMs > queueBytes) {
      this.counters.linkDrops++;
      return -1;
    }
    this.#carried[link] = (this.#carried[link] as number) + length + overheadBytes;
    const left = start + (length + overheadBytes) / bytesPerMs;
    this.#linkFree[link] = left;
    return left;
  }
}
