import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DaemonStatus } from "../src/daemon/status.ts";
import { Lab } from "../test/net/namespaces.ts";

const DAEMON = fileURLToPath(new URL("./daemon-process.mjs", import.meta.url));
/** Benchmarks and tests of several processes at a time must not meet: each has ports for twenty daemons. */
const PORT = 15_000 + (process.pid % 30) * 200;
/** Clients find Unix sockets here and nowhere else: so ports differ, also between namespaces. */
const SOCKET_FOLDER = "/tmp";

/** What the garbage collector has done since it was asked for last. */
export type Pauses = { readonly pauses: number; readonly totalMs: number; readonly longestMs: number };

export type Usage = {
  readonly cpu: { readonly user: number; readonly system: number };
  readonly memory: { readonly rss: number; readonly heapUsed: number };
  readonly at: number;
  readonly gc: Pauses;
};

type SiteOptions = {
  readonly namespaces: boolean;
  /** Lines of the configuration. */
  readonly settings?: string;
  /** By default multicast in namespaces, and unicast without. */
  readonly dissemination?: string;
  /** The daemons are within programs, which leave V8's flags as they are. */
  readonly embedded?: boolean;
};

type DaemonMessage = { readonly kind: string; readonly members?: readonly string[] };

/** Daemons of a benchmark, each in a process; in a network namespace each, or all on this host. */
export class BenchSite {
  readonly lab: Lab | undefined;
  readonly names: readonly string[];
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];
  readonly #members: (readonly string[])[] = [];
  readonly #onExit = (): void => this.close();

  private constructor(count: number, lab: Lab | undefined) {
    this.lab = lab;
    this.names = Array.from({ length: count }, (_, i) => `d${i + 1}`);
    this.#folder = mkdtempSync(join(tmpdir(), "amalgam-bench-"));
    process.once("exit", this.#onExit);
  }

  /** Starts them and waits until all are in one configuration. */
  static async start(count: number, options: SiteOptions & { readonly mtuBytes?: number }): Promise<BenchSite> {
    const site = new BenchSite(count, options.namespaces ? Lab.create(count) : undefined);
    try {
      if (options.mtuBytes !== undefined) site.lab?.setMtu(options.mtuBytes);
      await site.#start(options);
    } catch (error) {
      site.close();
      throw error;
    }
    return site;
  }

  /** Where clients on a daemon's host connect: its Unix socket. */
  address(daemon: number): string {
    return String(this.#port(daemon));
  }

  /** Starts a program on a daemon's host, with an IPC channel. */
  spawn(daemon: number, script: string, args: readonly string[]): ChildProcess {
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    return this.lab === undefined
      ? fork(script, [...args], { stdio: [...stdio], execArgv: [] })
      : this.lab.spawn(daemon, process.execPath, [script, ...args], { stdio: [...stdio] });
  }

  /** Has clients in a daemon's own process, which is returned: they are told and asked as those of a process of their own. */
  embed(daemon: number, options: unknown): ChildProcess {
    const child = this.#children[daemon] as ChildProcess;
    child.send({ kind: "flood", options });
    return child;
  }

  async status(daemon: number): Promise<DaemonStatus> {
    return ((await this.#ask(daemon, "status")) as unknown as { status: DaemonStatus }).status;
  }

  async usage(daemon: number): Promise<Usage> {
    return (await this.#ask(daemon, "usage")) as unknown as Usage;
  }

  /** Ends a daemon as a crash would. */
  kill(daemon: number): void {
    this.#children[daemon]?.kill("SIGKILL");
  }

  close(): void {
    process.off("exit", this.#onExit);
    for (const child of this.#children.splice(0)) child.kill("SIGKILL");
    this.lab?.close();
    rmSync(this.#folder, { recursive: true, force: true });
    for (const [i] of this.names.entries()) rmSync(join(SOCKET_FOLDER, this.address(i)), { force: true });
  }

  async #start(options: SiteOptions): Promise<void> {
    const files = this.names.map((_, i) => {
      const file = join(this.#folder, `spread.${i + 1}.conf`);
      writeFileSync(file, this.#config(options));
      return file;
    });
    const home = options.embedded === true ? ["embedded"] : [];
    const started = this.names.map((name, i) => {
      const child = this.spawn(i, DAEMON, [files[i] as string, name, ...home]);
      this.#children.push(child);
      this.#members.push([]);
      child.on("message", (message: DaemonMessage) => {
        if (message.members !== undefined) this.#members[i] = message.members;
      });
      return told(child, "started");
    });
    await Promise.all(started);
    const giveUpAt = performance.now() + 60_000;
    while (!this.#members.every((members) => members.length === this.names.length)) {
      if (performance.now() > giveUpAt) throw new Error("the daemons have not formed one configuration in 60 s");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #config({ settings = "", dissemination }: SiteOptions): string {
    const lines = [settings];
    const daemons = this.names.map((name, i) => `  ${name} ${this.#host(i)}:${this.#port(i)}`).join("\n");
    if (this.lab === undefined) {
      lines.push(
        `Dissemination = ${dissemination ?? "unicast"}`,
        `Spread_Segment 127.0.0.255:${PORT} {\n${daemons}\n}`,
      );
    } else {
      lines.push(
        `Dissemination = ${dissemination ?? "multicast"}`,
        `Spread_Segment 239.77.1.1:${PORT} {\n${daemons}\n}`,
      );
    }
    return `${lines.join("\n")}\n`;
  }

  #host(daemon: number): string {
    return this.lab?.address(daemon) ?? "127.0.0.1";
  }

  #port(daemon: number): number {
    return PORT + 10 * daemon;
  }

  #ask(daemon: number, kind: string): Promise<DaemonMessage> {
    const child = this.#children[daemon] as ChildProcess;
    const answer = told(child, kind);
    child.send({ kind });
    return answer;
  }
}

/** The next message of this kind from a child; rejects if it ends before. */
export function told<T extends { readonly kind: string } = DaemonMessage>(
  child: ChildProcess,
  kind: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a process of the benchmark ended with ${code}`));
    const onMessage = (message: T): void => {
      if (message.kind !== kind) return;
      child.off("exit", onExit);
      child.off("message", onMessage);
      resolve(message);
    };
    child.once("exit", onExit);
    child.on("message", onMessage);
  });
}
