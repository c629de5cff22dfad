import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { parseSiteConfig } from "../../src/daemon/index.ts";
import type { NodeEvent } from "../../src/daemon/node.ts";
import type { DaemonStatus } from "../../src/daemon/status.ts";
import { type Daemon, startDaemon } from "../../src/daemon/start.ts";
import { type Connection, connect } from "../../src/index.ts";
import { takePorts } from "./ports.ts";
import { RawSpreadClient } from "./raw-spread.ts";
import { sleep, until } from "./until.ts";

/* What directives do is watched from outside: none of these tests looks at what the parser made of them. */

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

type Running = { readonly daemons: readonly Daemon[]; readonly events: NodeEvent[]; readonly first: Daemon };

async function start(settings: string, names: readonly string[] = ["a"]): Promise<Running> {
  const ports = await takePorts();
  open.push(() => ports[Symbol.dispose]());
  const lines = names.map((name, i) => `${name} 127.0.0.1:${ports.base + 2 * i}`).join("\n");
  const config = parseSiteConfig(
    `Dissemination = unicast\n${settings}\nSpread_Segment 127.0.0.255 {\n${lines}\n}`,
  ).site;
  const events: NodeEvent[] = [];
  const onEvent = (event: NodeEvent): number => events.push(event);
  const daemons: Daemon[] = [];
  for (const name of names) {
    const daemon = await startDaemon({ config, name, thread: false, unixSocket: false, onEvent });
    open.push(() => daemon.abort());
    daemons.push(daemon);
  }
  await until("all are together", async () => {
    const statuses = await Promise.all(daemons.map((daemon) => daemon.status()));
    return statuses.every(({ ready, configuration }) => ready && configuration.members.length === names.length);
  });
  return { daemons, events, first: daemons[0] as Daemon };
}

async function member(daemon: Daemon, name: string): Promise<Connection> {
  const connection = await connect(daemon.address, { name, reconnect: false });
  open.push(() => connection.close());
  return connection;
}

const REGULAR_JOIN = 0x10000;

/** A Spread client in group `room` that reads nothing any more. */
async function deafClient(daemon: Daemon): Promise<RawSpreadClient> {
  const client = await RawSpreadClient.connect(daemon.port, "deaf");
  client.send(REGULAR_JOIN, ["room"]);
  await until("the view arrives", () => client.frames.length === 1);
  client.deafen();
  open.push(() => client.destroy());
  return client;
}

/** Sends messages of `bytes` to `room` until the condition holds for the daemon's status. */
async function flood(sender: Connection, bytes: number, daemon: Daemon, isEnough: (status: DaemonStatus) => boolean) {
  const payload = new Uint8Array(bytes);
  let sent = 0;
  await until("enough was sent", async () => {
    for (let i = 0; i < 20; i++, sent++) await sender.send("room", payload);
    return isEnough(await daemon.status());
  });
  return sent;
}

describe("MaxSessionMessages and MaxSessionBytes", () => {
  it("end a Spread client for which more messages wait, and the status shows the queue before", async () => {
    const { first, events } = await start("MaxSessionMessages = 200");
    await deafClient(first);
    const sender = await member(first, "sender");
    await flood(sender, 20_000, first, ({ sessions }) =>
      sessions.slowest.some(({ queuedMessages }) => queuedMessages > 50),
    );
    const { sessions } = await first.status();
    expect(sessions.slowest).toMatchObject([{ name: "#deaf#a", protocol: "spread", address: "127.0.0.1", groups: 1 }]);
    expect(sessions.slowest[0]?.queuedBytes).toBeGreaterThan(50 * 20_000);
    await flood(sender, 20_000, first, (status) => status.sessions.expelled === 1);
    const endings = events.flatMap((event) =>
      event.kind === "session" && event.event.kind === "ending" ? [event.event] : [],
    );
    expect(endings).toMatchObject([{ privateGroup: "#deaf#a", reason: "slow" }]);
    expect((await first.status()).sessions.slowest).toEqual([]);
  });

  it("end a client for which more bytes wait, though they are few messages", async () => {
    const { first } = await start("MaxSessionBytes = 1000000");
    await deafClient(first);
    const sender = await member(first, "sender");
    let most = 0;
    await flood(sender, 100_000, first, ({ sessions }) => {
      most = Math.max(most, sessions.slowest[0]?.queuedMessages ?? 0);
      return sessions.expelled === 1;
    });
    expect(most).toBeLessThan(20);
  });
});

describe("Window, PersonalWindow, AcceleratedRing and AcceleratedWindow", () => {
  it("bound what one daemon sends per rotation", async () => {
    const { first } = await start("Window = 12 PersonalWindow = 3", ["a", "b"]);
    const sender = await member(first, "sender");
    const group = await sender.join("room");
    const before = (await first.status()).ring;
    const receipts = await Promise.all(Array.from({ length: 300 }, () => group.send(new Uint8Array(1_300))));
    await Promise.all(receipts.map(({ delivered }) => delivered));
    const { ring, site } = await first.status();
    expect(ring).toMatchObject({ windowPackets: 12, personalWindowPackets: 3 });
    // And the visit of the token that rested there, which has come round before.
    const rounds = ring.tokenRounds - before.tokenRounds + 1;
    // Packets of full size: of those that hold a view only there may be more.
    expect(ring.bytesSent - before.bytesSent).toBeLessThanOrEqual(3 * rounds * site.datagramBytes);
    expect(ring.bytesSent - before.bytesSent).toBeGreaterThan(300 * 1_300);
  });

  it("leave the accelerated ring for the normal one, by 0 as well as by false", async () => {
    for (const settings of ["AcceleratedWindow = 0", "AcceleratedRing = false"]) {
      const { first } = await start(settings, ["a", "b"]);
      expect((await first.status()).ring).toMatchObject({ strategy: "original", acceleratedPackets: 0 });
    }
    const { first } = await start("AcceleratedWindow = 7", ["a", "b"]);
    expect((await first.status()).ring).toMatchObject({ strategy: "accelerated", acceleratedPackets: 7 });
  });
});

