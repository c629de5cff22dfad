import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { BenchSite } from "../../bench/site.ts";
import { connect, type Connection, type View } from "../../src/index.ts";
import { namespacesAvailable } from "./namespaces.ts";

const available = namespacesAvailable();

/** A client of one daemon, over its Unix socket, with everything that it was delivered. */
class Client {
  readonly messages: string[] = [];
  readonly arrivals: number[] = [];
  readonly views: View[] = [];
  readonly connection: Connection;
  sent = 0;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  static async join(site: BenchSite, daemon: number): Promise<Client> {
    const client = new Client(await connect(site.address(daemon), { name: `c${daemon + 1}`, reconnect: false }));
    void client.#follow();
    await client.connection.join("room");
    return client;
  }

  /** Sends `count` numbered messages, without waiting for them. */
  send(count: number): void {
    for (let i = 0; i < count; i++) {
      this.sent += 1;
      // A send that fails with its daemon is no delivery that anybody could miss.
      this.connection
        .send("room", `${this.connection.privateGroup} ${this.sent}`, { service: "safe" })
        .catch(() => undefined);
    }
  }

  lastView(): string {
    const view = this.views.at(-1);
    return view === undefined ? "none" : `${view.members.join(" ")} ${view.primary ? "primary" : "not primary"}`;
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.connection) {
        if (event.kind === "view") this.views.push(event);
        if (event.kind !== "message") continue;
        this.messages.push(new TextDecoder().decode(event.payload));
        this.arrivals.push(performance.now());
      }
    } catch {
      // Its daemon was killed: what it was delivered until then counts.
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function longestPause(times: readonly number[]): number {
  return Math.max(...times.map((at, i) => at - (times[i - 1] ?? at)));
}

let site: BenchSite | undefined;
const clients: Client[] = [];

async function start(): Promise<readonly [BenchSite, Client, Client, Client]> {
  site = await BenchSite.start(3, { namespaces: true });
  for (let daemon = 0; daemon < 3; daemon++) clients.push(await Client.join(site, daemon));
  await until(() => clients.every(({ views }) => views.at(-1)?.members.length === 3));
  const [a, b, c] = clients as [Client, Client, Client];
  return [site, a, b, c];
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map(({ connection }) => connection.close()));
  site?.close();
});

describe.runIf(available)("three daemons in network namespaces", () => {
  beforeAll(() => {
    // They run from dist/, as an installed daemon does.
    const setup = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [setup, "--build"], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
  });

  it("deliver everything once and in one order while one link loses 5 %", async () => {
    const [daemons, a, b, c] = await start();
    daemons.lab?.setLoss(1, 0.05);
    for (let round = 0; round < 20; round++) {
      for (const client of clients) client.send(20);
      await until(() => clients.every(({ messages }) => messages.length >= (round - 1) * 60));
    }
    await until(() => clients.every(({ messages }) => messages.length >= 1200));
    expect(new Set(a.messages).size).toBe(1200);
    expect(b.messages).toEqual(a.messages);
    expect(c.messages).toEqual(a.messages);
  });

  it("tell both sides of a split what they are, and come together again", async () => {
    const [daemons, a, b, c] = await start();
    daemons.lab?.split([0, 1], [2]);
    await until(() => [a, b].every((client) => client.lastView() === "#c1#d1 #c2#d2 primary"));
    await until(() => c.lastView() === "#c3#d3 not primary");
    a.send(1);
    c.send(1);
    await until(() => b.messages.length === 1 && c.messages.length === 1);
    expect(b.messages).toEqual(["#c1#d1 1"]);
    expect(c.messages).toEqual(["#c3#d3 1"]);

    daemons.lab?.merge();
    await until(() => clients.every((client) => client.lastView() === "#c1#d1 #c2#d2 #c3#d3 primary"));
    const sets = a.views
      .at(-1)
      ?.sets.map((set) => set.join(" "))
      .sort();
    expect(sets).toEqual(["#c1#d1 #c2#d2", "#c3#d3"]);
    b.send(1);
    await until(() => clients.every(({ messages }) => messages.at(-1) === "#c2#d2 1"));
  });

  it("go on after a SIGKILL under load, and miss nothing that was delivered as safe anywhere", async () => {
    const [daemons, a, b, c] = await start();
    const load = setInterval(() => clients.forEach((client) => client.send(10)), 5);
    await until(() => a.messages.length > 1000);
    daemons.kill(2);
    await until(() => [a, b].every((client) => client.lastView() === "#c1#d1 #c2#d2 primary"));
    const atChange = b.messages.length;
    await until(() => b.messages.length > atChange + 500);
    clearInterval(load);
    await until(() =>
      [a, b].every((one) => one.messages.length === b.messages.length && one.messages.at(-1) === b.messages.at(-1)),
    );
    const own = [a, b].map((client) => client.messages.filter((text) => text.startsWith("#c1#d1")).length);
    expect(own[0]).toBe(own[1]);
    expect(c.messages.length).toBeGreaterThan(0);
    const survivors = new Set(b.messages);
    expect(c.messages.filter((text) => !survivors.has(text))).toEqual([]);
    expect(b.messages.slice(0, a.messages.length)).toEqual(a.messages.slice(0, b.messages.length));
    process.stderr.write(`longest silence around a SIGKILL: ${Math.round(longestPause(b.arrivals))} ms\n`);
  });
});
