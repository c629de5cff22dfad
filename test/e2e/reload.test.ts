import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { adminPlaces } from "../../src/daemon/admin.ts";
import { type Daemon, startDaemon } from "../../src/daemon/index.ts";
import { type Ports, takePorts } from "./ports.ts";
import { until } from "./until.ts";

let ports: Ports;
let folder: string;
const running = new Map<string, Daemon>();

beforeEach(async () => {
  ports = await takePorts();
  folder = mkdtempSync(join(tmpdir(), "amalgam-reload-"));
});

afterEach(async () => {
  for (const daemon of running.values()) await daemon.abort();
  running.clear();
  ports[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const NAMES = ["a", "b", "c", "d"];

function portOf(name: string): number {
  return ports.base + 4 * NAMES.indexOf(name);
}

function fileOf(name: string): string {
  return join(folder, name, "spread.conf");
}

function textOf(names: readonly string[], settings = ""): string {
  const daemons = names.map((name) => `  ${name} 127.0.0.1:${portOf(name)}\n`).join("");
  return `Dissemination = unicast\nUnixSocketDir = "${folder}"\n${settings}Spread_Segment 127.0.0.255:${ports.base} {\n${daemons}}\n`;
}

function give(name: string, text: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(fileOf(name), text);
}

async function start(name: string): Promise<Daemon> {
  const daemon = await startDaemon({ config: fileOf(name), name, thread: false });
  running.set(name, daemon);
  void daemon.closed.then(() => running.delete(name));
  return daemon;
}

async function untilTogether(names: readonly string[]): Promise<void> {
  await until(`${names.join(", ")} are together`, async () => {
    const statuses = await Promise.all(names.map(async (name) => running.get(name)?.status()));
    return statuses.every((status) => status?.ready === true && status.configuration.members.join() === names.join());
  });
}

async function begin(names: readonly string[]): Promise<void> {
  for (const name of names) give(name, textOf(names));
  for (const name of names) await start(name);
  await untilTogether(names);
}

/** `amalgam reload` with these arguments. */
async function amalgam(...args: readonly string[]): Promise<{ code: number; output: string; notes: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, "reload", ...args], { stdio: "pipe" });
  const said = { output: "", notes: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.notes += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, ...said };
}

describe("another configuration file", () => {
  test("is put in force at all daemons and in their files, while a client goes on", async () => {
    await begin(["a", "b", "c"]);
    await using client = await connect(`${portOf("a")}@127.0.0.1`);
    const group = await client.join("town");
    const got: string[] = [];
    void (async () => {
      for await (const event of group) if (event.kind === "message") got.push(new TextDecoder().decode(event.payload));
    })();
    const say = (text: string) => group.send(new TextEncoder().encode(text), { service: "safe" });
    await say("before");
    expect(await running.get("b")?.reload(textOf(["a", "b", "d"]))).toBeUndefined();
    await until("c has ended", () => !running.has("c"));
    await untilTogether(["a", "b"]);
    for (const name of ["a", "b", "c"]) expect(readFileSync(fileOf(name), "utf8")).toContain("  d 127.0.0.1");
    // One by another: majorities of the old and the new ones may have nobody in common, so it took two steps.
    await until("it is complete", () => readFileSync(fileOf("a"), "utf8").includes('"generation":2'));
    give("d", readFileSync(fileOf("a"), "utf8"));
    await start("d");
    await untilTogether(["a", "b", "d"]);
    await say("after");
    await until("the client has both", () => got.includes("after"));
    expect(got).toEqual(["before", "after"]);
  });

  test("is learned by a daemon that was away, which writes it to its file", async () => {
    await begin(["a", "b", "c"]);
    await running.get("c")?.abort();
    await untilTogether(["a", "b"]);
    expect(await running.get("a")?.reload(textOf(["a", "b", "c", "d"]))).toBeUndefined();
    expect(readFileSync(fileOf("c"), "utf8")).not.toContain("  d 127.0.0.1");
    await start("c");
    await untilTogether(["a", "b", "c"]);
    expect(readFileSync(fileOf("c"), "utf8")).toBe(readFileSync(fileOf("a"), "utf8"));
  });

  test("that one daemon cannot write is in force nowhere, and the reason names the daemon", async () => {
    await begin(["a", "b", "c"]);
    rmSync(join(folder, "c"), { recursive: true });
    const why = await running.get("a")?.reload(textOf(["a", "b", "c", "d"]));
    expect(why).toMatch(/^c cannot go over: .*ENOENT/);
    await untilTogether(["a", "b", "c"]);
    for (const name of ["a", "b"]) expect(readFileSync(fileOf(name), "utf8")).toBe(textOf(["a", "b", "c"]));
    // It can be tried again.
    mkdirSync(join(folder, "c"));
    expect(await running.get("a")?.reload(textOf(["a", "b", "c", "d"]))).toBeUndefined();
  });

  test("brings a daemon that is alone together with another one over streams, whichever of them dials", async () => {
    for (const first of ["a", "b"]) {
      const file = (names: readonly string[]) =>
        textOf(names)
          .replace("unicast", "tcp")
          .replace(/ (a|b) (\S+)/g, (_, name, at) => ` ${name} ${at} VirtualID = ${name === "a" ? 1 : 2}`);
      give(first, file([first]));
      await start(first);
      await untilTogether([first]);
      expect(await running.get(first)?.reload(file(["a", "b"]))).toBeUndefined();
      const second = first === "a" ? "b" : "a";
      give(second, readFileSync(fileOf(first), "utf8"));
      await start(second);
      await untilTogether(["a", "b"]);
      for (const daemon of running.values()) await daemon.abort();
    }
  });

  test("that is wrong, or changes what cannot be changed, is refused with the reason", async () => {
    await begin(["a", "b", "c"]);
    await expect(running.get("a")?.reload("Spread_Segment 10.0.0.255 {")).rejects.toThrow("is not closed");
    const moved = textOf(["a", "b", "c"]).replace(String(portOf("b")), String(portOf("d")));
    expect(await running.get("a")?.reload(moved)).toMatch(/b would move from/);
    const limit = textOf(["a", "b", "c"], "PayloadLimit = 100000\n");
    expect(await running.get("a")?.reload(limit)).toMatch(/PayloadLimit would change/);
  });

  test("is put in force by a command, which shows first what it changes", async () => {
    await begin(["a", "b"]);
    const fresh = join(folder, "new.conf");
    writeFileSync(fresh, textOf(["a", "b", "c"], "DatagramBytes = 1300\n"));
    const looked = await amalgam("-c", fresh, "--check");
    expect(looked).toEqual({
      code: 0,
      output: `adds     c at 127.0.0.1:${portOf("c")}\nlater    DatagramBytes: when each daemon is started again\n`,
      notes: "",
    });
    expect((await running.get("a")?.status())?.site.generation).toBe(0);
    const done = await amalgam("-c", fresh);
    expect(done.code).toBe(0);
    expect(done.output).toContain("in force at all daemons of the configuration");
    expect(done.output).toContain("now start c, each with a copy of the file as it is on this host now");
    expect((await running.get("a")?.status())?.site.generation).toBe(1);
    expect(readFileSync(fileOf("b"), "utf8")).toContain("  c 127.0.0.1");
    const again = await amalgam("-c", fresh, "--name", "b");
    expect(again).toMatchObject({ code: 1, notes: expect.stringContaining("the file is in force already") });
    const nowhere = await amalgam("-c", fresh, "--socket", join(folder, "none"));
    expect(nowhere).toMatchObject({ code: 3, notes: expect.stringContaining("ENOENT") });
  });

  test("adds a site and takes another one away, from any daemon of any site", async () => {
    const sites = { west: ["a"], east: ["b", "c"], north: ["d"] } as const;
    const over = (...names: readonly (keyof typeof sites)[]): string => {
      const blocks = names.map((name) => {
        const [first = ""] = sites[name];
        const daemons = sites[name].map((daemon) => `${daemon} 127.0.0.1:${portOf(daemon)}`).join(" ; ");
        return `Site ${name} { Spread_Segment 127.0.0.255:${portOf(first)} { ${daemons} } }\n`;
      });
      return `Dissemination = unicast\nUnixSocketDir = "${folder}"\n${blocks.join("")}`;
    };
    for (const name of ["a", "b", "c"]) give(name, over("west", "east"));
    for (const name of ["a", "b", "c"]) await start(name);
    await untilTogether(["a", "b", "c"]);
    expect(await running.get("c")?.reload(over("west", "east", "north"))).toBeUndefined();
    give("d", readFileSync(fileOf("b"), "utf8"));
    await start("d");
    await untilTogether(["a", "b", "c", "d"]);
    // The first of the file: all others get other numbers.
    expect(await running.get("d")?.reload(over("east", "north"))).toBeUndefined();
    await until("a has ended", () => !running.has("a"));
    await untilTogether(["b", "c", "d"]);
    const status = await running.get("d")?.status();
    expect(status?.configuration.primary).toBe(true);
    expect(readFileSync(fileOf("a"), "utf8")).not.toContain("Site west");
  });

  test("can be asked for only by the user that the daemon runs as", async () => {
    await begin(["a"]);
    const places = adminPlaces(folder, portOf("a"));
    expect(statSync(places.folder).mode & 0o777).toBe(0o700);
    expect(statSync(places.socket).isSocket()).toBe(true);
  });
});
