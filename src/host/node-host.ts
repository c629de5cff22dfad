import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { Change, NodeInfo } from "../cms/views.ts";
import { type PacketClass, turnDefaults, TurnLoop, type TurnOptions } from "../machine/turn-loop.ts";
import type { NodeConfig } from "../qsm/config.ts";
import { Node } from "../qsm/node.ts";
import type { NodeChannel, NodeOutbox } from "../qsm/outbox.ts";
import { platoDefaults } from "../plato/config.ts";
import { OrderedGroups, type OrderedGroupsOutbox } from "../plato/ordered-groups.ts";
import { type TimelyConfig, timelyDefaults } from "../ricochet/config.ts";
import { TimelyGroups, type TimelyGroupsOutbox } from "../ricochet/timely-groups.ts";
import { headFault, isTimelyKind, kindOf, NodeKind } from "../wire/region/head.ts";
import type { Repairs } from "../wire/timely/repairs.ts";
import { TurnClock } from "./clock.ts";
import { LoopDelay } from "./loop-delay.ts";
import type { NodeStatistics } from "../wire/native/node-statistics.ts";
import type { NodeNetwork } from "./node-sockets.ts";

/** What a node tells its application and its session with the membership service. Called inside turns: it should be short. */
export type NodeApplication = Omit<NodeOutbox, "multicast" | "unicast" | "relay" | "listen" | "unlisten" | "random"> & {
  /** Of groups that were said to be timely. */
  readonly timely: Pick<TimelyGroupsOutbox, "deliver" | "lost">;
  /** And of those that were said to be totally ordered. */
  readonly ordered: Pick<OrderedGroupsOutbox, "deliver" | "commit" | "rollback">;
};

/** A message; without a number to a timely group. */
type Outgoing = { readonly group: GroupNumber; readonly payload: Uint8Array; readonly number: number | undefined };

export type NodeHostOptions = {
  readonly turns?: Partial<TurnOptions>;
  /** What is different from the defaults. */
  readonly timely?: Partial<TimelyConfig>;
  /** Default: `three`. */
  readonly classes?: NodeClasses;
};

/**
 * In which classes datagrams are processed: control before repairs before data; or, as in the paper's measured system, control and forwarded
 * copies in one class, in the order in which they came, before data (protocols.md A57).
 */
export type NodeClasses = "three" | "two";

const NOBODY_FAILED = { failed: [] };

const CLASSES: Readonly<Record<NodeChannel, PacketClass>> = { control: "token", repair: "repair", data: "data" };
const CHANNELS: Readonly<Record<PacketClass, NodeChannel>> = { token: "control", repair: "repair", data: "data" };

/** How long lateness of the loop is measured. */
const LATENESS_MS = 200;
/** Messages that an application may send from inside a turn before it is told to wait. */
const WAITING_MAX = 4_096;
/** Repairs of timely groups that may wait for data that is here; for how long, and how many are then processed in a turn. */
const REPAIRS_MAX = 16_384;
const REPAIRS_WAIT_MS = 100;
const REPAIRS_PER_TURN = 256;

/**
 * A node on real sockets. Its turn (protocols.md A.11, J7): sockets are drained into queues by class; these are processed, control before
 * repairs before data; then what is due; then what the application asks for; and at last the node fills the room that the sockets
 * have. Nothing but control leaves before that, so that nothing is sent which a packet that is already here would change.
 *
 * Timely groups (src/ricochet/) share the node's sockets and views. What they send waits for no room of the node. What repairs them is processed last: a packet that
 * is already here need not be rebuilt.
 */
export class NodeHost {
  readonly node: Node;
  readonly timely: TimelyGroups;
  readonly ordered: OrderedGroups;
  readonly #me: NodeId;
  readonly #network: NodeNetwork;
  readonly #clock = new TurnClock();
  readonly #loop: TurnLoop;
  readonly #delay = new LoopDelay();
  #lateness = this.#delay.take();
  #latenessAt = Number.NEGATIVE_INFINITY;
  /** Sent by the application from inside a turn; taken over at its end. */
  #waiting: Outgoing[] = [];
  #inTurn = false;
  /** The node has taken more than it wants to have waiting. */
  #isFull = false;
  /** The network had no room when a packet was sent to a timely group, of which nothing waits here. */
  #isBlocked = false;
  /** The application was told to wait. */
  #owesWritable = false;
  /** What was said of timely groups is still to have its effect. */
  #owesTimely = false;
  /** Datagrams that a multicast takes. */
  #fanOut = 1;
  #repairs: Uint8Array[] = [];
  /** Since when data has been here that was not looked at. */
  #behindSince = Number.POSITIVE_INFINITY;
  #repairsDropped = 0;

