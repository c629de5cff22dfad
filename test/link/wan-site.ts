import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ConfigurationChange, DaemonStatus } from "../../src/daemon/index.ts";
import type { WayConditions } from "./emulated-way.ts";
import { Emulator, type RemoteLink } from "./emulator.ts";

const DAEMON = fileURLToPath(new URL("../../scripts/wan-daemon.mjs", import.meta.url));

export type WanOptions = {
  /** Names of the daemons of each site. */
  readonly sites: Readonly<Record<string, readonly string[]>>;
  /** Ports from here on: four for each daemon, and two for each daemon and other site. */
  readonly port: number;
  /** What the link between two sites is like, in each direction. */
  readonly link: (from: string, to: string) => WayConditions;
  /** Further lines of the configuration. */
  readonly settings?: string;
  /** One ring over all of them, as a file without `Site` has it: for comparison. */
  readonly hasOneRing?: boolean;
};

type FromDaemon =
  | { readonly kind: "started" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "configuration"; readonly change: ConfigurationChange }
  | { readonly kind: "status"; readonly status: DaemonStatus };

/** Daemons of several sites on this host, each in a process of its own (from dist/), with emulated links between the sites. */
export class Wan {
  readonly #options: WanOptions;
  readonly #emulator = new Emulator();
  readonly #links = new Map<string, RemoteLink>();
  readonly #children = new Map<string, ChildProcess>();
  readonly #changes = new Map<string, ConfigurationChange>();
  readonly #via = new Map<string, Record<string, { readonly address: string; readonly port: number }>>();

  private constructor(options: WanOptions) {
    this.#options = options;
  }

  /** Opens the links and starts all daemons. */
  static async start(options: WanOptions): Promise<Wan> {
    const wan = new Wan(options);
    try {
      await wan.#openLinks();
      await Promise.all(wan.daemons.map((name) => wan.#startDaemon(name)));
    } catch (error) {
      await wan.close();
      throw error;
    }
    return wan;
  }

  get sites(): readonly string[] {
    return Object.keys(this.#options.sites);
  }

  get daemons(): readonly string[] {
    return Object.values(this.#options.sites).flat();
  }

  /** Where clients connect. */
  address(daemon: string): string {
    return `${this.#portOf(daemon)}@127.0.0.1`;
  }

  /** The last configuration that a daemon has told of. */
  change(daemon: string): ConfigurationChange | undefined {
    return this.#changes.get(daemon);
  }

  status(daemon: string): Promise<DaemonStatus> {
    const child = this.#children.get(daemon);
    if (child === undefined) return Promise.reject(new Error(`${daemon} does not run`));
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`${daemon} has ended`));
      const onMessage = (told: FromDaemon): void => {
        if (told.kind !== "status") return;
        child.off("message", onMessage).off("exit", onExit);
        resolve(told.status);
      };
      child.on("message", onMessage).once("exit", onExit);
      child.send({ kind: "status" });
    });
  }

  link(a: string, b: string): RemoteLink {
    return this.#links.get([a, b].sort().join(" ")) as RemoteLink;
  }

  /** Cuts a site off from all others. */
  async cutOff(site: string): Promise<void> {
    for (const other of this.sites) if (other !== site) await this.link(site, other).cut();
  }

  async mend(site: string): Promise<void> {
    for (const other of this.sites) if (other !== site) await this.link(site, other).mend();
  }

  /** Daemons leave in order, and the links end. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#children.values()].map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || !child.connected) return resolve();
            child.once("exit", () => resolve());
            child.send({ kind: "stop" });
          }),
      ),
    );
    this.#emulator.close();
  }

  get #text(): string {
    const sites = Object.entries(this.#options.sites).map(([site, daemons]) => {
      const lines = daemons.map((name) => `    ${name} 127.0.0.1:${this.#portOf(name)}\n`).join("");
      const segment = `Spread_Segment 127.0.0.255:${this.#portOf(daemons[0] as string)} {\n${lines}  }\n`;
      return this.#options.hasOneRing === true ? segment : `Site ${site} {\n  ${segment}}\n`;
    });
    return `Dissemination = unicast\n${this.#options.settings ?? ""}${sites.join("")}`;
  }

  #portOf(daemon: string): number {
    return this.#options.port + 4 * this.daemons.indexOf(daemon);
  }

  async #openLinks(): Promise<void> {
    const { sites, link } = this.#options;
    let port = this.#options.port + 4 * this.daemons.length;
    for (const [i, from] of this.sites.entries()) {
      for (const to of this.sites.slice(i + 1)) {
        const [a, b] = [from, to].sort() as [string, string];
        const opened = await this.#emulator.open(link(a, b), i + 1);
        await opened.set(link(b, a), ["back"]);
        this.#links.set(`${a} ${b}`, opened);
        for (const [source, target, direction] of [
          [a, b, "there"],
          [b, a, "back"],
        ] as const) {
          for (const daemon of sites[target] as readonly string[]) {
            for (const offset of [0, 1]) {
              await opened.enter(
                direction,
                { address: "127.0.0.1", port: this.#portOf(daemon) + offset },
                port + offset,
              );
            }
            for (const one of sites[source] as readonly string[]) {
              this.#via.set(one, { ...this.#via.get(one), [daemon]: { address: "127.0.0.1", port } });
            }
            port += 2;
          }
        }
      }
    }
  }

  async #startDaemon(name: string): Promise<void> {
    const told = JSON.stringify({ text: this.#text, name, via: this.#via.get(name) ?? {} });
    const child = fork(DAEMON, [told], { stdio: "inherit", execArgv: [] });
    this.#children.set(name, child);
    child.on("message", (message: FromDaemon) => {
      if (message.kind === "configuration") this.#changes.set(name, message.change);
    });
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
      child.on("message", (message: FromDaemon) => {
        if (message.kind === "started") resolve();
        else if (message.kind === "failed") reject(new Error(message.message));
      });
    });
  }
}
