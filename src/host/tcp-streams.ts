import { connect, createServer, type Server, type Socket } from "node:net";
import type { StreamSocket, StreamSocketListener } from "./peer-streams.ts";

/** What was written last may take so long to leave when a stream is ended. */
const LINGER_MS_MAX = 1_000;

/** Connects to where another daemon listens for streams. The address is numeric. */
export function dialTcp(
  address: string,
  port: number,
  listener: StreamSocketListener,
  now: () => number,
): StreamSocket {
  const socket = connect({ host: address, port, noDelay: true });
  socket.once("connect", () => listener.opened(now()));
  return new TcpStream(socket, listener, now);
}

/** Listens for streams of other daemons. Rejects if that is not possible. */
export async function listenTcp(
  address: string,
  port: number,
  accept: (socket: StreamSocket, from: string) => StreamSocketListener,
  now: () => number,
): Promise<AsyncDisposable> {
  const server = createServer({ noDelay: true }, (socket) => {
    const from = (socket.remoteAddress ?? "somebody").replace(/^::ffff:(?=\d+\.)/, "");
    let listener: StreamSocketListener | undefined;
    const stream = new TcpStream(
      socket,
      {
        opened: () => undefined,
        received: (bytes, at) => listener?.received(bytes, at),
        drained: () => listener?.drained(),
        closed: (why, at) => listener?.closed(why, at),
      },
      now,
    );
    listener = accept(stream, from);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, ipv6Only: address.includes(":") }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  // No descriptors left, or a connection that failed before it was accepted: the others go on.
  server.on("error", () => undefined);
  return { [Symbol.asyncDispose]: () => closed(server) };
}

/** A connection to another daemon. */
class TcpStream implements StreamSocket {
  readonly #socket: Socket;
  readonly #listener: StreamSocketListener;
  #isBlocked = false;
  readonly #onWritten = (): void => {
    if (!this.#isBlocked || this.#socket.writableLength > 0 || this.#socket.destroyed) return;
    this.#isBlocked = false;
    this.#listener.drained();
  };

  constructor(socket: Socket, listener: StreamSocketListener, now: () => number) {
    this.#socket = socket;
    this.#listener = listener;
    let why: string | undefined;
    socket.on("data", ({ buffer, byteOffset, length }: Buffer) =>
      listener.received(new Uint8Array(buffer, byteOffset, length), now()),
    );
    socket.on("error", (error) => {
      why = error.message;
    });
    socket.on("close", () => listener.closed(why, now()));
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return true;
    const last = pieces.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(pieces[i] as Uint8Array);
    socket.write(pieces[last] as Uint8Array, this.#onWritten);
    if (last > 0) socket.uncork();
    this.#isBlocked = socket.writableLength > 0;
    return !this.#isBlocked;
  }

  end(): void {
    const socket = this.#socket;
    socket.end();
    // Also if the other end goes on sending, or takes nothing.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS_MAX);
    socket.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
