import type { EpochRecord } from "../../src/cms/continuity.ts";
import { loopbackConfig } from "../../src/daemon/config/parse-site.ts";
import { DaemonNode, type NodeEvent, type NodeOutbox } from "../../src/daemon/node.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { encodeFrame } from "../../src/wire/spread/frame.ts";
import { encodeChoice, encodeHello } from "../../src/wire/spread/handshake.ts";
import { join } from "../session/one-daemon.ts";
import { type Station, TestNetwork } from "../transcripts/network.ts";

const CLIENT = 1;
const NAMES = ["one", "two", "three"] as const;

/** A whole daemon on a test network, with a client connected to it that is a member of group "g". */
export class Town implements Station {
  readonly name: string;
  readonly id: number;
  readonly node: DaemonNode;
  /** How long its packets are. */
  datagramBytes = 1_400;
  /** Everything that the daemon has reported. */
  readonly events: NodeEvent[] = [];
  readonly #network: TestNetwork;
  readonly #arrived = new Map<number, Uint8Array[]>();
  readonly #closed: number[] = [];
  readonly #records: EpochRecord[] = [];
  #randoms = 0;

  constructor(name: string, network: TestNetwork, options: ReturnType<typeof siteOf>) {
    const self = options.daemons.find((daemon) => daemon.name === name);
    if (self === undefined) throw new Error(`${name} is configured`);
    this.name = name;
    this.id = self.id;
    this.#network = network;
    const outbox: NodeOutbox = {
      ...network.of(self.id),
      write: (connection, chunks) => {
        this.#arrived.set(connection, [
          ...(this.#arrived.get(connection) ?? []),
          ...chunks.map((part) => part.slice()),
        ]);
        return true;
      },
      close: (connection) => this.#closed.push(connection),
      pauseReading: () => {},
      resumeReading: () => {},
      verifyPassword: () => {},
      persist: (record) => this.#records.push(record),
      randomBytes: (count) => new Uint8Array(count).fill(++this.#randoms),
      report: (event) => this.events.push(event),
    };
    this.node = new DaemonNode(
      {
        site: options,
        self,
        incarnation: 1,
        clockOriginMs: 1_700_000_000_000,
        receiveBufferBytes: 8 * 1024 * 1024,
        access: [],
        dissemination: () => "unicast",
        datagramBytes: () => this.datagramBytes,
        version: "test",
        pid: undefined,
      },
      outbox,
      network.now,
    );
  }

  get deadline(): number {
    return this.node.deadline;
  }

  tick(now: number): void {
    this.node.tick(now);
    this.#endTurn(now);
  }

  receive(channel: "token" | "data", bytes: Uint8Array, now: number): void {
    this.node.receive(channel, bytes, now);
    this.#endTurn(now);
  }

  /** Takes a client in and makes it a member of the group. */
  connect(connection = CLIENT): void {
    this.node.connected(connection, { kind: "tcp", address: "127.0.0.1" }, this.#network.now);
    const user = `u${connection}`;
    const joins = encodeFrame(TypeBit.join, `#${user}#${this.name}`, ["g"], 0, new Uint8Array(0));
    this.bytes(connection, join([encodeHello(user, true, 0), encodeChoice(["NULL"]), joins]));
  }

  /** The client multicasts `data` to the group. */
  say(service: "unreliable" | "reliable" | "fifo" | "causal" | "agreed" | "safe", data: Uint8Array): void {
    this.bytes(CLIENT, encodeFrame(TypeBit[service], `#u${CLIENT}#${this.name}`, ["g"], 0, data));
  }

  /** Bytes of a client. */
  bytes(connection: number, bytes: Uint8Array): void {
    this.node.received(connection, bytes.slice(), this.#network.now);
    this.#endTurn(this.#network.now);
  }

  /** What the client has received since the last call. */
  take(connection = CLIENT): Uint8Array {
    const bytes = join(this.#arrived.get(connection) ?? []);
    this.#arrived.delete(connection);
    return bytes;
  }

  #endTurn(now: number): void {
    this.node.endTurn(now);
    for (const connection of this.#closed.splice(0)) this.node.closed(connection, now);
    for (const record of this.#records.splice(0)) this.node.persisted(record, now);
  }
}

function siteOf() {
  return loopbackConfig(NAMES);
}

/** Three daemons of one site, in one configuration, each with a client. */
export function town(): { network: TestNetwork; daemons: readonly Town[] } {
  const site = siteOf();
  const network = new TestNetwork([site.daemons.map(({ id }) => id)]);
  const daemons = NAMES.map((name) => new Town(name, network, site));
  for (const daemon of daemons) network.stations.set(daemon.id, daemon);
  network.run(3_000);
  for (const daemon of daemons) daemon.connect();
  network.run(500);
  return { network, daemons };
}
