import { watchCoverage } from "../base/coverage.ts";
import type { DaemonId } from "../base/ids.ts";
import { Digest } from "../directory/digest.ts";
import type { Violation } from "./check/checker.ts";
import { checkClientLogs, keyOf, type SessionLog } from "./check/client-logs.ts";
import { CLIENTS_MAX, generateStackSchedule, type PlannedClient } from "./client-plan.ts";
import { Cluster, type Program } from "./cluster.ts";
import { FAST_TIMEOUTS, WIDE_HOPS, WIDE_TIMEOUTS } from "./evs-process.ts";
import type { Schedule, ScheduleOptions } from "./schedule.ts";
import { StackClient } from "./stack-client.ts";
import type { TimelineEntry } from "./timeline.ts";

/** What became of a run of whole daemons and clients. */
export type StackResult = {
  readonly schedule: Schedule;
  readonly verdict: "passed" | "failed";
  /** Broken properties; `assertion` stands for an exception in the daemons' or the client's own code. */
  readonly violations: readonly Violation[];
  /** Of what all clients saw: equal for equal runs. */
  readonly traceHash: string;
  readonly stats: StackStats;
  /** Cells of the state tables that were entered, and how often. */
  readonly coverage: ReadonlyMap<string, number>;
  readonly timeline: readonly TimelineEntry[];
};

export type StackStats = {
  readonly simulatedMs: number;
  readonly sessions: number;
  readonly sent: number;
  readonly received: number;
  readonly views: number;
};

/** Clients that lost their connection have to come back, and give up what they wait for, before the end. */
const SETTLE_MS = 3_000;
const AGREE_MS = 500;

/**
 * Makes a schedule of the seed, with faults as `runSchedule` has them, and runs it over whole daemons with clients that
 * use the public API: native and Spread ones, which join, leave, send, disconnect and are killed. Checks what each of them
 * saw. By default 2 to 5 daemons, and 2 s with faults.
 */
export function runStack(seed: number, options: ScheduleOptions = {}): Promise<StackResult> {
  return replayStack(generateStackSchedule(seed, options));
}

/**
 * Runs a schedule with clients as it is; twice the same schedule is twice the same run. Await one run before the next:
 * cells are counted for all that goes on.
 */
export async function replayStack(schedule: Schedule): Promise<StackResult> {
  const coverage = new Map<string, number>();
  const watched = watchCoverage(coverage);
  try {
    const run = new StackRun(schedule);
    await run.run();
    return run.result(coverage);
  } finally {
    watchCoverage(watched);
  }
}

