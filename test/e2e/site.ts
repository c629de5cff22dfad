import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConfigurationChange, DaemonStatus } from "../../src/daemon/index.ts";
import { adminPlaces } from "../../src/daemon/admin.ts";
import type { NetworkEvent } from "../../src/daemon/network-event.ts";
import type { DisseminationSetting } from "../../src/wire/stream-hello.ts";
import type { Lab } from "../net/namespaces.ts";
import { type Ports, takePorts } from "./ports.ts";
import { until } from "./until.ts";

const DAEMON = fileURLToPath(new URL("./daemon.mjs", import.meta.url));
const SETUP = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));

const SOCKET_FOLDER = "/tmp";

type FromDaemon =
  | { readonly kind: "started" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "change"; readonly change: ConfigurationChange }
  | { readonly kind: "network"; readonly event: NetworkEvent }
  | { readonly kind: "status"; readonly status: DaemonStatus };

type Options = {
  /** Further lines of the configuration. */
  readonly settings?: string;
  /** A network namespace for each daemon, and multicast between them. Otherwise all are on this host's loopback. */
  readonly lab?: Lab;
  /** `Dissemination`: by default what is sure to work there. */
  readonly dissemination?: DisseminationSetting;
  /** Of single daemons. */
  readonly otherwise?: Readonly<Record<string, DisseminationSetting>>;
  /** They will not all come together. */
  readonly apart?: boolean;
};

/** Daemons in processes of their own, with a folder and ports of their own. `close` ends and removes all of it. */
export class Site {
  readonly names: readonly string[];
  /** Holds the configuration, the daemons' state and their Unix sockets. */
  readonly folder = mkdtempSync(join(tmpdir(), "amalgam-e2e-"));
  readonly configFile = join(this.folder, "spread.conf");
  readonly #ports: Ports;
  readonly #lab: Lab | undefined;
  readonly #otherwise: Readonly<Record<string, DisseminationSetting>>;
  readonly #events = new Map<string, NetworkEvent[]>();
  readonly #children = new Map<string, ChildProcess>();
  readonly #changes = new Map<string, ConfigurationChange[]>();
  readonly #onExit = (): void => this.#end();

  private constructor(names: readonly string[], ports: Ports, options: Options) {
    const { settings = "", lab, otherwise = {} } = options;
    this.#otherwise = otherwise;
    this.names = names;
    this.#ports = ports;
    this.#lab = lab;
    const daemons = names.map((name, i) => `  ${name} ${this.host(name)}:${ports.base + 10 * i}`).join("\n");
    const [usual, segment] = lab === undefined ? ["unicast", "127.0.0.255"] : ["multicast", "239.77.2.1"];
    const how = options.dissemination ?? usual;
    // Clients find Unix sockets of namespaces in Spread's folder and nowhere else.
    const sockets = lab === undefined ? this.folder : SOCKET_FOLDER;
    const text = `Dissemination = ${how}\nUnixSocketDir = "${sockets}"\n${settings}\nSpread_Segment ${segment}:${ports.base} {\n${daemons}\n}\n`;
    writeFileSync(this.configFile, text);
    process.once("exit", this.#onExit);
  }

  /** Starts all daemons and waits until they are in one configuration. */
  static async start(names: readonly string[], options: Options = {}): Promise<Site> {
    ensureBuilt();
    const site = new Site(names, await takePorts(), options);
    try {
      await Promise.all(names.map((name) => site.startDaemon(name)));
      if (options.apart !== true) await site.untilTogether(names);
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  host(name: string): string {
    return this.#lab?.address(this.names.indexOf(name)) ?? "127.0.0.1";
  }

  port(name: string): number {
    return this.#ports.base + 10 * this.names.indexOf(name);
  }

  /** A port of this site that no daemon has; there are nine. */
  sparePort(n: number): number {
    return this.#ports.base + 30 + n;
  }

  /** Where clients on this host connect: over a Unix socket to daemons in namespaces. */
  address(name: string): string {
    return this.#lab === undefined ? `${this.port(name)}@${this.host(name)}` : `${this.port(name)}`;
  }

  /** The daemon's address first, the others behind it. */
  addressesFrom(name: string): string[] {
    return [name, ...this.names.filter((other) => other !== name)].map((one) => this.address(one));
  }

  async startDaemon(name: string): Promise<void> {
    const args = [this.configFile, name, this.folder, this.#otherwise[name] ?? ""];
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const child =
      this.#lab === undefined
        ? fork(DAEMON, args, { stdio: [...stdio] })
        : this.#lab.spawn(this.names.indexOf(name), process.execPath, [DAEMON, ...args], { stdio: [...stdio] });
    this.#children.set(name, child);
    this.#changes.set(name, []);
    this.#events.set(name, []);
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code, signal) => reject(new Error(`${name} ended with ${code ?? signal}`)));
      child.on("message", (message: FromDaemon) => {
        if (message.kind === "started") resolve();
        if (message.kind === "failed") reject(new Error(`${name} did not start: ${message.message}`));
        if (message.kind === "network") this.#events.get(name)?.push(message.event);
        if (message.kind === "change") this.#changes.get(name)?.push(message.change);
      });
    });
  }

