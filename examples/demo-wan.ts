/*
 * `npm run demo:wan [-- --once]`: three sites of two daemons on this machine, with emulated links between them: tens of milliseconds long, 1 %
 * of loss. A site is cut off and merged back, and a member at each site says what it sees. Ends by itself with --once, else with Ctrl-C.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, connect, type Group } from "../src/index.ts";
import { Wan } from "../test/link/wan-site.ts";

const SITES = { west: ["w1", "w2"], north: ["n1", "n2"], east: ["e1", "e2"] } as const;
/** One way, ms. */
const DELAYS: Readonly<Record<string, number>> = { "north west": 15, "east north": 25, "east west": 35 };
/** The first of them at which the daemons and the links find ports that nobody else has. */
const PORTS = [24_600, 26_600, 28_600];
const PATIENCE_MS = 30_000;

const strange = process.argv.slice(2).find((option) => option !== "--once");
if (strange !== undefined) {
  const usage = "npm run demo:wan: three sites, until Ctrl-C; npm run demo:wan -- --once: ends by itself";
  const isHelp = strange === "--help" || strange === "-h";
  console[isHelp ? "log" : "error"](isHelp ? usage : `there is no ${strange}. ${usage}`);
  process.exit(isHelp ? 0 : 2);
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
// Nobody reads on (`| head`).
process.stdout.on("error", () => stop.abort());

const began = performance.now();
const say = (who: string, what: string): void => {
  console.log(`${((performance.now() - began) / 1_000).toFixed(2).padStart(6)} s  ${who.padEnd(6)} ${what}`);
};

/** A member of the group at one site, and what it has seen last. */
class Member {
  readonly site: string;
  members = 0;
  isPrimary: boolean | undefined;
  readonly #connection: Connection;
  readonly #group: Group;

  private constructor(site: string, connection: Connection, group: Group) {
    this.site = site;
    this.#connection = connection;
    this.#group = group;
    void this.#listen().catch((error: unknown) => say(site, `ends: ${String(error)}`));
  }

  static async join(site: string, address: string): Promise<Member> {
    const connection = await connect(address, { name: site });
    return new Member(site, connection, await connection.join("town"));
  }

  async speak(): Promise<void> {
    const sent = performance.now();
    const message = await this.#group.send(new TextEncoder().encode(`hello from ${this.site}`), { service: "agreed" });
    await message.delivered;
    say(this.site, `its own message came back in the order of all after ${Math.round(performance.now() - sent)} ms`);
  }

  async leave(): Promise<void> {
    await this.#connection.close();
  }

  async #listen(): Promise<void> {
    for await (const event of this.#group) {
      if (event.kind === "message") {
        const text = new TextDecoder().decode(event.payload);
        if (!text.endsWith(this.site)) say(this.site, `hears "${text}"`);
      } else if (event.kind === "view") {
        const { members, primary = true } = event;
        this.members = members.length;
        this.isPrimary = primary;
        const names = members.map((member) => member.split("#")[1]).join(", ");
        say(this.site, `sees ${names}${primary ? "" : " (not primary: it may not decide)"}`);
      }
    }
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (stop.signal.aborted) throw new Error("stopped");
    if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS / 1_000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function inTurn(members: readonly Member[]): Promise<void> {
  for (const member of members) await member.speak();
}

async function startSites(): Promise<Wan> {
  const link = (from: string, to: string) => ({
    delayMs: DELAYS[[from, to].sort().join(" ")] ?? 20,
    megabits: 20,
    loss: { kind: "uniform", probability: 0.01 } as const,
  });
  for (const port of PORTS) {
    try {
      return await Wan.start({ sites: SITES, port, link });
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("EADDRINUSE"))) throw error;
    }
  }
  throw new Error(`no ports are free for the daemons: those from ${PORTS.join(", ")} on are taken`);
}

const wan = await startSites().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
try {
  const all = wan.daemons.length;
  await until("all sites find each other", () =>
    wan.daemons.every((daemon) => wan.change(daemon)?.members.length === all),
  );
  say("sites", `${wan.sites.join(", ")}: ${all} daemons in one configuration, over links of 15, 25 and 35 ms one way`);
  const members: Member[] = [];
  for (const site of wan.sites)
    members.push(await Member.join(site, wan.address(SITES[site as keyof typeof SITES][0])));
  const [west, north, east] = members as [Member, Member, Member];
  await until("all members see each other", () => members.every((member) => member.members === 3));
  await inTurn(members);

  say("links", "east is cut off");
  await wan.cutOff("east");
  await until("both sides have noticed", () => west.members === 2 && north.members === 2 && east.members === 1);
  await inTurn([west, east]);

  say("links", "east is back");
  await wan.mend("east");
  await until("all see each other again", () => members.every((member) => member.members === 3));
  await inTurn(members);

  if (!process.argv.includes("--once")) {
    say("demo", `goes on until Ctrl-C; look: npx amalgam monitor --address ${wan.address("w1")}`);
    await new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  // Not longer: whoever ends the whole group of processes has ended the daemons too.
  await Promise.race([Promise.all(members.map((member) => member.leave())), sleep(1_000)]);
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
} finally {
  await wan.close();
}
process.exit();
