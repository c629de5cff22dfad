import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a daemon that can be cut: what a network does to a connection that its ends have not closed. */
export class CuttableWay implements AsyncDisposable {
  /** As `connect` takes it. */
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.address = `${port}@127.0.0.1`;
  }

  /** Listens at a port and passes everything on to another one. */
  static async open(port: number, target: number): Promise<CuttableWay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const way = new CuttableWay(server, port);
    server.on("connection", (near) => {
      const far = connect(target, "127.0.0.1");
      for (const socket of [near, far]) {
        way.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => way.#sockets.delete(socket));
      }
      near.pipe(far);
      far.pipe(near);
    });
    return way;
  }

  /** Cuts all that goes through; new connections are let in. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
