import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { Change, NodeInfo } from "../cms/views.ts";
import type { Dissemination, NodeApplication, NodeSetup, RunningNode } from "../client/scalable/node-world.ts";
import { platoDefaults } from "../plato/config.ts";
import { OrderedGroups } from "../plato/ordered-groups.ts";
import { Node } from "../qsm/node.ts";
import type { NodeOutbox } from "../qsm/outbox.ts";
import { timelyDefaults } from "../ricochet/config.ts";
import { TimelyGroups } from "../ricochet/timely-groups.ts";
import { headFault, isTimelyKind, kindOf } from "../wire/region/head.ts";
import type { NodeStatistics } from "../wire/native/node-statistics.ts";
import type { Repairs } from "../wire/timely/repairs.ts";
import { channelOf } from "./regions/node-process.ts";
import type { SimChannel } from "./sim-process.ts";

/** What a program's node has of its machine. */
export type NodeMachine = {
  /** The machine's clock, ms. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls back in the machine's loop, as soon as that is free. */
  run(action: (now: number) => void): void;
  /** To all that listen to this address of the pool, but this machine. */
  multicast(address: number, bytes: Uint8Array): void;
  /** To the machine of this host. */
  unicast(host: string, channel: SimChannel, bytes: Uint8Array): void;
  listen(address: number): void;
  unlisten(address: number): void;
};

type Outgoing = { readonly group: GroupNumber; readonly payload: Uint8Array; readonly number: number | undefined };

/** Messages that may wait for the next turn before the application is told to wait. */
const WAITING_MAX = 4_096;
const NOBODY_FAILED = { failed: [] };

/**
 * The node of a simulated program: what `NodeHost` puts together on sockets, on a simulated machine. It tells its daemon no statistics; a machine's
 * loop has no lateness that it could measure, and its sockets are drained in the order of their classes.
 */
export class ProgramNode implements RunningNode {
  readonly node: Node;
  readonly #timely: TimelyGroups;
  readonly #ordered: OrderedGroups;
  readonly #me: NodeId;
  readonly #machine: NodeMachine;
  readonly #application: NodeApplication;
  #dissemination: Dissemination;
  /** Handed to the node in the machine's loop. */
  #waiting: Outgoing[] = [];
  #isDue = false;
  /** The node has taken more than it wants to have waiting. */
  #isFull = false;
  /** The application was told to wait. */
  #owesWritable = false;
  #owesTimely = false;
  #hasEnded = false;

  constructor(
    { node: config, timely }: NodeSetup,
    dissemination: Dissemination,
    application: NodeApplication,
    machine: NodeMachine,
  ) {
    this.#me = config.me;
    this.#machine = machine;
    this.#application = application;
    this.#dissemination = dissemination;
    const now = machine.now();
    const { me, cluster, datagramBytes } = config;
    this.node = new Node(config, this.#nodeOutbox(), now);
    this.#timely = this.#newTimely({ ...timelyDefaults, datagramBytes, ...timely, me, cluster }, now);
    this.#ordered = new OrderedGroups(
      { ...platoDefaults, me },
      {
        multicast: (group, body) => this.#timely.send(group, body, machine.now()).seq,
        unicast: (group, to, body) => this.#timely.tell(group, to, body),
        ...application.ordered,
      },
    );
  }

  // ---- as the machine's process -----------------------------------------------------------------------------------

  get deadline(): number {
    return Math.min(this.node.deadline, this.#timely.deadline, this.#ordered.deadline);
  }

  tick(now: number): void {
    this.node.relays = !this.#canMulticast;
    if (this.node.deadline <= now) this.node.tick(now);
    if (this.#timely.deadline <= now) this.#timely.tick(now);
    if (this.#ordered.deadline <= now) this.#ordered.tick(now);
    this.#endTurn(now);
  }

  receive(socket: SimChannel, bytes: Uint8Array, now: number): void {
    if (headFault(bytes) === undefined && isTimelyKind(kindOf(bytes))) this.#timely.receive(bytes, now);
    else this.node.receive(channelOf(socket, bytes), bytes, now);
    this.#endTurn(now);
  }

  /** Does nothing any more. */
  end(): void {
    this.#hasEnded = true;
  }

  disseminate(dissemination: Dissemination): void {
    this.#dissemination = dissemination;
  }

  // ---- as the connection's node -----------------------------------------------------------------------------------

  send(group: GroupNumber, payload: Uint8Array, number: number): boolean {
    return this.#send({ group, payload, number });
  }

  sendTimely(group: GroupNumber, payload: Uint8Array): boolean {
    return this.#send({ group, payload, number: undefined });
  }

  isHeldBack(group: GroupNumber): boolean {
    return this.#ordered.isHeldBack(group);
  }

  setTimely(group: GroupNumber, repairs: Repairs): void {
    this.#timely.set(group, repairs);
    // Once for all groups that are told together.
    if (this.#owesTimely) return;
    this.#owesTimely = true;
    this.#run((now) => {
      this.#owesTimely = false;
      this.#applyTimely(NOBODY_FAILED, now);
    });
  }

  setOrdered(group: GroupNumber, repairs: Repairs, optimistic: boolean): void {
    if (this.#ordered.has(group)) return;
    this.setTimely(group, repairs);
    this.#ordered.set(group, optimistic, this.#timely.payloadBytesMax(repairs), this.#machine.now());
  }

  timelyStatistics(group: GroupNumber) {
    return this.#timely.statisticsOf(group);
  }

  apply(change: Change): void {
    this.#run((now) => {
      try {
        this.node.apply(change, now);
        this.#applyTimely(change, now);
      } catch (error) {
        this.#application.fault(error as Error);
      }
    });
  }

  hold(isHeld: boolean): void {
    this.node.hold(isHeld);
    this.#run(() => {});
  }

  statistics(): NodeStatistics {
    const { figures, regions } = this.node.statistics(this.#machine.now());
    const multicast = Number(this.#canMulticast);
    return { figures: { ...figures, ...this.#timely.figures(), ...this.#ordered.figures(), multicast }, regions };
  }

  reportAgain(): void {}

  // ---- turns ------------------------------------------------------------------------------------------------------

  #send(one: Outgoing): boolean {
    this.#waiting.push(one);
    if (!this.#isDue) {
      this.#isDue = true;
      this.#run(() => {
        this.#isDue = false;
        this.#takeWaiting();
      });
    }
    this.#owesWritable = this.#isFull || this.#waiting.length >= WAITING_MAX;
    return !this.#owesWritable && !(one.number === undefined && this.#ordered.isHeldBack(one.group));
  }

  #run(action: (now: number) => void): void {
    this.#machine.run((now) => {
      if (this.#hasEnded) return;
      action(now);
      this.#endTurn(now);
    });
  }

