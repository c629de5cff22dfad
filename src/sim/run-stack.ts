import type { DaemonId } from "../base/ids.ts";
import { Random } from "../base/random.ts";
import type { Violation } from "./check/checker.ts";
import { checkClientLogs } from "./check/client-logs.ts";
import { Cluster, type Program } from "./cluster.ts";
import { FAST_TIMEOUTS } from "./evs-process.ts";
import { generateSchedule, type ScheduleOptions } from "./schedule.ts";
import { StackClient } from "./stack-client.ts";
import type { TimelineEntry } from "./timeline.ts";

/** What became of a run of whole daemons and clients. */
export type StackResult = {
  readonly verdict: "passed" | "failed";
  readonly violations: readonly Violation[];
  readonly stats: StackStats;
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
const PROGRAMS_MAX = 24;

/**
 * Makes a schedule of the seed as `runSchedule` does, and runs it over whole daemons with clients that use the public API:
 * native and Spread ones, which join, leave, send, disconnect and are killed. Checks what each of them saw.
 */
export async function runStack(seed: number, options: ScheduleOptions = {}): Promise<StackResult> {
  const run = new StackRun(seed, options);
  await run.run();
  return run.result();
}

class StackRun {
  readonly #schedule;
  readonly #random: Random;
  readonly #cluster: Cluster;
  readonly #clients: { readonly client: StackClient; readonly program: Program; readonly beside: number }[] = [];
  readonly #violations: Violation[] = [];
  readonly #leaving = new Set<number>();
  #names = 0;

  constructor(seed: number, options: ScheduleOptions) {
    this.#schedule = generateSchedule(seed, { daemons: [2, 5], faultsMs: 2_000, sendsPerSecond: 0.1, ...options });
    this.#random = new Random(seed).fork();
    this.#cluster = new Cluster({
      seed,
      daemons: this.#schedule.site,
      programsMax: PROGRAMS_MAX,
      timeouts: FAST_TIMEOUTS,
      clockDrift: 0.0001,
    });
  }

  async run(): Promise<void> {
    const cluster = this.#cluster;
    const { faults, quietAt, boundMs, lastSplit } = this.#schedule;
    for (let i = this.#random.integer(2, 7); i > 0; i--) this.#startClient();
    for (const fault of faults) {
      cluster.after(fault.at, () => {
        if (fault.kind === "leave") this.#leaving.add(fault.daemon);
        else if (fault.kind === "restart") this.#leaving.delete(fault.daemon);
        cluster.inject(fault);
      });
    }
    for (let at = this.#random.unit() * 1_500; at < quietAt; at += this.#random.unit() * 1_500) {
      cluster.after(at, () => this.#replaceClient());
    }
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
    const logs = this.#clients.flatMap(({ client }) => client.logs);
    this.#violations.push(...checkClientLogs(logs, cluster.now));
  }

  result(): StackResult {
    const logs = this.#clients.flatMap(({ client }) => client.logs);
    const events = logs.flatMap((log) => log.events);
    return {
      verdict: this.#violations.length === 0 ? "passed" : "failed",
      violations: this.#violations,
      stats: {
        simulatedMs: this.#cluster.now,
        sessions: logs.length,
        sent: logs.reduce((sum, { sent }) => sum + sent.length, 0),
        received: events.filter(({ kind }) => kind === "message").length,
        views: events.filter(({ kind }) => kind === "view").length,
      },
      timeline: this.#cluster.timeline,
    };
  }

  #startClient(): void {
    const random = this.#random;
    const { daemons } = this.#cluster;
    const beside = random.pick(daemons);
    const plan = {
      name: `c${++this.#names}`,
      // Spread clients know one daemon; a native one learns of the others.
      daemons: [beside],
      protocol: random.pick(["native", "native", "spread"] as const),
      pauseMs: random.pick([2, 10, 50]),
      untilMs: this.#schedule.quietAt + 500,
    };
    let client: StackClient | undefined;
    const program = this.#cluster.program(plan.name, beside, async (environment) => {
      client = new StackClient(plan, environment);
      this.#clients.push({ client, program, beside });
      await client.run();
    });
  }

  /** A client's machine fails; another one takes its place. */
  #replaceClient(): void {
    if (this.#names >= PROGRAMS_MAX) return;
    const running = this.#clients.filter(({ program }) => !program.ended);
    if (running.length > 0) {
      const { client, program } = this.#random.pick(running);
      for (const log of client.logs) if (!log.hasEnded) log.wasKilled = true;
      program.kill();
    }
    this.#startClient();
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
