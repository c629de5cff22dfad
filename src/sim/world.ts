import { assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import type { Channel, Network } from "../machine/network.ts";
import { Datagrams } from "./datagrams.ts";
import { EventQueue, type EventTarget, type SimEvent } from "./event-queue.ts";
import type { NetworkModel, ProcessorModel } from "./network-model.ts";
import { ARRIVE_DATA, ARRIVE_TOKEN, SimNode } from "./node.ts";
import type { ProcessEnvironment, ProcessFactory, SimProcess } from "./sim-process.ts";
import { Connection, type StreamEnd, type StreamWorld } from "./stream.ts";

/** Which daemons there are: the segments of the site, in order, and the daemons of each, in order. */
export type SiteLayout = readonly (readonly DaemonId[])[];

export type WorldOptions = {
  readonly seed: number;
  readonly site: SiteLayout;
  /** Nodes beside the daemons', for clients; their ids must not be those of daemons. */
  readonly others?: readonly DaemonId[];
  readonly network: NetworkModel;
  readonly processor: ProcessorModel;
  /** How much faster or slower than true a clock may run: 0.0001 is 100 ppm. */
  readonly clockDrift: number;
};

/** The wall clock when a simulation starts: any time after the last real one will do. */
const EPOCH_SECONDS = 1_800_000_000;

/** Nodes, their network and the clock that drives them. What a seed does, it does again. */
export class World implements StreamWorld, EventTarget {
  readonly events = new EventQueue();
  readonly random: Random;
  readonly datagrams: Datagrams;
  readonly streamTimeoutMs = 5_000;
  readonly #nodes: SimNode[] = [];
  readonly #indexes = new Map<DaemonId, number>();
  readonly #segments: readonly (readonly number[])[];
  readonly #factories: (ProcessFactory | undefined)[] = [];
  readonly #disks: Map<string, Uint8Array>[] = [];
  /** Nodes that go with others, whatever part of a split network those are in. */
  readonly #beside = new Map<number, number>();
  /** The parts of a network that is split, by node. */
  #parts: Int32Array | undefined;
  readonly #boots: number[] = [];
  #connections: Connection[] = [];

  constructor(options: WorldOptions) {
    this.random = new Random(options.seed);
    const drifts = this.random.fork();
    const targets: EventTarget[] = [];
    for (const id of [...options.site.flat(), ...(options.others ?? [])]) {
      assert(!this.#indexes.has(id), "each node has an id of its own");
      const clock = {
        rate: 1 + (drifts.unit() * 2 - 1) * options.clockDrift,
        offsetMs: drifts.integer(0, 1_000_000),
      };
      const index = this.#nodes.length;
      const node = new SimNode(index, this.events, options.network, options.processor, clock, () => {
        this.datagrams.counters.receiveDrops++;
      });
      this.#indexes.set(id, index);
      this.#nodes.push(node);
      this.#disks.push(new Map());
      this.#boots.push(0);
      this.#factories.push(undefined);
      targets.push(node);
    }
    this.#segments = options.site.map((ids) => ids.map((id) => this.#index(id)));
    this.datagrams = new Datagrams(this.events, this.random.fork(), targets, options.network);
  }

  get now(): number {
    return this.events.now;
  }

  get bytesPerMs(): number {
    return this.datagrams.model.bytesPerMs;
  }

  /** Installs the program of a node and starts it. */
  boot(id: DaemonId, factory: ProcessFactory): void {
    this.#factories[this.#index(id)] = factory;
    this.restart(id);
  }

  /** Whether the node has a program, running or not. */
  isInstalled(id: DaemonId): boolean {
    return this.#factories[this.#index(id)] !== undefined;
  }

  /** Starts the program anew, if it does not run. `loseDisk`: with nothing of what it had stored. */
  restart(id: DaemonId, loseDisk = false): void {
    const index = this.#index(id);
    const node = this.node(id);
    const factory = this.#factories[index];
    assert(factory !== undefined, "a node that starts has a program");
    if (node.process !== undefined) return;
    if (loseDisk) this.#disks[index] = new Map();
    // Simulated restarts take no time and timeouts are scaled down, so that a boot clock in true seconds would hardly
    // move between two starts: it takes every simulated millisecond for a second.
    const bootTimeSeconds = Math.max((this.#boots[index] as number) + 1, EPOCH_SECONDS + Math.floor(this.now));
    this.#boots[index] = bootTimeSeconds;
    const incarnation = node.prepare();
    const environment: ProcessEnvironment = {
      self: id,
      network: this.#networkOf(node),
      random: this.random.fork(),
      bootTimeSeconds,
      now: node.localTime(this.now),
      disk: this.#disks[index] as Map<string, Uint8Array>,
      run: (action) => node.run(incarnation, action),
    };
    node.start(factory(environment));
  }

  /** Ends the process at once; its connections break. */
  crash(id: DaemonId): void {
    const node = this.node(id);
    node.crash();
    for (const connection of this.#connections) if (connection.touches(node.index)) connection.break();
    this.#connections = this.#connections.filter((connection) => !connection.closed);
  }

  /** The node goes wherever the other one goes when the network is split, also if it is already. */
  accompany(id: DaemonId, other: DaemonId): void {
    const own = this.#index(id);
    this.#beside.set(own, this.#index(other));
    if (this.#parts === undefined) return;
    for (let node = 0; node < this.#nodes.length; node++) {
      const isBlocked = this.#partOf(own) !== this.#partOf(node);
      this.datagrams.setBlocked(own, node, isBlocked);
      this.datagrams.setBlocked(node, own, isBlocked);
    }
  }

  /** Lets messages pass only inside the sets; nodes in none keep to themselves, with those that accompany them. Replaces all cuts before it. */
  split(parts: readonly (readonly DaemonId[])[]): void {
    this.#parts = Int32Array.from(this.#nodes, (_, index) => parts.length + index);
    for (const [number, ids] of parts.entries()) for (const id of ids) this.#parts[this.#index(id)] = number;
    for (let from = 0; from < this.#nodes.length; from++) {
      for (let to = 0; to < this.#nodes.length; to++) {
        this.datagrams.setBlocked(from, to, this.#partOf(from) !== this.#partOf(to));
      }
    }
  }

  /** Which part of the split network a node is in. */
  #partOf(index: number): number | undefined {
    return this.#parts?.[this.#beside.get(index) ?? index];
  }

  /** Cuts, or mends, one direction between two nodes. */
  cut(from: DaemonId, to: DaemonId, blocked = true): void {
    this.datagrams.setBlocked(this.#index(from), this.#index(to), blocked);
  }

  /** Mends all cuts. */
  heal(): void {
    this.#parts = undefined;
    const size = this.#nodes.length;
    for (let link = 0; link < size * size; link++)
      this.datagrams.setBlocked(Math.floor(link / size), link % size, false);
  }

  node(id: DaemonId): SimNode {
    return this.#nodes[this.#index(id)] as SimNode;
  }

  process(id: DaemonId): SimProcess | undefined {
    return this.node(id).process;
  }

  /** The node's number in `datagrams`. */
  indexOf(id: DaemonId): number {
    return this.#index(id);
  }

  /** Runs the action in the loop of the node's present process; nothing happens if it has none by then. */
  runOnProcess(id: DaemonId, action: (now: number) => void): void {
    const node = this.node(id);
    if (node.process !== undefined) node.run(node.incarnation, action);
  }

  /** Connects a client's node to a daemon's; `undefined` if it runs no process, takes none or cannot be reached. */
  connect(from: DaemonId, to: DaemonId): StreamEnd | undefined {
    const client = this.node(from);
    const server = this.node(to);
    if (server.process?.accept === undefined || !this.passes(client.index, server.index)) return undefined;
    const connection = new Connection(this, client.index, client.incarnation, server.index, server.incarnation);
    this.#connections.push(connection);
    server.run(server.incarnation, (now) => server.process?.accept?.(connection.server, now));
    return connection.client;
  }

  /** Calls the action at a simulated time, outside of any node. */
  at(time: number, action: (now: number) => void): void {
    this.events.push(Math.max(time, this.now), this, 0, 0, undefined, action);
  }

  fire(event: SimEvent): void {
    event.action?.(event.at);
  }

  /** Lets everything happen that is due until `time`, or until `stop` says so. */
  runUntil(time: number, stop?: () => boolean): void {
    for (let event = this.events.pop(time); event !== undefined; event = this.events.pop(time)) {
      event.target.fire(event);
      if (stop?.() === true) return;
    }
    this.events.advance(time);
  }

  delay(from: number, to: number): number {
    return this.datagrams.streamDelay(from, to);
  }

  passes(from: number, to: number): boolean {
    return this.datagrams.passes(from, to);
  }

  runOn(node: number, incarnation: number, action: (now: number) => void): void {
    this.#nodes[node]?.run(incarnation, action);
  }

  #networkOf(node: SimNode): Network {
    const { datagrams } = this;
    return {
      unicast: (to: DaemonId, channel: Channel, bytes: Uint8Array): void => {
        const receiver = this.#indexes.get(to);
        if (receiver === undefined) return;
        const what = channel === "token" ? ARRIVE_TOKEN : ARRIVE_DATA;
        datagrams.unicast(node.index, receiver, what, bytes, node.departure(bytes.length));
      },
      multicast: (segment: number, channel: Channel, bytes: Uint8Array): void => {
        const receivers = this.#segments[segment];
        assert(receivers !== undefined, "a multicast goes to a segment of the site");
        const what = channel === "token" ? ARRIVE_TOKEN : ARRIVE_DATA;
        datagrams.multicast(node.index, receivers, what, bytes, node.departure(bytes.length));
      },
    };
  }

  #index(id: DaemonId): number {
    const index = this.#indexes.get(id);
    assert(index !== undefined, "the id names a node of the simulation");
    return index;
  }
}
