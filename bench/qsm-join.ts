import { createServer, connect as connectSocket, type Server } from "node:net";
import { type Connection, connect, type ScalableGroup } from "../src/index.ts";
import type { Claim, Measured } from "./qsm-claims.ts";
import { figure, median, printTable } from "./report.ts";
import { BenchSite } from "./site.ts";

const DAEMONS = 3;
const NODES = 20;
const GROUPS = 1_000;
const OWN_COUNTS = [1, 10, 100, 1_000];
const JOIN_REPETITIONS = 3;
/** After the last view has changed, until what daemons send each node about it has come. */
const SETTLE_MS = 300;

/** A connection to a daemon that counts what the daemon sends. */
class Counted {
  received = 0;
  readonly #server: Server;

  private constructor(path: string) {
    this.#server = createServer((inside) => {
      const outside = connectSocket(path);
      outside.on("data", (bytes) => {
        this.received += bytes.length;
      });
      inside.pipe(outside).pipe(inside);
      for (const socket of [inside, outside]) socket.on("error", () => socket.destroy());
    });
  }

  static async listen(path: string): Promise<Counted> {
    const counted = new Counted(path);
    await new Promise<void>((resolve) => counted.#server.listen(0, "127.0.0.1", resolve));
    return counted;
  }

  get address(): string {
    return `${(this.#server.address() as { port: number }).port}@127.0.0.1`;
  }

  close(): void {
    this.#server.close();
  }
}

type Node = { readonly connection: Connection; readonly counted: Counted };

/** Nodes are clients of real daemons, all on this machine; what daemons send each of them is counted. */
export async function join(): Promise<Measured> {
  const site = await BenchSite.start(DAEMONS, { namespaces: false });
  const nodes: Node[] = [];
  try {
    for (let i = 0; i < NODES; i++) {
      const counted = await Counted.listen(`/tmp/${site.address(i % DAEMONS)}`);
      const connection = await connect(counted.address, { name: `n${i}`, node: { host: "127.0.0.1" } });
      nodes.push({ connection, counted });
    }
    const shared = await joinAll(nodes);
    const own = await ownGroups(nodes);
    print(shared, own);
    return { claims: claimsOf(shared, own), nodes: NODES, daemons: DAEMONS, groups: GROUPS, shared, own };
  } finally {
    await Promise.all(nodes.map(({ connection }) => connection.close()));
    for (const { counted } of nodes) counted.close();
    site.close();
  }
}

function claimsOf(shared: readonly Joined[], own: readonly Owned[]): Claim[] {
  const [few, many] = [own[0], own.at(-1)] as [Owned, Owned];
  return [
    {
      what: `a node joins ${GROUPS} groups at once: views consistent at all ${NODES} after`,
      unit: "ms",
      bound: "most",
      aim: 500,
      values: shared.map(({ ms }) => ms),
    },
    {
      what: `what each other is sent if it joins ${many.count} groups of its own beside, of that with one`,
      unit: "x",
      bound: "most",
      aim: 1.1,
      values: [many.joinBytes / few.joinBytes],
    },
    {
      what: "same, when it leaves them",
      unit: "x",
      bound: "most",
      aim: 1.1,
      values: [many.leaveBytes / few.leaveBytes],
    },
  ];
}

function print(shared: readonly Joined[], own: readonly Owned[]): void {
  const rows = shared.map(({ ms, bytes }, i) => [
    `joins ${GROUPS} groups of all others (${i + 1})`,
    figure(ms),
    figure(bytes),
  ]);
  for (const { count, joinBytes, leaveBytes } of own) {
    rows.push([`joins, leaves ${count} groups of its own`, "", `${figure(joinBytes)}, ${figure(leaveBytes)}`]);
  }
  printTable([`one of ${NODES} nodes`, "views consistent after ms (500)", "bytes to each other node"], rows);
}

type Joined = { readonly ms: number; readonly bytes: number };

/** One node joins groups that all others are in, and leaves them again. */
async function joinAll(nodes: readonly Node[]): Promise<Joined[]> {
  const names = Array.from({ length: GROUPS }, (_, i) => `all${i}`);
  const others = nodes.slice(0, -1);
  const joiner = nodes.at(-1) as Node;
  const groups = await Promise.all(others.map((node) => joinGroups(node, names)));
  await until(() => groups.flat().every((group) => group.view?.members.length === others.length));
  const results: Joined[] = [];
  for (let i = 0; i < JOIN_REPETITIONS; i++) {
    const before = others.map(({ counted }) => counted.received);
    const begin = performance.now();
    const joined = await joinGroups(joiner, names);
    await until(() => [...groups.flat(), ...joined].every((group) => group.view?.members.length === nodes.length));
    const ms = performance.now() - begin;
    await sleep(SETTLE_MS);
    results.push({ ms, bytes: median(others.map(({ counted }, k) => counted.received - (before[k] as number))) });
    await Promise.all(joined.map((group) => group.leave()));
    await until(() => groups.flat().every((group) => group.view?.members.length === others.length));
  }
  return results;
}

type Owned = { readonly count: number; readonly joinBytes: number; readonly leaveBytes: number };

/** One node joins and leaves a group of the others, and together with it groups that nobody else is in. */
async function ownGroups(nodes: readonly Node[]): Promise<Owned[]> {
  const others = nodes.slice(0, -1);
  const joiner = nodes.at(-1) as Node;
  const members = (await Promise.all(others.map((node) => joinGroups(node, ["common"])))).flat();
  await until(() => members.every((group) => group.view?.members.length === others.length));
  const counted = async (change: () => Promise<unknown>, size: number): Promise<number> => {
    await sleep(SETTLE_MS);
    const before = others.map((node) => node.counted.received);
    await change();
    await until(() => members.every((group) => group.view?.members.length === size));
    await sleep(SETTLE_MS);
    return median(others.map((node, i) => node.counted.received - (before[i] as number)));
  };
  const results: Owned[] = [];
  for (const count of OWN_COUNTS) {
    const names = ["common", ...Array.from({ length: count }, (_, i) => `own${count}x${i}`)];
    let joined: readonly ScalableGroup[] = [];
    const joinBytes = await counted(async () => {
      joined = await joinGroups(joiner, names);
    }, nodes.length);
    const leaveBytes = await counted(() => Promise.all(joined.map((group) => group.leave())), others.length);
    results.push({ count, joinBytes, leaveBytes });
  }
  return results;
}

async function joinGroups({ connection }: Node, names: readonly string[]): Promise<ScalableGroup[]> {
  const groups = await Promise.all(names.map((name) => connection.join(name, { quality: "scalable" })));
  for (const group of groups) void drain(group);
  return groups;
}

async function drain(group: ScalableGroup): Promise<void> {
  for await (const event of group) if (event.kind === "left") return;
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error("views have not become consistent in 30 s");
    await sleep(5);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
