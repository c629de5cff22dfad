import { expect } from "vitest";
import type { DaemonId, NodeId } from "../../src/base/ids.ts";
import { decodeChange } from "../../src/cms/change-codec.ts";
import type { EpochRecord } from "../../src/cms/continuity.ts";
import { encodeNodeTelling } from "../../src/cms/node-report.ts";
import { NodeViews } from "../../src/cms/node-views.ts";
import type { Change } from "../../src/cms/views.ts";
import { loopbackConfig, type SiteConfig } from "../../src/daemon/config/index.ts";
import { DaemonNode, type NodeOutbox } from "../../src/daemon/node.ts";
import { envelopeBytes, PREFACE } from "../../src/wire/native/envelope.ts";
import { decodeNative, encodeNative, type NativeMessage } from "../../src/wire/native/messages.ts";
import {
  decodeNodeNews,
  decodeNodeReport,
  encodeNodeReport,
  type NodeNews,
} from "../../src/wire/native/node-frames.ts";
import { decodeGroupFacts, decodeNodeSite, type GroupFacts, type NodeSite } from "../../src/wire/native/node-facts.ts";
import { TypeBit } from "../../src/wire/spread/codes.ts";
import { encodeFrame } from "../../src/wire/spread/frame.ts";
import { join } from "../session/one-daemon.ts";
import { type Station, TestNetwork } from "../transcripts/network.ts";

const STEP_MS = 5;
const TICKET_BYTES = 24;

/** A whole daemon on a test network, with connections of native clients. Its record of the epoch outlives it. */
class RegionDaemon implements Station {
  readonly node: DaemonNode;
  readonly #network: TestNetwork;
  readonly #links = new Map<number, RawNode>();
  readonly #closed: number[] = [];
  readonly #records: EpochRecord[] = [];
  #connections = 0;
  #randoms = 0;

