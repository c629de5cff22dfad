import { describe, expect, it } from "vitest";
import { WRITE_HIGH_WATER_BYTES } from "./client-stream.ts";
import { LocalStream } from "./local-stream.ts";

/** Both ends of a stream, and what each has been told. */
class Ends {
  readonly daemonHas: Uint8Array[] = [];
  readonly clientHas: Uint8Array[] = [];
  readonly told: string[] = [];
  readonly stream = new LocalStream(
    {
      opened: () => this.told.push("client: opened"),
      data: (bytes) => this.clientHas.push(bytes),
      drained: () => this.told.push("client: drained"),
      closed: (reason) => this.told.push(`client: closed ${reason ?? ""}`.trim()),
    },
    {
      received: (bytes) => this.daemonHas.push(bytes),
      drained: () => this.told.push("daemon: drained"),
      closed: (byPeer) => this.told.push(`daemon: closed ${byPeer ? "by peer" : "here"}`),
    },
  );
  readonly client = this.stream.clientEnd;
}

/** Longer than anything that a stream puts off. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

const MEGABYTE = 1024 * 1024;

describe("LocalStream", () => {
  it("hands over what is written as it is, in order, and not within the call", async () => {
    const ends = new Ends();
    const [a, b, c] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
    expect(ends.client.write(a)).toBe(true);
    expect(ends.client.write(b)).toBe(true);
    expect(ends.stream.write(c)).toBe(true);
    ends.stream.flush();
    expect([...ends.daemonHas, ...ends.clientHas, ...ends.told]).toEqual([]);
    await settled();
    expect(ends.daemonHas[0]).toBe(a);
    expect(ends.daemonHas[1]).toBe(b);
    expect(ends.clientHas[0]).toBe(c);
    expect(ends.told).toEqual(["client: opened"]);
  });

  it("brings the client nothing before the daemon's turn ends", async () => {
    const ends = new Ends();
    ends.stream.write(Uint8Array.of(1));
    await settled();
    expect(ends.clientHas).toEqual([]);
    expect(ends.stream.gathered).toBe(1);
    ends.stream.flush();
    expect(ends.stream.gathered).toBe(0);
    await settled();
    expect(ends.clientHas).toHaveLength(1);
  });

  it("asks the client to wait while the daemon does not read, and loses nothing", async () => {
    const ends = new Ends();
    ends.stream.pause();
    let written = 0;
    while (ends.client.write(new Uint8Array(100_000).fill(written))) written++;
    written++;
    expect(written * 100_000).toBeGreaterThanOrEqual(MEGABYTE);
    await settled();
    expect(ends.daemonHas).toEqual([]);
    ends.stream.resume();
    await settled();
    expect(ends.daemonHas.map((bytes) => bytes[0])).toEqual(Array.from({ length: written }, (_, i) => i));
    expect(ends.told).toEqual(["client: opened", "client: drained"]);
  });

  it("asks the daemon to wait while the client does not read, and loses nothing", async () => {
    const ends = new Ends();
    ends.client.pause();
    let written = 0;
    while (ends.stream.write(new Uint8Array(50_000).fill(written))) written++;
    written++;
    expect(ends.stream.buffered).toBeGreaterThan(WRITE_HIGH_WATER_BYTES);
    ends.stream.flush();
    await settled();
    expect(ends.clientHas).toEqual([]);
    ends.client.resume();
    await settled();
    expect(ends.clientHas.map((bytes) => bytes[0])).toEqual(Array.from({ length: written }, (_, i) => i));
    expect(ends.stream.buffered).toBe(0);
    expect(ends.told).toEqual(["client: opened", "daemon: drained"]);
  });

  it("ends when the client does, behind what it has written", async () => {
    const ends = new Ends();
    await settled();
    ends.stream.pause();
    ends.client.write(Uint8Array.of(1));
    ends.client.end();
    expect(ends.client.write(Uint8Array.of(2))).toBe(false);
    await settled();
    expect(ends.told).toEqual(["client: opened"]);
    ends.stream.resume();
    await settled();
    expect(ends.daemonHas).toEqual([Uint8Array.of(1)]);
    expect(ends.told).toEqual(["client: opened", "daemon: closed by peer", "client: closed"]);
  });

  it("tells the daemon what the client wrote before it turned away", async () => {
    const ends = new Ends();
    await settled();
    ends.stream.pause();
    ends.client.write(Uint8Array.of(1));
    ends.client.destroy();
    ends.client.destroy();
    await settled();
    expect(ends.daemonHas).toEqual([Uint8Array.of(1)]);
    expect(ends.told).toEqual(["client: opened", "daemon: closed by peer", "client: closed"]);
  });

  it("ends when the daemon does, behind what it has written, also to a client that does not read", async () => {
    const ends = new Ends();
    await settled();
    ends.client.pause();
    ends.stream.write(Uint8Array.of(1));
    ends.stream.end();
    expect(ends.stream.isEnding).toBe(true);
    await settled();
    expect(ends.clientHas).toEqual([Uint8Array.of(1)]);
    expect(ends.told).toEqual(["client: opened", "daemon: closed here", "client: closed"]);
  });

  it("drops what is on its way when the daemon drops it", async () => {
    const ends = new Ends();
    await settled();
    ends.client.write(Uint8Array.of(1));
    ends.stream.write(Uint8Array.of(2));
    ends.stream.flush();
    ends.stream.drop();
    await settled();
    expect([...ends.daemonHas, ...ends.clientHas]).toEqual([]);
    expect(ends.told).toEqual(["client: opened", "daemon: closed here", "client: closed"]);
  });

  it("is not opened any more once the client has turned away", async () => {
    const ends = new Ends();
    ends.client.destroy();
    await settled();
    expect(ends.told).toEqual(["daemon: closed by peer", "client: closed"]);
  });
});
