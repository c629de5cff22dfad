import type { DaemonId } from "../base/ids.ts";
import { joined } from "../base/joined.ts";
import { type MembershipTimeouts, membershipTimeouts } from "../membership/timeouts.ts";
import { wideAreaConfig } from "../membership/wide-area-config.ts";
import type { Service } from "../ordering/service.ts";
import type { Delivery, RegularConfiguration, TransitionalConfiguration } from "../ordering/upcall.ts";
import { ringConfig } from "../ring/config.ts";
import type { Random } from "../base/random.ts";
import type { Violation } from "./check/checker.ts";
import { CheckSuite } from "./check/suite.ts";
import { EvsProcess } from "./evs-process.ts";
import { type Fault, type FaultHooks, inject } from "./faults.ts";
import { checkFault, checkSeed, checkTime, layoutOf, lossOf } from "./input.ts";
import type { LossModel } from "./loss.ts";
import { LAN, type NetworkModel, NODE_PROCESSOR, type ProcessorModel } from "./network-model.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { type SiteLayout, World } from "./world.ts";

/** A message as a replica has it. */
export type ReplicaDelivery = Omit<Delivery, "head" | "tail"> & { readonly payload: Uint8Array };

/** Your code on one daemon, from a start to the next crash. It is told everything in the order that all share. */
export interface Replica {
  message(delivery: ReplicaDelivery): void;
  /** Those members of the configuration that go on together: what comes after this may be missing elsewhere. */
  transitional?(configuration: TransitionalConfiguration): void;
  /** A new membership. */
  regular?(configuration: RegularConfiguration): void;
}

/** What a replica may use of its daemon. */
export type ReplicaEnvironment = {
  readonly daemon: DaemonId;
  /** How many times this daemon was started, this start included. */
  readonly start: number;
  /** The only source of chance that keeps a run repeatable. */
  readonly random: Random;
  /** What survives crashes of this daemon. */
  readonly disk: Map<string, Uint8Array>;
  /** Simulated time in ms. */
  now(): number;
  /** Multicasts to all replicas of the configuration, this one too. The bytes are given away. */
  send(payload: Uint8Array, service?: Service): void;
  /** Calls back after a while, unless the daemon has crashed by then. */
  after(delayMs: number, action: () => void): void;
};

export type SimulationOptions<R extends Replica> = {
  /** The same seed and the same calls make the same run. */
  readonly seed?: number;
  /** So many daemons 1 … n in one segment, or the segments with their daemons. Default 3. */
  readonly daemons?: number | SiteLayout;
  /** Makes the replica of a daemon, at each of its starts. */
  readonly replica: (environment: ReplicaEnvironment) => R;
  /** Departures from a gigabit network without faults. */
  readonly network?: Partial<NetworkModel>;
  readonly processor?: ProcessorModel;
  /** Default: the profile `lan`. */
  readonly timeouts?: MembershipTimeouts;
  /** Times run this much faster or slower than true at each node: 0.0001 is 100 ppm. */
  readonly clockDrift?: number;
};

/**
 * Daemons and replicas in a simulated network: nothing happens but inside `run`, and everything that happens can be
 * repeated. All properties of the daemons themselves are checked along the way.
 */
export class Simulation<R extends Replica> {
  readonly #world: World;
  readonly #daemons: readonly DaemonId[];
  readonly #options: SimulationOptions<R>;
  readonly #site: SiteLayout;
  readonly #trace = new Trace();
  readonly #suite = new CheckSuite();
  readonly #timeline = new Timeline();
  readonly #replicas = new Map<DaemonId, R>();
  readonly #starts = new Map<DaemonId, number>();
  #processes = 0;