  constructor(
    config: NodeConfig,
    network: NodeNetwork,
    application: NodeApplication,
    { turns = {}, timely = {}, classes = "three" }: NodeHostOptions = {},
  ) {
    const clock = this.#clock;
    this.#me = config.me;
    this.#network = network;
    const node = new Node(
      config,
      {
        multicast: (address, bytes, members) => {
          if (network.canMulticast) network.multicast(address, bytes);
          else this.#toEach(members, bytes);
        },
        unicast: (to, channel, bytes) => network.unicast(to, channel, bytes),
        relay: (to, bytes) => {
          for (const { address } of to) network.unicast(address, "data", bytes);
        },
        listen: (address) => network.listen(address),
        unlisten: (address) => network.unlisten(address),
        deliver: (group, sender, payload) => application.deliver(group, sender, payload),
        lost: (groups, sender, count) => application.lost(groups, sender, count),
        view: (view, now) => application.view(view, now),
        left: (group) => application.left(group),
        stable: (number) => application.stable(number),
        writable: () => this.#tellWritable(application),
        installed: (n, sealed) => application.installed(n, sealed),
        retired: (id) => application.retired(id),
        inquire: (nodes) => application.inquire(nodes),
        settled: (stream) => application.settled(stream),
        random: () => Math.random(),
      },
      clock.now(),
    );
    node.room = 0;
    this.node = node;
    const { me, cluster, datagramBytes } = config;
    const groups = new TimelyGroups(
      { ...timelyDefaults, datagramBytes, ...timely, me, cluster },
      {
        multicast: (address, bytes, members) => {
          if (network.canMulticast) network.multicast(address, bytes);
          else this.#toEach(members, bytes);
        },
        unicast: (to, channel, bytes) => network.unicast(to, channel, bytes),
        deliver: (packet, payload, how, now, waitedMs) => {
          const { group, sender, seq } = packet;
          if (!ordered.has(group)) application.timely.deliver(packet, payload, how, now, waitedMs);
          else if (how !== "sent") {
            ordered.receive(group, sender, seq, payload, how === "received" ? undefined : waitedMs, now);
          }
        },
        told: (from, group, body, now) => ordered.receiveFrom(group, from, body, now),
        // What is lost of an ordered group is asked for again until it is there.
        lost: (first, now, count) => {
          if (!ordered.has(first.group)) application.timely.lost(first, now, count);
        },
        random: () => Math.random(),
      },
      clock.now(),
    );
    this.timely = groups;
    const ordered = new OrderedGroups(
      { ...platoDefaults, me },
      {
        multicast: (group, body) => groups.send(group, body, clock.now()).seq,
        unicast: (group, to, body) => groups.tell(group, to, body),
        deliver: (group, message) => application.ordered.deliver(group, message),
        commit: (group, position) => application.ordered.commit(group, position),
        rollback: (group, position) => application.ordered.rollback(group, position),
      },
    );
    this.ordered = ordered;
    this.#loop = new TurnLoop(
      {
        get deadline() {
          return Math.min(node.deadline, groups.deadline, ordered.deadline);
        },
        tick: (now) => {
          if (node.deadline <= now) node.tick(now);
          if (groups.deadline <= now) {
            groups.behind(this.#isBehind, now);
            groups.tick(now);
          }
          if (ordered.deadline <= now) ordered.tick(now);
        },
        // A token acts on what it finds; what is younger than the last round it does not ask about (A31).
        prefersToken: true,
        receive: (packetClass, bytes, now) => {
          if (isTimely(bytes)) groups.receive(bytes, now);
          else node.receive(isCopy(packetClass, bytes) ? "repair" : CHANNELS[packetClass], bytes, now);
        },
      },
      {
        now: () => clock.now(),
        schedule: () => clock.schedule(),
        wakeAt: (timeMs) => {
          node.room = 0;
          clock.wakeAt(timeMs);
        },
        flush: () => this.#flush(application),
      },
      // Copies are as many as data.
      { ...(classes === "two" ? { tokensMax: turnDefaults.packetsMax } : {}), ...turns },
    );
    const isTwo = classes === "two";
    clock.drive({ run: () => this.#turn() });
    network.start(
      (channel, bytes) => {
        if (channel === "repair" && isTimely(bytes)) this.#takeRepair(bytes);
        else this.#loop.packet(isTwo && channel === "repair" ? "token" : CLASSES[channel], bytes);
      },
      () => clock.schedule(),
    );
  }

  /** Datagrams that were dropped here, because too many waited to be processed. */
  get dropped(): number {
    return this.#loop.dropped + this.#repairsDropped;
  }

  /** A group that this node is in is timely, and repaired like this. To be told from within `installed`, or later when it changes. */
  isHeldBack(group: GroupNumber): boolean {
    return this.ordered.isHeldBack(group);
  }

  setTimely(group: GroupNumber, repairs: Repairs): void {
    this.timely.set(group, repairs);
    // Once for all groups that are told together: it looks at all that there are.
    if (this.#owesTimely) return;
    this.#owesTimely = true;
    this.#loop.request((now) => {
      this.#owesTimely = false;
      this.#applyTimely(NOBODY_FAILED, now);
    });
  }

  /** It is totally ordered, too. `optimistic`: messages are delivered before their order is known, if that is likely. Once, instead of `setTimely`. */
  setOrdered(group: GroupNumber, repairs: Repairs, optimistic: boolean): void {
    if (this.ordered.has(group)) return;
    this.setTimely(group, repairs);
    this.ordered.set(group, optimistic, this.timely.payloadBytesMax(repairs), this.#clock.now());
  }

  /**
   * Sends a message to a group of this node; the payload is given away. False: too much waits, call again after `writable`; this
   * message was taken all the same.
   */
  send(group: GroupNumber, payload: Uint8Array, number: number): boolean {
    return this.#send({ group, payload, number });
  }

  /** Sends a packet to a timely group, as `send`; if the node is not in it any more nothing is sent. */
  sendTimely(group: GroupNumber, payload: Uint8Array): boolean {
    return this.#send({ group, payload, number: undefined });
  }

  /**
   * Applies the next change of the membership service, in the next turn. `onFault`: it does not fit, which no daemon that keeps to the
   * protocol tells; the node can only be closed then.
   */
  apply(change: Change, onFault: (error: Error) => void = fail): void {
    this.#loop.request((now) => {
      const isHere = ({ id, address }: NodeInfo) => id !== this.#me && address.host === this.#network.address.host;
      const { regionsCreated, regionsChanged } = change;
      if (regionsCreated.some(({ members }) => members.some(isHere))) this.#network.loopBack();
      if (regionsChanged.some(({ added }) => added.some(isHere))) this.#network.loopBack();
      try {
        this.node.apply(change, now);
        this.#applyTimely(change, now);
      } catch (error) {
        onFault(error as Error);
      }
    });
  }

