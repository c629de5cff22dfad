import { chmodSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A client connection of this daemon; numbers are not used again while it runs. */
export type ConnectionNumber = number;

export type ConnectionPeer = {
  readonly transport: "tcp" | "unix";
  /** Numeric, IPv4 in its own notation also on a dual-stack socket; empty for a Unix socket. */
  readonly address: string;
};

/** What the streams tell. None of it is called from within a verb of `StreamHost`, except by `listen` never. */
export interface StreamEvents {
  opened(connection: ConnectionNumber, peer: ConnectionPeer): void;
  /** Bytes in order, given away. */
  received(connection: ConnectionNumber, bytes: Uint8Array): void;
  /** There is room again after `write` returned false. */
  drained(connection: ConnectionNumber): void;
  /** Nothing more comes and nothing can be written. Told once, also after `close`. */
  /** `byPeer`: the other end's system said so, because its process closed it or is no more. Else it may live and be cut off. */
  closed(connection: ConnectionNumber, byPeer: boolean): void;
}

/** Bytes queued towards a client beyond which `write` asks to wait. */
export const WRITE_HIGH_WATER_BYTES = 256 * 1024;
/** What was written is handed to the kernel within the turn when it is this much, so that the client works on it meanwhile. */
const HANDED_OVER_BYTES = 64 * 1024;
/** Pieces below this are copied together: cheaper than to hand each to the kernel. */
const COPY_BYTES_MAX = 8 * 1024;
const SLAB_BYTES = 64 * 1024;
/** Slabs that wait to be filled again. */
const SPARE_SLABS_MAX = 64;
const KEEP_ALIVE_MS = 30_000;
/** A client that does not read may keep a connection that is to be closed for so long. */
const LINGER_MS_MAX = 5_000;
/** And the whole daemon from ending. */
const SHUT_DOWN_MS_MAX = 500;

/**
 * The client connections of a daemon, over TCP and a Unix socket. What is written during a turn leaves with `flush` in
 * one system call per connection.
 */
export class StreamHost {
  readonly #events: StreamEvents;
  readonly #servers: Server[] = [];
  readonly #streams = new Map<ConnectionNumber, Stream>();
  readonly #spare = new SpareSlabs();
  #dirty: Stream[] = [];
  #next = 1;

  constructor(events: StreamEvents) {
    this.#events = events;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Listens on TCP; resolves with the port, which the kernel chooses if 0 is asked for. */
  async listenTcp(address: string, port: number): Promise<number> {
    const server = this.#server("tcp");
    await listening(server, { host: address, port, backlog: 1024, ipv6Only: address.includes(":") });
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound.port : port;
  }

  /**
   * Listens on a Unix socket. A socket left by a daemon that crashed is replaced; a living daemon's is not: `EADDRINUSE`, with
   * the `path`.
   */
  async listenUnix(path: string): Promise<void> {
    if (existsSync(path)) {
      if (!lstatSync(path).isSocket()) throw pathTaken(path, "exists and is no socket");
      if (await answers(path)) throw pathTaken(path, "is in use by another daemon");
      unlinkSync(path);
    }
    const server = this.#server("unix");
    await listening(server, { path, backlog: 1024 });
    // Whoever may open a TCP connection to this host may use the socket: access is decided by authentication.
    chmodSync(path, 0o777);
  }

  /** Queues bytes, which are given away. False: the client is slow, `drained` will be told. */
  write(connection: ConnectionNumber, bytes: Uint8Array): boolean {
    const stream = this.#streams.get(connection);
    if (stream === undefined || stream.ending) return false;
    if (!stream.dirty) {
      stream.dirty = true;
      this.#dirty.push(stream);
    }
    const more = stream.write(bytes);
    if (stream.gathered >= HANDED_OVER_BYTES) stream.flush();
    return more;
  }

  /** Bytes that were written and have not been taken by the kernel. */
  buffered(connection: ConnectionNumber): number {
    return this.#streams.get(connection)?.buffered ?? 0;
  }

  /** Hands everything written since the last time to the kernel. */
  flush(): void {
    if (this.#dirty.length === 0) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const stream of dirty) {
      stream.dirty = false;
      stream.flush();
    }
  }

  /** Reads nothing more until `resume`: the client's sends back up. */
  pause(connection: ConnectionNumber): void {
    this.#streams.get(connection)?.socket.pause();
  }

  resume(connection: ConnectionNumber): void {
    this.#streams.get(connection)?.socket.resume();
  }

  /** Ends the connection: `flush` sends what was written first, for a bounded time; `drop` does not wait. */
  close(connection: ConnectionNumber, how: "flush" | "drop"): void {
    const stream = this.#streams.get(connection);
    if (stream === undefined) return;
    if (how === "drop") {
      stream.socket.destroy();
    } else {
      stream.flush();
      stream.end();
    }
  }

  /** Accepts nobody any more. */
  async stopListening(): Promise<void> {
    const servers = this.#servers.splice(0);
    await Promise.all(
      servers.map(
        (server) => new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve())),
      ),
    );
  }

  /** Hands over what was written, ends all connections and stops listening. */
  async shutDown(): Promise<void> {
    const stopped = this.stopListening();
    this.flush();
    for (const { socket } of this.#streams.values()) socket.destroySoon();
    const late = setTimeout(() => {
      for (const { socket } of this.#streams.values()) socket.destroy();
    }, SHUT_DOWN_MS_MAX);
    await stopped;
    clearTimeout(late);
  }

  #server(transport: "tcp" | "unix"): Server {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      this.#accept(socket, transport),
    );
    // A connection that fails before it is accepted, or no descriptors left: the others go on.
    server.on("error", () => undefined);
    this.#servers.push(server);
    return server;
  }

  #accept(socket: Socket, transport: "tcp" | "unix"): void {
    const connection = this.#next++;
    const stream = new Stream(socket, this.#spare, () => this.#events.drained(connection));
    this.#streams.set(connection, stream);
    // Not as the `Buffer` that it is: views of one take twice the time, and code that sees one class is faster.
    socket.on("data", ({ buffer, byteOffset, length }: Buffer) =>
      this.#events.received(connection, new Uint8Array(buffer, byteOffset, length)),
    );
    let byPeer = false;
    socket.on("end", () => {
      byPeer = true;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      byPeer ||= error.code === "ECONNRESET" || error.code === "EPIPE";
    });
    socket.on("close", () => {
      this.#streams.delete(connection);
      this.#events.closed(connection, byPeer);
    });
    const address = (socket.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
    this.#events.opened(connection, { transport, address });
  }
}

/**
 * Slabs whose bytes the kernel has taken, to be filled again: whoever is written to at every turn would make garbage of all
 * that it is sent, and an idle connection needs none.
 */
class SpareSlabs {
  readonly #slabs: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#slabs.pop() ?? new Uint8Array(new ArrayBuffer(SLAB_BYTES));
  }

  give(slab: Uint8Array): void {
    if (this.#slabs.length < SPARE_SLABS_MAX) this.#slabs.push(slab);
  }
}

/** One connection's way out: small pieces gathered in slabs, large ones as they are. */
class Stream {
  readonly socket: Socket;
  dirty = false;
  ending = false;
  readonly #spare: SpareSlabs;
  readonly #drained: () => void;
  /** Those in use since the last flush; the last is being filled, from `slabStart` on for the next piece. */
  #slabs: Uint8Array[] = [];
  #slab: Uint8Array = EMPTY;
  #slabStart = 0;
  #slabEnd = 0;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #waiting = false;

  constructor(socket: Socket, spare: SpareSlabs, drained: () => void) {
    this.socket = socket;
    this.#spare = spare;
    this.#drained = drained;
    socket.on("drain", () => this.#onDrain());
  }

  /** Bytes that `flush` hands over. */
  get gathered(): number {
    return this.#pieceBytes + (this.#slabEnd - this.#slabStart);
  }

  get buffered(): number {
    return this.gathered + this.socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (bytes.length > COPY_BYTES_MAX) {
      this.#closeSlab();
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
    } else {
      if (this.#slabEnd + bytes.length > this.#slab.length) {
        this.#closeSlab();
        this.#slab = this.#spare.take();
        this.#slabs.push(this.#slab);
        this.#slabStart = 0;
        this.#slabEnd = 0;
      }
      this.#slab.set(bytes, this.#slabEnd);
      this.#slabEnd += bytes.length;
    }
    if (this.buffered <= WRITE_HIGH_WATER_BYTES) return true;
    this.#waiting = true;
    return false;
  }

  flush(): void {
    this.#closeSlab();
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    this.#pieceBytes = 0;
    const { socket } = this;
    if (socket.destroyed) return;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    this.#releaseSlabs(socket.writableLength === 0);
    // Taken at once, so that the socket will not tell: whoever waits is told all the same.
    if (this.#waiting && socket.writableLength === 0) setImmediate(() => this.#onDrain());
  }

  end(): void {
    if (this.ending) return;
    this.ending = true;
    this.socket.end();
    this.socket.setTimeout(LINGER_MS_MAX, () => this.socket.destroy());
    this.socket.resume();
  }

  /** Those that the kernel has not emptied belong to the socket now. */
  #releaseSlabs(areTaken: boolean): void {
    if (areTaken) for (const slab of this.#slabs) this.#spare.give(slab);
    this.#slabs = [];
    this.#slab = EMPTY;
    this.#slabStart = 0;
    this.#slabEnd = 0;
  }

  #closeSlab(): void {
    if (this.#slabEnd === this.#slabStart) return;
    const piece = this.#slab.subarray(this.#slabStart, this.#slabEnd);
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    this.#slabStart = this.#slabEnd;
  }

  #onDrain(): void {
    if (!this.#waiting || this.socket.destroyed || this.buffered > WRITE_HIGH_WATER_BYTES / 2) return;
    this.#waiting = false;
    this.#drained();
  }
}

const EMPTY = new Uint8Array(0);

function listening(server: Server, options: Parameters<Server["listen"]>[0]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function pathTaken(path: string, why: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${path} ${why}`), { code: "EADDRINUSE", path });
}

/** Whether somebody accepts connections at a Unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
