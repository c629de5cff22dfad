import { describe, expect, test } from "vitest";
import { someRegions } from "../../test/cms/regions-status.ts";
import { encodeMonitorRequest, decodeMonitorStatus, type MonitorRequest } from "../wire/spread/monitor.ts";
import { loopbackConfig, parseSiteConfig } from "./config/index.ts";
import { serveHttp } from "./http.ts";
import { metricsText } from "./metrics.ts";
import { monitorAction } from "./monitor-endpoint.ts";
import { type ConfigurationChange, type DaemonStatus, describeChange } from "./status.ts";

const site = loopbackConfig(["a", "b", "c"]);

const change: ConfigurationChange = {
  atMs: 1_700_000_000_000,
  id: { leader: site.daemons[0]?.id ?? 0, time: 1_700_000_000 },
  primary: true,
  members: ["a", "b"],
  joined: [],
  left: ["c"],
  cause: { kind: "tokenLoss", daemon: "c", lateMs: 702 },
  outageMs: 1_204,
  changeMs: 502,
  attempts: 1,
};

const status: DaemonStatus = {
  version: "0.1.0",
  name: 'a"b\\c',
  id: site.daemons[0]?.id ?? 0,
  pid: 4_242,
  atMs: 1_700_000_060_000,
  uptimeMs: 90_500,
  ready: true,
  membershipState: "operational",
  groupsState: "operational",
  site: {
    hash: site.hash,
    agreement: site.agreement,
    generation: 0,
    spreadHash: site.spreadHash,
    segments: 1,
    dissemination: "unicast",
    disseminationSetting: "unicast",
    streams: [{ daemon: "b", isUp: true, because: undefined, waitingBytes: 77 }],
    datagramBytesBecause: "the configuration says so",
    streamTraffic: { bytesSent: 5_000, packetsDropped: 3 },
    disseminationBecause: "the configuration says so",
    probes: [],
    payloadBytesMax: 16_777_216,
    primaryPolicy: "majority",
    protocolVersion: 1,
    datagramBytes: 1_400,
    receiveBufferBytes: 425_984,
    datagrams: { path: "portable", because: "AMALGAM_DATAGRAMS says so" },
    daemons: site.daemons.map(({ name, id, address, port }) => ({ name, id, address, port })),
  },
  configuration: { id: change.id, primary: true, members: ["a", "b"], absent: ["c"], ageMs: 60_000 },
  ring: {
    strategy: "accelerated",
    tokenRounds: 1_000,
    tokenRoundMs: 0.25,
    tokenRoundMaxMs: 1.5,
    tokensResent: 3,
    idle: false,
    seq: 120,
    aru: 110,
    safe: 100,
    windowPackets: 160,
    personalWindowPackets: 20,
    acceleratedPackets: 15,
    queuedPackets: 7,
    packetsSent: 60,
    packetsReceived: 61,
    bytesSent: 84_000,
    bytesReceived: 85_000,
    messagesSent: 600,
    messagesDelivered: 1_200,
    retransmissions: { requested: 5, unicast: 1, segment: 2, multicast: 4, duplicates: 6 },
  },
  groups: { count: 2, memberships: 5, largest: [{ name: "g", members: 3, localMembers: 1 }] },
  regions: someRegions(),
  sessions: {
    count: 1,
    limit: 4_000,
    detached: 0,
    rejected: 2,
    expelled: 0,
    messagesIn: 600,
    messagesOut: 1_200,
    bytesIn: 1,
    bytesOut: 2,
    slowest: [
      { name: "#u#a", protocol: "native", address: "unix", groups: 1, queuedMessages: 9, queuedBytes: 900, dropped: 0 },
    ],
  },
  changeCount: 2,
  changes: [change],
  faults: { malformedDatagram: 4 },
};

