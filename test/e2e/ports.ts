import { createSocket } from "node:dgram";
import { createServer, type Server } from "node:net";

/** Below those that the kernel gives to who asks for any port, 32768 on: a client's end could be at any of these. */
const FIRST = 20_000;
const LAST = 31_999;
const BLOCK = 40;

/** Ports that no other test uses while they are held. */
export type Ports = Disposable & { readonly base: number };

/**
 * Takes a block of forty ports at 127.0.0.1. The last one of it is listened at, which keeps test files and whole test runs that go on
 * at the same time apart; what is left of a process that was killed frees itself. A block of which somebody else has a port is passed over.
 * What is not given back ends with the process.
 */
export async function takePorts(): Promise<Ports> {
  const blocks = (LAST + 1 - FIRST) / BLOCK;
  for (let i = 0; i < blocks; i++) {
    const base = FIRST + BLOCK * ((process.pid + i) % blocks);
    const lock = await listen(base + BLOCK - 1);
    if (lock === undefined) continue;
    lock.unref();
    const free = await Promise.all(Array.from({ length: BLOCK - 1 }, (_, port) => isFree(base + port)));
    if (free.every(Boolean)) return { base, [Symbol.dispose]: () => lock.close() };
    lock.close();
  }
  throw new Error(`all ports from ${FIRST} to ${LAST} are taken by other tests`);
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** Whether nobody uses a port, neither by TCP nor by UDP. */
async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => socket.close(() => resolve(false)));
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
