import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { ConnectOptions, ScalableEvent, TimelyGroup } from "../../src/index.ts";
import type { Lab } from "../net/namespaces.ts";
import { until } from "./until.ts";

const PROGRAM = fileURLToPath(new URL("./node-process.mjs", import.meta.url));

/**
 * What a member has of one sender's numbered messages: all from the first to the last, in order, unless there are faults; of a timely group so many of
 * them, each once.
 */
export type StreamReport = {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly faults: readonly string[];
  /** Of a timely group: what has not come between the first and the last. */
  readonly missing: readonly number[];
};

export type GroupReport = {
  /** Tells this process from others with its name: part of what it sends. */
  readonly life: string;
  readonly sent: number;
  readonly accepted: number;
  readonly stable: number;
  readonly failed: number;
  /** By name and life of the sender. */
  readonly streams: Readonly<Record<string, StreamReport>>;
  readonly events: readonly Exclude<ScalableEvent, { kind: "message" }>[];
  readonly members: readonly string[];
  /** Of a timely group that the process is a member of. */
  readonly statistics?: TimelyGroup["statistics"];
};

export type Report = {
  readonly name: string;
  /** What concerns no group. */
  readonly session: readonly { readonly kind: string; readonly resumed?: boolean }[];
  readonly groups: Readonly<Record<string, GroupReport>>;
};

type Answer = { readonly kind: string; readonly id?: number; readonly error?: string };

let questions = 0;

/** A member of scalable groups in a process of its own (node-process.mjs). */
export class NodeClient {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    child.on("message", (answer: Answer) => this.#waiting.get(answer.id ?? 0)?.(answer));
  }

  /** Starts it; in a host of a lab, or here. */
  static async start(
    addresses: readonly string[],
    name: string,
    options: ConnectOptions = {},
    where?: { readonly lab: Lab; readonly host: number },
  ): Promise<NodeClient> {
    const args = [JSON.stringify({ addresses, options: { ...options, name } })];
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const child =
      where === undefined
        ? fork(PROGRAM, args, { stdio: [...stdio] })
        : where.lab.spawn(where.host, process.execPath, [PROGRAM, ...args], { stdio: [...stdio] });
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    const client = new NodeClient(name, child);
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
      client.#waiting.set(0, () => resolve());
    });
    return client;
  }

  join(group: string, slow?: "wait" | "drop" | "expel", quality: "scalable" | "timely" = "scalable"): Promise<unknown> {
    return this.#ask({ kind: "join", group, quality, ...(slow && { slow }) });
  }

  leave(group: string): Promise<unknown> {
    return this.#ask({ kind: "leave", group });
  }

  /** Sends so many messages of this size every 5 ms. */
  flood(group: string, perTick: number, bytes = 200): Promise<unknown> {
    return this.#ask({ kind: "flood", group, perTick, bytes });
  }

  /** Ends its floods; what was sent is everywhere then, or will not be known to be. */
  stop(): Promise<unknown> {
    return this.#ask({ kind: "stop" });
  }

  pause(): Promise<unknown> {
    return this.#ask({ kind: "pause" });
  }

  resume(): Promise<unknown> {
    return this.#ask({ kind: "resume" });
  }

  report(): Promise<Report> {
    return this.#ask({ kind: "report" }) as Promise<Report>;
  }

  async group(group: string): Promise<GroupReport> {
    const report = (await this.report()).groups[group];
    if (report === undefined) throw new Error(`${this.name} has not joined ${group}`);
    return report;
  }

  async untilMembers(group: string, count: number): Promise<void> {
    await until(`${this.name} sees ${count} members of ${group}`, async () => {
      return (await this.group(group)).members.length === count;
    });
  }

  /** Waits until so many more of its messages to a group have been accepted. */
  async untilAccepted(group: string, more: number): Promise<void> {
    const wanted = (await this.group(group)).accepted + more;
    await until(`${this.name} has had ${wanted} messages to ${group} accepted`, async () => {
      return (await this.group(group)).accepted >= wanted;
    });
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.send({ kind: "close", id: ++questions }, () => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(timer);
  }

  #ask(question: { readonly kind: string; readonly [field: string]: unknown }): Promise<unknown> {
    const id = ++questions;
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`${this.name} has ended, and did not answer ${question.kind}`));
      this.#child.once("exit", onExit);
      this.#waiting.set(id, (answer) => {
        this.#waiting.delete(id);
        this.#child.off("exit", onExit);
        if (answer.error === undefined) resolve(answer);
        else reject(new Error(`${this.name}: ${question.kind}: ${answer.error}`));
      });
      this.#child.send({ ...question, id });
    });
  }
}

/**
 * Checks what region-views.md promises of senders that have not failed: each of these members has all of theirs from where it came in to the
 * last one sent, once, in order, and nothing was lost.
 */
export async function expectAllOf(
  group: string,
  members: readonly NodeClient[],
  senders: readonly NodeClient[],
): Promise<void> {
  const sent = await Promise.all(
    senders.map(async (sender) => ({ name: sender.name, ...(await sender.group(group)) })),
  );
  for (const member of members) {
    const { streams, events } = await member.group(group);
    expect(events.filter(({ kind }) => kind === "gap" || kind === "expelled")).toEqual([]);
    for (const one of sent) {
      const [key, stream] = Object.entries(streams).find(([known]) => known.endsWith(` ${one.life}`)) ?? [];
      const isLost = (event: (typeof events)[number]) => event.kind === "lost" && key?.startsWith(`${event.sender} `);
      expect(events.filter(isLost)).toEqual([]);
      const what = `${member.name} of ${one.name}`;
      expect({ what, faults: stream?.faults, last: stream?.last }).toEqual({ what, faults: [], last: one.sent });
    }
  }
}
