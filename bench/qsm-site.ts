import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Change, NodeInfo } from "../src/cms/views.ts";
import { type NodeConfig, nodeDefaults } from "../src/qsm/config.ts";
import { Lab } from "../test/net/namespaces.ts";
import { option } from "./options.ts";
import { told } from "./site.ts";

const NODES = fileURLToPath(new URL("./qsm-process.mjs", import.meta.url));
const BARE = fileURLToPath(new URL("./qsm-bare.mjs", import.meta.url));
const RATE_MIN = Number(option("rate-min", String(nodeDefaults.rateMin)));
const CLASSES = option("classes", "three");
const PORT = 4_910;
const POOL = { base: "239.77.16.0", size: 16, port: 4_909, ttl: 1 };

type Cpu = { readonly user: number; readonly system: number };
export type Memory = { readonly rss: number; readonly heapUsed: number; readonly external: number };

/** What a node has done since it was opened. */
export type NodeCount = {
  readonly id: number;
  readonly received: number;
  readonly bytes: number;
  readonly lost: number;
  /** Greatest sequence number that it has given to a packet. */
  readonly last: number;
  readonly resent: number;
  readonly pushed: number;
  readonly pulled: number;
  readonly waited: number;
  readonly duplicates: number;
  readonly naks: number;
  readonly keptPackets: number;
  readonly keptBytes: number;
  readonly rounds: number;
  readonly dropped: number;
  readonly errors: number;
  readonly unrepaired: number;
  readonly delay: { readonly medianMs: number; readonly meanMs: number; readonly maxMs: number };
  /** Since the last count. */
  readonly roundTrips: readonly number[];
  readonly timeline: readonly (readonly [time: number, received: number])[];
  readonly repairsSeen: { readonly rounds: readonly number[]; readonly ms: readonly number[] };
};

export type ProcessCount = {
  readonly kind: "count";
  readonly at: number;
  readonly cpu: Cpu;
  readonly memory: Memory;
  /** Datagrams that the kernel of this host has dropped. */
  readonly socketDrops: number;
  readonly nodes: readonly NodeCount[];
};

export type SiteOptions = {
  /** How many nodes each process has, each in a network namespace of its own. The first node is the first process's. */
  readonly placement: readonly number[];
  readonly config: Partial<NodeConfig>;
  readonly groups: number;
  /** Whether all groups are one region, or each has a region of its own: a protocol instance per group. */
  readonly isShared?: boolean;
  readonly loss?: { readonly share: number; readonly burst: number };
  /** Of each host's link; unlimited without. */
  readonly megabits?: number;
};

/** Counts of all processes at the two ends of a stretch of time, and what others did on this machine meanwhile. */
export type Stretch = {
  readonly begin: readonly ProcessCount[];
  readonly end: readonly ProcessCount[];
  /** Processors that were busy with none of these processes, nor with the kernel for them: of other programs. */
  readonly othersBusy: number;
};

/** Nodes of one region in several processes and network namespaces, told of their views by the benchmark. */
export class QsmSite {
  readonly lab: Lab;
  readonly members: readonly NodeInfo[];
  readonly #options: SiteOptions;
  readonly #children: (ChildProcess | undefined)[] = [];

  private constructor(options: SiteOptions) {
    this.#options = options;
    this.lab = Lab.create(options.placement.length);
    const members: NodeInfo[] = [];
    for (const [host, count] of options.placement.entries()) {
      for (let i = 0; i < count; i++) {
        const id = members.length + 1;
        const [controlPort, repairPort, dataPort] = portsOf(i);
        const address = { host: this.lab.address(host), controlPort, repairPort, dataPort };
        members.push({ id, name: `#n${id}#bench`, address });
      }
    }
    this.members = members;
  }

  static async start(options: SiteOptions): Promise<QsmSite> {
    const site = new QsmSite(options);
    try {
      await site.#start();
    } catch (error) {
      site.close();
      throw error;
    }
    return site;
  }

