import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loopbackConfig } from "../daemon/config/index.ts";
import { type Daemon, startDaemon } from "../daemon/index.ts";
import { connect } from "../index.ts";
import { commands } from "./commands/index.ts";
import { observeSiteByAny } from "./observe.ts";
import { run } from "./run.ts";
import type { Terminal } from "./terminal.ts";

const PORT = 21_803;
const site = loopbackConfig(["a", "b"], { port: PORT });
const address = `${PORT}@127.0.0.1`;
let daemons: Daemon[] = [];

beforeAll(async () => {
  daemons = await Promise.all(
    ["a", "b"].map((name) => startDaemon({ config: site, name, thread: false, unixSocket: false })),
  );
  const together = async () => (await daemons[0]?.status())?.configuration.members.length === 2;
  while (!(await together())) await new Promise((resolve) => setTimeout(resolve, 20));
});

afterAll(async () => {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
});

async function amalgam(args: readonly string[], input = "", signal = new AbortController().signal) {
  const output: string[] = [];
  const notes: string[] = [];
  const terminal: Terminal = {
    print: (text) => void output.push(`${text}\n`),
    write: async (bytes) => void output.push(typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)),
    note: (text) => void notes.push(text),
    redraw: () => {},
    ask: () => {},
    hideInput: () => {},
    input: (async function* () {
      if (input !== "") yield new TextEncoder().encode(input);
    })(),
    interactive: false,
    outputInteractive: false,
    inputInteractive: false,
    columns: 80,
    rows: 24,
    style: (_, text) => text,
    signal,
  };
  const code = await run(args, terminal, commands, "1.0.0");
  return { code, output: output.join(""), notes: notes.join("\n") };
}

describe("commands against two daemons", () => {
  test("what send sends, receive receives at the other daemon", async () => {
    const receiving = amalgam(["receive", "pipe", "--count", "3", "--address", `${PORT + 10}@127.0.0.1`]);
    await using watcher = await connect(address, {});
    const group = await watcher.join("pipe");
    for await (const event of group) if (event.kind === "view" && event.members.length === 2) break;
    expect(await amalgam(["send", "pipe", "-a", address, "-s", "safe"], "one\ntwo\nthree\n")).toEqual({
      code: 0,
      output: "",
      notes: "",
    });
    expect(await receiving).toMatchObject({
      code: 0,
      output: "one\ntwo\nthree\n",
      notes: expect.stringContaining("joined; 2 members"),
    });
  });

  test("flood and ping measure, and report what they measured as JSON", async () => {
    const flood = await amalgam(["flood", "-a", address, "--count", "500", "--size", "200", "--json"]);
    expect(flood.code).toBe(0);
    expect(JSON.parse(flood.output)).toMatchObject({ messages: 500, missing: 0, outOfOrder: 0, service: "agreed" });
    const ping = await amalgam(["ping", "-a", address, "-c", "3", "-i", "0", "--json"]);
    expect(ping.code).toBe(0);
    const lines = ping.output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { service: string; count: number });
    expect(lines.map(({ service, count }) => [service, count])).toEqual([
      ["unreliable", 3],
      ["reliable", 3],
      ["fifo", 3],
      ["causal", 3],
      ["agreed", 3],
      ["safe", 3],
    ]);
  });

  test("monitor shows both daemons and why the configuration changed", async () => {
    const { code, output } = await amalgam(["monitor", "--once", "-i", "100", "-a", address]);
    expect(code).toBe(0);
    expect(output).toMatch(/^Configuration of 2 of 2 daemons, primary, for .*: a b$/m);
    expect(output).toMatch(/^a +operational/m);
    expect(output).toMatch(/^b +operational/m);
    expect(output).toMatch(/joined: .*; primary/);
  });

  test("a site is observed by whichever daemon answers", async () => {
    const { signal } = new AbortController();
    const observed = await observeSiteByAny(["1@127.0.0.1", address], signal);
    expect(observed.map(({ name, status }) => [name, status?.configuration.members.length])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
    await expect(observeSiteByAny(["1@127.0.0.1"], signal)).rejects.toThrow("1@127.0.0.1");
  });

  test("chat reads a script", async () => {
    const script = "/join room\nhello\n/send -s safe good bye\n/jion x\n/views\n/quit\n";
    const { code, output } = await amalgam(["chat", "-a", address, "--name", "alice"], script);
    expect(code).toBe(0);
    expect(output).toContain("as #alice#a");
    expect(output).toContain("* room: #alice#a joined; 1 member: #alice#a; primary");
    expect(output).toMatch(/room #alice#a agreed {2}hello/);
    expect(output).toMatch(/room #alice#a safe {2}good bye/);
    expect(output).toContain("! there is no /jion; did you mean /join?");
    expect(output).toContain("> room primary (1): #alice#a");
  });
});
