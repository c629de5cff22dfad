import type { Random } from "../../base/random.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Change } from "../../cms/views.ts";
import { type PacketClass, TurnLoop } from "../../machine/turn-loop.ts";
import { type NodeConfig, nodeDefaults } from "../../qsm/config.ts";
import { Node } from "../../qsm/node.ts";
import type { NodeChannel } from "../../qsm/outbox.ts";
import { isData } from "../../wire/region/data.ts";
import { kindOf, NodeKind } from "../../wire/region/head.ts";
import { ARRIVE_DATA, ARRIVE_REPAIR, ARRIVE_TOKEN, type Computer, type Program } from "./computer.ts";
import type { LoadScenario, PacketClasses } from "./scenario.ts";
import type { Switch } from "./switch.ts";

const CLUSTER = 7;
/** How long after its start an application begins to send, so that receivers have learnt their views (M7). */
const NEW_VIEW_MS = 200;
/** Messages that an application keeps ready, from and up to (protocols.md M11), and packets that wait for the interface (A53). */
const READY_LOW = 50;
const READY_HIGH = 150;
const OUTSTANDING_MAX = 500;
/** Of one turn, as in the node. */
const TURN_PACKETS_MAX = 256;
/** How often lateness of timers is looked at, and at which part of the nodes. */
const PROBE_MS = 10;
const PROBED_EVERY = 8;
/** Packets that a process holds, taken out of its sockets: the loop's default, or what few senders can fill. */
const HELD_MAX = 16_384;
const HELD_MAX_OF_MANY = 1_024;
const MANY_NODES = 1_000;

/** What a station tells whoever measures. `now`: its own clock. */
export interface StationObserver {
  /** A message has come, the `count`-th of this sender here. */
  delivered(station: number, sender: number, now: number): void;
  sent(station: number, number: number, now: number): void;
  stable(station: number, number: number, now: number): void;
  /** A timer was so late. */
  late(station: number, ms: number, now: number): void;
  /** A packet of data has come, at the perturbed node. */
  received(station: number, packet: Uint8Array, now: number): void;
  /** The station has the token of a round for the first time; it has opened it, if it is the leader. */
  visited(station: number, round: number, now: number): void;
  /** As the leader: so long a round has taken. */
  roundTrip(station: number, ms: number, now: number): void;
}

/**
 * A node on a simulated computer: the real node, in the real turn loop, with an application that sends if it is told to. What they do costs
 * what the scenario says.
 */
export class Station implements Program {
  readonly node: Node;
  readonly #computer: Computer;
  readonly #scenario: LoadScenario;
  readonly #observer: StationObserver;
  readonly #loop: TurnLoop;
  readonly #payload: Uint8Array;
  readonly #groupsSentTo: readonly number[];
  #probeAt: number;
  readonly #network: Switch;
  readonly #index: number;
  readonly #beganAt: number;
  #sentCount = 0;
  #isSending: boolean;
  #wakeAt = Number.POSITIVE_INFINITY;
  #round = 0;
  #roundTripMs = 0;

  constructor(
    index: number,
    computer: Computer,
    network: Switch,
    run: LoadScenario,
    random: Random,
    observer: StationObserver,
  ) {
    this.#index = index;
    this.#computer = computer;
    this.#network = network;
    this.#scenario = run;
    this.#observer = observer;
    this.#beganAt = computer.now + NEW_VIEW_MS;
    const isProbed = index % PROBED_EVERY <= 1;
    this.#probeAt = isProbed ? computer.now + random.unit() * PROBE_MS : Number.POSITIVE_INFINITY;
    this.#isSending = run.senders.includes(index);
    this.#groupsSentTo = run.groupsOf[index] ?? [];
    const { packetsAsOne } = run;
    this.#payload = new Uint8Array(run.payloadBytes * packetsAsOne);
    this.node = new Node(
      configOf(run, index),
      {
        multicast: (address, bytes) => {
          this.#spend("data", bytes, "send");
          network.multicast(computer, address, bytes);
        },
        unicast: (to, channel, bytes) => {
          this.#spend(channel, bytes, "send");
          network.unicast(
            computer,
            to.controlPort,
            SOCKETS_OF[run.classes][channel],
            bytes,
            channel === "control" ? 1 : packetsAsOne,
          );
        },
        relay: () => {
          throw new Error("where there is multicast nothing is passed on");
        },
        listen: (address) => network.listen(computer, address),
        unlisten: (address) => network.unlisten(computer, address),
        deliver: (_group, sender) => observer.delivered(index, sender - 1, computer.now),
        lost: () => {},
        view: () => {},
        left: () => {},
        stable: (number) => observer.stable(index, number, computer.now),
        writable: () => {},
        installed: () => {},
        retired: () => {},
        inquire: () => {},
        settled: () => {},
        random: () => random.unit(),
      },
      computer.now,
    );
    const held = run.groupsOf.length > MANY_NODES ? HELD_MAX_OF_MANY : HELD_MAX;
    this.#loop = this.#newLoop(held);
  }