  constructor(world: RegionWorld, name: string, incarnation: number) {
    const self = world.site.daemons.find((daemon) => daemon.name === name);
    if (self === undefined) throw new Error(`${name} is configured`);
    this.#network = world.network;
    const outbox: NodeOutbox = {
      ...world.network.of(self.id),
      write: (connection, chunks) => {
        this.#links.get(connection)?.arrived.push(...chunks.map((chunk) => chunk.slice()));
        return true;
      },
      close: (connection) => this.#closed.push(connection),
      pauseReading: () => {},
      resumeReading: () => {},
      verifyPassword: () => {},
      randomBytes: (count) => {
        const bytes = new Uint8Array(count).fill(++this.#randoms);
        bytes.set([self.index, incarnation]);
        return bytes;
      },
      persist: (record) => {
        world.durable.set(name, record);
        this.#records.push(record);
      },
      report: () => {},
    };
    this.node = new DaemonNode(
      {
        site: world.site,
        self,
        incarnation: 1_700_000_000 + incarnation,
        clockOriginMs: 1_700_000_000_000,
        receiveBufferBytes: 8 * 1024 * 1024,
        access: [],
        dissemination: () => "unicast",
        epoch: world.durable.get(name),
        version: "test",
        pid: undefined,
      },
      outbox,
      world.network.now,
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

  accept(client: RawNode): number {
    const connection = ++this.#connections;
    this.#links.set(connection, client);
    this.node.connected(connection, { kind: "unix" }, this.#network.now);
    return connection;
  }

  bytes(connection: number, bytes: Uint8Array): void {
    this.node.received(connection, bytes, this.#network.now);
    this.#endTurn(this.#network.now);
  }

  /** The connection is over: the client has closed it, or nothing is heard of it. */
  hangUp(connection: number, byPeer: boolean): void {
    this.#links.delete(connection);
    this.node.closed(connection, this.#network.now, byPeer);
    this.#endTurn(this.#network.now);
  }

  #endTurn(now: number): void {
    this.node.endTurn(now);
    for (const connection of this.#closed.splice(0)) {
      this.#links.get(connection)?.closed();
      this.#links.delete(connection);
      this.node.closed(connection, now);
    }
    for (const record of this.#records.splice(0)) this.node.persisted(record, now);
  }
}

/** A native client that speaks the protocol itself: joins scalable groups, applies the changes that it is told, and reports them. */
export class RawNode {
  readonly name: string;
  readonly arrived: Uint8Array[] = [];
  views = new NodeViews();
  node: NodeId | undefined;
  suspended = false;
  expelled = false;
  readonly changes: Change[] = [];
  readonly news: NodeNews[] = [];
  readonly refusals: string[] = [];
  /** Everything else that the daemon has delivered. */
  readonly deliveries: Uint8Array[] = [];
  site: NodeSite | undefined;
  readonly facts: GroupFacts[] = [];
  acknowledged = 0;
  resumption: string | undefined;
  reports = true;
  readonly #world: RegionWorld;
  readonly #groups = new Set<string>();
  #daemon: RegionDaemon | undefined;
  #connection = 0;
  #ticket: Uint8Array = new Uint8Array(TICKET_BYTES);
  #lastDelivered = 0;
  #number = 0;

  constructor(world: RegionWorld, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Connects, with what it has of an earlier session. */
  connect(daemon: string): void {
    this.hangUp();
    this.arrived.length = 0;
    this.#daemon = this.#world.daemon(daemon);
    this.#connection = this.#daemon.accept(this);
    const hello = encodeNative({
      kind: "hello",
      version: 1,
      membership: true,
      priority: 0,
      user: this.name,
      ticket: this.#ticket,
      lastDelivered: this.#lastDelivered,
      method: "NULL",
      credentials: new Uint8Array(0),
    });
    this.#daemon.bytes(this.#connection, join([PREFACE, hello]));
    this.#world.run(STEP_MS * 2);
  }

  hangUp(byPeer = false): void {
    this.#daemon?.hangUp(this.#connection, byPeer);
    this.#daemon = undefined;
  }

  closed(): void {
    this.#daemon = undefined;
  }

  join(...groups: string[]): void {
    for (const group of groups) {
      this.#groups.add(group);
      const place = this.node === undefined ? undefined : { node: this.node, seq: this.views.seq };
      const node = { host: this.name, control: 1, repair: 2, data: 3, place, more: group !== groups.at(-1) };
      this.ask(TypeBit.join, group, JSON.stringify({ quality: "scalable", node }));
    }
  }

  leave(group: string): void {
    this.#groups.delete(group);
    this.ask(TypeBit.leave, group);
  }

  /** Its process says good-bye. */
  kill(): void {
    this.ask(TypeBit.kill, "g");
  }

  /** Goes to another daemon as the node that it is. */
  move(daemon: string): void {
    this.connect(daemon);
    this.join(...this.#groups);
  }

  ask(type: number, group: string, data = ""): void {
    this.#send(encodeFrame(type, "", [group], 0, new TextEncoder().encode(data)));
  }

  /** Tells its daemon what it counts. */
  count(statistics: Uint8Array): void {
    this.#write(encodeNative({ kind: "nodeStatistics", statistics }));
  }

  /** Reads what has arrived. */
  read(): void {
    const bytes = join(this.arrived.splice(0));
    for (let at = 0; at < bytes.length; ) {
      const end = at + envelopeBytes(bytes, at);
      const message = decodeNative(bytes.slice(at, end));
      if (message === undefined) throw new Error(`no envelope at ${at}`);
      this.#take(message);
      at = end;
    }
  }

  #take(message: NativeMessage): void {
    if (message.kind === "welcome") {
      this.resumption = message.resumption;
      if (message.resumption === "new" || message.resumption === "restarted") this.#lastDelivered = 0;
      this.#ticket = message.ticket.slice();
    } else if (message.kind === "groupRefused") {
      this.refusals.push(message.text);
    } else if (message.kind === "configuration" || message.kind === "deliver") {
      this.#lastDelivered = message.deliveryNumber;
      if (message.kind === "deliver") this.#deliver(message.frame);
      this.#write(encodeNative({ kind: "ack", deliveryNumber: message.deliveryNumber }));
    }
  }

  #deliver(frame: Uint8Array): void {
    const news = decodeNodeNews(frame, 0);
    if (news !== undefined) this.#hear(news);
    else if (decodeNodeReport("acknowledged", frame, 0) !== undefined) this.acknowledged++;
    else if (decodeNodeSite(frame, 0) !== undefined) this.site = decodeNodeSite(frame, 0);
    else if (decodeGroupFacts(frame, 0) !== undefined) this.facts.push(decodeGroupFacts(frame, 0) as GroupFacts);
    else this.deliveries.push(frame.slice());
  }

  #hear(news: NodeNews): void {
    this.news.push(news);
    this.suspended = news.suspended;
    if (news.expelled) {
      this.expelled = true;
      this.node = undefined;
      this.views = new NodeViews();
      return;
    }
    if (news.node !== 0) this.node = news.node;
    if (news.change.length === 0) return;
    const change = decodeChange(news.change);
    if (change === undefined) throw new Error("the daemon tells a change that is none");
    this.changes.push(change);
    const { superseded } = this.views.apply(change);
    if (!this.reports) return;
    const sealed = superseded.map(({ id }) => ({ id, last: 0 }));
    this.#send(
      encodeNodeReport(
        "report",
        encodeNodeTelling({ n: this.views.n, sealed, retired: [], inquired: [], settled: [] }),
      ),
    );
  }

  #send(frame: Uint8Array): void {
    this.#write(encodeNative({ kind: "send", number: ++this.#number, frame }));
  }

  #write(bytes: Uint8Array): void {
    this.#daemon?.bytes(this.#connection, bytes.slice());
  }
}

/** Daemons of one site, and nodes at them. */
export class RegionWorld {
  readonly site;
  readonly network: TestNetwork;
  /** What outlives daemons. */
  readonly durable = new Map<string, EpochRecord>();
  readonly #daemons = new Map<string, RegionDaemon>();
  readonly #nodes: RawNode[] = [];
  #incarnations = 0;

  constructor(names: readonly string[], sessions: Partial<SiteConfig["sessions"]> = {}) {
    const site = loopbackConfig(names);
    this.site = { ...site, sessions: { ...site.sessions, ...sessions } };
    this.network = new TestNetwork([this.site.daemons.map(({ id }) => id)]);
    for (const name of names) this.start(name);
    this.run(5_000);
  }

  start(name: string): void {
    const daemon = new RegionDaemon(this, name, ++this.#incarnations);
    this.#daemons.set(name, daemon);
    this.network.stations.set(this.#id(name), daemon);
  }

  crash(name: string): void {
    this.#daemons.delete(name);
    this.network.stations.delete(this.#id(name));
  }

  /** Lets these daemons hear each other, and the others among themselves. */
  split(...names: string[]): void {
    const side = new Set(names.map((name) => this.#id(name)));
    this.network.passes = ({ from, to }) => side.has(from) === side.has(to);
  }

  heal(): void {
    this.network.passes = () => true;
  }

  daemon(name: string): RegionDaemon {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new Error(`${name} runs`);
    return daemon;
  }

  /** A node at this daemon that is in these groups. */
  node(name: string, daemon: string, ...groups: string[]): RawNode {
    const node = new RawNode(this, name);
    this.#nodes.push(node);
    node.connect(daemon);
    node.join(...groups);
    return node;
  }

  run(ms: number): void {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.network.run(Math.min(STEP_MS, left));
      for (const node of this.#nodes) node.read();
    }
  }

  /** All daemons have the same state of the membership service. */
  expectAgreement(...names: string[]): void {
    const [first, ...others] = names.map((name) => this.daemon(name).node.regions.service);
    expect(first?.isActive).toBe(true);
    for (const other of others) expect(other.replica.export()).toEqual(first?.replica.export());
  }

  #id(name: string): DaemonId {
    const daemon = this.site.daemons.find((one) => one.name === name);
    if (daemon === undefined) throw new Error(`${name} is configured`);
    return daemon.id;
  }
}

/** The regions that the node knows, each as its groups and members by name. */
export function regionsOf({ views }: RawNode): string[] {
  const names = new Map([...views.groups.values()].map(({ group, name }) => [group, name]));
  const shown = [...views.regions.values()].map(({ id, members }) => {
    const of = [...views.groupsIn(id.region)].map((group) => names.get(group) ?? "?").sort();
    return `${of.join("+")}: ${members.map(({ address }) => address.host).join(" ")}`;
  });
  return shown.sort();
}
