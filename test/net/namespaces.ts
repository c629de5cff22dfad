import { type ChildProcess, spawn, spawnSync, type SpawnOptions } from "node:child_process";

/** What tests and benchmarks in network namespaces need; `undefined` if all of it is there. `setLoss` needs nft, `setRate` tc. */
export function whyNoNamespaces(programs: readonly ("ip" | "nft" | "tc")[] = ["ip", "nft"]): string | undefined {
  if (process.platform !== "linux") return "network namespaces exist on Linux only";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const program of programs) {
    if (spawnSync(program, ["-V"]).error) return `${program} is not installed (apt-get install iproute2 nftables)`;
  }
  return undefined;
}

/**
 * Whether tests in namespaces can run. Where they cannot it says so on the terminal; and where they have to
 * (AMALGAM_REQUIRE_ROOT_TESTS=1, as in CI) it throws.
 */
export function namespacesAvailable(): boolean {
  const why = whyNoNamespaces();
  if (why === undefined) return true;
  if (process.env["AMALGAM_REQUIRE_ROOT_TESTS"] === "1") throw new Error(`Required tests cannot run: ${why}.`);
  process.stderr.write(`\n*** SKIPPED: tests in network namespaces, because ${why}. ***\n\n`);
  return false;
}

const PREFIX = "amalgam";
let labs = 0;

/**
 * Several hosts on one Ethernet: a network namespace each, joined to a bridge (in a namespace of its own, so that
 * nothing of the machine's network is touched) by a veth pair. Everything it made is gone after `close`, and at the
 * latest when this process exits.
 */
export class Lab {
  readonly size: number;
  readonly #name: string;
  readonly #children = new Set<ChildProcess>();
  readonly #onExit = (): void => this.#remove();
  #bridges = 1;

  private constructor(size: number) {
    this.size = size;
    labs += 1;
    this.#name = `${PREFIX}-${process.pid}-${labs}`;
  }

