import { describe, expect, test } from "vitest";
import { someRegions } from "../../test/cms/regions-status.ts";
import { loopbackConfig, parseSiteConfig } from "../daemon/config/index.ts";
import { chooseDaemon, withHttpPort } from "../daemon/config/site.ts";
import type { NodeEvent } from "../daemon/index.ts";
import { DaemonLog, logEntryOf, type LogLevel } from "./daemon-log.ts";

const site = loopbackConfig(["a", "b"]);
const [a, b] = site.daemons;

function logged(
  events: readonly (readonly [NodeEvent, number])[],
  options: { json: boolean; level: LogLevel },
): string[] {
  const lines: string[] = [];
  const log = new DaemonLog({ ...options, write: (line) => lines.push(line), style: (_, text) => text });
  for (const [event, at] of events) {
    const entry = logEntryOf(event, site);
    if (entry !== undefined) log.add(entry, at);
  }
  return lines;
}

const change: NodeEvent = {
  kind: "configuration",
  change: {
    atMs: 0,
    id: { leader: 1, time: 1 },
    primary: false,
    members: ["a"],
    joined: [],
    left: ["b"],
    cause: { kind: "leave", daemon: "b", lateMs: undefined },
    outageMs: 12,
    changeMs: 5,
    attempts: 1,
  },
};
const mismatch = (repeated: number): NodeEvent => ({
  kind: "membership",
  event: { kind: "configMismatch", daemon: b?.id ?? 0, hash: 7 },
  repeated,
});
const refused: NodeEvent = {
  kind: "session",
  event: { kind: "rejected", connection: 1, from: "10.0.0.9", code: -6, why: "not unique" },
};

describe("a daemon's log", () => {
  test("says who left and why, and warns where the configuration is not whole", () => {
    expect(logged([[change, 0]], { json: false, level: "info" })).toEqual([
      "00:00:00.000 warning configuration of 1 of 2 daemons: a (b left: b said that it leaves; nothing was delivered for 12 ms; not primary)",
    ]);
  });

  test("names the nodes that failed, and tells what else changes in regions only to who wants to know all", () => {
    const { changes } = someRegions();
    const failure: NodeEvent = { kind: "regions", change: changes[0] as (typeof changes)[number] };
    const epoch: NodeEvent = { kind: "regions", change: { kind: "epoch", atMs: 0, epoch: 7, anew: true } };
    expect(
      logged(
        [
          [failure, 0],
          [epoch, 0],
        ],
        { json: false, level: "info" },
      ),
    ).toEqual([
      expect.stringMatching(/info +nodes: .* joined; #eve#beta failed \(session ended\); regions: 1 new, 2 changed$/),
    ]);
    expect(logged([[epoch, 0]], { json: false, level: "debug" })).toEqual([
      "00:00:00.000 debug   nodes: epoch 7 begins anew: nobody here knows what the last one had, all nodes come back as new ones",
    ]);
  });

  test("warns of what the daemon goes on without", () => {
    const trouble: NodeEvent = { kind: "trouble", about: "state", message: "nothing can be kept" };
    const [line] = logged([[trouble, 0]], { json: true, level: "warning" });
    expect(JSON.parse(line ?? "")).toMatchObject({
      level: "warning",
      event: "trouble.state",
      message: "nothing can be kept",
    });
  });

  test("is JSON line by line where machines read it", () => {
    const [line] = logged([[mismatch(812), 1_000]], { json: true, level: "info" });
    expect(JSON.parse(line ?? "")).toEqual({
      time: "1970-01-01T00:00:01.000Z",
      level: "warning",
      event: "configMismatch",
      message:
        "b runs with another configuration file, and is ignored: give both the same file and restart the one that differs; amalgam doctor shows the difference (812 more datagrams since this was said last)",
      daemon: "b",
      hash: 7,
      repeated: 812,
    });
  });

  test("repeats a warning only after ten seconds, and says how often it was given", () => {
    const times = [0, 1, 9_999, 10_000, 10_001].map((at) => [refused, at] as const);
    expect(logged(times, { json: false, level: "info" })).toEqual([
      "00:00:00.000 warning a client at 10.0.0.9 was refused: not unique",
      "00:00:10.000 warning a client at 10.0.0.9 was refused: not unique (and 2 times more)",
    ]);
  });

  test("keeps the states of membership for those who debug: a leader looks for absent daemons all the time", () => {
    const state: NodeEvent = {
      kind: "membership",
      event: { kind: "state", from: "operational", to: "gather" },
      repeated: 0,
    };
    expect(logged([[state, 0]], { json: false, level: "info" })).toEqual([]);
    expect(logged([[state, 0]], { json: false, level: "debug" })).toHaveLength(1);
  });

  test("says what monitors asked for and what became of it", () => {
    const reload: NodeEvent = { kind: "monitor", request: "reload", message: "a monitor asks; restart the daemon" };
    expect(logged([[reload, 0]], { json: false, level: "info" })).toEqual([
      "00:00:00.000 info    a monitor asks; restart the daemon",
    ]);
  });

  test("leaves out what is below its level", () => {
    const accepted: NodeEvent = {
      kind: "session",
      event: { kind: "accepted", connection: 1, from: "unix", session: 1, privateGroup: "#u#a", protocol: "native" },
    };
    const slow: NodeEvent = {
      kind: "session",
      event: {
        kind: "ending",
        session: 1,
        privateGroup: "#u#a",
        reason: "slow",
        why: "it does not\x1b read",
        wasDetached: false,
      },
    };
    expect(
      logged(
        [
          [accepted, 0],
          [slow, 0],
        ],
        { json: false, level: "info" },
      ),
    ).toEqual(["00:00:00.000 warning #u#a ended: it does not\\x1b read"]);
    expect(logged([[accepted, 0]], { json: false, level: "debug" })).toHaveLength(1);
  });
});

describe("which daemon of a file to run", () => {
  const hosts = parseSiteConfig("Spread_Segment 10.0.0.255 { x 10.0.0.1 y 10.0.0.2 }").site;

  test("follows from the host's address, or from a name", () => {
    expect(chooseDaemon(hosts, undefined, (address) => address === "10.0.0.2")).toBe(hosts.daemons[1]);
    expect(chooseDaemon(hosts, "x", () => false)).toBe(hosts.daemons[0]);
  });

  test("cannot be guessed where there are none or several", () => {
    expect(chooseDaemon(hosts, undefined, () => false)).toBe(
      "no daemon of the configuration has an address of this host; it has x (10.0.0.1), y (10.0.0.2)",
    );
    expect(chooseDaemon(site, undefined, () => true)).toContain("several daemons");
    expect(chooseDaemon(site, "z", () => true)).toContain('no daemon "z"');
  });

  test("may get its own port for HTTP", () => {
    const changed = withHttpPort(site, "b", 9_900);
    expect(changed.daemons.map(({ httpPort }) => httpPort)).toEqual([undefined, 9_900]);
    expect(changed.http).toEqual({ address: "127.0.0.1", port: 9_900 });
    expect(changed.hash).toBe(site.hash);
    expect(withHttpPort(changed, "b", 0)).toEqual(site);
    expect(a?.httpPort).toBeUndefined();
  });
});