  /** Processes that live. */
  get processes(): readonly number[] {
    return [...this.#children.keys()].filter((i) => this.#children[i] !== undefined);
  }

  async ask<T = unknown>(process: number, message: { readonly kind: string }): Promise<T> {
    const child = this.#children[process] as ChildProcess;
    const answer = told<{ kind: string }>(child, message.kind);
    child.send(message);
    return (await answer) as T;
  }

  flood(bytes: number): Promise<unknown> {
    return this.ask(0, { kind: "flood", node: 1, bytes, groups: this.#options.groups } as { kind: string });
  }

  /** Sends nothing new. Resolves when all that was sent is stable, or after 20 s; `drains`: also what waited to be sent. */
  stop(drains: boolean): Promise<{ readonly isStable: boolean }> {
    return this.ask(0, { kind: "stop", drains } as { kind: string });
  }

  count(): Promise<ProcessCount[]> {
    return Promise.all(this.processes.map((i) => this.ask<ProcessCount>(i, { kind: "count" })));
  }

  async memory(process: number): Promise<Memory> {
    return (await this.ask<{ memory: Memory }>(process, { kind: "memory" })).memory;
  }

  async measure(ms: number): Promise<Stretch> {
    const busyBegin = busySeconds();
    const begin = await this.count();
    await sleep(ms);
    const end = await this.count();
    const ours = cpuMicros(begin, end) / 1e6;
    const seconds = ((end[0]?.at ?? 0) - (begin[0]?.at ?? 0)) / 1_000;
    return { begin, end, othersBusy: Math.max(0, (busySeconds() - busyBegin - ours) / seconds) };
  }

  /** To all that live; returns what each has sealed. */
  async apply(change: Change): Promise<readonly { readonly node: number; readonly last: number }[]> {
    type Answer = { sealed: { node: number; sealed: { last: number }[] }[] };
    const message = { kind: "apply", change };
    const answers = await Promise.all(this.processes.map((i) => this.ask<Answer>(i, message)));
    return answers
      .flatMap(({ sealed }) => sealed)
      .map(({ node, sealed: [first] }) => ({ node, last: first?.last ?? 0 }));
  }

  /** Ends a process as a crash would. */
  kill(process: number): void {
    const child = this.#children[process];
    this.#children[process] = undefined;
    child?.kill("SIGKILL");
  }

  close(): void {
    for (const i of this.processes) this.kill(i);
    this.lab.close();
  }

  async #start(): Promise<void> {
    const { placement, loss, groups, isShared = true, megabits } = this.#options;
    const config = {
      ...this.#options.config,
      rateMin: RATE_MIN,
      rateStart: Math.max(RATE_MIN, nodeDefaults.rateStart),
    };
    let first = 1;
    for (const [host, count] of placement.entries()) {
      const child = this.lab.spawn(host, process.execPath, ["--expose-gc", NODES, this.lab.address(host)], STDIO);
      this.#children.push(child);
      await told(child, "started");
      const nodes = Array.from({ length: count }, (_, i) => first + i);
      const ports = nodes.map((_, i) => portsOf(i));
      await this.ask(host, { kind: "open", nodes, ports, pool: POOL, config, loss, classes: CLASSES } as {
        kind: string;
      });
      first += count;
    }
    const message = { kind: "views", members: this.members, groups, isShared };
    await Promise.all(this.processes.map((i) => this.ask(i, message)));
    if (megabits !== undefined) for (const host of placement.keys()) this.lab.setRate(host, megabits);
  }
}

const BUSY_MAX = Number(option("busy-max", "0.3"));
const ATTEMPTS_MAX = 3;

/** A repetition while which other programs kept less than `--busy-max` processors busy, or the best of three. */
export async function undisturbed<T extends { readonly othersBusy: number }>(run: () => Promise<T>): Promise<T> {
  let best = await run();
  for (let attempt = 1; best.othersBusy > BUSY_MAX && attempt < ATTEMPTS_MAX; attempt++) {
    const again = await run();
    if (again.othersBusy < best.othersBusy) best = again;
  }
  return best;
}

/** What bare datagrams do on the same network: per second at each receiver, and what they cost. */
export type Bare = {
  readonly rate: number;
  readonly senderMicros: number;
  readonly receiverMicros: number;
  readonly othersBusy: number;
};

export async function measureBare(
  receivers: readonly number[],
  bytes: number,
  ms: number,
  megabits?: number,
): Promise<Bare> {
  const lab = Lab.create(receivers.length + 1);
  try {
    const sender = lab.address(0);
    const children: ChildProcess[] = [];
    for (const [i, sockets] of receivers.entries()) {
      const child = lab.spawn(
        i + 1,
        process.execPath,
        [BARE, "receiver", lab.address(i + 1), sender, `${sockets}`],
        STDIO,
      );
      children.push(child);
      await told(child, "started");
    }
    if (megabits !== undefined) for (let host = 0; host <= receivers.length; host++) lab.setRate(host, megabits);
    const count = receivers.reduce((sum, sockets) => sum + sockets, 0);
    const source = lab.spawn(0, process.execPath, [BARE, "sender", sender, `${count}`, `${bytes}`], STDIO);
    await told(source, "started");
    await sleep(1_000);
    const counts = (): Promise<BareCount[]> => Promise.all([source, ...children].map((child) => bareCount(child)));
    const busyBegin = busySeconds();
    const begin = await counts();
    await sleep(ms);
    const end = await counts();
    const packets = end.map((last, i) => last.count - (begin[i] as BareCount).count);
    const seconds = ((end[1] as BareCount).at - (begin[1] as BareCount).at) / 1_000;
    const received = packets.slice(1).reduce((sum, n) => sum + n, 0);
    const ours = cpuMicros(begin, end);
    const senderCpu = cpuMicros(begin.slice(0, 1), end.slice(0, 1));
    return {
      rate: received / count / seconds,
      senderMicros: senderCpu / (packets[0] as number),
      receiverMicros: (ours - senderCpu) / received,
      othersBusy: Math.max(0, (busySeconds() - busyBegin - ours / 1e6) / seconds),
    };
  } finally {
    lab.close();
  }
}

type BareCount = { readonly kind: "count"; readonly count: number; readonly at: number; readonly cpu: Cpu };

function bareCount(child: ChildProcess): Promise<BareCount> {
  const answer = told<BareCount>(child, "count");
  child.send({ kind: "count" });
  return answer;
}

const STDIO = { stdio: ["ignore", "inherit", "inherit", "ipc"] as ("ignore" | "inherit" | "ipc")[] };

function portsOf(index: number): [number, number, number] {
  return [PORT + index * 3, PORT + index * 3 + 1, PORT + index * 3 + 2];
}

export function cpuMicros(begin: readonly { readonly cpu: Cpu }[], end: readonly { readonly cpu: Cpu }[]): number {
  const sum = (list: readonly { readonly cpu: Cpu }[]): number =>
    list.reduce((all, { cpu }) => all + cpu.user + cpu.system, 0);
  return sum(end) - sum(begin);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Seconds in which a processor of this machine was busy, since it was started; 0 where that is not told. */
function busySeconds(): number {
  if (process.platform !== "linux") return 0;
  const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8").split(/\s+/).map(Number);
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) / 100;
}
