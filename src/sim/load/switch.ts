import type { EventQueue, EventTarget, SimEvent } from "../event-queue.ts";
import { ARRIVE_DATA, type Computer } from "./computer.ts";

export type SwitchSettings = {
  readonly bytesPerMs: number;
  readonly latencyMs: number;
  /** Of Ethernet, IP and UDP, for each datagram. */
  readonly headerBytes: number;
  /** A multicast stands for so many datagrams. */
  readonly packetsAsOne: number;
};

/**
 * The computers' network: each has a link of its own to one switch, which copies multicasts to whoever listens. A multicast is one event, as
 * all its copies arrive at one time; what then waits for a port waits there (`Computer.arrive`).
 */
export class Switch implements EventTarget {
  readonly counts = { multicasts: 0, unicasts: 0, bytes: 0 };
  readonly #events: EventQueue;
  readonly #settings: SwitchSettings;
  readonly #computers: readonly Computer[];
  /** When the interface of each computer has sent what it was given. */
  readonly #free: Float64Array;
  readonly #listeners = new Map<number, Computer[]>();

  constructor(events: EventQueue, computers: readonly Computer[], settings: SwitchSettings) {
    this.#events = events;
    this.#computers = computers;
    this.#settings = settings;
    this.#free = new Float64Array(computers.length);
  }

  listen(computer: Computer, address: number): void {
    const listeners = this.#listeners.get(address);
    if (listeners === undefined) this.#listeners.set(address, [computer]);
    else if (!listeners.includes(computer)) listeners.push(computer);
  }

  unlisten(computer: Computer, address: number): void {
    const listeners = this.#listeners.get(address) ?? [];
    const at = listeners.indexOf(computer);
    if (at >= 0) listeners.splice(at, 1);
  }

  /** How long what a computer has given to its interface still takes, ms. */
  backlogMs(from: Computer): number {
    return Math.max(0, (this.#free[from.index] as number) - from.now);
  }

  /** To all who listen but the sender. */
  multicast(from: Computer, address: number, bytes: Uint8Array): void {
    this.counts.multicasts++;
    const at = this.#leave(from, bytes, this.#settings.packetsAsOne);
    this.#events.push(at, this, address, from.index, bytes);
  }

  /** `packets`: it stands for so many. */
  unicast(from: Computer, to: number, socket: number, bytes: Uint8Array, packets: number): void {
    const computer = this.#computers[to];
    if (computer === undefined) return;
    this.counts.unicasts++;
    this.#events.push(this.#leave(from, bytes, packets), computer, socket, packets, bytes);
  }

  fire({ what, value, bytes, at }: SimEvent): void {
    const listeners = this.#listeners.get(what) ?? [];
    const { packetsAsOne } = this.#settings;
    for (let i = 0; i < listeners.length; i++) {
      const computer = listeners[i] as Computer;
      if (computer.index !== value) computer.arrive(ARRIVE_DATA, bytes as Uint8Array, packetsAsOne, at);
    }
  }

  /** When it arrives. */
  #leave(from: Computer, bytes: Uint8Array, packets: number): number {
    const { bytesPerMs, headerBytes, latencyMs } = this.#settings;
    const size = bytes.length + headerBytes * packets;
    this.counts.bytes += size;
    const left = Math.max(from.now, this.#free[from.index] as number) + size / bytesPerMs;
    this.#free[from.index] = left;
    return left + latencyMs;
  }
}