  /** `size` hosts, numbered from 0, with addresses `10.77.0.1` and on. */
  static create(size: number): Lab {
    removeAbandoned();
    const lab = new Lab(size);
    process.once("exit", lab.#onExit);
    try {
      lab.#create();
    } catch (error) {
      lab.close();
      throw error;
    }
    return lab;
  }

  address(host: number): string {
    return `10.77.0.${host + 1}`;
  }

  /** Starts a program on a host; it is killed by `close` if it still runs then. */
  spawn(host: number, command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    // `ip netns exec` replaces itself by the program: the child's pid is the program's.
    const child = spawn("ip", ["netns", "exec", this.#host(host), command, ...args], options);
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** The longest IP packet that links take, on all hosts and ports: 9000 for jumbo frames. */
  setMtu(bytes: number): void {
    for (let host = 0; host < this.size; host++) {
      run("ip", ["-n", this.#switch, "link", "set", `p${host}`, "mtu", `${bytes}`]);
      run("ip", ["-n", this.#host(host), "link", "set", "eth0", "mtu", `${bytes}`]);
    }
  }

  /** Drops a share (0 … 1) of the UDP datagrams that arrive at a host; 0 ends it. */
  setLoss(host: number, share: number): void {
    const table = "table inet amalgam_loss";
    const threshold = Math.round(share * 10_000);
    const drop = `meta l4proto udp numgen random mod 10000 < ${threshold} counter drop`;
    const chain = `chain input {\ntype filter hook input priority 0\n${drop}\n}`;
    // Named first, so that it can be deleted whether or not it was there.
    const rules = `${table}\ndelete ${table}\n${threshold > 0 ? `${table} {\n${chain}\n}` : ""}\n`;
    run("ip", ["netns", "exec", this.#host(host), "nft", "-f", "-"], rules);
  }

  /** Drops all UDP datagrams that arrive at a host, or those longer than so many bytes: as firewalls do, and switches without jumbo frames. */
  blockDatagrams(host: number, longerThan = 0): void {
    const length = longerThan > 0 ? `udp length > ${longerThan + 8}` : "meta l4proto udp";
    const chain = `chain input {\ntype filter hook input priority 0\n${length} drop\n}`;
    const table = `table inet amalgam_block {\n${chain}\n}\n`;
    run("ip", ["netns", "exec", this.#host(host), "nft", "-f", "-"], table);
  }

  /** Datagrams that a host has lost since its `setLoss`. */
  dropped(host: number): number {
    const list = ["nft", "list", "table", "inet", "amalgam_loss"];
    const rules = run("ip", ["netns", "exec", this.#host(host), ...list]);
    const count = /counter packets (\d+)/.exec(rules)?.[1];
    if (count === undefined) throw new Error(`host ${host} has no rule of loss: ${rules}`);
    return Number(count);
  }

  /** Makes a host's link one of so many megabits a second, each way. */
  setRate(host: number, megabits: number): void {
    const tbf = ["root", "tbf", "rate", `${megabits}mbit`, "burst", "32kb", "limit", "512kb"];
    run("tc", ["-n", this.#host(host), "qdisc", "replace", "dev", "eth0", ...tbf]);
    run("tc", ["-n", this.#switch, "qdisc", "replace", "dev", `p${host}`, ...tbf]);
  }

  /** Splits the network into components; a host that is in none is alone. One component of all merges it again. */
  split(...components: readonly (readonly number[])[]): void {
    for (; this.#bridges < components.length; this.#bridges++) this.#addBridge(this.#bridges);
    for (let host = 0; host < this.size; host++) {
      const component = components.findIndex((members) => members.includes(host));
      const where = component < 0 ? ["nomaster"] : ["master", `br${component}`];
      run("ip", ["-n", this.#switch, "link", "set", `p${host}`, ...where]);
    }
  }

  /** Ends the split. */
  merge(): void {
    this.split(Array.from({ length: this.size }, (_, host) => host));
  }

  close(): void {
    process.off("exit", this.#onExit);
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #switch(): string {
    return `${this.#name}-sw`;
  }

  #host(host: number): string {
    return `${this.#name}-h${host}`;
  }

  #create(): void {
    run("ip", ["netns", "add", this.#switch]);
    this.#addBridge(0);
    for (let host = 0; host < this.size; host++) {
      const name = this.#host(host);
      run("ip", ["netns", "add", name]);
      run("ip", ["-n", this.#switch, "link", "add", `p${host}`, "type", "veth", "peer", "eth0", "netns", name]);
      run("ip", ["-n", this.#switch, "link", "set", `p${host}`, "master", "br0", "up"]);
      run("ip", ["-n", name, "link", "set", "lo", "up"]);
      run("ip", ["-n", name, "address", "add", `${this.address(host)}/24`, "dev", "eth0"]);
      run("ip", ["-n", name, "link", "set", "eth0", "up"]);
    }
  }

  #addBridge(number: number): void {
    const bridge = `br${number}`;
    // Without snooping multicast goes to every port, also while nobody asks for memberships.
    run("ip", ["-n", this.#switch, "link", "add", bridge, "type", "bridge", "mcast_snooping", "0"]);
    run("ip", ["-n", this.#switch, "link", "set", bridge, "up"]);
  }

  #remove(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    this.#children.clear();
    for (const name of namespaces()) {
      if (name.startsWith(`${this.#name}-`)) spawnSync("ip", ["netns", "del", name]);
    }
  }
}

function run(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, encoding: "utf8" });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr.trim()}`);
  }
  return stdout;
}

function namespaces(): string[] {
  const { stdout } = spawnSync("ip", ["netns", "list"], { encoding: "utf8" });
  return (stdout ?? "").split("\n").map((line) => line.split(" ")[0] ?? "");
}

/** Namespaces of a process that was killed before it could clean up. */
function removeAbandoned(): void {
  for (const name of namespaces()) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    spawnSync("ip", ["netns", "del", name]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