  /** Sends a signal to one daemon's process. */
  signal(name: string, signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): void {
    this.#child(name).kill(signal);
  }

  /** Resolves with the exit code of a daemon that was asked to end, or `null` if it was killed. */
  async exit(name: string): Promise<number | null> {
    const child = this.#child(name);
    await until(`${name} ends`, () => child.exitCode !== null || child.signalCode !== null);
    return child.exitCode;
  }

  /** The changes of a daemon's configuration since its start, oldest first. */
  changes(name: string): readonly ConfigurationChange[] {
    return this.#changes.get(name) ?? [];
  }

  /** What a daemon has told of streams since its start. */
  networkEvents(name: string): readonly NetworkEvent[] {
    return this.#events.get(name) ?? [];
  }

  async untilTogether(names: readonly string[]): Promise<void> {
    const members = names.join();
    await until(`${members} are in one configuration`, () =>
      names.every((name) => this.changes(name).at(-1)?.members.join() === members),
    );
  }

  /** Waits until no client is left anywhere: `close` of a client resolves before its end is ordered, and its name free. */
  async untilNoClients(): Promise<void> {
    await until("all clients are gone", async () => {
      const all = await Promise.all(this.names.map((name) => this.status(name)));
      return all.every(({ sessions }) => sessions.count === 0);
    });
  }

  status(name: string): Promise<DaemonStatus> {
    const child = this.#child(name);
    return new Promise((resolve) => {
      const onMessage = (message: FromDaemon): void => {
        if (message.kind !== "status") return;
        child.off("message", onMessage);
        resolve(message.status);
      };
      child.on("message", onMessage);
      child.send({ kind: "status" });
    });
  }

  async close(): Promise<void> {
    process.off("exit", this.#onExit);
    const children = [...this.#children.values()].filter((child) => child.exitCode === null && !child.signalCode);
    const ended = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    this.#end();
    await Promise.all(ended);
    this.#ports[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
    if (this.#lab === undefined) return;
    for (const name of this.names) {
      rmSync(join(SOCKET_FOLDER, String(this.port(name))), { force: true });
      rmSync(adminPlaces(SOCKET_FOLDER, this.port(name)).folder, { recursive: true, force: true });
    }
  }

  #child(name: string): ChildProcess {
    const child = this.#children.get(name);
    if (child === undefined) throw new RangeError(`there is no daemon ${name}`);
    return child;
  }

  #end(): void {
    for (const child of this.#children.values()) child.kill("SIGKILL");
  }
}

/** Daemons and worker threads run from dist/: builds it unless it is newer than the source. */
export function ensureBuilt(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SETUP, "--build"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
}
