import type { Random } from "../../base/random.ts";
import type { PacketClass } from "../../machine/turn-loop.ts";
import type { EventQueue, EventTarget, SimEvent } from "../event-queue.ts";
import type { CostModel } from "./cost-model.ts";

/** The sockets of a computer, most urgent first. */
export const SOCKETS: readonly PacketClass[] = ["token", "repair", "data"];

/** What `SimEvent.what` says to a computer: the first three are arrivals, by socket. */
export const ARRIVE_TOKEN = 0;
export const ARRIVE_REPAIR = 1;
export const ARRIVE_DATA = 2;
const TURN = 3;
const FREEZE = 4;

/** What runs on a computer: it is given what has come, and called when it is its turn. */
export interface Program {
  /** Taken out of a socket. */
  packet(socket: PacketClass, bytes: Uint8Array): void;
  /** One turn of its loop; it says what it does by `Computer.spend`. Returns when it wants the next one: in the past for at once. */
  turn(): number;
  /** Bytes that it keeps on purpose, and groups that it sends to. */
  readonly keptBytes: number;
  readonly groups: number;
}

export type ComputerSettings = {
  readonly costs: CostModel;
  /** Of each socket: what arrives while it is full is lost. */
  readonly receiveBytes: number;
  /** What the kernel charges for a datagram beyond its bytes. */
  readonly overheadBytes: number;
  /** Of the port towards this computer; and what Ethernet, IP and UDP add to a datagram. */
  readonly bytesPerMs: number;
  readonly headerBytes: number;
};

/** Datagrams in a socket, with the times at which the port has delivered them. */
class Socket {
  #packets: (Uint8Array | undefined)[] = [];
  #times: number[] = [];
  #charges: number[] = [];
  #head = 0;
  bytes = 0;

  get readyAt(): number {
    return this.#times[this.#head] ?? Number.POSITIVE_INFINITY;
  }

  push(packet: Uint8Array, at: number, charged: number): void {
    this.#packets.push(packet);
    this.#times.push(at);
    this.#charges.push(charged);
    this.bytes += charged;
  }

  shift(): Uint8Array {
    const packet = this.#packets[this.#head] as Uint8Array;
    this.#packets[this.#head] = undefined;
    this.bytes -= this.#charges[this.#head++] as number;
    if (this.#head === this.#packets.length) {
      this.#packets = [];
      this.#times = [];
      this.#charges = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#packets.length) {
      this.#packets = this.#packets.slice(this.#head);
      this.#times = this.#times.slice(this.#head);
      this.#charges = this.#charges.slice(this.#head);
      this.#head = 0;
    }
    return packet;
  }
}

/** Where the time of a processor has gone, ms. They only grow. */
export type ProcessorTimes = { busy: number; own: number; runtime: number; collector: number };

/**
 * A computer that runs one program in turns (protocols.md A55–A57): at the beginning of a turn the sockets are drained, what is done in it
 * takes time, and what comes meanwhile waits in sockets of finite size. One event per turn, however many datagrams there are in it: so
 * hundreds of computers can be simulated under full load.
 */
export class Computer implements EventTarget {
  readonly index: number;
  readonly times: ProcessorTimes = { busy: 0, own: 0, runtime: 0, collector: 0 };
  /** Datagrams that came, and that were lost here. */
  readonly counts = { arrived: 0, dropped: 0 };
  /** Loses what comes while it says so. */
  loses: ((at: number) => boolean) | undefined;
  /** Told what is lost here. */
  onLost: ((bytes: Uint8Array, at: number) => void) | undefined;
  readonly #events: EventQueue;
  readonly #random: Random;
  readonly #settings: ComputerSettings;
  /** How much longer than usual things take in this turn. */
  #slowness = 1;
  readonly #sockets: readonly Socket[] = SOCKETS.map(() => new Socket());
  #program: Program | undefined;
  /** The time inside a turn; between turns, when the last one ended. */
  #clock = 0;
  /** The one valid turn event. */
  #turnAt = Number.POSITIVE_INFINITY;
  #wantsTurnAt = Number.POSITIVE_INFINITY;
  #portFree = 0;
  #allocated = 0;
  #memoryMb: number;
  #frozenUntil = 0;

  constructor(index: number, events: EventQueue, random: Random, settings: ComputerSettings) {
    this.index = index;
    this.#random = random;
    this.#events = events;
    this.#settings = settings;
    this.#memoryMb = settings.costs.idleMb;
  }

  start(program: Program, now: number): void {
    this.#program = program;
    this.#clock = now;
    this.measure();
    this.#wake(now);
  }

  /** The program is gone, with what is in its sockets. */
  stop(): void {
    this.#program = undefined;
    this.#turnAt = Number.POSITIVE_INFINITY;
  }

  get isRunning(): boolean {
    return this.#program !== undefined;
  }

  /** The clock of the program. */
  get now(): number {
    return this.#clock;
  }

