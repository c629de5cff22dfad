import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { takePorts } from "../../test/e2e/ports.ts";
import { passwordLine } from "../host/passwords.ts";
import { connect, GroupError } from "../index.ts";
import { parseSiteConfig } from "./config/index.ts";
import { type Daemon, startDaemon } from "./start.ts";

const ports = await takePorts();
const PORT = ports.base;
const ADDRESS = `${PORT}@127.0.0.1`;
const LONG = "longer than eight";
const directory = mkdtempSync(join(tmpdir(), "amalgam-daemon-passwords-"));
const path = join(directory, "passwords");
let daemon: Daemon;

function config(settings: string): ReturnType<typeof parseSiteConfig>["site"] {
  return parseSiteConfig(
    `${settings}\nDissemination = unicast\nSpread_Segment 127.0.0.255:${PORT} { d 127.0.0.1:${PORT} }`,
  ).site;
}

beforeAll(async () => {
  writeFileSync(path, `${await passwordLine("ann", "8 bytes!")}\n${await passwordLine("bob", LONG)}\n`);
  const site = config(`AllowedAuthMethods = "PWORD"\nPasswordFile = "${path}"`);
  daemon = await startDaemon({ config: site, thread: false, unixSocket: false });
});

afterAll(async () => {
  await daemon.stop();
  ports[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

async function outcome(protocol: "native" | "spread", user: string, password: string): Promise<string> {
  try {
    const connection = await connect(ADDRESS, { protocol, credentials: { user, password }, reconnect: false });
    const { protocol: spoken } = connection;
    await connection.close();
    return spoken;
  } catch (error) {
    return error instanceof GroupError ? error.code : String(error);
  }
}

test.each(["native", "spread"] as const)(
  "over %s, who knows a password comes in, and nobody else",
  async (protocol) => {
    const tried = [
      ["ann", "8 bytes!"],
      ["ann", "8 bytes?"],
      ["eve", "8 bytes!"],
      ["ann", ""],
    ] as const;
    const outcomes = await Promise.all(tried.map(([user, password]) => outcome(protocol, user, password)));
    expect(outcomes).toEqual([protocol, "REFUSED", "REFUSED", "REFUSED"]);
  },
);

test("a long password is for the native protocol: Spread's would cut it", async () => {
  expect(await outcome("native", "bob", LONG)).toBe("native");
  expect(await outcome("spread", "bob", LONG)).toBe("REFUSED");
  expect(await outcome("spread", "bob", LONG.slice(0, 8))).toBe("REFUSED");
  const long = connect(ADDRESS, { protocol: "spread", credentials: { user: "bob", password: LONG } });
  await expect(long).rejects.toThrow("a password of 1 to 8");
});

test("whoever has no password is told what is asked for", async () => {
  await expect(connect(ADDRESS)).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("PWORD") });
});

test("a new user may connect without a restart", async () => {
  writeFileSync(path, `${await passwordLine("new", "fresh")}\n`);
  expect([await outcome("native", "new", "fresh"), await outcome("native", "ann", "8 bytes!")]).toEqual([
    "native",
    "REFUSED",
  ]);
});

test("a daemon does not start without the file", async () => {
  const site = config(`AllowedAuthMethods = "PWORD"\nPasswordFile = "${join(directory, "none")}"`);
  await expect(startDaemon({ config: site, thread: false, unixSocket: false })).rejects.toMatchObject({
    code: "FILE",
  });
});
