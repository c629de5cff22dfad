import type { Machine } from "./machine.ts";
import { PacketQueue } from "./packet-queue.ts";

/** The classes in which datagrams are processed (protocols.md A57), most urgent first. */
export type PacketClass = "token" | "repair" | "data";

/** What a turn loop drives. */
export interface TurnMachine extends Machine {
  /**
   * Whether a token is to be processed before data that is already here. The accelerated ring says no while its
   * predecessor may still be sending the last round (protocols.md G46, correction 8).
   */
  readonly prefersToken: boolean;
  receive(packetClass: PacketClass, bytes: Uint8Array, now: number): void;
}

/** What a turn loop asks of its host. */
export interface TurnVerbs {
  /** The monotonic clock, ms. */
  now(): number;
  /** Calls `TurnLoop.run` soon, after the sockets have been drained; asked at most once per turn. */
  schedule(): void;
  /** Calls `TurnLoop.run` at `timeMs`; replaces the time given before. `NEVER` is possible. */
  wakeAt(timeMs: number): void;
  /** The end of a turn: the sinks take what they can send. */
  flush(): void;
}

export type TurnOptions = {
  /** How long a turn may process packets, and how long requests, before the sockets are looked at again. */
  readonly packetQuantumMs: number;
  readonly requestQuantumMs: number;
  /** Tokens, or whatever shares their class, that may wait. There is one token per ring; the others are control packets of membership. */
  readonly tokensMax: number;
  /** Bounds of the queues of repairs and of data. */
  readonly packetsMax: number;
  readonly bytesMax: number;
  /** Requests that may wait; then `request` refuses. */
  readonly requestsMax: number;
  /** As many datagrams as one poll of a socket gives at most: that many mean that there may be more (libuv: 32). */
  readonly drainMax: number;
};

export const turnDefaults: TurnOptions = {
  packetQuantumMs: 5,
  requestQuantumMs: 5,
  tokensMax: 1024,
  packetsMax: 16_384,
  bytesMax: 32 * 1024 * 1024,
  requestsMax: 4096,
  drainMax: 32,
};

/** So often a token may give way to sockets that seem to hold more data, so that a flood cannot starve it. */
const TOKEN_DEFERRALS_MAX = 16;
/** The clock is read once in so many packets. */
const PACKETS_PER_CLOCK_READ = 16;

/**
 * The prioritised turn of one daemon (protocols.md A.11, J7). Sockets only put packets into the queues of their class;
 * one scheduled call of `run` processes them by class, then what is due, then the requests of the application, and at
 * last lets the sinks pull. A packet that is already here is thus always seen before a timer that would act on its
 * absence, also after a pause of the process.
 */
export class TurnLoop {
  readonly #machine: TurnMachine;
  readonly #verbs: TurnVerbs;
  readonly #options: TurnOptions;
  readonly #tokens: PacketQueue;
  readonly #repairs: PacketQueue;
  readonly #data: PacketQueue;
  #requests: ((now: number) => void)[] = [];
  #requestsDone = 0;
  #scheduled = false;
  #dataSinceTurn = 0;
  #tokenDeferrals = 0;
  #turns = 0;

  constructor(machine: TurnMachine, verbs: TurnVerbs, options: Partial<TurnOptions> = {}) {
    this.#machine = machine;
    this.#verbs = verbs;
    this.#options = { ...turnDefaults, ...options };
    this.#tokens = new PacketQueue(this.#options.tokensMax, this.#options.bytesMax);
    this.#repairs = new PacketQueue(this.#options.packetsMax, this.#options.bytesMax);
    this.#data = new PacketQueue(this.#options.packetsMax, this.#options.bytesMax);
  }

  /** Turns that have been run. */
  get turns(): number {
    return this.#turns;
  }

  /** Datagrams that were dropped because a queue was full. */
  get dropped(): number {
    return this.#tokens.dropped + this.#repairs.dropped + this.#data.dropped;
  }