class StackRun {
  readonly #schedule: Schedule;
  readonly #cluster: Cluster;
  readonly #clients: { readonly client: StackClient; readonly program: Program; readonly beside: number }[] = [];
  readonly #violations: Violation[] = [];
  readonly #leaving = new Set<number>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    const { seed, site, sites, clients = [] } = schedule;
    this.#cluster = new Cluster({
      seed,
      daemons: site,
      ...(sites !== undefined && { sites, wideArea: WIDE_HOPS }),
      programsMax: Math.max(CLIENTS_MAX, clients.length),
      timeouts: sites === undefined ? FAST_TIMEOUTS : WIDE_TIMEOUTS,
      clockDrift: 0.0001,
    });
  }

  async run(): Promise<void> {
    const cluster = this.#cluster;
    const { faults, clients = [], quietAt, boundMs, lastSplit } = this.#schedule;
    for (const fault of faults) {
      cluster.after(fault.at, () => {
        if (fault.kind === "leave") this.#leaving.add(fault.daemon);
        else if (fault.kind === "restart") this.#leaving.delete(fault.daemon);
        cluster.inject(fault);
      });
    }
    for (const plan of clients) cluster.after(plan.at, () => this.#startClient(plan));
    cluster.after(quietAt, () => {
      cluster.calm();
      if (lastSplit.length > 0) cluster.split(...lastSplit);
    });
    try {
      await cluster.run(quietAt + boundMs);
      this.#checkTogether();
      await cluster.run(SETTLE_MS);
      // Clients go on joining and leaving: the daemons are compared at a moment at which none is ahead of another.
      await cluster.runUntil(() => this.#parts.every((part) => this.#agree(part)), AGREE_MS);
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#violations.push({ property: "assertion", what, at: cluster.now });
      return;
    }
    this.#checkGroups();
    this.#violations.push(...checkClientLogs(this.#logs, cluster.now));
  }

  result(coverage: ReadonlyMap<string, number>): StackResult {
    const logs = this.#logs;
    const events = logs.flatMap((log) => log.events);
    return {
      schedule: this.#schedule,
      verdict: this.#violations.length === 0 ? "passed" : "failed",
      violations: this.#violations,
      traceHash: hashOf(logs),
      stats: {
        simulatedMs: this.#cluster.now,
        sessions: logs.length,
        sent: logs.reduce((sum, { sent }) => sum + sent.length, 0),
        received: events.filter(({ kind }) => kind === "message").length,
        views: events.filter(({ kind }) => kind === "view").length,
      },
      coverage,
      timeline: this.#cluster.timeline,
    };
  }

  get #logs(): SessionLog[] {
    return this.#clients.flatMap(({ client }) => client.logs);
  }

  #startClient(plan: PlannedClient): void {
    const { name, beside, killAt } = plan;
    let client: StackClient | undefined;
    const program = this.#cluster.program(name, beside, async (environment) => {
      client = new StackClient(plan, environment);
      this.#clients.push({ client, program, beside });
      await client.run();
    });
    if (killAt === undefined) return;
    this.#cluster.after(killAt - plan.at, () => {
      for (const log of client?.logs ?? []) if (!log.hasEnded) log.wasKilled = true;
      program.kill();
    });
  }

  /** The parts that have to be together at the end: those of the network, without daemons that are down. */
  get #parts(): number[][] {
    const { lastSplit } = this.#schedule;
    const isUp = (daemon: number): boolean => this.#cluster.node(daemon) !== undefined && !this.#leaving.has(daemon);
    const parts = (lastSplit.length > 0 ? lastSplit : [this.#cluster.daemons]).map((part) => part.filter(isUp));
    return parts.filter((part) => part.length > 0);
  }

  /** K16, and K26 at one point: each part has one configuration and one idea of all groups. */
  #checkTogether(): void {
    for (const part of this.#parts) {
      if (this.#cluster.isTogether(part)) continue;
      const members = part.map((daemon) => `${daemon}: {${this.#cluster.members(daemon)?.join(", ")}}`);
      this.#report("K16", `{${part.join(", ")}} are not together: ${members.join("; ")}`);
    }
  }

  #agree(part: readonly DaemonId[]): boolean {
    return new Set(part.map((daemon) => this.#cluster.node(daemon)?.groups.directory.hash())).size <= 1;
  }

  #checkGroups(): void {
    for (const part of this.#parts) {
      if (!this.#agree(part)) this.#report("K26", `the daemons {${part.join(", ")}} have different groups`);
    }
    this.#checkLastViews();
  }

  /** Sessions of one part that are in a group end in the same view of it. (Those of killed clients may still be in it.) */
  #checkLastViews(): void {
    for (const part of this.#parts) {
      const last = new Map<string, string>();
      for (const { client, program, beside } of this.#clients) {
        const log = client.logs.at(-1);
        if (program.ended || log === undefined || log.hasEnded || !part.includes(beside)) continue;
        for (const group of client.groups) {
          const view = log.events.findLast((event) => event.kind === "view" && event.group === group);
          if (view?.kind !== "view") continue;
          const id = `${view.id.leader}.${view.id.time}/${view.id.index}`;
          const other = last.get(group);
          last.set(group, id);
          if (other === undefined || other === id) continue;
          this.#report("K27", `${log.name} ends in ${id} of ${group}, others of its part in ${other}`);
        }
      }
    }
  }

  #report(property: string, what: string): void {
    this.#violations.push({ property, what, at: this.#cluster.now });
  }
}

function hashOf(logs: readonly SessionLog[]): string {
  const digest = new Digest();
  for (const { name, events, sent } of logs) {
    digest.text(name);
    for (const event of events) {
      digest.text(event.kind);
      if (event.kind === "message") digest.text(keyOf(event.payload));
      else if (event.kind === "view") digest.text(event.group).id(event.id).number(event.index);
    }
    for (const { key, outcome } of sent) digest.text(key).text(outcome);
  }
  return digest.finish();
}