describe("timeouts", () => {
  it("of the fast profile leave an idle ring alone: its token goes round often enough", async () => {
    const { daemons } = await start("TimeoutProfile = fast", ["a", "b", "c"]);
    const counts = async () => Promise.all(daemons.map(async (daemon) => (await daemon.status()).changeCount));
    // A token that is given up within 200 ms and does not come would end the configuration in every second, not only in one in
    // which the machine has no time for it.
    await until("a second has passed without a new configuration", async () => {
      const before = await counts();
      await sleep(1_000);
      return isDeepStrictEqual(await counts(), before);
    });
  });

  it("given one by one decide how soon a death is noticed", async () => {
    const nine =
      "TokenTimeout = 120 HurryTimeout = 30 AliveTimeout = 10 JoinTimeout = 10 RepTimeout = 60 SegTimeout = 30 GatherTimeout = 50 FormTimeout = 80 LookupTimeout = 500";
    const { daemons, first } = await start(nine, ["a", "b"]);
    await daemons[1]?.abort();
    await until("the death is noticed", async () => (await first.status()).configuration.members.length === 1);
    const [change] = (await first.status()).changes;
    expect(change).toMatchObject({ cause: { kind: "tokenLoss" }, left: ["b"] });
    expect(change?.cause.lateMs).toBeGreaterThanOrEqual(120);
    expect(change?.outageMs).toBeGreaterThanOrEqual(120);
  });
});

describe("DatagramBytes and PayloadLimit", () => {
  it("make larger packets, and refuse longer messages", async () => {
    const counts: number[] = [];
    for (const datagram of [1_400, 8_900]) {
      const { first } = await start(`DatagramBytes = ${datagram} PayloadLimit = 100000`, ["a", "b"]);
      const sender = await member(first, "sender");
      const group = await sender.join("room");
      const before = (await first.status()).ring.packetsSent;
      await (await group.send(new Uint8Array(90_000))).delivered;
      counts.push((await first.status()).ring.packetsSent - before);
      await expect(group.send(new Uint8Array(100_001))).rejects.toMatchObject({ code: "TOO_LARGE" });
    }
    expect(counts[0]).toBeGreaterThanOrEqual(64);
    expect(counts[1]).toBeLessThan(15);
  });
});

describe("AllowedAuthMethods, RequiredAuthMethods and AccessFile", () => {
  async function withAccess(rules: string, settings: string): Promise<Running> {
    const directory = mkdtempSync(join(tmpdir(), "amalgam-"));
    open.push(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "access"), rules);
    return start(`AccessFile = "${join(directory, "access")}" ${settings}`);
  }

  it("let in whose address the file names, and nobody else", async () => {
    const good = await withAccess("127.0.0.0/8\n", 'AllowedAuthMethods = "IP"');
    await member(good.first, "ann");
    const bad = await withAccess("10.1.2.3\n", 'AllowedAuthMethods = "NULL" RequiredAuthMethods = "IP"');
    await expect(member(bad.first, "ann")).rejects.toMatchObject({ code: "REFUSED" });
    expect((await bad.first.status()).sessions.rejected).toBeGreaterThan(0);
    const told = bad.events.flatMap((event) => (event.kind === "session" ? [event.event] : []));
    expect(told).toContainEqual(expect.objectContaining({ kind: "rejected", from: "127.0.0.1" }));
    const welcome = good.events.flatMap((event) => (event.kind === "session" ? [event.event] : []));
    expect(welcome).toContainEqual(expect.objectContaining({ kind: "accepted", from: "127.0.0.1" }));
  });

  it("say which file is missing or wrong", async () => {
    await expect(start('AccessFile = "/nowhere/access" AllowedAuthMethods = "IP"')).rejects.toThrow(/AccessFile/);
    await expect(withAccess("nonsense\n", 'AllowedAuthMethods = "IP"')).rejects.toThrow(/access.*nonsense/s);
  });
});

describe("MaxSessions", () => {
  it("refuses the client that is one too many", async () => {
    const { first } = await start("MaxSessions = 2");
    await member(first, "one");
    await member(first, "two");
    await expect(member(first, "three")).rejects.toMatchObject({ code: expect.stringMatching(/REFUSED|UNREACHABLE/) });
    expect((await first.status()).sessions).toMatchObject({ count: 2, limit: 2 });
  });
});

describe("interfaces of a daemon", () => {
  it("are where it listens for clients, and nowhere else", async () => {
    const ports = await takePorts();
    open.push(() => ports[Symbol.dispose]());
    const text = `Spread_Segment 127.0.0.255:${ports.base} { a 127.0.0.1 { C 127.0.0.5 D 127.0.0.1 } }`;
    const daemon = await startDaemon({ config: parseSiteConfig(text).site, thread: false, unixSocket: false });
    open.push(() => daemon.abort());
    const answers = (host: string) =>
      new Promise<boolean>((resolve) => {
        const socket = connectTcp(ports.base, host, () => resolve(true));
        socket.on("error", () => resolve(false));
        open.push(() => socket.destroy());
      });
    expect([await answers("127.0.0.5"), await answers("127.0.0.1")]).toEqual([true, false]);
  });
});
