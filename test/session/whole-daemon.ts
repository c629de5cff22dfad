import type { EpochRecord } from "../../src/cms/continuity.ts";
import { localConfig } from "../../src/daemon/config/parse-site.ts";
import { DaemonNode, type NodeOutbox } from "../../src/daemon/node.ts";
import type { Channel } from "../../src/machine/network.ts";
import type { ConnectionNumber, Peer } from "../../src/session/outbox.ts";
import { join, type TestClient, type TestDaemon } from "./one-daemon.ts";

/** Time in which a daemon that is alone has delivered whatever it was given. */
const SETTLE_MS = 200;
const START_MS = 60_000;

/** A whole daemon (ring, membership, groups, sessions) that is alone, in a time of its own. */
export class WholeDaemon implements TestDaemon, NodeOutbox {
  readonly #node: DaemonNode;
  readonly #clients = new Map<ConnectionNumber, Client>();
  readonly #datagrams: { channel: Channel; bytes: Uint8Array }[] = [];
  readonly #self: number;
  #closed: ConnectionNumber[] = [];
  readonly #records: EpochRecord[] = [];
  #randoms = 0;
  #now = 0;

  constructor() {
    const site = localConfig({ name: "localhost" });
    const [self] = site.daemons;
    if (self === undefined) throw new Error("a local site has one daemon");
    this.#self = self.id;
    this.#node = new DaemonNode(
      {
        site,
        self,
        incarnation: 1,
        clockOriginMs: 1_700_000_000_000,
        receiveBufferBytes: 8 * 1024 * 1024,
        access: [],
        dissemination: () => "unicast",
        version: "test",
        pid: undefined,
      },
      this,
      0,
    );
    this.advance(START_MS);
  }

  connect(peer: Peer = { kind: "tcp", address: "127.0.0.1" }): TestClient {
    const number = this.#clients.size + 1;
    const client = new Client(
      (bytes) => {
        if (!client.closed) this.#node.received(number, bytes.slice(), this.#now);
        this.advance(SETTLE_MS);
      },
      () => {
        client.closed = true;
        this.#node.closed(number, this.#now);
        this.advance(SETTLE_MS);
      },
    );
    this.#clients.set(number, client);
    this.#node.connected(number, peer, this.#now);
    this.advance(0);
    return client;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      this.#node.endTurn(this.#now);
      const datagram = this.#datagrams.shift();
      const closed = this.#closed.shift();
      const record = this.#records.shift();
      if (record !== undefined) this.#node.persisted(record, this.#now);
      if (closed !== undefined) this.#node.closed(closed, this.#now);
      if (datagram !== undefined) this.#node.receive(datagram.channel, datagram.bytes, this.#now);
      if (closed !== undefined || datagram !== undefined || record !== undefined) continue;
      if (this.#node.deadline > end) break;
      this.#now = Math.max(this.#now, this.#node.deadline);
      this.#node.tick(this.#now);
    }
    this.#now = end;
  }

  unicast(to: number, channel: Channel, bytes: Uint8Array): void {
    if (to === this.#self) this.#datagrams.push({ channel, bytes });
  }

  multicast(): void {}

  write(connection: ConnectionNumber, chunks: readonly Uint8Array[]): boolean {
    this.#clients.get(connection)?.arrived.push(...chunks.map((chunk) => chunk.slice()));
    return true;
  }

  close(connection: ConnectionNumber): void {
    const client = this.#clients.get(connection);
    if (client !== undefined) client.closed = true;
    this.#closed.push(connection);
  }

  pauseReading(): void {}
  resumeReading(): void {}
  verifyPassword(): void {}

  persist(record: EpochRecord): void {
    this.#records.push(record);
  }

  randomBytes(count: number): Uint8Array {
    return new Uint8Array(count).fill(++this.#randoms);
  }

  report(): void {}
}

class Client implements TestClient {
  readonly arrived: Uint8Array[] = [];
  readonly send: (bytes: Uint8Array) => void;
  readonly close: () => void;
  closed = false;
  #taken = 0;

  constructor(send: (bytes: Uint8Array) => void, close: () => void) {
    this.send = send;
    this.close = close;
  }

  received(): Uint8Array {
    return join(this.arrived);
  }

  take(): Uint8Array {
    const all = this.received();
    const since = all.subarray(this.#taken);
    this.#taken = all.length;
    return since;
  }
}