  /** Datagrams that wait to be processed. */
  get waiting(): number {
    return this.#tokens.length + this.#repairs.length + this.#data.length;
  }

  /** Requests that wait. */
  get backlog(): number {
    return this.#requests.length - this.#requestsDone;
  }

  /**
   * A datagram from a socket: class "token" from the token channel. Bytes are given away. `continues`: it came with the one
   * before, in one read of the socket.
   */
  packet(packetClass: PacketClass, bytes: Uint8Array, continues = false): void {
    if (packetClass === "token") {
      this.#tokens.push(bytes);
    } else {
      (packetClass === "repair" ? this.#repairs : this.#data).push(bytes);
      if (!continues) this.#dataSinceTurn += 1;
    }
    this.#schedule();
  }

  /**
   * Something that the application or a client asks for, to be done in this or a later turn, in order. `false` means
   * that too much waits already, though this one was taken: the caller should stop asking until `backlog` has fallen.
   */
  request(run: (now: number) => void): boolean {
    this.#requests.push(run);
    this.#schedule();
    return this.backlog < this.#options.requestsMax;
  }

  /** Runs one turn. The host calls it once per `schedule`, and when the time of `wakeAt` has come. */
  run(): void {
    this.#scheduled = false;
    this.#turns += 1;
    const start = this.#verbs.now();
    this.#processPackets(start);
    this.#dataSinceTurn = 0;

    // Packets are processed with the clock of their moment; a timer sees what they have brought.
    const now = this.#verbs.now();
    if (this.#machine.deadline <= now) this.#machine.tick(now);
    this.#processRequests(now);
    // What requests have queued leaves in the same turn.
    if (this.#machine.deadline <= now) this.#machine.tick(now);
    this.#verbs.flush();

    if (this.waiting + this.backlog > 0) this.#schedule();
    this.#verbs.wakeAt(this.#machine.deadline);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#verbs.schedule();
  }

  #processPackets(start: number): void {
    const end = start + this.#options.packetQuantumMs;
    const full = this.#dataSinceTurn >= this.#options.drainMax;
    let now = start;
    for (let count = 1; ; count++) {
      const queue = this.#next(full);
      const bytes = queue?.shift();
      if (queue === undefined || bytes === undefined) return;
      this.#machine.receive(this.#classOf(queue), bytes, now);
      if (count % PACKETS_PER_CLOCK_READ !== 0) continue;
      now = this.#verbs.now();
      if (now >= end) return;
    }
  }

  /** The queue whose turn it is. `full`: the data socket gave all it could at once, and so may hold more. */
  #next(full: boolean): PacketQueue | undefined {
    if (this.#tokens.length > 0 && this.#machine.prefersToken) return this.#token();
    if (this.#repairs.length > 0) return this.#repairs;
    if (this.#data.length > 0) return this.#data;
    if (this.#tokens.length === 0) return undefined;
    if (full && this.#tokenDeferrals < TOKEN_DEFERRALS_MAX) {
      this.#tokenDeferrals += 1;
      return undefined;
    }
    return this.#token();
  }

  #classOf(queue: PacketQueue): PacketClass {
    if (queue === this.#data) return "data";
    return queue === this.#repairs ? "repair" : "token";
  }

  #token(): PacketQueue {
    this.#tokenDeferrals = 0;
    return this.#tokens;
  }

  #processRequests(start: number): void {
    const end = start + this.#options.requestQuantumMs;
    let now = start;
    while (this.#requestsDone < this.#requests.length) {
      const run = this.#requests[this.#requestsDone];
      this.#requestsDone += 1;
      run?.(now);
      now = this.#verbs.now();
      if (now >= end) break;
    }
    if (this.#requestsDone === this.#requests.length) {
      this.#requests = [];
      this.#requestsDone = 0;
    } else if (this.#requestsDone >= 1024) {
      this.#requests = this.#requests.slice(this.#requestsDone);
      this.#requestsDone = 0;
    }
  }
}
