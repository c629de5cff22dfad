import { assert } from "../base/assert.ts";
import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import type { ConnectOptions } from "../client/config.ts";
import { Connection } from "../client/connection.ts";
import { parseSiteConfig } from "../daemon/config/index.ts";
import type { DaemonNode } from "../daemon/node.ts";
import { type MembershipTimeouts, membershipTimeouts } from "../membership/timeouts.ts";
import type { WideAreaConfig } from "../membership/wide-area-config.ts";
import { type ClusterSite, clusterAddress, clusterSite, clusterText } from "./cluster-site.ts";
import { describeFault, type Fault, type FaultHooks, inject, mend } from "./faults.ts";
import { checkFault, checkSeed, checkTime, layoutOf, lossOf } from "./input.ts";
import type { LossModel } from "./loss.ts";
import { LAN, type NetworkModel, NODE_PROCESSOR, type ProcessorModel } from "./network-model.ts";
import { ARRIVE_DATA, ARRIVE_REPAIR, ARRIVE_TOKEN } from "./node.ts";
import type { SitesPlan } from "./schedule.ts";
import { ProgramMachine } from "./program-machine.ts";
import { hostOf, machineOf } from "./regions/node-process.ts";
import type { ProcessEnvironment } from "./sim-process.ts";
import { SimTransport } from "./sim-transport.ts";
import { placeSites } from "./site-schedule.ts";
import { StackProcess } from "./stack-process.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";
import { type SiteLayout, World } from "./world.ts";

export type ClusterOptions = {
  /** The same seed and the same calls make the same run. */
  readonly seed?: number;
  /** So many daemons 1 … n in one segment, or the segments with their daemons (numbers of 1 … 254). Default 3. */
  readonly daemons?: number | SiteLayout;
  /** The site of each segment, numbers that do not descend, and the ways between sites. Default: all are one site. */
  readonly sites?: SitesPlan;
  /** Those of them that the configuration has at first, and that are started. Default: all. Others come by `reload`. */
  readonly configured?: readonly number[];
  /** How many programs there may be over the whole simulation. Default 16. */
  readonly programsMax?: number;
  /** Departures from a gigabit network without faults. */
  readonly network?: Partial<NetworkModel>;
  readonly processor?: ProcessorModel;
  /** Default: the profile `lan`, or `sites` with several sites. */
  readonly timeouts?: MembershipTimeouts;
  /** Departures from the settings of real links between sites. */
  readonly wideArea?: Partial<WideAreaConfig>;
  /** Times run this much faster or slower than true at each daemon: 0.0001 is 100 ppm. */
  readonly clockDrift?: number;
};

/** What a program may use of its world. Real timers, clocks, chance and files make runs differ. */
export type ProgramEnvironment = {
  readonly name: string;
  /** The only source of chance that keeps a run repeatable. */
  readonly random: Random;
  /** `connect` of the package's root, to daemons by their numbers: the first that answers. */
  connect(daemons: number | readonly number[], options?: ConnectOptions): Promise<Connection>;
  /** Simulated time in ms. */
  now(): number;
  sleep(ms: number): Promise<void>;
};

/** A program that runs on a simulated machine of its own. */
export interface Program {
  readonly name: string;
  /** Whether it has come to its end, or was killed. */
  readonly ended: boolean;
  /** Its machine is gone, between one instruction and the next. */
  kill(): void;
}

type Machine = { readonly id: DaemonId; readonly beside: number };

/** Ids of the programs' machines; those of daemons are made of their addresses. */
const FIRST_MACHINE = 1;

const ARRIVALS = { token: ARRIVE_TOKEN, data: ARRIVE_DATA, repair: ARRIVE_REPAIR } as const;

/**
 * Whole daemons and programs in a simulated network. Programs use the client API as they would use it anywhere; nothing
 * happens but inside `run`, which is asynchronous only so that their promises can go on: between two events everything
 * runs that waits for nothing but promises.
 */
