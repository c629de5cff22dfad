import { assert } from "../../base/assert.ts";
import { cover } from "../../base/coverage.ts";
import type { NodeId } from "../../base/ids.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { Change, NodeInfo } from "../../cms/views.ts";
import { NEVER } from "../../machine/machine.ts";
import { describeFault, type Fault, type FaultHooks, inject, mend } from "../faults.ts";
import { LAN, NODE_PROCESSOR } from "../network-model.ts";
import { ARRIVE_DATA, ARRIVE_REPAIR, ARRIVE_TOKEN } from "../node.ts";
import type { ProcessEnvironment, SimChannel, SimProcess } from "../sim-process.ts";
import { World } from "../world.ts";
import {
  type Attachment,
  attachByPath,
  attachBySession,
  type AttachmentClient,
  type LifeOptions,
} from "./attachment.ts";
import { ModelService } from "./model-service.ts";
import { hostOf, type NodeNetwork, type NodeReports } from "./node-process.ts";
import { type DaemonObserver, RegionDaemons, regionSite } from "./region-daemons.ts";
import type { RegionService } from "./region-service.ts";
import { ReplicaService } from "./replica-service.ts";
import { DAEMONS_FROM, type RegionFault, type RegionSchedule } from "./schedule.ts";

const HEARTBEAT_MS = 50;
const RESTART_MS = 20;
/** Daemons that run the service, unless the schedule says otherwise. */
const DAEMONS = 3;

/** What runs on a machine once that is a node of the membership service. */
export interface NodeLife extends SimProcess {
  readonly info: NodeInfo;
  /** Position in the service's log up to which it has applied changes. */
  readonly applied: number;
  apply(change: Change, now: number): void;
  /** The membership service has given up this life: it does nothing any more. */
  expelled(settled: readonly SettledStream[]): void;
}

/** What a node is made with: its number among all lives of the run, and what it reaches the world by. */
export type NodeEnvironment = {
  readonly info: NodeInfo;
  readonly number: number;
  readonly machine: number;
  readonly network: NodeNetwork;
  readonly reports: NodeReports;
  readonly environment: ProcessEnvironment;
  /** The machine's clock. */
  readonly now: number;
};

/** What happens to machines, and what they run. */
export interface MachinesObserver<P extends NodeLife> {
  /** A machine's life has become a node. */
  started(node: NodeId, machine: number): void;
  /** After that: the process. */
  process(made: NodeEnvironment): P;
  ended(node: NodeId): void;
  suspended(node: NodeId, isSuspended: boolean): void;
  /** The process has been told. */
  expelled(process: P): void;
  /** The daemons took the node for failed before it was told that it is one. */
  failedAtStart(node: NodeId): void;
  /** For the timeline. */
  note(what: string): void;
}

export type MachinesOptions = Pick<
  RegionSchedule,
  "seed" | "machines" | "quietAt" | "policy" | "failureMs" | "endTells" | "batchMs" | "service" | "daemons" | "pathMs"
>;

/** What goes wrong with machines and their network; not with what they run. */
export type MachineFault = Exclude<RegionFault, { readonly kind: "hold" | "leaderTrap" }>;

/** One life of a machine. */
type Life<P extends NodeLife> = { readonly place: Place<P>; readonly attachment: Attachment };

/** What runs on a machine: nothing until its life has become a node. */
class Place<P extends NodeLife> implements SimProcess {
  process: P | undefined;

  get deadline(): number {
    return this.process?.deadline ?? NEVER;
  }

  tick(now: number): void {
    this.process?.tick(now);
  }

  receive(channel: SimChannel, bytes: Uint8Array, now: number): void {
    this.process?.receive(channel, bytes, now);
  }
}

/**
 * Machines 1 … n that each run a node of a membership service, life after life: how nodes start, beat, end, are expelled and come back, how they
 * reach the service and each other, and what of that goes wrong.
 */
export class NodeMachines<P extends NodeLife> {
  readonly world: World;
  readonly ids: readonly number[];
  /** Where nodes are served: in one place, or by daemons. */
  readonly service: RegionService | undefined;
  readonly daemons: RegionDaemons | undefined;
  /** All nodes that ever lived, to look at; and where. */
  readonly nodes = new Map<NodeId, P>();
  readonly machineOf = new Map<NodeId, number>();
  readonly #options: MachinesOptions;
  readonly #observer: MachinesObserver<P>;
  readonly #lives = new Map<number, Life<P>>();
  /** Machines that listen, as indexes of the network, by multicast address; kept in order. */
  readonly #listeners = new Map<number, number[]>();
  /** The groups that each machine's application wants to be in. */
  readonly #wanted = new Map<number, Set<string>>();
  /** Machines that find no multicast now. */
  readonly #noMulticast = new Set<number>();
  #starts = 0;

