import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WRITE_HIGH_WATER_BYTES } from "./client-stream.ts";
import { type ConnectionPeer, StreamHost } from "./streams.ts";

/** A host that records what it is told, and lets a test wait for it. */
class Recorder {
  readonly opened: ConnectionPeer[] = [];
  readonly received = new Map<number, number>();
  readonly drained: number[] = [];
  readonly closed: number[] = [];
  /** Those of them that the other end's system closed. */
  readonly closedByPeer: number[] = [];
  readonly host = new StreamHost({
    opened: (_connection, peer) => this.#note(() => this.opened.push(peer)),
    received: (connection, bytes) =>
      this.#note(() => this.received.set(connection, (this.received.get(connection) ?? 0) + bytes.length)),
    drained: (connection) => this.#note(() => this.drained.push(connection)),
    closed: (connection, byPeer) =>
      this.#note(() => {
        this.closed.push(connection);
        if (byPeer) this.closedByPeer.push(connection);
      }),
  });
  #waiting: (() => void)[] = [];

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #note(action: () => void): void {
    action();
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const connected = (socket: Socket): Promise<Socket> =>
  new Promise((resolve, reject) => socket.once("connect", () => resolve(socket)).once("error", reject));

let recorder: Recorder;
let folder: string;
const sockets: Socket[] = [];

async function client(port: number): Promise<Socket> {
  const socket = await connected(connect(port, "127.0.0.1"));
  sockets.push(socket);
  return socket;
}

beforeEach(() => {
  recorder = new Recorder();
  folder = mkdtempSync(join(tmpdir(), "amalgam-streams-"));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await recorder.host.shutDown();
  rmSync(folder, { recursive: true, force: true });
});

describe("StreamHost", () => {
  it("delivers what was written in a turn as one stream, small and large pieces in order", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const socket = await client(port);
    await recorder.until(() => recorder.opened.length === 1);
    expect(recorder.opened[0]).toEqual({ transport: "tcp", address: "127.0.0.1" });

    const pieces = Array.from({ length: 200 }, (_, i) => new Uint8Array(i % 7 === 0 ? 9_000 : 500).fill(i));
    const expected = Buffer.concat(pieces);
    const arrived = new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      let length = 0;
      socket.on("data", (chunk) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= expected.length) resolve(Buffer.concat(chunks));
      });
    });
    for (const piece of pieces) recorder.host.write(1, piece);
    recorder.host.flush();
    expect((await arrived).equals(expected)).toBe(true);
  });

  it("asks a writer to wait for a client that does not read, and tells when there is room", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const socket = await client(port);
    socket.pause();
    await recorder.until(() => recorder.opened.length === 1);
    let writes = 0;
    while (recorder.host.write(1, new Uint8Array(64 * 1024))) {
      recorder.host.flush();
      writes += 1;
      expect(writes).toBeLessThan(10_000);
    }
    recorder.host.flush();
    expect(recorder.host.buffered(1)).toBeGreaterThan(WRITE_HIGH_WATER_BYTES / 2);
    socket.resume();
    await recorder.until(() => recorder.drained.length > 0);
    expect(recorder.drained).toEqual([1]);
    expect(recorder.host.buffered(1)).toBeLessThanOrEqual(WRITE_HIGH_WATER_BYTES / 2);
  });

  it("reads nothing of a paused client, and everything after it is resumed", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const socket = await client(port);
    await recorder.until(() => recorder.opened.length === 1);
    recorder.host.pause(1);
    await new Promise<void>((resolve) => socket.write(new Uint8Array(1000), () => resolve()));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(recorder.received.get(1)).toBeUndefined();
    recorder.host.resume(1);
    await recorder.until(() => recorder.received.get(1) === 1000);
  });

  it("sends what was written before it ends a connection, and tells once that it is closed", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const socket = await client(port);
    await recorder.until(() => recorder.opened.length === 1);
    const bytes = new Promise<number>((resolve) => {
      let length = 0;
      socket.on("data", (chunk) => (length += chunk.length));
      socket.on("end", () => resolve(length));
    });
    recorder.host.write(1, new Uint8Array(100));
    recorder.host.close(1, "flush");
    expect(await bytes).toBe(100);
    await recorder.until(() => recorder.closed.length === 1);
    expect(recorder.host.write(1, new Uint8Array(1))).toBe(false);
    expect(recorder.host.size).toBe(0);
  });

  it("ends a connection in time though its client goes on sending", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const socket = await connected(connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    sockets.push(socket);
    socket.on("error", () => undefined);
    await recorder.until(() => recorder.opened.length === 1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      recorder.host.close(1, "flush");
      for (let n = 0; n < 10; n++) {
        await new Promise<void>((resolve) => socket.write("more", () => resolve()));
        vi.advanceTimersByTime(600);
      }
    } finally {
      vi.useRealTimers();
    }
    await recorder.until(() => recorder.closed.length === 1);
  });

  it("says whether the client's system closed a connection, or this one did", async () => {
    const port = await recorder.host.listenTcp("127.0.0.1", 0);
    const [polite, killed, refused] = [await client(port), await client(port), await client(port)];
    await recorder.until(() => recorder.opened.length === 3);
    polite.end();
    killed.resetAndDestroy();
    refused.on("error", () => undefined);
    recorder.host.close(3, "drop");
    await recorder.until(() => recorder.closed.length === 3);
    expect(recorder.closedByPeer.toSorted((a, b) => a - b)).toEqual([1, 2]);
  });

  it("replaces the Unix socket of a crashed daemon, but neither a living one's nor a file", async () => {
    const path = join(folder, "4803");
    // A bound socket whose file stays behind, as after a crash.
    const crashed = createServer();
    await new Promise<void>((resolve) => crashed.listen(join(folder, "old"), () => resolve()));
    const { renameSync } = await import("node:fs");
    renameSync(join(folder, "old"), path);
    await new Promise((resolve) => crashed.close(resolve));
    expect(existsSync(path)).toBe(true);

    await recorder.host.listenUnix(path);
    const socket = await connected(connect(path));
    sockets.push(socket);
    await recorder.until(() => recorder.opened.length === 1);
    expect(recorder.opened[0]).toEqual({ transport: "unix", address: "" });

    const second = new Recorder();
    await expect(second.host.listenUnix(path)).rejects.toThrow("in use");
    expect(existsSync(path)).toBe(true);
    const file = join(folder, "file");
    writeFileSync(file, "precious");
    await expect(second.host.listenUnix(file)).rejects.toThrow("no socket");
    expect(existsSync(file)).toBe(true);
  });

  it("leaves the Unix socket of a daemon alone that is too busy to answer", async () => {
    const path = join(folder, "4803");
    const program =
      "require('net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => console.log('up'))";
    const busy = spawn(process.execPath, ["-e", program, path], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(busy.stdout, "data");
      busy.kill("SIGSTOP");
      // Until its queue is full, and the kernel says so.
      for (let isFull = false; !isFull; ) {
        const socket = connect(path);
        sockets.push(socket);
        isFull = await connected(socket).then(
          () => false,
          () => true,
        );
      }
      await expect(recorder.host.listenUnix(path)).rejects.toThrow("in use");
      expect(existsSync(path)).toBe(true);
    } finally {
      busy.kill("SIGKILL");
    }
  });
});