  get id(): NodeId {
    return this.#index + 1;
  }

  /** Messages that the application has given to the node, simulated ones. */
  get sentCount(): number {
    return this.#sentCount;
  }

  get keptBytes(): number {
    let bytes = 0;
    for (const { unstableBytes, queuedBytes } of this.node.senders) bytes += unstableBytes + queuedBytes;
    for (const { streams } of this.node.regions) {
      // What it has sent itself is kept once.
      for (const { sender, kept } of streams.values()) if (sender !== this.#index + 1) bytes += kept.bytes;
    }
    return bytes;
  }

  get groups(): number {
    return this.#sentCount > 0 ? this.#groupsSentTo.length : 0;
  }

  /** Packets that it has sent and that are not known to be everywhere. */
  get pending(): number {
    return this.node.senders.reduce((sum, { last, stable }) => sum + last - stable, 0);
  }

  /** Messages that are due and that the node has no room for. */
  get owed(): number {
    const { workload, packetsAsOne } = this.#scenario;
    if (workload === "greatest" || !this.#isSending) return 0;
    const due = ((this.#computer.now - this.#beganAt) * workload.perSecond) / (1_000 * packetsAsOne);
    return Math.max(0, due - this.#sentCount);
  }

  /** Messages that wait to be sent. */
  get queued(): number {
    return this.node.senders.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0) / this.#payload.length;
  }

  apply(change: Change): void {
    this.#loop.request((now) => this.node.apply(change, now));
    this.#computer.poke(this.#computer.now);
  }

  /** From now on the application sends nothing. */
  quiet(): void {
    this.#isSending = false;
  }

  packet(socket: PacketClass, bytes: Uint8Array): void {
    this.#loop.packet(socket, bytes);
  }

  turn(): number {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#loop.run();
    return this.#wakeAt;
  }

  #newLoop(packetsMax: number): TurnLoop {
    const { node } = this;
    const deadline = (): number => Math.min(node.deadline, this.#probeAt, this.#sendAt);
    return new TurnLoop(
      {
        get deadline() {
          return deadline();
        },
        prefersToken: true,
        tick: (now) => this.#tick(now),
        receive: (packetClass, bytes, now) => this.#receive(packetClass, bytes, now),
      },
      {
        now: () => this.#computer.now,
        schedule: () => {
          this.#wakeAt = Number.NEGATIVE_INFINITY;
        },
        wakeAt: (at) => {
          node.room = 0;
          this.#wakeAt = Math.min(this.#wakeAt, at);
        },
        flush: () => this.#flush(),
      },
      { packetQuantumMs: this.#scenario.packetQuantumMs, packetsMax, bytesMax: 256 * 1024 * 1024 },
    );
  }

  #receive(packetClass: PacketClass, bytes: Uint8Array, now: number): void {
    const channel = channelOf(packetClass, bytes);
    this.#spend(channel, bytes, "receive");
    this.node.receive(channel, bytes, now);
    if (channel === "control") this.#lookAtToken(now);
    else if (this.#index === this.#scenario.perturbation?.node && isData(bytes)) {
      this.#observer.received(this.#index, bytes, now);
    }
  }

  #tick(now: number): void {
    if (now >= this.#probeAt) {
      this.#observer.late(this.#index, now - this.#probeAt, now);
      this.#probeAt = now + PROBE_MS;
    }
    if (this.node.deadline > now) return;
    this.node.tick(now);
    this.#lookAtToken(now);
  }

  /** Of the first region. */
  #lookAtToken(now: number): void {
    for (const { ring } of this.node.regions) {
      if (ring.round !== this.#round) {
        this.#round = ring.round;
        this.#observer.visited(this.#index, ring.round, now);
      }
      if (ring.roundTripMs !== this.#roundTripMs) {
        this.#roundTripMs = ring.roundTripMs;
        this.#observer.roundTrip(this.#index, ring.roundTripMs, now);
      }
      return;
    }
  }

  #flush(): void {
    const computer = this.#computer;
    if (this.#isSending) this.#offer(computer.now);
    this.node.room = this.#room;
    this.node.flush(computer.now);
    if (this.node.room > 0) return;
    // There is more: at once, or when the interface has sent half of what waits for it.
    this.#wakeAt = this.#room > 0 ? computer.now : computer.now + this.#network.backlogMs(computer) / 2;
  }

  /** Packets that may be given to the interface now. */
  get #room(): number {
    const { packetsAsOne, bytesPerMs, payloadBytes } = this.#scenario;
    const outstanding = (this.#network.backlogMs(this.#computer) * bytesPerMs) / payloadBytes;
    return Math.max(0, Math.floor(Math.min(TURN_PACKETS_MAX, OUTSTANDING_MAX - outstanding) / packetsAsOne));
  }

  /** When the application has something to send. */
  get #sendAt(): number {
    if (!this.#isSending) return Number.POSITIVE_INFINITY;
    const isReady = this.queued * this.#scenario.packetsAsOne > READY_LOW;
    return isReady ? Number.POSITIVE_INFINITY : this.#dueAt;
  }

  /** When the next message is there. */
  get #dueAt(): number {
    const { workload, packetsAsOne } = this.#scenario;
    if (workload === "greatest") return this.#beganAt;
    return this.#beganAt + ((this.#sentCount + 1) * packetsAsOne * 1_000) / workload.perSecond;
  }

  /** The application gives its node as much as is due, up to what may be ready. */
  #offer(now: number): void {
    const groups = this.#groupsSentTo;
    for (let room = READY_HIGH / this.#scenario.packetsAsOne - this.queued; room >= 1 && this.#dueAt <= now; room--) {
      const group = groups[this.#sentCount % groups.length];
      // In no view yet.
      if (group === undefined || this.node.group(group) === undefined) return;
      const number = ++this.#sentCount;
      this.#observer.sent(this.#index, number, now);
      this.node.send(group, this.#payload, number, now);
    }
  }

  #spend(channel: NodeChannel, bytes: Uint8Array, what: "send" | "receive"): void {
    const { costs, packetsAsOne } = this.#scenario;
    if (channel === "control" || kindOf(bytes) === NodeKind.regionLast) {
      this.#computer.spend(costs.controlMs + costs.controlByteMs * bytes.length, bytes.length);
      return;
    }
    const { sendMs, sendByteMs, receiveMs, receiveByteMs, forwardMs } = costs;
    const each = what === "receive" ? receiveMs : channel === "repair" ? forwardMs : sendMs;
    const ms = each * packetsAsOne + bytes.length * (what === "receive" ? receiveByteMs : sendByteMs);
    this.#computer.spend(ms, bytes.length + costs.packetAllocation * packetsAsOne);
  }
}

/** Through which socket each class comes: what shares one is taken in the order in which it has come. */
const SOCKETS_OF: Readonly<Record<PacketClasses, Readonly<Record<NodeChannel, number>>>> = {
  three: { control: ARRIVE_TOKEN, repair: ARRIVE_REPAIR, data: ARRIVE_DATA },
  two: { control: ARRIVE_REPAIR, repair: ARRIVE_REPAIR, data: ARRIVE_DATA },
  one: { control: ARRIVE_DATA, repair: ARRIVE_DATA, data: ARRIVE_DATA },
};

/** Control may be in one class with others: what it is, it says itself. Copies in one class with data count as data. */
function channelOf(packetClass: PacketClass, bytes: Uint8Array): NodeChannel {
  const kind = kindOf(bytes);
  if (kind === NodeKind.linkData || kind === NodeKind.linkAck) return "control";
  return packetClass === "token" ? "data" : packetClass;
}

/** Without adaptation of rates, everybody may send as much as it can: only the window holds it. */
function configOf(run: LoadScenario, index: number): NodeConfig {
  const { payloadBytes, packetsAsOne, ratesAdapt, config } = run;
  const unbounded = ratesAdapt ? {} : { rateStart: RATE_UNBOUNDED, rateMin: RATE_UNBOUNDED, rateMax: RATE_UNBOUNDED };
  return {
    ...nodeDefaults,
    packing: false,
    datagramBytes: payloadBytes * packetsAsOne + HEAD_BYTES_MAX,
    ...unbounded,
    ...config,
    me: index + 1,
    cluster: CLUSTER,
  };
}

const RATE_UNBOUNDED = 1_000_000_000;
/** Of a packet of data, and of the pieces of tokens: these are no longer than they are in reality. */
const HEAD_BYTES_MAX = 400;