  /** What the node counts and how it stands, with what only its host knows. */
  statistics(): NodeStatistics {
    const { figures, regions } = this.node.statistics(this.#clock.now());
    const network = this.#network;
    return {
      figures: {
        ...figures,
        ...this.timely.figures(),
        ...this.ordered.figures(),
        loopDelayUs: Math.round(this.#lateness.medianMs * 1_000),
        dropsOverrun: this.dropped,
        dropsUnsent: network.unsent,
        receiveBufferBytes: network.receiveBufferBytes,
        multicast: Number(network.canMulticast),
      },
      regions,
    };
  }

  /** How late the event loop was lately, milliseconds. */
  get loopDelayMs(): { readonly medianMs: number; readonly meanMs: number; readonly maxMs: number } {
    return this.#lateness;
  }

  /** Ends at once, telling nobody. */
  async close(): Promise<void> {
    this.#clock.stop();
    this.#delay.stop();
    await this.#network.close();
  }

  #send(one: Outgoing): boolean {
    // Behind what was sent from inside the last turn and waits for the next one.
    if (this.#inTurn || this.#waiting.length > 0) this.#waiting.push(one);
    else {
      this.#hand(one, this.#clock.now());
      this.#clock.schedule();
    }
    this.#owesWritable = this.#isFull || this.#waiting.length >= WAITING_MAX;
    return !this.#owesWritable && !this.#isBlocked && !(one.number === undefined && this.ordered.isHeldBack(one.group));
  }

  #turn(): void {
    this.#inTurn = true;
    try {
      this.#loop.run();
    } finally {
      this.#inTurn = false;
    }
  }

  #applyTimely(change: Pick<Change, "failed">, now: number): void {
    this.timely.apply(this.node.views, change, now);
    this.ordered.apply(this.node.views.n, (group) => this.timely.membersOf(group), now);
  }

