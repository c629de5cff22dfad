import { assert, unreachable } from "../../base/assert.ts";
import { cover, watchCoverage } from "../../base/coverage.ts";
import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { RegionMap } from "../../cms/regions.ts";
import type { SettledStream } from "../../cms/settled.ts";
import type { NodeInfo } from "../../cms/views.ts";
import type { RegionToken } from "../../wire/region/token.ts";
import { NEVER } from "../../machine/machine.ts";
import { nodeDefaults } from "../../qsm/config.ts";
import type { Violation } from "../check/checker.ts";
import type { DatagramCounters } from "../datagrams.ts";
import { describeFault, type Fault, type FaultHooks, inject, mend } from "../faults.ts";
import { LAN, NODE_PROCESSOR } from "../network-model.ts";
import { ARRIVE_DATA, ARRIVE_REPAIR, ARRIVE_TOKEN } from "../node.ts";
import type { ProcessEnvironment, SimChannel, SimProcess } from "../sim-process.ts";
import { Timeline, type TimelineEntry } from "../timeline.ts";
import { TraceHash } from "../trace-hash.ts";
import { World } from "../world.ts";
import { describeEvent } from "./describe-event.ts";
import { nodeName } from "./check/names.ts";
import { RegionCheckSuite, regionCheckers } from "./check/suite.ts";
import type { RegionEvent } from "./event.ts";
import { generateRegions, type RegionOptions } from "./generate.ts";
import {
  type Attachment,
  attachByPath,
  attachBySession,
  type AttachmentClient,
  type LifeOptions,
} from "./attachment.ts";
import { ModelService } from "./model-service.ts";
import { type Happening, hostOf, type NodeNetwork, NodeProcess, type NodeReports } from "./node-process.ts";
import { type DaemonObserver, RegionDaemons, regionSite } from "./region-daemons.ts";
import type { RegionService } from "./region-service.ts";
import { ReplicaService } from "./replica-service.ts";
import {
  DAEMONS_FROM,
  isNodeFault,
  type LeaderTrap,
  type NodeFault,
  type RegionFault,
  type RegionSchedule,
} from "./schedule.ts";

export type RegionStats = {
  readonly simulatedMs: number;
  readonly sent: number;
  readonly delivered: number;
  /** Region views that there have been. */
  readonly views: number;
  /** Nodes that were declared failed. */
  readonly failed: number;
  readonly lost: number;
  readonly datagrams: DatagramCounters;
};

/** What became of a schedule of nodes. */
export type RegionsResult = {
  readonly schedule: RegionSchedule;
  readonly verdict: "passed" | "failed";
  /** Broken properties; `assertion` stands for an exception in the nodes' own code. */
  readonly violations: readonly Violation[];
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly stats: RegionStats;
  readonly coverage: ReadonlyMap<string, number>;
  readonly timeline: readonly TimelineEntry[];
};

/** Makes a schedule of the seed, runs it and checks all that happened. */
export function runRegions(seed: number, options: RegionOptions = {}): RegionsResult {
  return replayRegions(generateRegions(seed, options));
}

/** Runs a schedule as it is; twice the same schedule is twice the same run. `observe` is told all that happens. */
export function replayRegions(schedule: RegionSchedule, observe?: (event: RegionEvent) => void): RegionsResult {
  const coverage = new Map<string, number>();
  const watched = watchCoverage(coverage);
  try {
    const run = new RegionsRun(schedule, observe);
    run.run();
    return run.result(coverage);
  } finally {
    watchCoverage(watched);
  }
}

const HEARTBEAT_MS = 50;
const RESTART_MS = 20;
/** How long a machine is down that has been trapped. */
const TRAPPED_MS = 500;
/** Daemons that run the service, unless the schedule says otherwise. */
const DAEMONS = 3;
/** Longer than any node waits for anything; and than the service takes to find out who has failed. */
const SILENCE_MS = 2_000;

/** One life of a machine. */
type Life = { readonly place: MachineProcess; readonly attachment: Attachment };