  /** Memory in use when it was last looked at, MB. */
  get memoryMb(): number {
    return this.#memoryMb;
  }

  /** The processor works for so long, and allocates so many bytes. */
  spend(ms: number, allocated: number): void {
    const { runtimeShare, runtimePerMb, collectEveryBytes } = this.#settings.costs;
    const usual = ms * this.#slowness;
    const runtime = usual * runtimeShare * (1 + runtimePerMb * this.#memoryMb);
    const own = usual * (1 - runtimeShare);
    this.times.own += own;
    this.times.runtime += runtime;
    this.#clock += own + runtime;
    this.#allocated += allocated;
    if (this.#allocated >= collectEveryBytes) this.#collect();
  }

  /** Stops the processor for a while; the kernel goes on receiving. */
  freeze(forMs: number): void {
    this.#events.push(this.#events.now, this, FREEZE, forMs);
  }

  /** Something has happened that the program has to look at. */
  poke(now: number): void {
    if (now < this.#wantsTurnAt) this.#wantsTurnAt = now;
    this.#wake(now);
  }

  /** A datagram comes at the port now, which stands for so many. */
  arrive(socket: number, bytes: Uint8Array, packets: number, at: number): void {
    if (this.#program === undefined) return;
    const { bytesPerMs, headerBytes, overheadBytes, receiveBytes } = this.#settings;
    this.counts.arrived++;
    const queue = this.#sockets[socket] as Socket;
    const charged = bytes.length + overheadBytes * packets;
    if (this.loses?.(at) === true || queue.bytes + charged > receiveBytes) {
      this.counts.dropped++;
      this.onLost?.(bytes, at);
      return;
    }
    // Alone on its way, its time on the wire is that of the sender's interface.
    const sending = (bytes.length + headerBytes * packets) / bytesPerMs;
    const ready = this.#portFree > at ? this.#portFree + sending : at;
    this.#portFree = ready + (ready === at ? sending : 0);
    queue.push(bytes, ready, charged);
    if (this.#turnAt === Number.POSITIVE_INFINITY || this.#turnAt > ready) this.#wake(ready);
  }

  fire(event: SimEvent): void {
    switch (event.what) {
      case TURN:
        if (event.at === this.#turnAt) this.#turn(event.at);
        return;
      case FREEZE:
        this.#frozenUntil = Math.max(this.#clock, event.at) + event.value;
        return;
      default:
        this.arrive(event.what, event.bytes as Uint8Array, event.value, event.at);
    }
  }

  /** Something is there at `at`: a turn then, or when the processor is free; who sleeps has to be woken first. */
  #wake(at: number): void {
    if (this.#program === undefined) return;
    const free = at >= this.#clock ? at + this.#settings.costs.wakeMs : this.#clock;
    const due = Math.max(free, this.#frozenUntil);
    if (due >= this.#turnAt) return;
    this.#turnAt = due;
    this.#events.push(due, this, TURN);
  }

  #turn(now: number): void {
    const program = this.#program;
    if (program === undefined) return;
    this.#turnAt = Number.POSITIVE_INFINITY;
    if (now < this.#frozenUntil) {
      this.#wake(now);
      return;
    }
    this.#clock = now;
    const { turnMs, timerMs, spread } = this.#settings.costs;
    this.#slowness = 1 + spread * (2 * this.#random.unit() - 1);
    this.spend(turnMs, 0);
    this.#drain(program, now);
    const wanted = program.turn();
    this.times.busy += this.#clock - now;
    this.#wantsTurnAt = wanted > this.#clock ? Math.ceil(wanted / timerMs) * timerMs : wanted;
    let next = this.#wantsTurnAt;
    for (const socket of this.#sockets) next = Math.min(next, socket.readyAt);
    if (next !== Number.POSITIVE_INFINITY) this.#wake(next <= this.#clock ? Number.NEGATIVE_INFINITY : next);
  }

  #drain(program: Program, now: number): void {
    for (let socket = 0; socket < SOCKETS.length; socket++) {
      const queue = this.#sockets[socket] as Socket;
      const name = SOCKETS[socket] as PacketClass;
      while (queue.readyAt <= now) program.packet(name, queue.shift());
    }
  }

  #collect(): void {
    const { pauseMs, pausePerMbMs } = this.#settings.costs;
    this.#allocated -= this.#settings.costs.collectEveryBytes;
    this.measure();
    const pause = pauseMs + pausePerMbMs * this.#memoryMb;
    this.times.collector += pause;
    this.#clock += pause;
  }

  /** Looks at the memory in use. */
  measure(): void {
    const { idleMb, memoryPerKeptByte, bytesPerGroup } = this.#settings.costs;
    const kept = (this.#program?.keptBytes ?? 0) * memoryPerKeptByte + (this.#program?.groups ?? 0) * bytesPerGroup;
    this.#memoryMb = idleMb + kept / 1e6;
  }
}
