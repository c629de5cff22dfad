/*
 * The floor under latency: bare processes in three network namespaces pass a message on, from a client's Unix socket over so many
 * datagrams to the Unix socket of a client of the host behind. What an ordered message has to be compared with.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Lab } from "../test/net/namespaces.ts";
import { told } from "./site.ts";

const RELAY = fileURLToPath(new URL("./relay-process.mjs", import.meta.url));
const HOSTS = 3;

/** Hosts that pass on; to be closed. */
export class Relay {
  readonly #lab = Lab.create(HOSTS);
  readonly #folder = mkdtempSync(join(tmpdir(), "amalgam-relay-"));
  readonly #clients: Socket[] = [];

  static async start(): Promise<Relay> {
    const relay = new Relay();
    try {
      await relay.#start();
    } catch (error) {
      relay.close();
      throw error;
    }
    return relay;
  }

  /** Milliseconds from the client of the first host to the one of the host after `hops` datagrams, one message at a time. */
  async measure(hops: number, messages: number, payloadBytes: number, pause: () => Promise<void>): Promise<number[]> {
    const times: number[] = [];
    const [sender] = this.#clients as [Socket];
    const receiver = this.#clients[hops % HOSTS] as Socket;
    for (let i = 0; i < messages; i++) {
      await pause();
      const begin = performance.now();
      const arrived = new Promise<void>((resolve) => {
        receiver.once("data", () => resolve());
      });
      const bytes = new Uint8Array(payloadBytes);
      bytes[0] = hops;
      sender.write(bytes);
      await arrived;
      times.push(performance.now() - begin);
    }
    return times;
  }

  close(): void {
    for (const client of this.#clients) client.destroy();
    this.#lab.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    for (let host = 0; host < HOSTS; host++) {
      const path = join(this.#folder, `${host}`);
      const args = [RELAY, this.#lab.address(host), this.#lab.address((host + 1) % HOSTS), path];
      const child = this.#lab.spawn(host, process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      await told(child, "ready");
      const client = connect(path);
      await new Promise<void>((resolve, reject) => client.once("connect", resolve).once("error", reject));
      this.#clients.push(client);
    }
  }
}
