import { chmodSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { ByteStream, StreamListener } from "../client/byte-stream.ts";
import type { ClientStream } from "./client-stream.ts";
import { LocalStream } from "./local-stream.ts";
import { SocketStream, SpareSlabs } from "./socket-stream.ts";

/** A client connection of this daemon; numbers are not used again while it runs. */
export type ConnectionNumber = number;

export type ConnectionPeer = {
  /** `process`: the client is in the daemon's own process. */
  readonly transport: "tcp" | "unix" | "process";
  /** Numeric, IPv4 in its own notation also on a dual-stack socket; empty without TCP. */
  readonly address: string;
};

/** What the streams tell. None of it is called from within a verb of `StreamHost`, but `opened` by `openLocal`. */
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

/** What was written is handed to the kernel within the turn when it is this much, so that the client works on it meanwhile. */
const HANDED_OVER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 30_000;
/** A client that does not read may keep the whole daemon from ending for so long. */
const SHUT_DOWN_MS_MAX = 500;

/**
 * The client connections of a daemon, over TCP, a Unix socket, or memory. What is written during a turn leaves with `flush` in
 * one system call per connection.
 */
export class StreamHost {
  readonly #events: StreamEvents;
  readonly #servers: Server[] = [];
  readonly #streams = new Map<ConnectionNumber, ClientStream>();
  readonly #spare = new SpareSlabs();
  #dirty: ClientStream[] = [];
  #next = 1;

  constructor(events: StreamEvents) {
    this.#events = events;
  }

  /** Whether this connection is open, or about to close. */
  has(connection: ConnectionNumber): boolean {
    return this.#streams.has(connection);
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
      if (await answers(path))
        throw pathTaken(path, "is in use by another daemon: do without (--no-unix, unixSocket: false)");
      unlinkSync(path);
    }
    const server = this.#server("unix");
    await listening(server, { path, backlog: 1024 });
    // Whoever may open a TCP connection to this host may use the socket: access is decided by authentication.
    chmodSync(path, 0o777);
  }

  /** Connects a client in this process, whose end of the stream is returned: nothing is copied, and nothing passes through the kernel. */
  openLocal(listener: StreamListener): ByteStream {
    const connection = this.#next++;
    const stream = new LocalStream(listener, {
      received: (bytes) => this.#events.received(connection, bytes),
      drained: () => this.#events.drained(connection),
      closed: (byPeer) => {
        this.#streams.delete(connection);
        this.#events.closed(connection, byPeer);
      },
    });
    this.#streams.set(connection, stream);
    this.#events.opened(connection, { transport: "process", address: "" });
    return stream.clientEnd;
  }

  /** Queues bytes, which are given away. False: the client is slow, `drained` will be told. */
  write(connection: ConnectionNumber, bytes: Uint8Array): boolean {
    const stream = this.#streams.get(connection);
    if (stream === undefined || stream.isEnding) return false;
    if (!stream.isDirty) {
      stream.isDirty = true;
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
      stream.isDirty = false;
      stream.flush();
    }
  }

  /** Reads nothing more until `resume`: the client's sends back up. */
  pause(connection: ConnectionNumber): void {
    this.#streams.get(connection)?.pause();
  }

  resume(connection: ConnectionNumber): void {
    this.#streams.get(connection)?.resume();
  }

  /** Ends the connection: `flush` sends what was written first, for a bounded time; `drop` does not wait. */
  close(connection: ConnectionNumber, how: "flush" | "drop"): void {
    const stream = this.#streams.get(connection);
    if (stream === undefined) return;
    if (how === "drop") {
      stream.drop();
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
    for (const stream of this.#streams.values()) stream.finish();
    const late = setTimeout(() => {
      for (const stream of this.#streams.values()) stream.drop();
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
    const stream = new SocketStream(socket, this.#spare, () => this.#events.drained(connection));
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

/** Whether somebody accepts connections at a Unix socket, or would if he were not too busy: then the system says to try again. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EAGAIN"));
  });
}