  constructor(options: SimulationOptions<R>) {
    this.#options = options;
    this.#site = layoutOf(options.daemons ?? 3);
    this.#daemons = this.#site.flat();
    this.#world = new World({
      seed: checkSeed(options.seed ?? 1),
      site: this.#site,
      network: { ...LAN, ...options.network },
      processor: options.processor ?? NODE_PROCESSOR,
      clockDrift: options.clockDrift ?? 0,
    });
    this.#trace.observe((event) => {
      this.#timeline.observe(event);
      this.#suite.observe(event);
    });
    for (const daemon of this.#daemons) this.#boot(daemon);
  }

  /** Simulated time in ms. */
  get now(): number {
    return this.#world.now;
  }

  get daemons(): readonly DaemonId[] {
    return this.#daemons;
  }

  /** Lets so many simulated ms pass. Exceptions of replicas come out here. */
  run(durationMs: number): void {
    this.#world.runUntil(this.#world.now + checkTime("run", durationMs));
  }

  /** Lets time pass until the condition holds; false if it does not within `limitMs`. */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    this.#world.runUntil(this.#world.now + checkTime("runUntil", limitMs), condition);
    return condition();
  }

  /** Calls the action after so many ms. */
  after(delayMs: number, action: () => void): void {
    this.#world.at(this.#world.now + checkTime("after", delayMs), action);
  }

  /** The replica that runs on the daemon; `undefined` while that is down. */
  replica(daemon: DaemonId): R | undefined {
    return this.#replicas.get(daemon);
  }

  /** All replicas that run, in the order of the daemons. */
  get replicas(): readonly R[] {
    return this.#daemons.flatMap((daemon) => this.#replicas.get(daemon) ?? []);
  }

  /** Does something with a replica in its daemon's loop: not while that is frozen, not at all if it is down. */
  on(daemon: DaemonId, action: (replica: R) => void): void {
    this.#world.runOnProcess(daemon, () => {
      const replica = this.#replicas.get(daemon);
      if (replica !== undefined) action(replica);
    });
  }

  /** The members of the daemon's configuration, in their order; `undefined` while it is down or has none. */
  members(daemon: DaemonId): readonly DaemonId[] | undefined {
    return this.#process(daemon)?.evs.configuration.members;
  }

  /** Splits the network: only inside the parts does anything pass. Daemons in no part are alone. */
  split(...parts: readonly (readonly DaemonId[])[]): void {
    this.#inject({ kind: "split", at: this.now, parts });
  }

  /** Cuts one direction between two daemons. */
  cut(from: DaemonId, to: DaemonId): void {
    this.#inject({ kind: "oneWay", at: this.now, from, to });
  }

  /** Mends all splits and cuts. */
  heal(): void {
    this.#inject({ kind: "heal", at: this.now });
  }

  /** The daemon and its replica are gone, between one instruction and the next. */
  crash(daemon: DaemonId): void {
    this.#inject({ kind: "crash", at: this.now, daemon });
  }

  /** Starts a daemon that is down with a new replica; with its disk, unless `loseDisk`. Does nothing if it runs. */
  restart(daemon: DaemonId, options: { readonly loseDisk?: boolean } = {}): void {
    this.#inject({ kind: "restart", at: this.now, daemon, loseDisk: options.loseDisk === true });
  }

  /** Asks the daemon to leave; it ends when the others know. */
  leave(daemon: DaemonId): void {
    this.#inject({ kind: "leave", at: this.now, daemon });
  }

  /** Stops the daemon's processor for a while; its kernel keeps what it receives, up to its buffer. */
  freeze(daemon: DaemonId, durationMs: number): void {
    this.#inject({ kind: "freeze", at: this.now, daemon, forMs: durationMs });
  }

  /** Loses datagrams from now on: a share of 0 … 1, or as a model says. 0 ends it. */
  loss(model: number | LossModel): void {
    const chosen = lossOf(model);
    this.#world.datagrams.setLoss(chosen);
    this.#timeline.note(this.now, `fault: loss ${JSON.stringify(chosen)}`);
  }

  /** Repeats and reorders datagrams from now on, with these chances. */
  disorder(duplicate: number, reorder: number): void {
    [duplicate, reorder].forEach(lossOf);
    this.#world.datagrams.setDisorder(duplicate, reorder);
    this.#timeline.note(this.now, `fault: duplicates ${duplicate}, reordering ${reorder}`);
  }

  /** Broken promises of the daemons so far: always empty, unless Amalgam has a bug. */
  get violations(): readonly Violation[] {
    return this.#suite.violations;
  }

  /** Equal for equal runs. */
  get traceHash(): string {
    return this.#trace.hash;
  }

  /** Faults and changes of membership so far, for people (`formatTimeline`). */
  get timeline(): readonly TimelineEntry[] {
    return this.#timeline.entries(this.violations);
  }

  #inject(fault: Fault): void {
    checkFault(fault, this.#daemons);
    this.#timeline.note(this.now, `fault: ${fault.kind}`);
    const hooks: FaultHooks = {
      crash: (daemon) => this.#crash(daemon),
      restart: (daemon, loseDisk) => this.#world.restart(daemon, loseDisk),
      leave: (daemon) => this.#world.runOnProcess(daemon, (now) => this.#process(daemon)?.leave(now)),
      whenEnters: (daemon, state, action) => this.#process(daemon)?.whenEnters(state, action),
    };
    inject(this.#world, fault, hooks, () => false);
  }

  #process(daemon: DaemonId): EvsProcess | undefined {
    return this.#world.process(daemon) as EvsProcess | undefined;
  }

  #boot(daemon: DaemonId): void {
    const world = this.#world;
    const timeouts = this.#options.timeouts ?? membershipTimeouts("lan");
    const ring = ringConfig({ tokenProbeMs: timeouts.tokenProbeMs });
    const settings = { site: this.#site, sites: undefined, wideArea: wideAreaConfig(), timeouts, ring };
    world.boot(daemon, (environment) => {
      const number = ++this.#processes;
      this.#trace.append({ kind: "start", at: world.now, process: number, daemon });
      const note = (what: string): void => this.#timeline.note(world.now, `daemon ${daemon}: ${what}`);
      const process = new EvsProcess(number, settings, environment, {
        trace: this.#trace,
        inspector: this.#suite.inspector,
        time: () => world.now,
        note,
      });
      const start = (this.#starts.get(daemon) ?? 0) + 1;
      this.#starts.set(daemon, start);
      const replica = this.#options.replica({
        daemon,
        start,
        random: environment.random.fork(),
        disk: environment.disk,
        now: () => world.now,
        // Sent from inside a delivery, a message must not re-enter the daemon: it takes its turn.
        send: (payload, service = "agreed") => environment.run(() => process.send(service, 1, payload)),
        after: (delayMs, action) => world.at(world.now + delayMs, () => environment.run(action)),
      });
      this.#replicas.set(daemon, replica);
      process.application = {
        message: ({ sender, session, service, content, head, tail }) =>
          replica.message({ sender, session, service, content, payload: joined(head, tail) }),
        transitional: (configuration) => replica.transitional?.(configuration),
        regular: (configuration) => replica.regular?.(configuration),
      };
      process.onLeft = () => environment.run(() => this.#crash(daemon));
      return process;
    });
  }

  #crash(daemon: DaemonId): void {
    const process = this.#process(daemon);
    if (process === undefined) return;
    this.#trace.append({ kind: "crash", at: this.now, process: process.number });
    this.#replicas.delete(daemon);
    this.#world.crash(daemon);
  }
}