describe("metrics", () => {
  const text = metricsText(status);

  test("follow the exposition format line by line", () => {
    const sample = /^amalgam_[a-z_]+(\{[a-z_]+="([^"\\\n]|\\.)*"(,[a-z_]+="([^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+$/;
    const comment = /^# (HELP amalgam_[a-z_]+ .+|TYPE amalgam_[a-z_]+ (gauge|counter|histogram))$/;
    expect(text.endsWith("\n")).toBe(true);
    for (const line of text.trimEnd().split("\n")) expect(line).toMatch(line.startsWith("#") ? comment : sample);
  });

  test("name each metric once, and counters by _total", () => {
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      (match) => [match[1] ?? "", match[2] ?? ""] as const,
    );
    expect(new Set(types.map(([name]) => name)).size).toBe(types.length);
    for (const [name, type] of types) expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
  });

  test("report what the status says", () => {
    const lines = text.split("\n");
    expect(lines).toContain('amalgam_info{version="0.1.0",daemon="a\\"b\\\\c",dissemination="unicast"} 1');
    expect(lines).toContain('amalgam_membership_state{state="operational"} 1');
    expect(lines).toContain('amalgam_membership_state{state="form"} 0');
    expect(lines).toContain("amalgam_configuration_last_outage_seconds 1.204");
    expect(lines).toContain("amalgam_configuration_last_change_seconds 0.502");
    expect(lines).toContain("amalgam_sessions_longest_queue_messages 9");
    expect(lines).toContain("amalgam_streams_up 1");
    expect(lines).toContain("amalgam_streams_wanted 1");
    expect(lines).toContain("amalgam_streams_longest_queue_bytes 77");
    expect(lines).toContain("amalgam_streams_sent_bytes_total 5000");
    expect(lines).toContain("amalgam_streams_dropped_packets_total 3");
    expect(lines).toContain("amalgam_sessions_longest_queue_bytes 900");
    expect(lines).toContain("amalgam_regions_nodes 12");
    expect(lines).toContain("amalgam_regions_suspended 0");
    expect(lines).toContain('amalgam_regions_failures_total{cause="absent"} 1');
    expect(lines).toContain("amalgam_nodes_late_seconds 2.5");
    expect(lines).toContain("amalgam_nodes_token_round_max_seconds 0.012345");
    expect(lines).toContain('amalgam_nodes_messages_total{event="sent"} 1000');
    expect(lines).toContain('amalgam_nodes_drops_total{reason="retired"} 6');
    expect(lines).toContain("amalgam_ring_unstable_packets 20");
    expect(lines).toContain('amalgam_ring_retransmissions_total{kind="multicast"} 4');
    expect(lines).toContain('amalgam_faults_total{kind="malformedDatagram"} 4');
  });
});

describe("a change explains itself", () => {
  test("with who, why, how late and for how long", () => {
    expect(describeChange(change)).toBe(
      "c left: the token did not come for 702 ms, last passed on to c; nothing was delivered for 1204 ms; primary",
    );
    expect(describeChange({ ...change, attempts: 3 })).toContain("for 1204 ms; 3 attempts; primary");
    const started = {
      ...change,
      left: [],
      joined: ["a"],
      cause: { kind: "start", daemon: undefined, lateMs: undefined },
    } as const;
    expect(describeChange({ ...started, primary: false })).toBe("a joined: this daemon started; not primary");
  });
});

describe("HTTP endpoints", () => {
  test("answer metrics, health, readiness and status, and nothing else", async () => {
    let ready = true;
    let suspended = false;
    const regions = () => ({ ...status.regions, suspended });
    await using http = await serveHttp({
      address: "127.0.0.1",
      port: 0,
      status: (whole) => ({ ...status, ready, regions: regions(), changeCount: whole ? 77 : status.changeCount }),
    });
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(`http://127.0.0.1:${http.port}${path}`, init);
      return { code: response.status, type: response.headers.get("content-type"), body: await response.text() };
    };
    expect(await get("/metrics")).toEqual({
      code: 200,
      type: "text/plain; version=0.0.4; charset=utf-8",
      body: metricsText(status),
    });
    expect(await get("/healthz?probe=1")).toMatchObject({ code: 200, body: "ok\n" });
    expect(await get("/readyz")).toMatchObject({ code: 200, body: "ready\n" });
    expect(JSON.parse((await get("/status")).body)).toEqual(status);
    expect(JSON.parse((await get("/status?all")).body)).toMatchObject({ changeCount: 77 });
    // Who only uses ordered groups is served all the same.
    suspended = true;
    expect(await get("/readyz")).toMatchObject({
      code: 200,
      body: "ready\nmemberships of scalable groups are suspended: the epoch has not begun\n",
    });
    expect(await get("/other")).toMatchObject({ code: 404 });
    expect(await get("/status", { method: "POST" })).toMatchObject({ code: 405 });
    ready = false;
    expect(await get("/readyz")).toMatchObject({
      code: 503,
      body: "not ready: membership operational, groups operational\n",
    });
  });

  test("say so when there is no status", async () => {
    await using http = await serveHttp({
      address: "127.0.0.1",
      port: 0,
      status: () => Promise.reject(new Error("the daemon's thread has ended")),
    });
    const response = await fetch(`http://127.0.0.1:${http.port}/healthz`);
    expect([response.status, await response.text()]).toEqual([
      503,
      "no status: Error: the daemon's thread has ended\n",
    ]);
  });
});

