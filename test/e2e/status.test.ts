import { createSocket } from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSiteConfig, type SiteConfig } from "../../src/daemon/index.ts";
import { Member } from "./member.ts";
import { type Ports, takePorts } from "./ports.ts";
import { Site } from "./site.ts";
import { until } from "./until.ts";

let site: Site;
let config: SiteConfig;
let http: Ports;
let ann: Member;

beforeAll(async () => {
  http = await takePorts();
  site = await Site.start(["alpha", "beta", "gamma"], { settings: `HttpPort = ${http.base}` });
  config = (await loadSiteConfig(site.configFile)).site;
  ann = await Member.connect(site.address("alpha"), "ann");
  await ann.connection.join("room");
  for (let i = 1; i <= 50; i++) await ann.number("room", "safe");
  await ann.untilText("ann 50 safe");
});

afterAll(async () => {
  await ann.connection.close();
  await site.close();
  http[Symbol.dispose]();
});

function get(daemon: number, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${http.base + daemon}${path}`);
}

/** The samples of a metric page, by name with labels. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** What `spmonitor` sends for a status, made by hand after its capture: 40 bytes, in the byte order of its machine. */
function statusRequest(id: number, replyPort: number, hash: number, little: boolean): Buffer {
  const bytes = Buffer.alloc(40);
  const write = (value: number, at: number): void => {
    if (little) bytes.writeUInt32LE(value, at);
    else bytes.writeUInt32BE(value, at);
  };
  write(little ? 0x81000080 : 0x01000000, 0);
  write(id, 4);
  write(id, 8);
  write(replyPort, 20);
  write(hash, 28);
  return bytes;
}

/** Sends requests to a daemon's port, one behind the other, and gives what has come when the last of them is answered. */
async function ask(daemon: string, requests: (port: number) => readonly Buffer[]): Promise<readonly Buffer[]> {
  const socket = createSocket("udp4");
  try {
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
    const answers: Buffer[] = [];
    socket.on("message", (bytes) => answers.push(bytes));
    for (const request of requests(socket.address().port)) socket.send(request, site.port(daemon), "127.0.0.1");
    await until("an answer comes", () => answers.length > 0);
    return answers;
  } finally {
    socket.close();
  }
}

describe("a running daemon", () => {
  it("is measured, healthy and ready over HTTP, each at a port of its own", async () => {
    for (const daemon of [0, 1, 2]) {
      expect(await (await get(daemon, "/healthz")).text()).toBe("ok\n");
      expect(await (await get(daemon, "/readyz")).text()).toBe("ready\n");
    }
    const metrics = await get(0, "/metrics");
    expect(metrics.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const values = samples(await metrics.text());
    for (const [name, value] of values) expect(value, name).not.toBeNaN();
    const sum = (part: RegExp): number =>
      [...values].filter(([name]) => part.test(name)).reduce((total, [, value]) => total + value, 0);
    expect(sum(/^amalgam_sessions(\{|$)/)).toBe(1);
    expect(sum(/^amalgam_groups(\{|$)/)).toBe(1);
    expect(sum(/^amalgam_configuration_members(\{|$)/)).toBe(3);
    expect(await (await get(0, "/status")).json()).toMatchObject({
      name: "alpha",
      ready: true,
      membershipState: "operational",
      groupsState: "operational",
      configuration: { primary: true, members: ["alpha", "beta", "gamma"], absent: [] },
      groups: { count: 1, memberships: 1, largest: [{ name: "room", members: 1, localMembers: 1 }] },
      sessions: { count: 1, rejected: 0, expelled: 0 },
      site: { dissemination: "unicast" },
    });
    expect((await get(0, "/nothing")).status).toBe(404);
    const post = await fetch(`http://127.0.0.1:${http.base}/metrics`, { method: "POST" });
    expect(post.status).toBe(405);
  });

  it("answers a stock monitor's request for its status, in either byte order", async () => {
    const self = config.daemons[0];
    if (self === undefined) throw new Error("there is no daemon");
    for (const little of [true, false]) {
      const [reply] = await ask("alpha", (port) => [statusRequest(self.id, port, config.spreadHash, little)]);
      if (reply === undefined) throw new Error("no reply came");
      expect(reply.length).toBe(136);
      expect(reply.readUInt32LE(0)).toBe(0x81000080);
      expect(reply.readUInt32LE(8)).toBe(self.id);
      expect(reply.readUInt16LE(32)).toBe(96);
      const word = (n: number): number => reply.readUInt32LE(40 + 4 * n);
      const short = (n: number): number => reply.readInt16LE(40 + 72 + 2 * n);
      // Operational, and so are its groups; itself, the leader of the ring.
      expect([word(1), word(2), word(15), word(16)]).toEqual([1, 1, self.id, self.id]);
      expect(word(17)).toBeGreaterThanOrEqual(50);
      expect(word(14)).toBeGreaterThan(0);
      // Daemons, segments, sessions and groups.
      expect([short(1), short(2), short(7), short(8)]).toEqual([3, 1, 1, 1]);
    }
  });

  it("keeps silent to a monitor with another configuration, or of an unknown daemon, and goes on", async () => {
    const self = config.daemons[0];
    if (self === undefined) throw new Error("there is no daemon");
    // Answers are in the byte order of the daemon and do not tell the requests apart: there is one, to the last.
    const answers = await ask("alpha", (port) => [
      statusRequest(self.id, port, config.spreadHash + 1, true),
      statusRequest(self.id + 1, port, config.spreadHash, true),
      Buffer.from("not a datagram of anybody here, of some length"),
      statusRequest(self.id, port, config.spreadHash, true),
    ]);
    expect(answers).toHaveLength(1);
    expect((await get(0, "/readyz")).status).toBe(200);
  });

  it("says that it is in a minority, and why the others are gone", async () => {
    site.signal("beta", "SIGKILL");
    site.signal("gamma", "SIGKILL");
    await until("it is alone", async () => (await site.status("alpha")).configuration.members.length === 1);
    const status = await (await get(0, "/status")).json();
    expect(status).toMatchObject({ configuration: { primary: false, members: ["alpha"], absent: ["beta", "gamma"] } });
    const view = ann.view("room");
    // The group has lost nobody: its view stands.
    expect(view?.members).toEqual(["#ann#alpha"]);
    await ann.number("room", "safe");
    await ann.untilText("ann 51 safe");
  });
});
