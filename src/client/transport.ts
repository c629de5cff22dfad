import { connect, type Socket } from "node:net";
import type { Address } from "./address.ts";
import type { ByteStream, StreamListener, Transport } from "./byte-stream.ts";
import { ReadMemory } from "./read-memory.ts";
import { socketWorld } from "./scalable/socket-world.ts";

/** Enough to keep a socket busy; more waits in the client, where it can still be sent elsewhere. */
const WRITE_BUFFER_BYTES = 1024 * 1024;
/** What is written in one turn leaves in one system call, or whenever it is this much. */
const CORKED_BYTES_MAX = 64 * 1024;
/** After `end`, how long the other side may take before the socket is destroyed: it may have a good-bye to read. */
const END_MS = 7_000;

/** TCP and Unix sockets, the monotonic clock and the timers of Node. */
export const nodeTransport: Transport = {
  open: (address, listener) => new SocketStream(address, listener),
  now: () => performance.now(),
  alarm: (at, callback, isAwaited = false) => {
    const timer = setTimeout(callback, Math.max(0, Math.min(at - performance.now(), 0x7fff_ffff)));
    if (!isAwaited) timer.unref();
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  nodes: socketWorld,
};

class SocketStream implements ByteStream {
  readonly #socket: Socket;
  #corked = false;
  #corkedBytes = 0;

  constructor(address: Address, listener: StreamListener) {
    const memory = new ReadMemory();
    const common = {
      writableHighWaterMark: WRITE_BUFFER_BYTES,
      onread: {
        buffer: () => memory.next(),
        callback: (count: number) => {
          listener.data(memory.take(count));
          return true;
        },
      },
    };
    const socket = connect(
      address.kind === "unix"
        ? { path: address.path, ...common }
        : { host: address.host, port: address.port, noDelay: true, keepAlive: true, ...common },
    );
    this.#socket = socket;
    let reason: string | undefined;
    socket.on("connect", () => listener.opened());
    socket.on("drain", () => listener.drained());
    socket.on("error", (error) => {
      reason = error.message;
    });
    socket.on("close", () => listener.closed(reason));
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return false;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      queueMicrotask(() => this.#uncork());
    }
    socket.write(bytes);
    this.#corkedBytes += bytes.length;
    if (this.#corkedBytes >= CORKED_BYTES_MAX) this.#uncork();
    return socket.writableLength < WRITE_BUFFER_BYTES;
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#corkedBytes = 0;
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    const socket = this.#socket;
    // Reading goes on to the other side's end: closing with unread bytes would reset the connection, and with it what
    // was written last.
    socket.resume();
    socket.end();
    setTimeout(() => socket.destroy(), END_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
