import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takePorts } from "./ports.ts";
import { ensureBuilt } from "./site.ts";
import { until } from "./until.ts";

/* What a command does when what it writes to, or the terminal that it was started from, goes away. */

const AMALGAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const isRoot = process.getuid?.() === 0;
let folder: string;

beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "amalgam-streams-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function hasEnded(child: ChildProcess): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? child.signalCode;
}

describe("a daemon without a terminal", () => {
  it("outlives whoever reads its log, and SIGHUP; SIGTERM ends it", async () => {
    using ports = await takePorts();
    const args = ["daemon", "--port", String(ports.base), "--no-unix"];
    const child = spawn(process.execPath, [AMALGAM, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    // Its first line: what follows is written to nobody.
    await once(child.stderr as NodeJS.ReadableStream, "data");
    child.stderr?.destroy();
    child.kill("SIGHUP");
    const address = `${ports.base}@127.0.0.1`;
    for (let i = 0; i < 3; i++) {
      const { status, stderr } = spawnSync(process.execPath, [AMALGAM, "send", "g", "-m", "x", "--address", address]);
      expect([status, String(stderr)]).toEqual([0, ""]);
    }
    child.kill("SIGTERM");
    expect(await hasEnded(child)).toBe(0);
  });

  it("goes on when the disk of its log is full", async () => {
    using ports = await takePorts();
    const args = ["daemon", "--port", String(ports.base), "--no-unix"];
    const child = spawn(process.execPath, [AMALGAM, ...args], {
      stdio: ["ignore", "ignore", openSync("/dev/full", "w")],
    });
    const address = `${ports.base}@127.0.0.1`;
    await until("it serves", async () => {
      const { status } = spawnSync(process.execPath, [AMALGAM, "monitor", "--once", "--json", "--address", address]);
      return status === 0 || child.exitCode !== null;
    });
    child.kill("SIGTERM");
    expect(await hasEnded(child)).toBe(0);
  });

  it.skipIf(!isRoot)("does not join the others when it cannot become the user that the file names", async () => {
    using ports = await takePorts();
    const [config, log] = [join(folder, "spread.conf"), join(folder, "log")];
    writeFileSync(
      config,
      `Spread_Segment 127.0.0.255:${ports.base} { a 127.0.0.1 }\nDaemonUser = no-such-user\nEventLogFile = ${log}\n`,
    );
    const { status, stderr } = spawnSync(process.execPath, [AMALGAM, "daemon", "--config", config, "--no-unix"]);
    expect([status, String(stderr)]).toEqual([4, expect.stringContaining("cannot become user no-such-user: no such")]);
    expect(readFileSync(log, "utf8")).toBe("");
  });
});

describe("a daemon that becomes another user", () => {
  it.skipIf(!isRoot)(
    "ends as others do where that user may not write to UnixSocketDir, keeps what it has to, and can be started again",
    async () => {
      using ports = await takePorts();
      const open = mkdtempSync(join(tmpdir(), "amalgam-user-"));
      try {
        chmodSync(open, 0o755);
        const config = join(open, "spread.conf");
        const place = `Spread_Segment 127.0.0.255:${ports.base} { a 127.0.0.1 }`;
        writeFileSync(config, `UnixSocketDir = "${open}"\nDaemonUser = nobody\n${place}\n`);
        const state = join(open, "state");
        const daemon = [AMALGAM, "daemon", "--config", config, "--state-dir"];
        for (let start = 0; start < 2; start++) {
          const child = spawn(process.execPath, [...daemon, state], { stdio: "pipe" });
          let said = "";
          child.stderr.on("data", (bytes: Buffer) => {
            said += bytes.toString();
          });
          await until("it runs as that user", () => said.includes("runs as user nobody") || child.exitCode !== null);
          await until(
            "it keeps its epoch",
            () => existsSync(join(state, "a.epoch")) || said.includes("cannot be kept"),
          );
          child.kill("SIGTERM");
          expect([await hasEnded(child), said]).toEqual([0, expect.not.stringMatching(/Error|cannot be kept/)]);
        }
        const closed = join(open, "closed");
        mkdirSync(closed);
        const { status, stderr } = spawnSync(process.execPath, [...daemon, closed]);
        expect([status, String(stderr)]).toEqual([
          4,
          expect.stringContaining(`may not write to the state directory ${closed}`),
        ]);
      } finally {
        rmSync(open, { recursive: true });
      }
    },
  );
});

describe("results", () => {
  it("that cannot be written are an error, and not read is none", async () => {
    const full = spawnSync(process.execPath, [AMALGAM, "help"], {
      stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
    });
    expect([full.status, String(full.stderr)]).toEqual([
      1,
      expect.stringMatching(/^amalgam: the output .* ENOSPC.*\n$/),
    ]);
    const unread = spawnSync("bash", [
      "-c",
      '"$0" "$1" help | true; exit "${PIPESTATUS[0]}"',
      process.execPath,
      AMALGAM,
    ]);
    expect([unread.status, String(unread.stderr)]).toEqual([0, ""]);
  });
});
