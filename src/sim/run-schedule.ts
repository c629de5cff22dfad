import { watchCoverage } from "../base/coverage.ts";
import type { DaemonId } from "../base/ids.ts";
import type { Violation } from "./check/checker.ts";
import { CheckSuite } from "./check/suite.ts";
import type { DatagramCounters } from "./datagrams.ts";
import { EvsProcess, evsSettings } from "./evs-process.ts";
import type { MembershipStateName } from "../membership/events.ts";
import { describeFault, inject, mend } from "./faults.ts";
import { GroupDaemon } from "./group-daemon.ts";
import { LAN, NODE_PROCESSOR } from "./network-model.ts";
import { generateSiteSchedule, placeSites } from "./site-schedule.ts";
import { generateSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

/** What became of a schedule. */
export type RunResult = {
  readonly schedule: Schedule;
  readonly verdict: "passed" | "failed";
  /** Broken properties; `assertion` stands for an exception in the daemons' own code. */
  readonly violations: readonly Violation[];
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly stats: RunStats;
  /** Cells of the state tables that were entered, and how often. */
  readonly coverage: ReadonlyMap<string, number>;
  readonly timeline: readonly TimelineEntry[];
};

export type RunStats = {
  readonly simulatedMs: number;
  readonly sent: number;
  readonly delivered: number;
  readonly installed: number;
  readonly datagrams: DatagramCounters;
};

export type RunOptions = ScheduleOptions & {
  /** Stop at the first violation (default) or go on to the end. */
  readonly stopEarly?: boolean;
  /** Run process groups on the daemons: clients join, leave and send agreed and safe messages instead. */
  readonly groups?: boolean;
  /** Put the daemons into several sites. */
  readonly sites?: boolean;
};

/** Makes a schedule of the seed, runs it and checks all that happened. */
export function runSchedule(seed: number, options: RunOptions = {}): RunResult {
  const schedule = options.sites === true ? generateSiteSchedule(seed, options) : generateSchedule(seed, options);
  return replaySchedule(schedule, options);
}

/** Runs a schedule as it is; twice the same schedule is twice the same run. */
export function replaySchedule(schedule: Schedule, options: RunOptions = {}): RunResult {
  const coverage = new Map<string, number>();
  const watched = watchCoverage(coverage);
  try {
    const run = new Run(schedule, options.stopEarly !== false, options.groups === true);
    run.run();
    return run.result(coverage);
  } finally {
    watchCoverage(watched);
  }
}

/** One run: wires world, daemons, workload, faults and checkers together. */
class Run {
  readonly #schedule: Schedule;
  readonly #stopEarly: boolean;
  readonly #hasGroups: boolean;
  readonly #groups = new Map<EvsProcess, GroupDaemon>();
  readonly #world: World;
  readonly #trace = new Trace();
  readonly #suite = new CheckSuite();
  readonly #timeline = new Timeline();
  readonly #daemons: readonly DaemonId[];
  /** Asked to leave, and not gone yet. */
  readonly #leaving = new Set<DaemonId>();
  #processes = 0;
  #failure: Violation | undefined;

  constructor(schedule: Schedule, stopEarly: boolean, hasGroups: boolean) {
    this.#schedule = schedule;
    this.#hasGroups = hasGroups;
    this.#stopEarly = stopEarly;
    this.#daemons = schedule.site.flat();
    this.#world = new World({
      seed: schedule.seed,
      site: schedule.site,
      network: LAN,
      processor: NODE_PROCESSOR,
      clockDrift: 0.0001,
    });
    if (schedule.sites !== undefined) placeSites(this.#world, schedule.site, schedule.sites);
    this.#trace.observe((event) => {
      this.#timeline.observe(event);
      this.#suite.observe(event);
    });
  }

  run(): void {
    const { startAt, faults, sends, quietAt, boundMs, endAt } = this.#schedule;
    const world = this.#world;
    this.#daemons.forEach((daemon, i) => world.at(startAt[i] ?? 0, () => this.#boot(daemon)));
    const hooks = {
      crash: (daemon: DaemonId) => this.#crash(daemon),
      restart: (daemon: DaemonId, loseDisk: boolean) => this.#restart(daemon, loseDisk),
      leave: (daemon: DaemonId) => {
        if (world.process(daemon) === undefined) return;
        this.#leaving.add(daemon);
        world.runOnProcess(daemon, (now) => {
          (world.process(daemon) as EvsProcess | undefined)?.leave(now);
        });
      },
      whenEnters: (daemon: DaemonId, state: MembershipStateName, action: () => void) => {
        (world.process(daemon) as EvsProcess | undefined)?.whenEnters(state, () => {
          this.#timeline.note(world.now, `trap at daemon ${daemon} in ${state}`);
          action();
        });
      },
    };
    for (const fault of faults) {
      world.at(fault.at, () => {
        this.#timeline.note(world.now, `fault: ${describeFault(fault)}`);
        inject(world, fault, hooks, () => world.now >= quietAt);
      });
    }
    for (const { at, daemon, session, service, bytes } of sends) {
      world.at(at, () =>
        world.runOnProcess(daemon, () => {
          const process = world.process(daemon) as EvsProcess | undefined;
          if (process === undefined) return;
          const groups = this.#groups.get(process);
          if (groups === undefined) process.submit(service, session, bytes);
          else groups.act(session, service, bytes);
        }),
      );
    }
    world.at(quietAt, () => this.#quiet());
    const stop = this.#stopEarly ? () => this.#suite.violations.length > 0 : undefined;
    try {
      world.runUntil(Math.max(endAt, quietAt + boundMs), stop);
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#failure = { property: "assertion", what, at: world.now };
    }
    if (this.#failure === undefined && this.#suite.violations.length === 0) {
      this.#trace.append({ kind: "end", at: world.now });
    }
  }

  result(coverage: ReadonlyMap<string, number>): RunResult {
    const violations = [...(this.#failure === undefined ? [] : [this.#failure]), ...this.#suite.finish()];
    return {
      schedule: this.#schedule,
      verdict: violations.length === 0 ? "passed" : "failed",
      violations,
      traceHash: this.#trace.hash,
      stats: {
        simulatedMs: this.#world.now,
        sent: this.#trace.count("send"),
        delivered: this.#trace.count("deliver"),
        installed: this.#trace.count("install"),
        datagrams: this.#world.datagrams.counters,
      },
      coverage,
      timeline: this.#timeline.entries(violations),
    };
  }

  #restart(daemon: DaemonId, loseDisk: boolean): void {
    // Before its time to start a daemon is not down.
    if (this.#world.isInstalled(daemon)) this.#world.restart(daemon, loseDisk);
  }

  #boot(daemon: DaemonId): void {
    const { site, sites, acceleratedPackets, ring } = this.#schedule;
    const wideArea = sites && {
      ...(sites.windowBytes !== undefined && { windowBytes: sites.windowBytes }),
      links: sites.links,
      lowLatency: sites.lowLatency === true,
    };
    const settings = evsSettings(site, { acceleratedPackets, ...ring }, sites?.of, wideArea);
    const world = this.#world;
    world.boot(daemon, (environment) => {
      const number = ++this.#processes;
      const place = sites?.of[site.findIndex((ids) => ids.includes(daemon))];
      const start = { kind: "start", at: world.now, process: number, daemon } as const;
      this.#trace.append(place === undefined ? start : { ...start, site: place });
      const note = (what: string): void => this.#timeline.note(world.now, `daemon ${daemon}: ${what}`);
      const process = new EvsProcess(number, settings, environment, {
        trace: this.#trace,
        inspector: this.#suite.inspector,
        time: () => world.now,
        note,
      });
      if (this.#hasGroups) {
        const positionOf = (other: DaemonId): number => this.#daemons.indexOf(other);
        this.#groups.set(process, new GroupDaemon(process, daemon, positionOf, this.#trace, () => world.now));
      }
      process.onLeft = () => environment.run(() => this.#crash(daemon));
      return process;
    });
  }

  #crash(daemon: DaemonId): void {
    const process = this.#world.process(daemon);
    if (process === undefined) return;
    this.#leaving.delete(daemon);
    this.#trace.append({ kind: "crash", at: this.#world.now, process: (process as EvsProcess).number });
    this.#world.crash(daemon);
  }

  #quiet(): void {
    const { lastSplit, boundMs } = this.#schedule;
    mend(this.#world, this.#daemons);
    if (lastSplit.length > 0) this.#world.split(lastSplit);
    const isUp = (daemon: DaemonId): boolean => this.#world.process(daemon) !== undefined && !this.#leaving.has(daemon);
    const parts = (lastSplit.length > 0 ? lastSplit : [this.#daemons]).map((part) => part.filter(isUp));
    this.#trace.append({
      kind: "quiet",
      at: this.#world.now,
      parts: parts.filter((part) => part.length > 0),
      boundMs,
    });
  }
}
