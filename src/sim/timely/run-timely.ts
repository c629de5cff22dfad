import { watchCoverage } from "../../base/coverage.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Violation } from "../check/checker.ts";
import type { DatagramCounters } from "../datagrams.ts";
import { type LossModel, NO_LOSS } from "../loss.ts";
import { type MachinesObserver, NodeMachines } from "../regions/machines.ts";
import type { DaemonObserver } from "../regions/region-daemons.ts";
import { Timeline, type TimelineEntry } from "../timeline.ts";
import { TraceHash } from "../trace-hash.ts";
import { coverTimely } from "./cells.ts";
import { nameOf } from "./check/history.ts";
import { TimelyCheckSuite } from "./check/suite.ts";
import { describeTimely } from "./describe-event.ts";
import type { TimelyEvent } from "./event.ts";
import { generateTimely, type TimelyOptions } from "./generate.ts";
import type { SequencerTrap, TimelyFault, TimelySchedule } from "./schedule.ts";
import { type Happening, TimelyProcess } from "./timely-process.ts";

export type TimelyStats = {
  readonly simulatedMs: number;
  /** Packets of timely groups. */
  readonly sent: number;
  readonly delivered: number;
  /** Of these: by repairs, and after they were asked for. */
  readonly rebuilt: number;
  readonly resent: number;
  readonly lost: number;
  /** Messages of ordered groups, at all members. */
  readonly committed: number;
  readonly rolledBack: number;
  /** Nodes that were declared failed. */
  readonly failed: number;
  readonly datagrams: DatagramCounters;
};

/** What became of a schedule of timely groups. */
export type TimelyResult = {
  readonly schedule: TimelySchedule;
  readonly verdict: "passed" | "failed";
  /** Broken properties; `assertion` stands for an exception in the nodes' own code. */
  readonly violations: readonly Violation[];
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly stats: TimelyStats;
  readonly coverage: ReadonlyMap<string, number>;
  readonly timeline: readonly TimelineEntry[];
};

/** Makes a schedule of the seed, runs it and checks all that happened. */
export function runTimely(seed: number, options: TimelyOptions = {}): TimelyResult {
  return replayTimely(generateTimely(seed, options));
}

/** Runs a schedule as it is; twice the same schedule is twice the same run. `observe` is told all that happens. */
export function replayTimely(schedule: TimelySchedule, observe?: (event: TimelyEvent) => void): TimelyResult {
  const coverage = new Map<string, number>();
  const watched = watchCoverage(coverage);
  try {
    const run = new TimelyRun(schedule, observe);
    run.run();
    return run.result(coverage);
  } finally {
    watchCoverage(watched);
  }
}

/** What is missing is known of by then. */
const REST_MS = 200;
/** How long a machine is down that has been trapped. */
const TRAPPED_MS = 500;

/** One run: wires machines, workload, faults and checkers together. */
class TimelyRun {
  readonly #machines: NodeMachines<TimelyProcess>;
  readonly #schedule: TimelySchedule;
  readonly #observer: ((event: TimelyEvent) => void) | undefined;
  readonly #suite: TimelyCheckSuite;
  readonly #timeline = new Timeline();
  readonly #hash = new TraceHash();
  /** Those that lie in wait. */
  readonly #traps: SequencerTrap[] = [];
  /** The view of each ordered group in which an order was told last. */
  readonly #views = new Map<number, number>();
  readonly #counts = { sent: 0, delivered: 0, rebuilt: 0, resent: 0, lost: 0, committed: 0, rolledBack: 0, failed: 0 };
  #isOver = false;
  #failure: Violation | undefined;

  constructor(schedule: TimelySchedule, observe?: (event: TimelyEvent) => void) {
    this.#schedule = schedule;
    this.#observer = observe;
    this.#suite = new TimelyCheckSuite(schedule);
    this.#machines = new NodeMachines(schedule, this.#machinesObserver(), this.#serviceObserver());
  }