  #takeWaiting(): void {
    const now = this.#machine.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { group, payload, number } of waiting) {
      if (number !== undefined) this.#isFull = !this.node.send(group, payload, number, now);
      else if (this.#ordered.has(group)) this.#ordered.send(group, payload, now);
      // Not if the node is in it no more, or the group's repairs have changed while the message waited, and leave less room.
      else if (this.#timely.takes(group, payload)) this.#timely.send(group, payload, now);
    }
    if (!this.#isFull) this.#tellWritable();
  }

  #endTurn(now: number): void {
    if (this.#ordered.pump(now)) this.#application.writable();
    this.node.relays = !this.#canMulticast;
    this.node.flush(now);
  }

  #applyTimely(change: Pick<Change, "failed">, now: number): void {
    this.#timely.apply(this.node.views, change, now);
    this.#ordered.apply(this.node.views.n, (group) => this.#timely.membersOf(group), now);
  }

  #tellWritable(): void {
    this.#isFull = false;
    if (!this.#owesWritable) return;
    this.#owesWritable = false;
    this.#application.writable();
  }

  // ---- the network ------------------------------------------------------------------------------------------------

  get #canMulticast(): boolean {
    return this.#dissemination.pool !== undefined && this.#dissemination.usesMulticast;
  }

  #nodeOutbox(): NodeOutbox {
    const machine = this.#machine;
    return {
      ...this.#application,
      multicast: (address, bytes, members) => this.#multicast(address, bytes, members),
      unicast: (to, channel, bytes) => machine.unicast(to.host, channel === "control" ? "token" : channel, bytes),
      relay: (to, bytes) => this.#toEach(to, bytes),
      listen: (address) => machine.listen(address),
      unlisten: (address) => machine.unlisten(address),
      writable: () => this.#tellWritable(),
      random: () => machine.random(),
    };
  }

  #newTimely(config: ConstructorParameters<typeof TimelyGroups>[0], now: number): TimelyGroups {
    const { timely } = this.#application;
    return new TimelyGroups(
      config,
      {
        multicast: (address, bytes, members) => this.#multicast(address, bytes, members),
        unicast: (to, channel, bytes) =>
          this.#machine.unicast(to.host, channel === "control" ? "token" : channel, bytes),
        deliver: (packet, payload, how, at, waitedMs) => {
          const { group, sender, seq } = packet;
          if (!this.#ordered.has(group)) timely.deliver(packet, payload, how, at, waitedMs);
          else if (how !== "sent") {
            this.#ordered.receive(group, sender, seq, payload, how === "received" ? undefined : waitedMs, at);
          }
        },
        told: (from, group, body, at) => this.#ordered.receiveFrom(group, from, body, at),
        // What is lost of an ordered group is asked for again until it is there.
        lost: (first, at, count) => {
          if (!this.#ordered.has(first.group)) timely.lost(first, at, count);
        },
        random: () => this.#machine.random(),
      },
      now,
    );
  }

  #multicast(address: number, bytes: Uint8Array, members: readonly NodeInfo[]): void {
    if (this.#canMulticast) this.#machine.multicast(address, bytes);
    else this.#toEach(members, bytes);
  }

  #toEach(members: readonly NodeInfo[], bytes: Uint8Array): void {
    for (const { id, address } of members) if (id !== this.#me) this.#machine.unicast(address.host, "data", bytes);
  }
}
