import type { Random } from "../base/random.ts";
import type { Address } from "../client/address.ts";
import type { ByteStream, StreamListener, Transport } from "../client/byte-stream.ts";
import type { NodeWorld } from "../client/scalable/node-world.ts";
import type { StreamEnd } from "./stream.ts";

/** What a simulated client's machine offers it. */
export type ClientMachine = {
  readonly random: Random;
  now(): number;
  /** Calls back at a simulated time, in the loop of the client's machine, if that still runs then. */
  at(time: number, action: () => void): void;
  /** Runs the action in the machine's loop as soon as it is free. */
  run(action: () => void): void;
  /** Code of the client is about to be called otherwise than by `at` and `run`. */
  stir(): void;
  /** Connects to a host; `undefined` if nothing answers there. */
  dial(host: string): StreamEnd | undefined;
  /** Where its nodes are, in scalable and timely groups. */
  readonly nodes: NodeWorld;
};

/** Half of it on the way there, half on the way back. */
const HANDSHAKE_MS = 0.1;

/** The client's world inside a simulation (client/byte-stream.ts): streams, clock, alarms and chance. */
export class SimTransport implements Transport {
  readonly nodes: NodeWorld;
  readonly #machine: ClientMachine;

  constructor(machine: ClientMachine) {
    this.#machine = machine;
    this.nodes = machine.nodes;
  }

  open(address: Address, listener: StreamListener): ByteStream {
    const host = address.kind === "tcp" ? address.host : "localhost";
    return new SimByteStream(this.#machine, host, listener);
  }

  now(): number {
    return this.#machine.now();
  }

  alarm(at: number, callback: () => void): () => void {
    let isCancelled = false;
    this.#machine.at(at, () => {
      if (!isCancelled) callback();
    });
    return () => {
      isCancelled = true;
    };
  }

  random(): number {
    return this.#machine.random.unit();
  }
}

class SimByteStream implements ByteStream {
  readonly #machine: ClientMachine;
  readonly #listener: StreamListener;
  #end: StreamEnd | undefined;
  #isClosed = false;

  constructor(machine: ClientMachine, host: string, listener: StreamListener) {
    this.#machine = machine;
    this.#listener = listener;
    machine.at(machine.now() + HANDSHAKE_MS, () => this.#open(host));
  }

  write(bytes: Uint8Array): boolean {
    return this.#end?.write(bytes) ?? false;
  }

  pause(): void {
    this.#end?.pause();
  }

  resume(): void {
    this.#end?.resume();
  }

  end(): void {
    if (this.#end === undefined) this.destroy();
    else this.#end.end();
  }

  destroy(): void {
    this.#end?.end();
    this.#machine.run(() => this.#close(undefined));
  }

  #open(host: string): void {
    if (this.#isClosed) return;
    const end = this.#machine.dial(host);
    if (end === undefined) {
      this.#close(`${host} does not answer`);
      return;
    }
    this.#end = end;
    end.user = {
      data: (bytes) => this.#tell(() => this.#listener.data(bytes)),
      drained: () => this.#tell(() => this.#listener.drained()),
      closed: () => this.#close(undefined),
    };
    this.#listener.opened();
  }

  #tell(what: () => void): void {
    if (this.#isClosed) return;
    this.#machine.stir();
    what();
  }

  #close(reason: string | undefined): void {
    this.#tell(() => {
      this.#isClosed = true;
      this.#listener.closed(reason);
    });
  }
}
