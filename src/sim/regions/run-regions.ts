import { watchCoverage } from "../../base/coverage.ts";
import type { GroupNumber, NodeId } from "../../base/ids.ts";
import type { RegionMap } from "../../cms/regions.ts";
import { nodeDefaults } from "../../qsm/config.ts";
import type { RegionToken } from "../../wire/region/token.ts";
import type { Violation } from "../check/checker.ts";
import type { DatagramCounters } from "../datagrams.ts";
import { Timeline, type TimelineEntry } from "../timeline.ts";
import { TraceHash } from "../trace-hash.ts";
import type { World } from "../world.ts";
import { nodeName } from "./check/names.ts";
import { RegionCheckSuite, regionCheckers } from "./check/suite.ts";
import { describeEvent } from "./describe-event.ts";
import type { RegionEvent } from "./event.ts";
import { generateRegions, type RegionOptions } from "./generate.ts";
import { type MachinesObserver, NodeMachines } from "./machines.ts";
import { type Happening, NodeProcess } from "./node-process.ts";
import type { DaemonObserver } from "./region-daemons.ts";
import type { LeaderTrap, RegionFault, RegionSchedule } from "./schedule.ts";

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

/** How long a machine is down that has been trapped. */
const TRAPPED_MS = 500;
/** Longer than any node waits for anything; and than the service takes to find out who has failed. */
const SILENCE_MS = 2_000;

/** One run: wires world, nodes, membership service, workload, faults and checkers together. */
export class RegionsRun {
  readonly #machines: NodeMachines<NodeProcess>;
  readonly #schedule: RegionSchedule;
  readonly #observer: ((event: RegionEvent) => void) | undefined;
  readonly #suite: RegionCheckSuite;
  readonly #timeline = new Timeline();
  readonly #hash = new TraceHash();
  /** Those that lie in wait. */
  readonly #traps: LeaderTrap[] = [];
  readonly #counts = { sent: 0, delivered: 0, views: 0, failed: 0, lost: 0 };
  #lastSentAt = 0;
  #failure: Violation | undefined;

