import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Daemon, localConfig, loopbackConfig, parseSiteConfig, startDaemon } from "../../src/daemon/index.ts";
import { Member } from "./member.ts";
import { type Ports, takePorts } from "./ports.ts";
import { RawSpreadClient } from "./raw-spread.ts";
import { ensureBuilt, Site } from "./site.ts";
import { until } from "./until.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
const JOIN = 0x0001_0000;
const LEAVE = 0x0002_0000;
const KILL = 0x0004_0000;
const SAFE = 0x20;
const FIFO = 0x04;

/** Sends a message and says when it has been delivered. */
const CLIENT = `
  const { index, address, served } = require("node:worker_threads").workerData;
  void (async () => {
    const { connect } = await import(index);
    const connection = await connect(address, { name: "cyd" });
    await (await connection.send("talk", "meanwhile", { service: "safe" })).delivered;
    Atomics.store(served, 0, 1);
    Atomics.notify(served, 0);
    await connection.close();
  })();
`;

let site: Site | undefined;
let ports: Ports | undefined;
const members: Member[] = [];
const daemons: Daemon[] = [];

async function member(address: string, name: string, options?: Parameters<typeof Member.connect>[2]): Promise<Member> {
  const one = await Member.connect(address, name, options);
  members.push(one);
  return one;
}

/** Checks that two clients can talk. */
async function talk(a: Member, b: Member): Promise<void> {
  await a.connection.join("talk");
  await b.connection.join("talk");
  await a.send("talk", `of ${a.name}`, { service: "safe" });
  await b.send("talk", `of ${b.name}`, { service: "safe" });
  for (const one of [a, b]) await one.untilText(`of ${b.name}`);
  await b.untilText(`of ${a.name}`);
}

afterEach(async () => {
  await Promise.all(members.splice(0).map(({ connection }) => connection.close()));
  await Promise.all(daemons.splice(0).map((daemon) => daemon.abort()));
  await site?.close();
  ports?.[Symbol.dispose]();
  site = ports = undefined;
});

describe("a daemon's sockets", () => {
  it("take clients over a Unix socket, IPv4 and IPv6, which meet in one group", async () => {
    ensureBuilt();
    ports = await takePorts();
    const port = ports.base;
    // Clients find the Unix socket under the name that Spread has given it.
    daemons.push(await startDaemon({ config: localConfig({ name: "solo", port }), thread: false }));
    expect(existsSync(`/tmp/${port}`)).toBe(true);
    const ann = await member(`${port}`, "ann");
    const bob = await member(`${port}@127.0.0.1`, "bob");
    const old = await member(`${port}`, "old", { protocol: "spread" });
    await talk(ann, bob);
    await old.connection.join("talk");
    const six = hasIpv6 ? await member(`${port}@::1`, "six") : await member(`${port}@localhost`, "six");
    await six.connection.join("talk");
    await six.send("talk", "of all");
    for (const one of [ann, bob, old, six]) await one.untilText("of all");
    expect(ann.view("talk")?.members).toEqual(["#ann#solo", "#bob#solo", "#old#solo", "#six#solo"]);
    const stopped = daemons.splice(0);
    for (const { connection } of members.splice(0)) await connection.close();
    for (const daemon of stopped) await daemon.stop();
    expect(existsSync(`/tmp/${port}`)).toBe(false);
  });

  it("let in by address only whom the access file names", async () => {
    ports = await takePorts();
    site = await Site.start(["solo"]);
    const rules = join(site.folder, "access");
    const start = async (text: string, name: string, port: number): Promise<string> => {
      writeFileSync(rules, text);
      const settings = `AllowedAuthMethods = "IP"\nAccessFile = "${rules}"\nDissemination = unicast`;
      const config = parseSiteConfig(
        `${settings}\nSpread_Segment 127.0.0.255:${port} {\n ${name} 127.0.0.1:${port}\n}\n`,
      );
      const daemon = await startDaemon({ config: config.site, thread: false, unixSocket: false });
      daemons.push(daemon);
      return daemon.address;
    };
    const open = await start("# this host\n127.0.0.0/8\n::1\n", "open", ports.base);
    for (const protocol of ["native", "spread"] as const) {
      const one = await member(open, protocol === "native" ? "ann" : "old", { protocol });
      await one.connection.join("room");
    }
    const shut = await start("10.1.2.0/24\nunix\n", "shut", ports.base + 10);
    for (const protocol of ["native", "spread"] as const) {
      await expect(Member.connect(shut, "eve", { protocol, reconnect: false })).rejects.toMatchObject({
        code: "REFUSED",
      });
    }
    await expect(start("not an address\n", "odd", ports.base + 20)).rejects.toThrow(/access: line 1: "not an address"/);
  });

  it("carry a big-endian Spread client, byte by byte its own, in a group with native ones", async () => {
    site = await Site.start(["alpha", "beta"]);
    const ann = await member(site.address("alpha"), "ann");
    await ann.connection.join("mixed");
    const java = await RawSpreadClient.connect(site.port("beta"), "java");
    expect(java.privateGroup).toBe("#java#beta");
    java.send(JOIN, ["mixed"]);
    await ann.untilMembers("mixed", ["#ann#alpha", "#java#beta"]);
    await until("it has its view", () => java.frames.length === 1);
    expect(java.frames[0]).toMatchObject({ type: 0x1100, sender: "mixed", groups: ["#ann#alpha", "#java#beta"] });
    const body = java.frames[0]?.data as Buffer;
    expect(body.length).toBe(56);
    expect(body.readUInt32LE(12)).toBe(1);
    expect(body.toString("latin1", 24, 34)).toBe("#java#beta");

    java.send(SAFE, ["mixed"], 0x1234, Buffer.from("from java"));
    await ann.untilText("from java");
    expect(ann.delivered[0]?.message).toMatchObject({
      sender: "#java#beta",
      service: "safe",
      type: 0x1234,
      groups: ["mixed"],
      bigEndian: true,
      own: false,
    });
    await ann.connection.send(["mixed", "#java#beta"], "from ann", { service: "agreed", type: 77 });
    await until("both have come", () => java.frames.length === 3);
    expect(java.frames[1]).toMatchObject({
      type: SAFE,
      sender: "#java#beta",
      messageType: 0x1234,
      bigEndianHint: true,
    });
    expect(java.frames[2]).toMatchObject({
      type: 0x10,
      sender: "#ann#alpha",
      groups: ["mixed", "#java#beta"],
      messageType: 77,
      bigEndianHint: false,
    });
    expect(java.frames[2]?.data.toString()).toBe("from ann");

    java.send(FIFO | 0x40, ["mixed"], 0, Buffer.from("no copy for me"));
    java.send(LEAVE, ["mixed"]);
    await ann.untilText("no copy for me");
    expect(await ann.untilMembers("mixed", ["#ann#alpha"])).toMatchObject({ cause: "leave", left: ["#java#beta"] });
    await until("it is told that it has left", () => java.frames.length === 4);
    expect(java.frames[3]).toMatchObject({ type: 0x0200, sender: "mixed", groups: [] });
    java.send(KILL, [java.privateGroup]);
    await until("the daemon closes", () => java.ended);

    // One that forges a view is cut off; nobody sees it.
    const forger = await RawSpreadClient.connect(site.port("beta"), "forger");
    forger.send(0x1100, ["mixed"], 0, Buffer.alloc(56));
    await until("the daemon closes", () => forger.ended);
    await ann.send("mixed", "still here");
    await ann.untilText("still here");
    expect(ann.of("view")).toHaveLength(3);
  });
});