describe("a monitor's datagram", () => {
  const [a, b] = site.daemons;
  const self = a?.id ?? 0;
  const header = { transmitter: self, target: b?.id ?? 0, replyPort: 6_543, configHash: site.spreadHash };
  const decide = (request: MonitorRequest, from = "127.0.0.1", at = site) =>
    monitorAction(encodeMonitorRequest(request), from, at, self, () => status);
  const components = new Int16Array(128);

  test("is answered at the address of the daemon it names", () => {
    const action = decide({ kind: "status", ...header });
    expect(action).toMatchObject({ kind: "reply", address: "127.0.0.1", port: 6_543 });
    const reply = action.kind === "reply" ? decodeMonitorStatus(action.bytes) : undefined;
    expect(reply?.status).toMatchObject({
      myId: self,
      retransmissions: 7,
      membershipChanges: 2,
      state: 1,
      uptimeSeconds: 90,
    });
  });

  test.each([
    ["another configuration", { ...header, configHash: 1 }, "127.0.0.1", /another configuration/],
    ["an unknown daemon", { ...header, transmitter: 1 }, "127.0.0.1", /not configured/],
    ["another host", header, "127.0.0.9", /which is at 127.0.0.1/],
  ])("of %s is ignored", (_, changed, from, reason) => {
    const action = decide({ kind: "status", ...changed }, from);
    expect(action.kind === "ignore" && action.reason).toMatch(reason);
  });

  test("may split the network and change windows only where the file allows it", () => {
    const split: MonitorRequest = { kind: "partition", ...header, components };
    const windows: MonitorRequest = {
      kind: "flowControl",
      ...header,
      personal: Int16Array.from({ length: 128 }, (_, i) => (i === 0 ? 15 : i === 3 ? 60 : -1)),
      accelerated: components,
    };
    expect(decide(split)).toMatchObject({ kind: "ignore" });
    expect(decide(windows)).toMatchObject({ kind: "ignore" });
    const dangerous = { ...site, dangerousMonitor: true };
    expect(decide(split, "127.0.0.1", dangerous)).toMatchObject({ kind: "partition", exit: false, durationMs: 60_000 });
    const kill: MonitorRequest = { ...split, components: Int16Array.from({ length: 128 }, () => -1) };
    expect(decide(kill, "127.0.0.1", dangerous)).toMatchObject({ kind: "partition", exit: true });
    expect(decide(windows, "127.0.0.1", dangerous)).toEqual({
      kind: "flowControl",
      global: 60,
      personal: 15,
      accelerated: 0,
    });
    expect(decide({ kind: "reload", ...header })).toEqual({ kind: "reload" });
  });

  test("of arbitrary bytes is ignored", () => {
    expect(monitorAction(new Uint8Array(40), "127.0.0.1", site, self, () => status)).toMatchObject({ kind: "ignore" });
    expect(
      parseSiteConfig("DangerousMonitor = yes Spread_Segment 127.0.0.255 { a 127.0.0.1 }").site.dangerousMonitor,
    ).toBe(true);
  });
});