  /** Whether data may be here that has not been processed. */
  get #isBehind(): boolean {
    return this.#network.isBehind || this.#loop.waiting > 0;
  }

  /** What only waits in a socket need not be rebuilt, so data comes first; but a node that never comes to its end is repaired, too. */
  #receiveRepairs(now: number): void {
    const isBehind = this.#isBehind;
    if (!isBehind) this.#behindSince = Number.POSITIVE_INFINITY;
    else if (this.#behindSince === Number.POSITIVE_INFINITY) this.#behindSince = now;
    this.timely.behind(isBehind, now);
    if (isBehind && now < this.#behindSince + REPAIRS_WAIT_MS) return;
    const repairs = this.#repairs;
    this.#repairs = repairs.slice(REPAIRS_PER_TURN);
    const count = Math.min(repairs.length, REPAIRS_PER_TURN);
    for (let i = 0; i < count; i++) this.timely.receive(repairs[i] as Uint8Array, now);
  }

  #takeRepair(bytes: Uint8Array): void {
    if (this.#repairs.length >= REPAIRS_MAX) this.#repairsDropped++;
    else this.#repairs.push(bytes);
    this.#clock.schedule();
  }

  #hand({ group, payload, number }: Outgoing, now: number): void {
    if (number !== undefined) this.#isFull = !this.node.send(group, payload, number, now);
    else {
      if (this.ordered.has(group)) this.ordered.send(group, payload, now);
      // Not if the node is in it no more, or the group's repairs have changed while the message waited, and leave less room.
      else if (this.timely.takes(group, payload)) this.timely.send(group, payload, now);
      this.#isBlocked ||= this.#network.room === 0;
    }
  }

  #flush(application: NodeApplication): void {
    const now = this.#clock.now();
    this.#receiveRepairs(now);
    if (now >= this.#latenessAt + LATENESS_MS) {
      this.#latenessAt = now;
      this.#lateness = this.#delay.take();
    }
    this.#takeWaiting(now, application);
    const goesOn = this.ordered.pump(now);
    if (goesOn || (this.#isBlocked && this.#network.room > 0)) {
      this.#isBlocked = false;
      application.writable();
    }
    const { room } = this.#network;
    this.node.relays = !this.#network.canMulticast;
    // At least one: a multicast to many members may take more than there is room for.
    this.node.room = room === 0 ? 0 : Math.max(1, Math.floor(room / this.#fanOut));
    this.node.flush(now);
    this.#network.flush();
    // The room has been used up, and the sockets took it all: there is more.
    const hasMore = this.node.room === 0 && room > 0 && this.#network.room > 0;
    // Or an application that was told that it may send again has done so.
    if (hasMore || this.#waiting.length > 0 || this.#repairs.length > 0) this.#clock.schedule();
  }

  #takeWaiting(now: number, application: NodeApplication): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#hand(one, now);
    if (!this.#isFull) this.#tellWritable(application);
  }

  #tellWritable(application: NodeApplication): void {
    this.#isFull = false;
    if (!this.#owesWritable) return;
    this.#owesWritable = false;
    application.writable();
  }

  #toEach(members: readonly NodeInfo[], bytes: Uint8Array): void {
    this.#fanOut = Math.max(1, members.length - 1);
    for (const { id, address } of members) if (id !== this.#me) this.#network.unicast(address, "data", bytes);
  }
}

function isTimely(bytes: Uint8Array): boolean {
  return headFault(bytes) === undefined && isTimelyKind(kindOf(bytes));
}

/** Of what is in the class of tokens: a copy that another member has forwarded. What it is, it says itself. */
function isCopy(packetClass: PacketClass, bytes: Uint8Array): boolean {
  if (packetClass !== "token" || headFault(bytes) !== undefined) return false;
  const kind = kindOf(bytes);
  return kind !== NodeKind.linkData && kind !== NodeKind.linkAck;
}

function fail(error: Error): never {
  throw error;
}