export class Cluster {
  readonly #seed: number;
  readonly #world: World;
  readonly #site: ClusterSite;
  readonly #layout: SiteLayout;
  readonly #sites: SitesPlan | undefined;
  readonly #wideArea: Partial<WideAreaConfig>;
  readonly #timeouts: MembershipTimeouts;
  readonly #timeline = new Timeline();
  readonly #machines: Machine[] = [];
  /** Machines that listen, as indexes of the network, by address of the nodes' pool. */
  readonly #listening = new Map<number, Set<number>>();
  readonly #machinesMax: number;
  readonly #random: Random;
  readonly #errors: unknown[] = [];
  /** Daemons that the configuration does not have any more: they find themselves in no file, and do not start. */
  readonly #removed = new Set<DaemonId>();
  /** How often all faults were ended: traps that were set before do not spring any more. */
  #calms = 0;
  /** Code of a program was called: its promises have to go on before the next event. */
  #isStirred = false;

  constructor(options: ClusterOptions = {}) {
    const { daemons = 3, programsMax = 16, sites } = options;
    const seed = checkSeed(options.seed ?? 1);
    this.#seed = seed;
    const layout = layoutOf(daemons);
    this.#layout = layout;
    this.#sites = sites;
    const { windowBytes } = sites ?? {};
    this.#wideArea = { ...(windowBytes !== undefined && { windowBytes }), ...options.wideArea };
    this.#timeouts = options.timeouts ?? membershipTimeouts(sites === undefined ? "lan" : "sites");
    this.#site = clusterSite(layout, this.#timeouts, sites);
    this.#machinesMax = programsMax;
    this.#random = new Random(seed).fork();
    this.#world = new World({
      seed,
      site: this.#idsOf(layout),
      others: Array.from({ length: programsMax }, (_, i) => FIRST_MACHINE + i),
      network: { ...LAN, ...options.network },
      processor: options.processor ?? NODE_PROCESSOR,
      clockDrift: options.clockDrift ?? 0,
    });
    if (sites !== undefined) placeSites(this.#world, this.#idsOf(layout), sites);
    const configured = options.configured ?? this.daemons;
    for (const number of configured) this.#boot(number, this.configurationOf(configured));
  }

  /** Simulated time in ms. */
  get now(): number {
    return this.#world.now;
  }

  get daemons(): readonly number[] {
    return [...this.#site.daemons.keys()];
  }

  /**
   * Starts a program on a machine beside a daemon: a split that cuts off the daemon cuts off the machine. If `main`
   * rejects, `run` does.
   */
  program(name: string, beside: number, main: (environment: ProgramEnvironment) => Promise<void>): Program {
    if (this.#machines.length >= this.#machinesMax) {
      throw new RangeError(`program ${name}: there are ${this.#machinesMax} already; programsMax allows more`);
    }
    const daemon = this.#id(beside);
    const id = FIRST_MACHINE + this.#machines.length;
    this.#machines.push({ id, beside });
    this.#place(id, beside);
    this.#world.accompany(id, daemon);
    const random = this.#random.fork();
    const world = this.#world;
    let ended = false;
    world.boot(id, (environment) => {
      const machine = this.#programMachine(id, environment);
      const program = this.#programEnvironment(name, id, random, machine, environment);
      environment.run(() => {
        this.#isStirred = true;
        main(program).then(
          () => {
            ended = true;
          },
          (error: unknown) => {
            if (!ended) this.#errors.push(error);
            ended = true;
          },
        );
      });
      return machine;
    });
    return {
      name,
      get ended(): boolean {
        return ended;
      },
      kill: () => {
        ended = true;
        this.#timeline.note(this.now, `program ${name}: killed`);
        world.crash(id);
        for (const machines of this.#listening.values()) machines.delete(world.indexOf(id));
      },
    };
  }

  /** Lets so many simulated ms pass. Rejects with what a program failed with. */
  async run(durationMs: number): Promise<void> {
    await this.#runUntil(this.now + checkTime("run", durationMs), () => false);
  }

  /** Lets time pass until the condition holds; false if it does not within `limitMs`. */
  async runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    await this.#runUntil(this.now + checkTime("runUntil", limitMs), condition);
    return condition();
  }

  /** Calls the action after so many ms, outside of any machine. */
  after(delayMs: number, action: () => void): void {
    this.#world.at(this.now + checkTime("after", delayMs), action);
  }

  /** The daemon itself, to look at; `undefined` while it is down. */
  node(daemon: number): DaemonNode | undefined {
    return this.#process(daemon)?.node;
  }

  /** The daemons in this one's configuration, in their order; `undefined` while it is down. */
  members(daemon: number): readonly number[] | undefined {
    const members = this.node(daemon)?.evs.configuration.members;
    return members?.map((id) => this.daemons.find((number) => this.#id(number) === id) as number);
  }

  /** Whether these daemons, and no others, have one configuration and serve clients. */
  isTogether(daemons: readonly number[]): boolean {
    const wanted = [...daemons].sort((a, b) => a - b).join();
    return daemons.every((daemon) => {
      const node = this.node(daemon);
      const members = [...(this.members(daemon) ?? [])].sort((a, b) => a - b).join();
      return node?.evs.isServing === true && node.groups.state === "GOP" && members === wanted;
    });
  }

  /** Splits the network: only inside the parts does anything pass. Machines go with the daemon that they are beside. */
  split(...parts: readonly (readonly number[])[]): void {
    this.inject({ kind: "split", at: this.now, parts });
  }

  /** Cuts one direction between two daemons. */
  cut(from: number, to: number): void {
    this.inject({ kind: "oneWay", at: this.now, from, to });
  }

  /** Mends all splits and cuts. */
  heal(): void {
    this.inject({ kind: "heal", at: this.now });
  }

  /** The daemon is gone, and its clients' connections break. */
  crash(daemon: number): void {
    this.inject({ kind: "crash", at: this.now, daemon });
  }

  /** Starts a daemon that is down; does nothing if it runs. */
  restart(daemon: number): void {
    this.inject({ kind: "restart", at: this.now, daemon });
  }

  /**
   * Starts a daemon that the configuration had not before, or has again: with a file of these daemons as somebody wrote it, or with a
   * copy of the file of a daemon that runs.
   */
  start(daemon: number, file: readonly number[] | { readonly of: number }): void {
    this.#timeline.note(this.now, `daemon ${daemon}: starts`);
    const text = "of" in file ? this.node(file.of)?.site.text : this.configurationOf(file);
    if (text === undefined) throw new RangeError(`start ${daemon}: the daemon whose file it is to have does not run`);
    this.#boot(daemon, text);
  }

  /** Daemons that ended because a configuration does not have them. */
  get removed(): readonly number[] {
    return this.daemons.filter((number) => this.#removed.has(this.#id(number)));
  }

  /** The file of these daemons. */
  configurationOf(daemons: readonly number[]): string {
    const layout = this.#layout.map((segment) => segment.filter((number) => daemons.includes(number)));
    return clusterText(layout, this.#sites);
  }

  /** Asks a daemon to put a configuration of these daemons in force. What comes of it: `reloads`. */
  reload(daemon: number, daemons: readonly number[]): void {
    this.#timeline.note(this.now, `daemon ${daemon}: asked for the daemons ${daemons.join(", ")}`);
    this.#world.runOnProcess(this.#id(daemon), (now) => {
      this.#process(daemon)?.reload(this.configurationOf(daemons), now);
    });
  }

  /** What came of `reload` at this daemon since it was started: undefined when the file is in force, or why not. */
  reloads(daemon: number): readonly (string | undefined)[] {
    return this.#process(daemon)?.reloads ?? [];
  }

  /** Asks the daemon to stop in order. */
  leave(daemon: number): void {
    this.inject({ kind: "leave", at: this.now, daemon });
  }

  /** Stops the daemon's processor for a while. */
  freeze(daemon: number, durationMs: number): void {
    this.inject({ kind: "freeze", at: this.now, daemon, forMs: durationMs });
  }

  /** Loses datagrams, of daemons and of nodes, from now on: a share of 0 … 1, or as a model says. 0 ends it. */
  loss(model: number | LossModel): void {
    const chosen = lossOf(model);
    this.#timeline.note(this.now, `fault: loss ${JSON.stringify(chosen)}`);
    this.#world.datagrams.setLoss(chosen);
  }

  /** Makes any fault happen, now. */
  inject(fault: Fault): void {
    checkFault(fault, this.daemons);
    this.#timeline.note(this.now, `fault: ${describeFault(fault)}`);
    const calms = this.#calms;
    const hooks: FaultHooks = {
      crash: (id) => this.#crash(id),
      restart: (id) => {
        if (!this.#removed.has(id)) this.#world.restart(id);
      },
      leave: (id) => this.#world.runOnProcess(id, (now) => (this.#world.process(id) as StackProcess).node.leave(now)),
      whenEnters: (id, state, action) =>
        (this.#world.process(id) as StackProcess | undefined)?.whenEnters(state, action),
    };
    inject(this.#world, this.#translated(fault), hooks, () => calms !== this.#calms);
  }

  /** Ends all faults of the network and of processors; what is down stays down. */
  calm(): void {
    this.#calms++;
    this.#timeline.note(this.now, "no more faults");
    mend(
      this.#world,
      this.daemons.map((number) => this.#id(number)),
    );
  }

  /** Faults and changes of membership so far, for people (`formatTimeline`). */
  get timeline(): readonly TimelineEntry[] {
    return this.#timeline.entries([]);
  }

  async #runUntil(time: number, condition: () => boolean): Promise<void> {
    for (;;) {
      // Whoever called may have let a promise go as well.
      await settle();
      this.#throwErrors();
      if (condition() || this.now >= time) return;
      this.#isStirred = false;
      this.#world.runUntil(time, () => this.#isStirred || condition());
    }
  }

  #throwErrors(): void {
    if (this.#errors.length > 0) throw this.#errors.shift();
  }

  /** The same fault with the ids of nodes instead of the numbers of daemons. */
  #translated(fault: Fault): Fault {
    const ids = (numbers: readonly number[]): DaemonId[] => numbers.map((number) => this.#id(number));
    switch (fault.kind) {
      case "split":
        return { ...fault, parts: fault.parts.map(ids) };
      case "oneWay":
      case "linkLoss":
        return { ...fault, from: this.#id(fault.from), to: this.#id(fault.to) };
      case "siteLoss":
      case "detour":
        return { ...fault, from: ids(fault.from), to: ids(fault.to) };
      case "dataLoss":
        return { ...fault, from: this.#id(fault.from), to: ids(fault.to) };
      case "trap":
        return { ...fault, daemon: this.#id(fault.daemon), fault: this.#translated(fault.fault) };
      case "crash":
      case "restart":
      case "leave":
      case "freeze":
      case "slow":
        return { ...fault, daemon: this.#id(fault.daemon) };
      case "heal":
      case "loss":
      case "disorder":
      case "latency":
        return fault;
    }
  }

  #crash(id: DaemonId): void {
    if (this.#world.process(id) !== undefined) this.#world.crash(id);
  }

  /** A machine is as far from daemons of other sites, and from the machines beside those, as the daemon that it is beside. */
  #place(machine: DaemonId, beside: number): void {
    if (this.#sites === undefined) return;
    const { of, links } = this.#sites;
    const siteOf = (daemon: number): number | undefined => of[this.#layout.findIndex((ids) => ids.includes(daemon))];
    const { datagrams } = this.#world;
    const own = this.#world.indexOf(machine);
    for (const { from, to, latency } of links) {
      for (const daemon of this.daemons) {
        const other = this.#world.indexOf(this.#id(daemon));
        if (siteOf(beside) === from && siteOf(daemon) === to) datagrams.setLatency(latency, own, other);
        if (siteOf(beside) === to && siteOf(daemon) === from) datagrams.setLatency(latency, other, own);
      }
      for (const { id, beside: daemon } of this.#machines) {
        const other = this.#world.indexOf(id);
        if (siteOf(beside) === from && siteOf(daemon) === to) datagrams.setLatency(latency, own, other);
        if (siteOf(beside) === to && siteOf(daemon) === from) datagrams.setLatency(latency, other, own);
      }
    }
  }

  #idsOf(layout: SiteLayout): SiteLayout {
    return layout.map((numbers) => numbers.map((number) => this.#id(number)));
  }

  #id(daemon: number): DaemonId {
    const config = this.#site.daemons.get(daemon);
    if (config === undefined) {
      throw new RangeError(`there is no daemon ${daemon} in this cluster; there are ${this.daemons.join(", ")}`);
    }
    return config.id;
  }

  #process(daemon: number): StackProcess | undefined {
    return this.#world.process(this.#id(daemon)) as StackProcess | undefined;
  }

  #boot(daemon: number, text: string): void {
    const { site } = parseSiteConfig(text, "(simulated)");
    const self = site.daemons.find(({ name }) => name === `d${daemon}`);
    assert(self !== undefined, "only daemons of the site are started");
    this.#removed.delete(self.id);
    let isFirst = true;
    this.#world.boot(self.id, (environment) => {
      if (isFirst) StackProcess.giveFile(environment.disk, site);
      isFirst = false;
      return new StackProcess(
        { ...site, timeouts: this.#timeouts },
        self,
        environment,
        (event) => {
          if (event.kind === "configuration") {
            const names = this.#site.config.daemons.filter(({ id }) =>
              this.node(daemon)?.evs.configuration.isMember(id),
            );
            this.#timeline.note(this.now, `daemon ${daemon}: installs {${names.map(({ name }) => name).join(", ")}}`);
          } else if (event.kind === "reload") {
            const { what, generation, why } = event.event;
            this.#timeline.note(this.now, `daemon ${daemon}: configuration ${generation} ${what} ${why}`.trimEnd());
            if (what === "removed") this.#removed.add(self.id);
          } else if (event.kind === "left") {
            environment.run(() => this.#crash(self.id));
          }
        },
        this.#wideArea,
      );
    });
  }

  /** Its network is that of all: what passes between daemons passes between the machines beside them. */
  #programMachine(id: DaemonId, environment: ProcessEnvironment): ProgramMachine {
    const world = this.#world;
    // Of its own, so that whether a program uses it changes nothing else.
    const random = new Random(this.#seed * 0x10001 + id);
    const { datagrams } = world;
    const own = world.indexOf(id);
    const node = world.node(id);
    return new ProgramMachine(
      hostOf(id),
      {
        now: () => node.localTime(world.now),
        random: () => random.unit(),
        run: (action) => environment.run(action),
        multicast: (address, bytes) => {
          const receivers = [...(this.#listening.get(address) ?? [])].sort((a, b) => a - b);
          datagrams.multicast(own, receivers, ARRIVE_DATA, bytes, node.departure(bytes.length));
        },
        unicast: (host, channel, bytes) => {
          const machine = machineOf(host);
          if (!this.#machines.some((other) => other.id === machine)) return;
          datagrams.unicast(own, world.indexOf(machine), ARRIVALS[channel], bytes, node.departure(bytes.length));
        },
        listen: (address) => {
          const machines = this.#listening.get(address) ?? new Set();
          this.#listening.set(address, machines.add(own));
        },
        unlisten: (address) => void this.#listening.get(address)?.delete(own),
      },
      () => {
        this.#isStirred = true;
      },
    );
  }

  #programEnvironment(
    name: string,
    id: DaemonId,
    random: Random,
    nodes: ProgramMachine,
    environment: ProcessEnvironment,
  ): ProgramEnvironment {
    const world = this.#world;
    const stir = (): void => {
      this.#isStirred = true;
    };
    const run = (action: () => void): void =>
      environment.run(() => {
        stir();
        action();
      });
    const at = (time: number, action: () => void): void => world.at(time, () => run(action));
    const hosts = new Map([...this.#site.daemons.values()].map((daemon) => [daemon.address, daemon.id]));
    const transport = new SimTransport({
      random: random.fork(),
      now: () => world.now,
      at,
      run,
      stir,
      dial: (host) => {
        const daemon = hosts.get(host);
        return daemon === undefined ? undefined : world.connect(id, daemon);
      },
      nodes,
    });
    return {
      name,
      random,
      connect: async (daemons, options) => {
        const numbers = typeof daemons === "number" ? [daemons] : daemons;
        for (const daemon of numbers) this.#id(daemon);
        return Connection.open(transport, numbers.map(clusterAddress), options);
      },
      now: () => world.now,
      sleep: (ms) => new Promise((resolve) => at(world.now + ms, resolve)),
    };
  }
}

/** Lets everything run that waits for nothing but promises. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