  constructor(options: MachinesOptions, observer: MachinesObserver<P>, service: DaemonObserver) {
    this.#options = options;
    this.#observer = observer;
    this.ids = Array.from({ length: options.machines }, (_, i) => i + 1);
    const site = options.service === "daemons" ? regionSite(options.daemons ?? DAEMONS) : undefined;
    this.world = new World({
      seed: options.seed,
      ...(site === undefined
        ? { site: [this.ids] }
        : { site: [[...site.daemons.values()].map(({ id }) => id)], others: this.ids }),
      network: LAN,
      processor: NODE_PROCESSOR,
      clockDrift: 0.0001,
    });
    if (site !== undefined) this.daemons = new RegionDaemons(this.world, site, service);
    else if (options.service === "model") this.service = new ModelService(options, this.world, service);
    else this.service = new ReplicaService(options, this.world, service);
  }

  /** The node that runs on a machine. */
  process(machine: number): P | undefined {
    return this.#lives.get(machine)?.place.process;
  }

  /** Those that run now. */
  get processes(): readonly P[] {
    return [...this.#lives.values()].flatMap(({ place: { process } }) => process ?? []);
  }

  /** All machines start, and so do the daemons. */
  boot(): void {
    this.daemons?.boot();
    for (const machine of this.ids) {
      this.#wanted.set(machine, new Set());
      this.world.at(0, () => this.#boot(machine));
    }
  }

  /** The service looks after its nodes from now on. */
  watch(): void {
    const watch = (): void => {
      this.service?.watch();
      this.world.at(this.world.now + HEARTBEAT_MS, watch);
    };
    watch();
  }

  /** The machine's application joins or leaves a group; what it has joined, it joins again whenever it starts anew. */
  act(machine: number, group: string, what: "join" | "leave"): void {
    const wanted = this.#wanted.get(machine);
    if (what === "join") wanted?.add(group);
    else wanted?.delete(group);
    this.#lives.get(machine)?.attachment[what](group);
  }

  inject(fault: MachineFault): void {
    const { world } = this;
    if (fault.kind === "failOver") {
      this.#note(`fail-over of machine ${fault.daemon} takes ${fault.forMs} ms`);
      this.#lives.get(fault.daemon)?.attachment.failOver(fault.forMs);
    } else if (fault.kind === "lag") {
      this.#note(`changes reach machine ${fault.daemon} ${fault.byMs} ms later`);
      this.#lives.get(fault.daemon)?.attachment.lag(fault.byMs, fault.forMs);
    } else if (fault.kind === "noMulticast") {
      this.#note(`machine ${fault.daemon} finds no multicast for ${fault.forMs} ms`);
      this.#noMulticast.add(fault.daemon);
      world.at(world.now + fault.forMs, () => this.#noMulticast.delete(fault.daemon));
    } else {
      this.#note(describeFault(fault));
      inject(world, this.#placed(fault), this.#hooks, () => world.now >= this.#options.quietAt);
    }
  }

  /** There are no faults any more; daemons that are down come back. */
  quiet(): void {
    mend(this.world, [...this.ids, ...(this.daemons?.ids ?? [])]);
    for (const id of this.daemons?.ids ?? []) this.daemons?.restart(id);
  }

  crash(machine: number): void {
    const life = this.#lives.get(machine);
    if (life === undefined) return;
    this.#lives.delete(machine);
    for (const listeners of this.#listeners.values()) remove(listeners, this.world.indexOf(machine));
    const { process } = life.place;
    if (process !== undefined) this.#observer.ended(process.info.id);
    this.world.crash(machine);
    if (this.#options.endTells) life.attachment.ended();
  }

  restart(machine: number): void {
    if (this.world.isInstalled(machine)) this.world.restart(machine);
  }

  // ---- lives ------------------------------------------------------------------------------------------------------

  #boot(machine: number): void {
    this.world.boot(machine, (environment) => this.#start(machine, environment));
    this.#beat(machine);
  }

  #start(machine: number, environment: ProcessEnvironment): SimProcess {
    const number = ++this.#starts;
    const address = { host: hostOf(machine), controlPort: 1, repairPort: 2, dataPort: 3 };
    const options = { machine, name: `#n${number}#m${machine}`, address };
    const place = new Place<P>();
    const attachment: Attachment = this.#attach(options, {
      registered: (info) => {
        this.machineOf.set(info.id, machine);
        this.#observer.started(info.id, machine);
        if (this.daemons?.hasFailed(info.id) === true) this.#observer.failedAtStart(info.id);
        place.process = this.#observer.process({
          info,
          number,
          machine,
          network: this.#network(machine),
          reports: {
            installed: (n, sealed) => attachment.installed(n, sealed),
            retired: (id) => attachment.retired(id),
            inquire: (nodes) => attachment.inquire(nodes),
            settled: (stream) => attachment.settled(stream),
          },
          environment,
          now: this.world.node(environment.self).localTime(this.world.now),
        });
        this.nodes.set(info.id, place.process);
      },
      change: (change, now) => {
        this.daemons?.applying(change);
        place.process?.apply(change, now);
      },
      suspended: (isSuspended) => {
        if (place.process !== undefined) this.#observer.suspended(place.process.info.id, isSuspended);
      },
      expelled: (settled) => this.#expel(machine, life, settled),
    });
    const life: Life<P> = { place, attachment };
    this.#lives.set(machine, life);
    for (const group of this.#wanted.get(machine) ?? []) attachment.join(group);
    return place;
  }

  #attach(options: LifeOptions, client: AttachmentClient): Attachment {
    const { pathMs } = this.#options;
    if (this.daemons !== undefined) return attachBySession(this.daemons, this.world, options, client);
    assert(this.service !== undefined, "nodes are served in one place or by daemons");
    return attachByPath(this.service, this.world, options, { delayMs: pathMs, jitterMs: pathMs }, client);
  }

  /** The node learns that it has been declared failed: its process begins a new life. */
  #expel(machine: number, life: Life<P>, settled: readonly SettledStream[]): void {
    if (this.#lives.get(machine) !== life) return;
    cover("regions expelled");
    const { process } = life.place;
    process?.expelled(settled);
    if (process !== undefined) {
      this.#observer.expelled(process);
      this.daemons?.failed(process.applied, process.info.id);
    }
    this.world.at(this.world.now, () => {
      if (this.#lives.get(machine) !== life) return;
      this.crash(machine);
      this.world.at(this.world.now + RESTART_MS, () => this.restart(machine));
    });
  }

  /** Tells the service now and then that the machine's process lives and runs. */
  #beat(machine: number): void {
    const { world } = this;
    let asked: Life<P> | undefined;
    const beat = (): void => {
      world.at(world.now + HEARTBEAT_MS, beat);
      const life = this.#lives.get(machine);
      // One that is frozen is asked once.
      if (life === undefined || life === asked) return;
      asked = life;
      world.runOnProcess(machine, () => {
        asked = undefined;
        life.attachment.heard();
      });
    };
    beat();
  }

  #network(machine: number): NodeNetwork {
    const { world } = this;
    const { datagrams } = world;
    const node = world.node(machine);
    const own = world.indexOf(machine);
    const what: Readonly<Record<SimChannel, number>> = {
      token: ARRIVE_TOKEN,
      data: ARRIVE_DATA,
      repair: ARRIVE_REPAIR,
    };
    const noMulticast = this.#noMulticast;
    return {
      get canMulticast() {
        return !noMulticast.has(machine);
      },
      multicast: (address, bytes) => {
        const receivers = this.#listeners.get(address) ?? [];
        datagrams.multicast(own, receivers, ARRIVE_DATA, bytes, node.departure(bytes.length));
      },
      unicast: (to, channel, bytes) => {
        datagrams.unicast(own, world.indexOf(to), what[channel], bytes, node.departure(bytes.length));
      },
      listen: (address) => {
        let listeners = this.#listeners.get(address);
        if (listeners === undefined) this.#listeners.set(address, (listeners = []));
        if (!listeners.includes(own)) listeners.push(own);
      },
      unlisten: (address) => remove(this.#listeners.get(address) ?? [], own),
    };
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  /** Daemons of the service by the ids that they have in the network. */
  #placed(fault: Fault): Fault {
    const { daemons } = this;
    if (daemons === undefined) return fault;
    const placed = (id: number): number => (id > DAEMONS_FROM ? daemons.idOf(id - DAEMONS_FROM) : id);
    if (fault.kind === "split") return { ...fault, parts: fault.parts.map((part) => part.map(placed)) };
    return "daemon" in fault ? { ...fault, daemon: placed(fault.daemon) } : fault;
  }

  readonly #hooks: FaultHooks = {
    crash: (id) => (this.ids.includes(id) ? this.crash(id) : this.daemons?.crash(id)),
    restart: (id) => (this.ids.includes(id) ? this.restart(id) : this.daemons?.restart(id)),
    leave: () => {},
    whenEnters: () => {},
  };

  #note(what: string): void {
    this.#observer.note(`fault: ${what}`);
  }
}

function remove(list: number[], item: number): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