/** What runs on a machine: nothing until its life has become a node. */
class MachineProcess implements SimProcess {
  process: NodeProcess | undefined;

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

/** One run: wires world, nodes, membership service, workload, faults and checkers together. */
export class RegionsRun {
  readonly world: World;
  /** Where nodes are served: in one place, or by daemons. */
  readonly #service: RegionService | undefined;
  readonly #daemons: RegionDaemons | undefined;
  readonly #schedule: RegionSchedule;
  readonly #observer: ((event: RegionEvent) => void) | undefined;
  readonly #suite: RegionCheckSuite;
  readonly #timeline = new Timeline();
  readonly #hash = new TraceHash();
  readonly #machines: readonly number[];
  readonly #lives = new Map<number, Life>();
  /** All nodes that ever lived, to look at. */
  readonly #nodes = new Map<NodeId, NodeProcess>();
  readonly #machineOf = new Map<NodeId, number>();
  /** Machines that listen, as indexes of the network, by multicast address; kept in order. */
  readonly #listeners = new Map<number, number[]>();
  /** The groups that each machine's application wants to be in. */
  readonly #wanted = new Map<number, Set<string>>();
  /** Those that lie in wait. */
  readonly #traps: LeaderTrap[] = [];
  /** Machines that find no multicast now. */
  readonly #noMulticast = new Set<number>();
  readonly #counts = { sent: 0, delivered: 0, views: 0, failed: 0, lost: 0 };
  #lastSentAt = 0;
  #starts = 0;
  #failure: Violation | undefined;