  run(): void {
    const { acts, sends, faults, quietAt, endAt } = this.#schedule;
    const machines = this.#machines;
    const { world } = machines;
    machines.boot();
    for (const { at, machine, group, what } of acts) world.at(at, () => machines.act(machine, group, what));
    for (const { at, machine, group, bytes } of sends) {
      world.at(at, () => world.runOnProcess(machine, (now) => machines.process(machine)?.send(group, bytes, now)));
    }
    machines.watch();
    this.#watchRest((sends.at(-1)?.at ?? 0) + REST_MS);
    for (const fault of faults) world.at(fault.at, () => this.#inject(fault));
    world.at(quietAt, () => {
      machines.quiet();
      this.#observe({ kind: "quiet" });
    });
    try {
      world.runUntil(endAt, () => this.#suite.violations.length > 0 || this.#isOver);
      if (this.#suite.violations.length === 0) {
        this.#observe({ kind: "over", remains: machines.processes.map((process) => process.remains()) });
      }
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#failure = { property: "assertion", what, at: world.now };
    }
  }

  result(coverage: ReadonlyMap<string, number>): TimelyResult {
    const { world } = this.#machines;
    const violations = [...(this.#failure === undefined ? [] : [this.#failure]), ...this.#suite.violations];
    return {
      schedule: this.#schedule,
      verdict: violations.length === 0 ? "passed" : "failed",
      violations,
      traceHash: this.#hash.hex,
      stats: { simulatedMs: world.now, ...this.#counts, datagrams: world.datagrams.counters },
      coverage,
      timeline: this.#timeline.entries(violations),
    };
  }

  #observe(happening: Happening): void {
    const event = { ...happening, at: this.#machines.world.now } as TimelyEvent;
    this.#mix(event);
    this.#count(event);
    coverTimely(event, "node" in event && this.#suite.history.nodes.get(event.node)?.isApplying === true);
    this.#observer?.(event);
    this.#suite.observe(event);
    const what = describeTimely(event, this.#suite.history);
    if (what !== undefined) this.#note(what);
    if (event.kind === "said") this.#spring(event);
  }

  #mix(event: TimelyEvent): void {
    this.#hash.mix(event.at);
    this.#hash.mixText(event.kind);
    if ("node" in event) this.#hash.mix(event.node);
    if ("id" in event) this.#hash.mix(event.id.seq);
    if ("position" in event) this.#hash.mix(event.position);
    if (event.kind === "show") this.#hash.mix(event.message.position);
    if (event.kind === "repair") this.#hash.mix(event.repair.checksum);
  }

  #count(event: TimelyEvent): void {
    const counts = this.#counts;
    if (event.kind === "arrive") {
      if (event.how === "sent") counts.sent++;
      else counts.delivered++;
      if (event.how === "rebuilt" || event.how === "resent") counts[event.how]++;
    } else if (event.kind === "lost") counts.lost += event.count;
    else if (event.kind === "commit") counts.committed++;
    else if (event.kind === "rollback") counts.rolledBack++;
    else if (event.kind === "failed") counts.failed++;
  }

  #note(what: string): void {
    this.#timeline.note(this.#machines.world.now, what);
  }

  /** From then on: once nothing is missing any more, and nobody has anything to do for its order, twice in a row, the run is over. */
  #watchRest(from: number): void {
    const { world } = this.#machines;
    let calm = 0;
    const look = (): void => {
      const remains = this.#machines.processes.map((process) => process.remains());
      calm = remains.every(({ missing, isAtRest }) => missing === 0 && isAtRest) ? calm + 1 : 0;
      this.#isOver = calm >= 2;
      world.at(world.now + REST_MS, look);
    };
    world.at(from, look);
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  #inject(fault: TimelyFault): void {
    if (fault.kind === "sequencerTrap") this.#traps.push(fault);
    else if (fault.kind === "behind") this.#hold(fault.daemon, fault.forMs);
    else this.#machines.inject(fault);
  }

  #hold(machine: number, forMs: number): void {
    const { world } = this.#machines;
    this.#note(`fault: machine ${machine} is behind for ${forMs} ms`);
    const hold = (isHeld: boolean): void =>
      world.runOnProcess(machine, (now) => this.#machines.process(machine)?.hold(isHeld, now));
    hold(true);
    world.at(world.now + forMs, () => hold(false));
  }

  /** A member has told others of the order, or of what it brings into a view: that may be a moment at which the sequencer fails. */
  #spring({ node, group, body }: TimelyEvent & { readonly kind: "said" }): void {
    const { world } = this.#machines;
    if (body.kind !== "order" && body.kind !== "state") return;
    const isFirst = body.kind === "order" && body.view > (this.#views.get(group) ?? 0);
    if (isFirst) this.#views.set(group, body.view);
    if (world.now >= this.#schedule.quietAt) return;
    const members = this.#suite.history.membership(node, group)?.members ?? [];
    const isSequencer = members[0] === node && members.length > 1;
    const when = body.kind === "state" ? "state" : isFirst ? "view" : "order";
    const isNews = body.kind === "state" || isFirst || body.entries.length > 0;
    const trap = this.#traps.findIndex((one) => one.when === when);
    const machine = this.#machines.machineOf.get(node);
    if (!isSequencer || !isNews || trap < 0 || machine === undefined) return;
    const [{ delayMs, apart }] = this.#traps.splice(trap, 1) as [SequencerTrap];
    if (apart !== undefined) this.#part(apart.machines, Math.min(apart.forMs, this.#schedule.quietAt - world.now));
    world.at(world.now + delayMs, () => {
      if (world.now >= this.#schedule.quietAt) return;
      this.#note(`fault: machine ${machine} crashes, whose node is sequencer (${when})`);
      this.#machines.crash(machine);
      world.at(world.now + TRAPPED_MS, () => this.#machines.restart(machine));
    });
  }

  /** These machines and the others do not hear of each other. */
  #part(side: readonly number[], forMs: number): void {
    const { world } = this.#machines;
    const rest = this.#machines.ids.filter((id) => !side.includes(id));
    this.#note(`fault: machines ${side.join(", ")} and the others are apart for ${Math.round(forMs)} ms`);
    const lose = (model: LossModel): void => {
      for (const one of side) {
        for (const other of rest) {
          world.datagrams.setLoss(model, world.indexOf(one), world.indexOf(other));
          world.datagrams.setLoss(model, world.indexOf(other), world.indexOf(one));
        }
      }
    };
    lose({ kind: "uniform", probability: 1 });
    world.at(world.now + forMs, () => lose(NO_LOSS));
  }

  // ---- machines and service ---------------------------------------------------------------------------------------

  #machinesObserver(): MachinesObserver<TimelyProcess> {
    return {
      started: (node, machine) => this.#observe({ kind: "start", node, machine }),
      failedAtStart: (failed) => this.#observe({ kind: "failed", failed }),
      process: (made) => new TimelyProcess(made, this.#schedule, (event) => this.#observe(event)),
      ended: (node) => this.#observe({ kind: "end", node }),
      suspended: () => {},
      expelled: ({ info }) => this.#note(`${nameOf(this.#suite.history, info.id)} is expelled`),
      note: (what) => this.#note(what),
    };
  }

  #serviceObserver(): DaemonObserver {
    return {
      logged: () => {},
      failed: (_n: number, failed: NodeId) => this.#observe({ kind: "failed", failed }),
      opened: () => {},
      superseded: () => {},
      final: () => {},
      retired: () => {},
      batch: () => {},
    };
  }
}
