import { describe, expect, test } from "vitest";
import { someRegions } from "../../test/cms/regions-status.ts";
import type { ConfigurationChange, DaemonStatus } from "../daemon/status.ts";
import { monitorView, type Observation } from "./monitor-view.ts";

const id = { leader: 1, time: 100 };

function change(cause: ConfigurationChange["cause"], atMs: number): ConfigurationChange {
  const members = ["alpha", "beta"];
  return {
    atMs,
    id,
    primary: true,
    members,
    joined: [],
    left: ["gamma"],
    cause,
    outageMs: 1_104,
    changeMs: 404,
    attempts: 1,
  };
}

function observed(name: string, changes: readonly ConfigurationChange[], slow = 0): Observation {
  const queue = {
    protocol: "native",
    address: "127.0.0.1",
    groups: 1,
    queuedMessages: slow,
    queuedBytes: 900,
    dropped: 0,
  };
  const status = {
    name,
    ready: true,
    membershipState: "operational",
    uptimeMs: 60_000,
    site: { hash: 1 },
    configuration: { id, primary: true, members: ["alpha", "beta"], absent: ["gamma"], ageMs: 5_000 },
    ring: {
      tokenRoundMs: 0.25,
      idle: false,
      seq: 1_234,
      aru: 1_230,
      safe: 1_220,
      windowPackets: 160,
      personalWindowPackets: 40,
      queuedPackets: 3,
      messagesSent: 10_000,
      messagesDelivered: 20_000,
      bytesReceived: 1_000_000,
      bytesSent: 1_000_000,
      retransmissions: { requested: 0, unicast: 0, segment: 0, multicast: 0 },
    },
    sessions: { count: 2, slowest: slow > 0 ? [{ name: `#slow#${name}`, ...queue }] : [] },
    groups: { count: 1, largest: [{ name: "room", members: 3 }] },
    regions: someRegions(),
    changes,
    faults: {},
  } as unknown as DaemonStatus;
  return { name, address: "4803@127.0.0.1", status, problem: undefined };
}

const cause = (kind: "tokenLoss" | "request"): ConfigurationChange["cause"] => ({
  kind,
  daemon: undefined,
  lateMs: kind === "tokenLoss" ? 700 : undefined,
});
const site: Observation[] = [
  observed("alpha", [change(cause("request"), 1_000)]),
  observed("beta", [change(cause("tokenLoss"), 1_001)], 12),
  { name: "gamma", address: "4823@127.0.0.1", status: undefined, problem: "connect ECONNREFUSED 127.0.0.1:4823" },
];

describe("the monitor's picture", () => {
  test("tells a change once, in the words of who has evidence, and how long nothing was delivered", () => {
    const lines = monitorView(site, []).split("\n");
    expect(lines.filter((line) => line.includes("gamma left"))).toEqual([
      "  00:00:01.001  alpha beta: gamma left: the token did not come for 700 ms; nothing was delivered for 1104 ms; primary",
    ]);
  });

  test("says why a daemon does not answer, and shows the clients that are behind", () => {
    const picture = monitorView(site, []);
    expect(picture).toContain("No answer\n  gamma: connect ECONNREFUSED 127.0.0.1:4823");
    expect(picture).toMatch(/Longest queues of clients\n.*\n {2}#slow#beta +native +127.0.0.1 +12 +900 B +0/);
  });

  test("shows scalable groups as each daemon has them", () => {
    const picture = monitorView(site, []);
    expect(picture).toMatch(/^Regions: 4, with 12 nodes in 5 groups; epoch 3/m);
    expect(picture).toMatch(/^Faults since start\n {2}nodes at alpha: dropsOverrun 2$/m);
    expect(picture).not.toContain("dropsRetired");
    expect(picture).toMatch(/^Nodes by daemon\n.*epoch.*\n {2}alpha +current .*\n {2}beta /m);
  });

  test.each([200, 80, 60, 40])("fits %d columns, and never loses who is there and what is delivered", (width) => {
    const picture = monitorView(site, [], width);
    for (const line of picture.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
    expect(picture).toMatch(/^daemon +state .*delivered\/s/m);
    expect(picture).toMatch(/^gamma +no answer/m);
    expect(picture.replaceAll(/\s+/g, " ")).toContain("nothing was delivered for 1104 ms; primary");
  });
});