  constructor(schedule: RegionSchedule, observe?: (event: RegionEvent) => void) {
    this.#schedule = schedule;
    this.#observer = observe;
    this.#suite = new RegionCheckSuite(regionCheckers({ ...nodeDefaults, ...schedule.config }), (node, id, sender) => {
      for (const region of this.#machines.nodes.get(node)?.node.regions ?? []) {
        if (region.id.region !== id.region || region.id.view !== id.view) continue;
        return region.streams.get(sender)?.contiguous ?? 0;
      }
      return undefined;
    });
    this.#machines = new NodeMachines(schedule, this.#machinesObserver(), this.#serviceObserver());
  }

  get world(): World {
    return this.#machines.world;
  }

  /** The node that runs on a machine. */
  process(machine: number): NodeProcess | undefined {
    return this.#machines.process(machine);
  }

  get violations(): readonly Violation[] {
    return this.#suite.violations;
  }

  run(): void {
    const { acts, sends, faults, quietAt, endAt } = this.#schedule;
    const machines = this.#machines;
    const { world, daemons } = machines;
    machines.boot();
    for (const { at, machine, group, what } of acts) world.at(at, () => machines.act(machine, group, what));
    for (const { at, machine, group, bytes } of sends) {
      world.at(at, () => world.runOnProcess(machine, (now) => this.process(machine)?.send(group, bytes, now)));
    }
    machines.watch();
    for (const fault of faults) world.at(fault.at, () => this.#inject(fault));
    world.at(quietAt, () => {
      machines.quiet();
      this.#observe({ kind: "quiet" });
    });
    try {
      world.runUntil(endAt, () => this.violations.length > 0 || this.#isSilent);
      if (this.violations.length === 0) {
        daemons?.finish(machines.nodes.keys());
        const stragglers = daemons?.stragglers ?? [];
        this.#observe({ kind: "over", isSilent: this.#isSilent, remains: this.#remains(), stragglers });
      }
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#failure = { property: "assertion", what, at: world.now };
    }
  }

  /** There are no faults any more, and nobody has sent anything for longer than anything is waited for. */
  get #isSilent(): boolean {
    const decidedAt = this.#machines.daemons?.changedAt ?? 0;
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
    if (event.kind === "applied") this.#machines.daemons?.knows(event.change.n, event.known);
    this.#mix(event);
    if (event.kind === "sent") this.#lastSentAt = event.at;
    this.#count(event);
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
    const machine = leader && this.#machines.machineOf.get(leader.id);
    if (machine === undefined) return;
    const { delayMs } = this.#traps.shift() as LeaderTrap;
    this.world.at(this.world.now + delayMs, () => {
      this.#note(`fault: machine ${machine} crashes, since its token says that packets are lost`);
      this.#machines.crash(machine);
    });
    this.world.at(this.world.now + delayMs + TRAPPED_MS, () => this.#machines.restart(machine));
  }

  #mix(event: RegionEvent): void {
    this.#hash.mix(event.at);
    this.#hash.mixText(event.kind);
    if ("node" in event) this.#hash.mix(event.node);
    if (event.kind === "deliver") this.#hash.mix(event.message ?? 0);
    if (event.kind === "packet" || event.kind === "acknowledged") this.#hash.mix(event.seq);
  }

  // ---- machines ---------------------------------------------------------------------------------------------------

  #machinesObserver(): MachinesObserver<NodeProcess> {
    return {
      started: (node, machine) => this.#observe({ kind: "start", node, machine }),
      failedAtStart: (failed) => this.#observe({ kind: "failed", n: 0, failed }),
      process: ({ info, number, network, reports, environment, now }) => {
        const { config, twoClass } = this.#schedule;
        const settings = { config: { ...nodeDefaults, ...config }, twoClass };
        return new NodeProcess(info, number, settings, network, reports, environment.random, now, (event) =>
          this.#observe(event),
        );
      },
      ended: (node) => this.#observe({ kind: "end", node }),
      suspended: (node, isSuspended) => this.#observe({ kind: "suspended", node, isSuspended }),
      expelled: ({ info }) => this.#note(`${nodeName(this.#suite.history, info.id)} is expelled`),
      note: (what) => this.#note(what),
    };
  }

  #inject(fault: RegionFault): void {
    if (fault.kind === "leaderTrap") this.#traps.push(fault);
    else if (fault.kind === "hold") this.#hold(fault.daemon, fault.forMs);
    else this.#machines.inject(fault);
  }

  #hold(machine: number, forMs: number): void {
    const { world } = this;
    this.#note(`fault: machine ${machine} does not keep up for ${forMs} ms`);
    const hold = (isHeld: boolean): void =>
      world.runOnProcess(machine, (now) => this.process(machine)?.hold(isHeld, now));
    hold(true);
    world.at(world.now + forMs, () => hold(false));
  }

  #remains() {
    const { processes, daemons, service } = this.#machines;
    return processes.map((process) => {
      const { id } = process.info;
      const told = daemons?.seqOf(id) ?? service?.seqOf(id) ?? 0;
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
        if (this.#machines.nodes.has(failed)) this.#observe({ kind: "failed", n, failed });
      },
      opened: (n, view) => this.#observe({ kind: "opened", n, view }),
      superseded: (n, id) => this.#observe({ kind: "superseded", n, id }),
      final: (n, id, last) =>
        this.#observe({ kind: "final", n, id, last: [...last].map(([sender, seq]) => ({ sender, seq })) }),
      retired: (id) => this.#observe({ kind: "closed", id }),
      batch: (n, map, nodes = this.#machines.machineOf.keys()) =>
        this.#observe({ kind: "map", n, ...contentOf(map, nodes) }),
    };
  }

  #count(event: RegionEvent): void {
    const { kind } = event;
    if (kind === "failed") this.#counts.failed++;
    else if (kind === "opened") this.#counts.views++;
    else if (kind === "submit") this.#counts.sent++;
    else if (kind === "deliver") this.#counts.delivered++;
    else if (kind === "lost") this.#counts.lost++;
    const what = describeEvent(event, this.#suite.history);
    if (what !== undefined) this.#timeline.note(event.at, what);
  }

  #note(what: string): void {
    this.#timeline.note(this.world.now, what);
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
