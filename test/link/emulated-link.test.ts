import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../e2e/until.ts";
import { EmulatedLink } from "./emulated-link.ts";

let west: Socket;
let east: Socket;
let link: EmulatedLink;
let received: { readonly at: "west" | "east"; readonly text: string; readonly ms: number }[];

beforeEach(async () => {
  received = [];
  west = await host("west");
  east = await host("east");
});

afterEach(async () => {
  await link.close();
  west.close();
  east.close();
});

async function host(at: "west" | "east"): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (bytes) => received.push({ at, text: bytes.toString(), ms: performance.now() }));
  return socket;
}

function exitAt(socket: Socket): { readonly address: string; readonly port: number } {
  return { address: "127.0.0.1", port: socket.address().port };
}

describe("an emulated link on real sockets", () => {
  test("passes datagrams both ways, not before their time", async () => {
    link = await EmulatedLink.open({ delayMs: 30 });
    const toEast = await link.enter("there", exitAt(east));
    const toWest = await link.enter("back", exitAt(west));
    const begin = performance.now();
    west.send("hello", toEast, "127.0.0.1");
    east.send("hi", toWest, "127.0.0.1");
    await until("both have arrived", () => received.length === 2);
    for (const { ms } of received) expect(ms - begin).toBeGreaterThanOrEqual(29.5);
    expect(received.map(({ at, text }) => `${at} ${text}`).toSorted()).toEqual(["east hello", "west hi"]);
    expect(link.statistics("there")).toMatchObject({ offered: 1, delivered: 1, deliveredBytes: 5 });
  });

  test("cuts one direction and leaves the other, and passes again what is sent after it was mended", async () => {
    link = await EmulatedLink.open({ delayMs: 0 });
    const toEast = await link.enter("there", exitAt(east));
    const toWest = await link.enter("back", exitAt(west));
    link.cut(["there"]);
    west.send("lost", toEast, "127.0.0.1");
    await until("it has been dropped", () => link.statistics("there").cut === 1);
    east.send("back", toWest, "127.0.0.1");
    await until("the other way passes", () => received.length === 1);
    link.mend();
    west.send("found", toEast, "127.0.0.1");
    await until("it passes again", () => received.length === 2);
    expect(received.map(({ text }) => text)).toEqual(["back", "found"]);
  });

  test("has one bottleneck for all entrances of a direction", async () => {
    // A datagram of 1,222 bytes with its heads takes 50 ms, and what begins to be sent within 125 ms has a place.
    link = await EmulatedLink.open({ delayMs: 0, megabits: 0.2, queueMs: 125 });
    const entrances = [await link.enter("there", exitAt(east)), await link.enter("there", exitAt(east))];
    for (let i = 0; i < 20; i++) west.send(Buffer.alloc(1_222), entrances[i % 2] as number, "127.0.0.1");
    await until("all have arrived or been dropped", () => {
      const { offered, delivered, overflowed } = link.statistics("there");
      return offered === 20 && delivered + overflowed === 20;
    });
    expect(link.statistics("there").overflowed).toBeGreaterThan(0);
    expect(link.statistics("there").delivered).toBeGreaterThanOrEqual(3);
  });
});