describe("an embedded daemon", () => {
  beforeAll(() => ensureBuilt());

  it("runs in a worker thread and in this one, in one configuration, and a busy loop does not stop the worker", async () => {
    // As a user gets it: the worker's file exists only built.
    const built = (await import(new URL("../../dist/daemon/index.js", import.meta.url).href)) as {
      startDaemon: typeof startDaemon;
    };
    ports = await takePorts();
    const config = loopbackConfig(["worker", "thread"], { port: ports.base });
    const worker = await built.startDaemon({ config, name: "worker", unixSocket: false });
    daemons.push(worker);
    const thread = await startDaemon({ config, name: "thread", thread: false, unixSocket: false });
    daemons.push(thread);
    await until("they are together", async () => {
      const all = await Promise.all([worker.status(), thread.status()]);
      return all.every(({ ready, configuration }) => ready && configuration.members.length === 2);
    });
    await talk(await member(worker.address, "ann"), await member(thread.address, "bob"));
    await thread.stop();
    await thread.closed;
    await until("the worker goes on alone", async () => (await worker.status()).configuration.members.length === 1);
    // This thread does nothing until the daemon has served a client, which has a thread of its own.
    const served = new Int32Array(new SharedArrayBuffer(4));
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = new Worker(CLIENT, {
      eval: true,
      execArgv: [],
      workerData: { index, address: worker.address, served },
    });
    expect(Atomics.wait(served, 0, 0, 60_000)).not.toBe("timed-out");
    await once(program, "exit");
    await worker.stop();
    await worker.closed;
    await expect(worker.status()).rejects.toThrow("the daemon has ended");
  });

  it("says clearly what keeps it from starting", async () => {
    const built = (await import(new URL("../../dist/daemon/index.js", import.meta.url).href)) as {
      startDaemon: typeof startDaemon;
    };
    ports = await takePorts();
    const config = localConfig({ name: "solo", port: ports.base });
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(ports?.base, "127.0.0.1", resolve));
    try {
      for (const thread of [true, false]) {
        const failed = built.startDaemon({ config, thread, unixSocket: false });
        await expect(failed).rejects.toThrow(`listen EADDRINUSE: address already in use 127.0.0.1:${ports.base}`);
      }
    } finally {
      await new Promise((resolve) => blocker.close(resolve));
    }
    // Nothing of the failed starts is left: the ports are free.
    daemons.push(await startDaemon({ config, thread: false, unixSocket: false }));

    site = await Site.start(["alpha"]);
    writeFileSync(site.configFile, "Spread_Segment 127.0.0.255:4803 {\n  alpha 127.0.0.1\n}\nTokenTimout = 5\n");
    await expect(startDaemon({ config: site.configFile })).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringMatching(/spread\.conf:4:1[\s\S]*TokenTimeout/),
    });
    await expect(startDaemon({ config: join(site.folder, "none.conf") })).rejects.toThrow("none.conf");
  });
});