  constructor(schedule: RegionSchedule, observe?: (event: RegionEvent) => void) {
    this.#schedule = schedule;
    this.#observer = observe;
    this.#machines = Array.from({ length: schedule.machines }, (_, i) => i + 1);
    const site = schedule.service === "daemons" ? regionSite(schedule.daemons ?? DAEMONS) : undefined;
    this.world = new World({
      seed: schedule.seed,
      ...(site === undefined
        ? { site: [this.#machines] }
        : { site: [[...site.daemons.values()].map(({ id }) => id)], others: this.#machines }),
      network: LAN,
      processor: NODE_PROCESSOR,
      clockDrift: 0.0001,
    });
    this.#suite = new RegionCheckSuite(regionCheckers({ ...nodeDefaults, ...schedule.config }), (node, id, sender) => {
      for (const region of this.#nodes.get(node)?.node.regions ?? []) {
        if (region.id.region !== id.region || region.id.view !== id.view) continue;
        return region.streams.get(sender)?.contiguous ?? 0;
      }
      return undefined;
    });
    const observer = this.#serviceObserver();
    if (site !== undefined) this.#daemons = new RegionDaemons(this.world, site, observer);
    else if (schedule.service === "model") this.#service = new ModelService(schedule, this.world, observer);
    else this.#service = new ReplicaService(schedule, this.world, observer);
  }

  /** The node that runs on a machine. */
  process(machine: number): NodeProcess | undefined {
    return this.#lives.get(machine)?.place.process;
  }

  get violations(): readonly Violation[] {
    return this.#suite.violations;
  }

  run(): void {
    const { acts, sends, faults, quietAt, endAt } = this.#schedule;
    const { world } = this;
    this.#daemons?.boot();
    for (const machine of this.#machines) {
      this.#wanted.set(machine, new Set());
      world.at(0, () => this.#boot(machine));
    }
    for (const { at, machine, group, what } of acts) world.at(at, () => this.#act(machine, group, what));
    for (const { at, machine, group, bytes } of sends) {
      world.at(at, () => world.runOnProcess(machine, (now) => this.process(machine)?.send(group, bytes, now)));
    }
    const watch = (): void => {
      this.#service?.watch();
      world.at(world.now + HEARTBEAT_MS, watch);
    };
    watch();
    for (const fault of faults) world.at(fault.at, () => this.#inject(fault));
    world.at(quietAt, () => this.#quiet());
    try {
      world.runUntil(endAt, () => this.violations.length > 0 || this.#isSilent);
      if (this.violations.length === 0) {
        this.#daemons?.finish(this.#nodes.keys());
        const stragglers = this.#daemons?.stragglers ?? [];
        this.#observe({ kind: "over", isSilent: this.#isSilent, remains: this.#remains(), stragglers });
      }
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#failure = { property: "assertion", what, at: world.now };
    }
  }

  /** There are no faults any more, and nobody has sent anything for longer than anything is waited for. */
  get #isSilent(): boolean {
    const decidedAt = this.#daemons?.changedAt ?? 0;
    return this.world.now - Math.max(this.#lastSentAt, this.#schedule.quietAt, decidedAt) > SILENCE_MS;
  }

  result(coverage: ReadonlyMap<string, number>): RegionsResult {
    const violations = [...(this.#failure === undefined ? [] : [this.#failure]), ...this.violations];
    return {
      schedule: this.#schedule,
      verdict: violations.length === 0 ? "passed" : "failed",
      violations,
      traceHash: this.#hash.hex,
      stats: { simulatedMs: this.world.now, ...this.#counts, datagrams: this.world.datagrams.counters },
      coverage,
      timeline: this.#timeline.entries(violations),
    };
  }

  #observe(happening: Happening): void {
    const event = { ...happening, at: this.world.now } as RegionEvent;
    if (event.kind === "applied") this.#daemons?.knows(event.change.n, event.known);
    this.#mix(event);
    if (event.kind === "sent") this.#lastSentAt = event.at;
    this.#note(event);
    this.#observer?.(event);
    this.#suite.observe(event);
    if (event.kind === "token") this.#spring(event.token);
  }

  /** A token leaves somewhere: if it says that packets are lost, that may be a moment at which its leader fails. */
  #spring({ id, records }: RegionToken): void {
    if (this.#traps.length === 0 || this.world.now >= this.#schedule.quietAt) return;
    if (records.every(({ settle }) => settle === undefined || settle.lost.isEmpty)) return;
    const { nodes } = this.#suite.history;
    const leader = this.#suite.history
      .view(id)
      ?.view.members.find((member) => nodes.get(member.id)?.hasFailed === false);
    const machine = leader && this.#machineOf.get(leader.id);
    if (machine === undefined) return;
    const { delayMs } = this.#traps.shift() as LeaderTrap;
    this.world.at(this.world.now + delayMs, () => {
      this.#timeline.note(
        this.world.now,
        `fault: machine ${machine} crashes, since its token says that packets are lost`,
      );
      this.#crash(machine);
    });
    this.world.at(this.world.now + delayMs + TRAPPED_MS, () => this.#restart(machine));
  }

  #mix(event: RegionEvent): void {
    this.#hash.mix(event.at);
    this.#hash.mixText(event.kind);
    if ("node" in event) this.#hash.mix(event.node);
    if (event.kind === "deliver") this.#hash.mix(event.message ?? 0);
    if (event.kind === "packet" || event.kind === "acknowledged") this.#hash.mix(event.seq);
  }

  // ---- machines ---------------------------------------------------------------------------------------------------

  #boot(machine: number): void {
    this.world.boot(machine, (environment) => this.#start(machine, environment));
    this.#beat(machine);
  }

  #start(machine: number, environment: ProcessEnvironment): SimProcess {
    const number = ++this.#starts;
    const address = { host: hostOf(machine), controlPort: 1, repairPort: 2, dataPort: 3 };
    const options = { machine, name: `#n${number}#m${machine}`, address };
    const place = new MachineProcess();
    const attachment: Attachment = this.#attach(options, {
      registered: (info) => {
        this.#machineOf.set(info.id, machine);
        this.#observe({ kind: "start", node: info.id, machine });
        if (this.#daemons?.hasFailed(info.id) === true) this.#observe({ kind: "failed", n: 0, failed: info.id });
        place.process = this.#node(info, number, environment, {
          installed: (n, sealed) => attachment.installed(n, sealed),
          retired: (id) => attachment.retired(id),
          inquire: (nodes) => attachment.inquire(nodes),
          settled: (stream) => attachment.settled(stream),
        });
      },
      change: (change, now) => {
        this.#daemons?.applying(change);
        place.process?.apply(change, now);
      },
      suspended: (isSuspended) => {
        const { process } = place;
        if (process !== undefined) this.#observe({ kind: "suspended", node: process.info.id, isSuspended });
      },
      expelled: (settled) => this.#expel(machine, life, settled),
    });
    const life: Life = { place, attachment };
    this.#lives.set(machine, life);
    for (const group of this.#wanted.get(machine) ?? []) attachment.join(group);
    return place;
  }

  #attach(options: LifeOptions, client: AttachmentClient): Attachment {
    const { pathMs } = this.#schedule;
    if (this.#daemons !== undefined) return attachBySession(this.#daemons, this.world, options, client);
    assert(this.#service !== undefined, "nodes are served in one place or by daemons");
    return attachByPath(this.#service, this.world, options, { delayMs: pathMs, jitterMs: pathMs }, client);
  }

  #node(info: NodeInfo, number: number, environment: ProcessEnvironment, reports: NodeReports): NodeProcess {
    const { config, twoClass } = this.#schedule;
    const process = new NodeProcess(
      info,
      number,
      { config: { ...nodeDefaults, ...config }, twoClass },
      this.#network(this.#machineOf.get(info.id) as number),
      reports,
      environment.random,
      this.world.node(environment.self).localTime(this.world.now),
      (event) => this.#observe(event),
    );
    this.#nodes.set(info.id, process);
    return process;
  }

  #crash(machine: number): void {
    const life = this.#lives.get(machine);
    if (life === undefined) return;
    this.#lives.delete(machine);
    for (const listeners of this.#listeners.values()) remove(listeners, this.world.indexOf(machine));
    const { process } = life.place;
    if (process !== undefined) this.#observe({ kind: "end", node: process.info.id });
    this.world.crash(machine);
    if (this.#schedule.endTells) life.attachment.ended();
  }

  #restart(machine: number): void {
    if (this.world.isInstalled(machine)) this.world.restart(machine);
  }

  /** The node learns that it has been declared failed: its process begins a new life. */
  #expel(machine: number, life: Life, settled: readonly SettledStream[]): void {
    if (this.#lives.get(machine) !== life) return;
    cover("regions expelled");
    const { process } = life.place;
    process?.expelled(settled);
    if (process !== undefined) {
      this.#timeline.note(this.world.now, `${nodeName(this.#suite.history, process.info.id)} is expelled`);
      this.#daemons?.failed(process.node.applied, process.info.id);
    }
    this.world.at(this.world.now, () => {
      if (this.#lives.get(machine) !== life) return;
      this.#crash(machine);
      this.world.at(this.world.now + RESTART_MS, () => this.#restart(machine));
    });
  }

  /** Tells the service now and then that the machine's process lives and runs. */
  #beat(machine: number): void {
    const { world } = this;
    let asked: Life | undefined;
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

  // ---- workload and faults ----------------------------------------------------------------------------------------

  #act(machine: number, group: string, what: "join" | "leave"): void {
    const wanted = this.#wanted.get(machine);
    if (what === "join") wanted?.add(group);
    else wanted?.delete(group);
    const life = this.#lives.get(machine);
    if (life === undefined) return;
    life.attachment[what](group);
  }

  #inject(fault: RegionFault): void {
    const { world } = this;
    if (isNodeFault(fault)) return this.#trouble(fault);
    this.#timeline.note(world.now, `fault: ${describeFault(fault)}`);
    inject(world, this.#placed(fault), this.#hooks, () => world.now >= this.#schedule.quietAt);
  }

  #trouble(fault: NodeFault): void {
    const { world } = this;
    if (fault.kind === "leaderTrap") {
      this.#traps.push(fault);
      return;
    }
    const { daemon: machine, forMs } = fault;
    const note = (what: string): void => this.#timeline.note(world.now, `fault: ${what}`);
    switch (fault.kind) {
      case "failOver":
        note(`fail-over of machine ${machine} takes ${forMs} ms`);
        this.#lives.get(machine)?.attachment.failOver(forMs);
        return;
      case "lag":
        note(`changes reach machine ${machine} ${fault.byMs} ms later`);
        this.#lives.get(machine)?.attachment.lag(fault.byMs, forMs);
        return;
      case "hold": {
        note(`machine ${machine} does not keep up for ${forMs} ms`);
        const hold = (isHeld: boolean): void =>
          world.runOnProcess(machine, (now) => this.process(machine)?.hold(isHeld, now));
        hold(true);
        world.at(world.now + forMs, () => hold(false));
        return;
      }
      case "noMulticast":
        note(`machine ${machine} finds no multicast for ${forMs} ms`);
        this.#noMulticast.add(machine);
        world.at(world.now + forMs, () => this.#noMulticast.delete(machine));
        return;
      default:
        unreachable(fault);
    }
  }

  /** Daemons of the service by the ids that they have in the network. */
  #placed(fault: Fault): Fault {
    const daemons = this.#daemons;
    if (daemons === undefined) return fault;
    const placed = (id: number): number => (id > DAEMONS_FROM ? daemons.idOf(id - DAEMONS_FROM) : id);
    if (fault.kind === "split") return { ...fault, parts: fault.parts.map((part) => part.map(placed)) };
    return "daemon" in fault ? { ...fault, daemon: placed(fault.daemon) } : fault;
  }

  readonly #hooks: FaultHooks = {
    crash: (id) => (this.#machines.includes(id) ? this.#crash(id) : this.#daemons?.crash(id)),
    restart: (id) => (this.#machines.includes(id) ? this.#restart(id) : this.#daemons?.restart(id)),
    leave: () => {},
    whenEnters: () => {},
  };

  #quiet(): void {
    mend(this.world, [...this.#machines, ...(this.#daemons?.ids ?? [])]);
    for (const id of this.#daemons?.ids ?? []) this.#daemons?.restart(id);
    this.#observe({ kind: "quiet" });
  }

  #remains() {
    return [...this.#lives.values()].flatMap(({ place: { process } }) => {
      if (process === undefined) return [];
      const { id } = process.info;
      const told = this.#daemons?.seqOf(id) ?? this.#service?.seqOf(id) ?? 0;
      return { ...process.remains(), unapplied: told - process.appliedSeq };
    });
  }

  // ---- the service ------------------------------------------------------------------------------------------------

  #serviceObserver(): DaemonObserver {
    return {
      logged: (daemon, epoch, n, chain, configuration) =>
        this.#observe({ kind: "logged", daemon, epoch, n, chain, configuration }),
      failed: (n, failed) => {
        // One that has not heard yet that it is a node has done nothing.
        if (this.#nodes.has(failed)) this.#observe({ kind: "failed", n, failed });
      },
      opened: (n, view) => this.#observe({ kind: "opened", n, view }),
      superseded: (n, id) => this.#observe({ kind: "superseded", n, id }),
      final: (n, id, last) =>
        this.#observe({ kind: "final", n, id, last: [...last].map(([sender, seq]) => ({ sender, seq })) }),
      retired: (id) => this.#observe({ kind: "closed", id }),
      batch: (n, map, nodes = this.#machineOf.keys()) => this.#observe({ kind: "map", n, ...contentOf(map, nodes) }),
    };
  }

  #note(event: RegionEvent): void {
    const { kind } = event;
    if (kind === "failed") this.#counts.failed++;
    else if (kind === "opened") this.#counts.views++;
    else if (kind === "submit") this.#counts.sent++;
    else if (kind === "deliver") this.#counts.delivered++;
    else if (kind === "lost") this.#counts.lost++;
    const what = describeEvent(event, this.#suite.history);
    if (what !== undefined) this.#timeline.note(event.at, what);
  }
}

function contentOf(map: RegionMap, nodes: Iterable<NodeId>) {
  const members = new Map<NodeId, readonly GroupNumber[]>();
  for (const node of nodes) if (map.node(node) !== undefined) members.set(node, map.groupsOf(node));
  return {
    groups: [...map.groups.values()].map(({ view }) => view),
    regions: [...map.regions.values()].map(({ view, groups }) => ({ ...view, groups })),
    members,
  };
}

function remove(list: number[], item: number): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
