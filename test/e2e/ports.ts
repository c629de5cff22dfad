import { createServer, type Server } from "node:net";

const FIRST = 21_000;
const LAST = 22_999;
const BLOCK = 40;

/** Ports that no other test uses while they are held. */
export type Ports = Disposable & { readonly base: number };

/**
 * Takes a block of forty ports. The last one of it is listened at, which keeps test files and whole test runs that go on
 * at the same time apart; what is left of a process that was killed frees itself.
 */
export async function takePorts(): Promise<Ports> {
  const blocks = (LAST + 1 - FIRST) / BLOCK;
  for (let i = 0; i < blocks; i++) {
    const base = FIRST + BLOCK * ((process.pid + i) % blocks);
    const lock = await listen(base + BLOCK - 1);
    if (lock !== undefined) return { base, [Symbol.dispose]: () => lock.close() };
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
