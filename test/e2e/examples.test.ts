import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Member } from "./member.ts";
import { Site } from "./site.ts";
import { until } from "./until.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);

let site: Site;
let program: ChildProcess | undefined;

beforeAll(async () => {
  site = await Site.start(["alpha", "beta"]);
});

afterEach(() => {
  program?.kill("SIGKILL");
  program = undefined;
});

afterAll(() => site.close());

/** Runs a TypeScript program; `output` grows with what it prints. */
function run(file: string, args: readonly string[] = []): { output: string; readonly exit: Promise<number | null> } {
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file, ...args]);
  program = child;
  const running = { output: "", exit: new Promise<number | null>((resolve) => child.once("close", resolve)) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      running.output += String(text);
    });
  }
  return running;
}

describe("the examples", () => {
  it("quickstart says hello, sees the members and ends at a bye", async () => {
    // As it stands but for where the daemon and the package are.
    const text = readFileSync(new URL("quickstart.ts", EXAMPLES), "utf8")
      .replace("4803@localhost", site.address("alpha"))
      .replace("../src/index.ts", new URL("../../src/index.ts", import.meta.url).href);
    const file = join(site.folder, "quickstart.mts");
    writeFileSync(file, text);
    const example = run(file);
    await until("it has said hello", () => example.output.includes("#ann#alpha says hello, group"));
    const bob = await Member.connect(site.address("beta"), "bob");
    await bob.connection.join("quotes");
    await bob.send("quotes", "bye");
    expect(await example.exit).toBe(0);
    expect(example.output.trimEnd().split("\n")).toEqual([
      "members: #ann#alpha",
      "#ann#alpha says hello, group",
      "members: #ann#alpha, #bob#beta",
      "#bob#beta says bye",
    ]);
    await bob.untilMembers("quotes", ["#bob#beta"]);
    await bob.connection.close();
  });

  it("prices sends from member to member, sees who comes, and ends when the exchange closes", async () => {
    const text = readFileSync(new URL("prices.ts", EXAMPLES), "utf8")
      .replace("4803@localhost", site.address("alpha"))
      .replace("../src/index.ts", new URL("../../src/index.ts", import.meta.url).href);
    const file = join(site.folder, "prices.mts");
    writeFileSync(file, text);
    const example = run(file);
    await until("its price is everywhere", () => example.output.includes("#ann#alpha: AMG 12.50"));
    const bob = await Member.connect(site.address("beta"), "bob");
    const prices = await bob.connection.join("prices", { quality: "scalable" });
    await prices.send("AMG 12.60");
    await prices.send("closed");
    expect(await example.exit, example.output).toBe(0);
    expect(example.output.trimEnd().split("\n")).toEqual([
      "all members have it",
      "members: #ann#alpha",
      "#ann#alpha: AMG 12.50",
      "members: #ann#alpha, #bob#beta",
      "#bob#beta: AMG 12.60",
      "#bob#beta: closed",
    ]);
    await bob.connection.close();
  });

  it("alarms are delivered at once, from member to member", async () => {
    const text = readFileSync(new URL("alarms.ts", EXAMPLES), "utf8")
      .replace("4803@localhost", site.address("alpha"))
      .replace("../src/index.ts", new URL("../../src/index.ts", import.meta.url).href);
    const file = join(site.folder, "alarms.mts");
    writeFileSync(file, text);
    const example = run(file);
    await until("its alarm is there", () => example.output.includes("#ann#alpha: boiler 7: 2.1 bar"));
    const bob = await Member.connect(site.address("beta"), "bob");
    const alarms = await bob.connection.join("alarms", { quality: "timely" });
    await alarms.send("boiler 7: 9.8 bar");
    await until("it is told", () => example.output.includes("#bob#beta: boiler 7: 9.8 bar"));
    await alarms.send("all clear");
    expect(await example.exit, example.output).toBe(0);
    expect(example.output.trimEnd().split("\n")).toEqual([
      "members: #ann#alpha",
      "#ann#alpha: boiler 7: 2.1 bar",
      "members: #ann#alpha, #bob#beta",
      "#bob#beta: boiler 7: 9.8 bar",
      "#bob#beta: all clear",
    ]);
    await bob.connection.close();
  });

  it("state transfer gives a late copy the state, and lets it write", async () => {
    const example = run(fileURLToPath(new URL("state-transfer.ts", EXAMPLES)), [site.address("beta")]);
    expect(await example.exit, example.output).toBe(0);
    expect(example.output).toContain("the late copy has");
    expect(example.output).toContain("Jerusalem");
    expect(example.output).toContain("and both have Baltimore now");
  });
});
