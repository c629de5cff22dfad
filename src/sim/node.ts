import { assert } from "../base/assert.ts";
import type { EventQueue, EventTarget, SimEvent } from "./event-queue.ts";
import type { NetworkModel, ProcessorModel } from "./network-model.ts";
import type { SimChannel, SimProcess } from "./sim-process.ts";

/** What `SimEvent.what` says to a node. The first three are those of datagrams on the wire, by channel. */
export const ARRIVE_TOKEN = 0;
export const ARRIVE_DATA = 1;
export const ARRIVE_REPAIR = 2;
/** Plus one of the above: a datagram that had to wait for the port. */
const QUEUE = 3;
const TURN = 6;
const ALARM = 7;
const ACTION = 8;

const CHANNELS: readonly SimChannel[] = ["token", "data", "repair"];

/** Datagrams in a kernel's receive buffer. */
class ReceiveQueue {
  #items: (Uint8Array | undefined)[] = [];
  #head = 0;
  bytes = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  push(bytes: Uint8Array, charged: number): void {
    this.#items.push(bytes);
    this.bytes += charged;
  }

  shift(overhead: number): Uint8Array | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.bytes -= item.length + overhead;
    if (this.#head === this.#items.length || this.#head > 1024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

/**
 * A computer in the simulated network: an interface, a kernel buffer per channel, a processor that handles one thing
 * at a time and pauses as told, and a process or none.
 */
export class SimNode implements EventTarget {
  readonly index: number;
  readonly #events: EventQueue;
  readonly #network: NetworkModel;
  readonly #onDrop: () => void;
  #processor: ProcessorModel;
  #slowness = 1;
  #process: SimProcess | undefined;
  /** Starts so far; an event meant for an earlier one is ignored. */
  #incarnation = 0;
  readonly #queues: Readonly<Record<SimChannel, ReceiveQueue>> = {
    token: new ReceiveQueue(),
    data: new ReceiveQueue(),
    repair: new ReceiveQueue(),
  };
  /** The processor works or pauses until then. */
  #busyUntil = 0;
  /** What the process is to do besides receiving and its timers, in the order in which it was asked. */
  #actions: ((now: number) => void)[] = [];
  /** The one valid turn, action and alarm event; others are left-overs. */
  #turnAt = Number.POSITIVE_INFINITY;
  #actionAt = Number.POSITIVE_INFINITY;
  #alarmAt = Number.POSITIVE_INFINITY;
  #portFree = 0;
  #handledBytes = 0;
  readonly #clockRate: number;
  readonly #clockOffsetMs: number;

  constructor(
    index: number,
    events: EventQueue,
    network: NetworkModel,
    processor: ProcessorModel,
    clock: { readonly rate: number; readonly offsetMs: number },
    onDrop: () => void,
  ) {
    this.index = index;
    this.#events = events;
    this.#network = network;
    this.#processor = processor;
    this.#clockRate = clock.rate;
    this.#clockOffsetMs = clock.offsetMs;
    this.#onDrop = onDrop;
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** What the node's own clock shows at a simulated time. */
  localTime(now: number): number {
    return this.#clockOffsetMs + now * this.#clockRate;
  }

  /** When a datagram leaves that is sent now: the work before it and its own cost lie in between. */
  departure(bytes: number): number {
    this.#spend(this.#events.now, bytes);
    return this.#busyUntil;
  }

  /** Opens the next incarnation; call `start` with its process. */
  prepare(): number {
    assert(this.#process === undefined, "a node runs one process at a time");
    this.#busyUntil = Math.max(this.#busyUntil, this.#events.now);
    return ++this.#incarnation;
  }

  start(process: SimProcess): void {
    this.#process = process;
    this.#arm();
  }

  /** The process is gone, with all that its kernel held for it. */
  crash(): void {
    this.#process = undefined;
    this.#incarnation++;
    for (const channel of CHANNELS) this.#queues[channel].clear();
    this.#actions = [];
    this.#turnAt = Number.POSITIVE_INFINITY;
    this.#actionAt = Number.POSITIVE_INFINITY;
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#busyUntil = this.#events.now;
  }

  /** Stops the processor for a while; the kernel goes on receiving. */
  freeze(durationMs: number): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#events.now) + durationMs;
  }

  /** Ends all freezes at once. */
  thaw(): void {
    this.#busyUntil = this.#events.now;
    this.#scheduleTurn();
    this.#scheduleAction();
    this.#arm();
  }

  /** Makes everything take so many times longer. */
  slow(factor: number): void {
    this.#slowness = factor;
  }

  setProcessor(processor: ProcessorModel): void {
    this.#processor = processor;
  }

  /** Runs the action when the processor is free, behind those before it, if this incarnation still lives then. */
  run(incarnation: number, action: (now: number) => void): void {
    if (incarnation !== this.#incarnation) return;
    this.#actions.push(action);
    if (this.#actionAt === Number.POSITIVE_INFINITY) this.#scheduleAction();
  }

  fire(event: SimEvent): void {
    switch (event.what) {
      case ARRIVE_TOKEN:
      case ARRIVE_DATA:
      case ARRIVE_REPAIR:
        this.#arrive(event);
        return;
      case QUEUE + ARRIVE_TOKEN:
      case QUEUE + ARRIVE_DATA:
      case QUEUE + ARRIVE_REPAIR:
        this.#accept(CHANNELS[event.what - QUEUE] as SimChannel, event.bytes as Uint8Array, event.at);
        return;
      case TURN:
        if (event.at === this.#turnAt) this.#turn(event.at);
        return;
      case ALARM:
        if (event.at === this.#alarmAt) this.#alarm(event.at);
        return;
      default:
        if (event.at === this.#actionAt) this.#act(event.at);
    }
  }

  /** The switch's port towards this node sends one datagram after the other. */
  #arrive(event: SimEvent): void {
    const bytes = event.bytes as Uint8Array;
    const { at } = event;
    const sending = bytes.length / this.#network.bytesPerMs;
    if (this.#portFree > at) {
      this.#portFree += sending;
      this.#events.push(this.#portFree, this, QUEUE + event.what, 0, bytes);
      return;
    }
    // Alone on its way, its time on the wire is that of the sender's interface.
    this.#portFree = at + sending;
    this.#accept(CHANNELS[event.what] as SimChannel, bytes, at);
  }

  #accept(channel: SimChannel, bytes: Uint8Array, now: number): void {
    if (this.#process === undefined) return;
    if (this.#busyUntil <= now && !this.#hasWaiting) {
      this.#receive(channel, bytes, now);
      return;
    }
    const queue = this.#queues[channel];
    const charged = bytes.length + this.#network.datagramOverheadBytes;
    if (queue.bytes + charged > this.#network.receiveQueueBytes) {
      this.#onDrop();
      return;
    }
    queue.push(bytes, charged);
    this.#scheduleTurn();
  }

  #scheduleTurn(): void {
    if (!this.#hasWaiting) return;
    const at = Math.max(this.#busyUntil, this.#events.now);
    if (this.#turnAt === at) return;
    this.#turnAt = at;
    this.#events.push(at, this, TURN);
  }

  #turn(now: number): void {
    this.#turnAt = Number.POSITIVE_INFINITY;
    if (this.#busyUntil > now || this.#process === undefined) {
      this.#scheduleTurn();
      return;
    }
    const channel = this.#nextChannel(this.#process.preferred === "data");
    const bytes = this.#queues[channel].shift(this.#network.datagramOverheadBytes);
    if (bytes === undefined) return;
    this.#receive(channel, bytes, now);
  }

  get #hasWaiting(): boolean {
    const { token, repair, data } = this.#queues;
    return !token.isEmpty || !repair.isEmpty || !data.isEmpty;
  }

  /** Tokens, then repairs, then data; `isDataFirst`: tokens last. */
  #nextChannel(isDataFirst: boolean): SimChannel {
    const { token, repair, data } = this.#queues;
    if (!isDataFirst && !token.isEmpty) return "token";
    if (!repair.isEmpty) return "repair";
    return data.isEmpty ? "token" : "data";
  }

  #receive(channel: SimChannel, bytes: Uint8Array, now: number): void {
    this.#spend(now, bytes.length);
    this.#process?.receive(channel, bytes, this.localTime(now));
    this.#scheduleTurn();
    this.#arm();
  }

  #alarm(now: number): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    const process = this.#process;
    if (process === undefined) return;
    const local = this.localTime(now);
    const { deadline } = process;
    // Rounding may show the local clock a hair before the deadline that this event stands for.
    if (this.#busyUntil > now || deadline > local + 1e-6) {
      this.#armFor(deadline);
      return;
    }
    this.#spend(now, 0);
    process.tick(Math.max(local, deadline));
    this.#scheduleTurn();
    this.#arm();
  }

  #arm(): void {
    if (this.#process !== undefined) this.#armFor(this.#process.deadline);
  }

  /** Queues the event of the process's deadline, unless an earlier one will look at it anyway. */
  #armFor(deadline: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return;
    const due = (deadline - this.#clockOffsetMs) / this.#clockRate;
    const at = Math.max(due, this.#busyUntil, this.#events.now);
    if (at >= this.#alarmAt) return;
    this.#alarmAt = at;
    this.#events.push(at, this, ALARM);
  }

  #scheduleAction(): void {
    if (this.#actions.length === 0) return;
    const at = Math.max(this.#busyUntil, this.#events.now);
    if (this.#actionAt === at) return;
    this.#actionAt = at;
    this.#events.push(at, this, ACTION);
  }

  #act(now: number): void {
    this.#actionAt = Number.POSITIVE_INFINITY;
    const action = this.#busyUntil > now ? undefined : this.#actions.shift();
    if (action !== undefined) {
      this.#spend(now, 0);
      action(this.localTime(now));
      this.#scheduleTurn();
      this.#arm();
    }
    this.#scheduleAction();
  }

  #spend(now: number, bytes: number): void {
    const { eventMs, byteMs, pauseEveryBytes, pauseMs } = this.#processor;
    let until = Math.max(this.#busyUntil, now) + (eventMs + bytes * byteMs) * this.#slowness;
    if (pauseEveryBytes > 0) {
      this.#handledBytes += bytes;
      if (this.#handledBytes >= pauseEveryBytes) {
        this.#handledBytes = 0;
        until += pauseMs;
      }
    }
    this.#busyUntil = until;
  }
}
