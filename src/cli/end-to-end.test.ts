import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { takePorts } from "../../test/e2e/ports.ts";
import { loopbackConfig, loopbackConfigText } from "../daemon/config/index.ts";
import { type Daemon, startDaemon } from "../daemon/index.ts";
import { connect } from "../index.ts";
import { commands } from "./commands/index.ts";
import { ExitCode } from "./exit-codes.ts";
import { observeSiteByAny } from "./observe.ts";
import { run } from "./run.ts";
import type { Terminal } from "./terminal.ts";

const ports = await takePorts();
/** Of `a`; `b` and `c` follow by ten. From 30 on nobody is. */
const PORT = ports.base;
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
  ports[Symbol.dispose]();
});

async function amalgam(
  args: readonly string[],
  input = "",
  signal = new AbortController().signal,
  onWrite: (text: string) => void = () => {},
) {
  const output: string[] = [];
  const notes: string[] = [];
  const terminal: Terminal = {
    print: (text) => void output.push(`${text}\n`),
    write: async (bytes) => {
      const text = typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
      output.push(text);
      onWrite(text);
    },
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
  test("what cannot be a name, an address or a group is a mistake of the command line", async () => {
    const mistakes = [
      ["chat", "--name", "much-too-long", "--address", address],
      ["send", "g", "--message", "x", "--address", "nowhere"],
      ["monitor", "--once", "--address", "4803@"],
      ["receive", "no group", "--address", address],
    ];
    for (const args of mistakes) {
      const { code, notes } = await amalgam(args);
      expect(code, notes).toBe(ExitCode.usage);
      expect(notes).not.toContain("    at ");
    }
  });

  test("monitor outlives its daemon", async () => {
    const port = PORT + 30;
    const daemon = await startDaemon({ port, thread: false, unixSocket: false });
    const interrupt = new AbortController();
    let output = "";
    const watching = amalgam(["monitor", "-i", "100", "-a", `${port}@127.0.0.1`], "", interrupt.signal, (text) => {
      output += text;
    });
    const shows = async (text: string) => {
      while (!output.includes(text)) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await shows("Configuration of 1 of 1");
    await daemon.stop();
    await shows("No daemon answers.");
    output = "";
    await using _again = await startDaemon({ port, thread: false, unixSocket: false });
    await shows("Configuration of 1 of 1");
    interrupt.abort();
    expect((await watching).code).toBe(ExitCode.ok);
  });

  test("a daemon that cannot start says what somebody else has", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const bound = taken.address();
    const http = String(typeof bound === "object" && bound !== null ? bound.port : 0);
    const attempts = [
      [["--port", String(PORT)], "--port"],
      [["--port", String(PORT + 34), "--http", http], "--http"],
    ] as const;
    for (const [options, remedy] of attempts) {
      const { code, notes } = await amalgam(["daemon", "--no-unix", ...options]);
      expect(code, notes).toBe(ExitCode.failed);
      expect(notes).toContain("taken");
      expect(notes).toContain(remedy);
    }
    taken.close();
  });

  test("receive that is interrupted before its count says so", async () => {
    const interrupt = new AbortController();
    const endless = amalgam(["receive", "i", "--address", address], "", interrupt.signal);
    const counted = amalgam(["receive", "i", "--count", "1", "--address", address], "", interrupt.signal);
    await using watcher = await connect(address, {});
    const group = await watcher.join("i");
    for await (const event of group) if (event.kind === "view" && event.members.length === 3) break;
    interrupt.abort();
    expect((await endless).code).toBe(ExitCode.ok);
    expect((await counted).code).toBe(ExitCode.interrupted);
  });

  test("flood and ping that are interrupted end at once and say so, wherever they are", async () => {
    const flood = [
      "flood",
      "--group",
      "f",
      "--count",
      "99999999",
      "--window",
      "20",
      "-s",
      "safe",
      "--address",
      address,
    ];
    const commandLines = [
      // Most of its time it waits for its own messages.
      flood,
      flood,
      flood,
      flood,
      ["ping", "--group", "f", "--count", "9999", "--interval", "60000", "--address", address],
    ];
    await using watcher = await connect(address, {});
    const group = await watcher.join("f");
    for (const commandLine of commandLines) {
      const interrupt = new AbortController();
      const running = amalgam(commandLine, "", interrupt.signal);
      let messages = 0;
      const enough = commandLine === flood ? 100 : 1;
      for await (const event of group) if (event.kind === "message" && ++messages === enough) break;
      interrupt.abort(new DOMException("interrupted", "AbortError"));
      expect(await running).toMatchObject({ code: ExitCode.interrupted, output: "" });
    }
  });

  test("flood ends at once, and says why, when its daemon was started again without what it had", async () => {
    using own = await takePorts();
    const alone = loopbackConfig(["alone"], { port: own.base });
    const start = () => startDaemon({ config: alone, name: "alone", thread: false, unixSocket: false });
    const first = await start();
    const flooded = amalgam(["flood", "--count", "99999999", "-a", `${own.base}@127.0.0.1`]);
    while ((await first.status()).sessions.messagesOut < 100) await new Promise((resolve) => setTimeout(resolve, 20));
    await first.abort();
    const second = await start();
    expect(await flooded).toEqual({
      code: ExitCode.failed,
      output: "",
      notes: "amalgam: some messages were missed: the daemon was started again, or away for too long",
    });
    await second.stop();
  });

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

  test("timely pings are answered by other members, and what was repaired is told", async () => {
    const alone = await amalgam(["ping", "--quality", "timely", "-a", address]);
    expect(alone.code).toBe(ExitCode.failed);
    expect(alone.notes).toContain("nobody else is in ping-timely");
    const end = new AbortController();
    const echoes = [address, `${PORT + 10}@127.0.0.1`].map((daemon) =>
      amalgam(["ping", "--quality", "timely", "--echo", "-a", daemon], "", end.signal),
    );
    const watch = await connect(address);
    const group = await watch.join("ping-timely", { quality: "timely", sendOnly: true });
    while (group.view?.members.length !== 3) await new Promise((resolve) => setTimeout(resolve, 10));
    await watch.close();
    const { output, code } = await amalgam([
      "ping",
      "--quality",
      "timely",
      "-a",
      address,
      "-c",
      "20",
      "-i",
      "1",
      "--json",
    ]);
    expect(code).toBe(ExitCode.ok);
    const [first, last] = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(first).toMatchObject({ others: 2, answer: "first", count: 20, lost: 0 });
    expect(last).toMatchObject({ answer: "last", count: 20, lost: 0, repaired: { lost: 0 } });
    end.abort();
    await Promise.all(echoes);
  });

  test("members of a timely group get one order, certain or likely, and pings in it are answered once", async () => {
    const ordered = ["--quality", "timely", "--order", "total", "-a"];
    const [near, far] = [address, `${PORT + 10}@127.0.0.1`];
    const lines = amalgam(["receive", "orders", "--count", "40", ...ordered, near]);
    const likely = amalgam(["receive", "orders", "--count", "40", "--optimistic", "--json", ...ordered, far]);
    const watch = await connect(near);
    const group = await watch.join("orders", { quality: "timely", order: "total", sendOnly: true });
    while (group.view?.members.length !== 3) await new Promise((resolve) => setTimeout(resolve, 10));
    const input = (who: string) => Array.from({ length: 20 }, (_, i) => `${who}${i}\n`).join("");
    const sent = await Promise.all([
      amalgam(["send", "orders", ...ordered, near], input("a")),
      amalgam(["send", "orders", ...ordered, far], input("b")),
    ]);
    expect(sent.map(({ code, notes }) => [code, notes])).toEqual([
      [0, ""],
      [0, ""],
    ]);
    const certain = await lines;
    expect(certain.code).toBe(ExitCode.ok);
    expect(certain.output.trim().split("\n").toSorted()).toEqual(
      `${input("a")}${input("b")}`.trim().split("\n").toSorted(),
    );
    // What is left of the likely order, when all that was taken back is.
    let kept: { readonly position: number; readonly text: string }[] = [];
    const shown = await likely;
    for (const line of shown.output.trim().split("\n")) {
      const event = JSON.parse(line) as { kind: string; position: number; text: string };
      if (event.kind === "message") kept.push(event);
      if (event.kind === "rollback") kept = kept.filter(({ position }) => position <= event.position);
    }
    expect(kept.slice(0, 40).map(({ text }) => `${text}\n`)).toEqual(certain.output.match(/.*\n/g));
    await watch.close();

    const end = new AbortController();
    const echo = amalgam(["ping", "--echo", ...ordered, far], "", end.signal);
    const ping = ["ping", "--optimistic", "-c", "5", "-i", "1", "--json", ...ordered, near];
    for (;;) {
      const { code, output } = await amalgam(ping);
      // Until the other one is there.
      if (code === ExitCode.failed && output === "") continue;
      const [, last] = output.trim().split("\n");
      expect(JSON.parse(last ?? "")).toMatchObject({ others: 1, answer: "last", count: 5, lost: 0 });
      break;
    }
    end.abort();
    await echo;
  });

  test("what --order does not go with is a mistake of the command line", async () => {
    const mistakes = [
      [["send", "g", "--message", "x", "--order", "total"], "add --quality timely"],
      [["receive", "g", "--quality", "timely", "--optimistic"], "add --order total"],
      [["receive", "g", "--quality", "timely", "--order", "total", "--optimistic"], "needs --json"],
      [["receive", "g", "--quality", "timely", "--order", "total", "--slow", "drop"], "--slow expel"],
      [["ping", "--order", "total"], "add --quality timely"],
    ] as const;
    for (const [args, remedy] of mistakes) {
      const { code, notes } = await amalgam([...args, "-a", address]);
      expect([code, notes]).toEqual([ExitCode.usage, expect.stringContaining(remedy)]);
    }
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

  test("doctor finds all well, a daemon that is down, and a file that differs", async () => {
    const directory = await mkdtemp(join(tmpdir(), "amalgam-"));
    const examine = async (text: string) => {
      await writeFile(join(directory, "site.conf"), text);
      const { code, output } = await amalgam(["doctor", "-c", join(directory, "site.conf"), "--json"]);
      const findings = JSON.parse(output) as { check: string; verdict: string; message: string; remedy?: string }[];
      return { code, of: (check: string) => findings.find((finding) => finding.check === check) };
    };
    try {
      const text = loopbackConfigText(["a", "b"], { port: PORT });
      const well = await examine(text);
      expect(well.code).toBe(0);
      expect(well.of("configuration seen by b")).toMatchObject({ verdict: "ok", message: "all 2 daemons" });
      expect(well.of("dissemination of a")).toMatchObject({ message: "unicast: the configuration says so" });
      expect(well.of("versions")?.verdict).toBe("ok");

      const down = await examine(loopbackConfigText(["a", "b", "c"], { port: PORT }));
      expect(down.code).toBe(1);
      expect(down.of("daemon c")).toMatchObject({ verdict: "problem", remedy: expect.stringMatching(/--name c/) });
      expect(down.of("configuration of a")?.message).toContain(`it lacks c 127.0.0.1:${PORT + 20}`);

      const other = await examine(`PrimaryPolicy = none\n${text}`);
      expect(other.code).toBe(1);
      expect(other.of("configuration of b")).toMatchObject({
        verdict: "problem",
        message: "it runs with another file than this one: its PrimaryPolicy is majority, here none",
        remedy: expect.stringMatching(/amalgam reload, or give all daemons the same file/),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("sim saves a schedule with its layer, runs it again, and refuses what is none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "amalgam-"));
    const file = join(directory, "schedule.json");
    try {
      const few = ["--seconds", "0.3", "--daemons", "3", "--rate", "50"];
      const saved = await amalgam(["sim", "--seed", "5", ...few, "--save", file, "--json"]);
      expect(JSON.parse(saved.output)).toMatchObject({ seed: 5, layer: "groups", verdict: "passed" });
      const again = await amalgam(["sim", "--schedule", file, "--json"]);
      expect(again.output).toBe(saved.output);
      const both = await amalgam(["sim", "--seed", "4", "--runs", "2", ...few, "--coverage"]);
      expect(both).toMatchObject({ code: 0 });
      expect(both.output).toMatch(/^Daemon membership: \d+ of \d+ reachable cells, none of \d+ fatal ones/m);
      expect(both.output).toMatch(/^Group membership: \d+ of \d+ reachable cells, none of \d+ fatal ones/m);
      const daemons = await amalgam(["sim", "--seed", "5", "--layer", "daemons", ...few, "--json"]);
      expect(JSON.parse(daemons.output)).toMatchObject({ seed: 5, layer: "daemons" });
      const clients = await amalgam(["sim", "--seed", "5", "--layer", "clients", ...few, "--save", file, "--json"]);
      const result: unknown = JSON.parse(clients.output);
      expect(result).toMatchObject({ seed: 5, layer: "clients", verdict: "passed", daemons: 3 });
      expect((await amalgam(["sim", "--schedule", file, "--json"])).output).toBe(clients.output);
      await writeFile(file, "{}");
      expect(await amalgam(["sim", "--schedule", file])).toMatchObject({ code: 4 });
    } finally {
      await rm(directory, { recursive: true });
    }
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
