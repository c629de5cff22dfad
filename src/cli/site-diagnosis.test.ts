import { describe, expect, test } from "vitest";
import { loopbackConfig } from "../daemon/config/index.ts";
import type { DaemonStatus, ProbeStatus, SiteStatus } from "../daemon/status.ts";
import {
  judgeDatagrams,
  judgeDissemination,
  judgeLinks,
  judgeMembers,
  judgeSettings,
  judgeStreams,
  judgeVersions,
} from "./site-diagnosis.ts";

function status(name: string, site: Partial<SiteStatus> = {}, version = "1.0.0"): DaemonStatus {
  const datagrams = { path: "portable", because: "the optional package koffi is not installed" };
  const defaults = {
    datagrams,
    dissemination: "unicast",
    disseminationSetting: "unicast",
    disseminationBecause: "because",
    streams: [],
    probes: [],
    protocolVersion: 2,
  };
  return { name, version, site: { ...defaults, ...site } } as unknown as DaemonStatus;
}

function probe(daemon: string, unicast: number, multicast: number, reached: ProbeStatus["reached"]): ProbeStatus {
  return { daemon, rounds: 15, unicast, multicast, stream: 0, reached, datagrams: "unknown", large: "unknown" };
}

describe("the doctor, on a site", () => {
  test("names releases and versions of datagrams that differ", () => {
    expect(judgeVersions([])).toEqual([]);
    expect(judgeVersions([status("a"), status("b")])).toMatchObject([{ verdict: "ok" }]);
    expect(judgeVersions([status("a"), status("b"), status("c", {}, "1.1.0")])).toMatchObject([
      { verdict: "warning", message: "the daemons are of different releases: 1.0.0 (a, b), 1.1.0 (c)" },
    ]);
    expect(judgeVersions([status("a"), status("b", { protocolVersion: 1 })])).toMatchObject([
      { verdict: "warning", message: "the daemons send datagrams of different versions: 2 (a), 1 (b)" },
    ]);
  });

  test("tells what is missing for a known reason from what is not heard", () => {
    const site = loopbackConfig(["a", "b", "c"]);
    const seen = (name: string, absent: readonly string[], hash = site.hash) => ({
      ...status(name, { hash }),
      configuration: { members: ["a", "b", "c"].filter((other) => !absent.includes(other)), absent, primary: true },
    });
    const judge = (...statuses: unknown[]) =>
      judgeMembers(site, statuses as DaemonStatus[]).map(({ verdict, remedy }) => [verdict, remedy]);
    expect(judge(seen("a", []))).toEqual([["ok", undefined]]);
    expect(judge(seen("a", ["c"]), seen("b", ["c"]))).toEqual([
      ["warning", "c: no answer, see above"],
      ["warning", "c: no answer, see above"],
    ]);
    expect(judge(seen("a", ["c"]), seen("b", ["c"]), seen("c", ["a", "b"], 7))).toEqual([
      ["warning", "c: another file, see above"],
      ["warning", "c: another file, see above"],
      ["warning", "It has another file, see above"],
    ]);
    expect(judge(seen("a", ["b", "c"]), seen("b", ["a", "c"]))).toMatchObject([
      ["problem", expect.stringMatching(/^b and a run and do not hear each other: open the UDP ports/)],
      ["problem", expect.stringMatching(/^a and b run/)],
    ]);
  });

  test("says when the daemons do not agree how to send", () => {
    const site = { ...loopbackConfig(["a", "b"]), dissemination: "tcp" as const };
    const judge = (...settings: SiteStatus["disseminationSetting"][]) =>
      judgeSettings(
        site,
        settings.map((disseminationSetting, i) => status("abc"[i] ?? "", { disseminationSetting })),
      );
    expect(judge("tcp", "tcp")).toMatchObject([{ verdict: "ok", message: "tcp at all daemons" }]);
    expect(judge("tcp", "unicast")).toMatchObject([
      {
        verdict: "problem",
        message: "those with tcp and those without do not hear each other: tcp (a), unicast (b)",
        remedy: expect.stringContaining("by way of auto"),
      },
    ]);
    expect(judge("tcp", "auto")).toMatchObject([
      { verdict: "warning", message: "the daemons differ: tcp (a), auto (b)" },
    ]);
    expect(judge("auto", "auto")).toMatchObject([{ message: "all daemons have auto, this file has tcp" }]);
    expect(
      judgeSettings(site, [status("of an earlier release", { disseminationSetting: undefined as never })]),
    ).toEqual([]);
  });

  test("names streams that are missing, and the port", () => {
    const stream = (daemon: string, isUp: boolean, because?: string) => ({ daemon, isUp, because, waitingBytes: 0 });
    expect(judgeStreams(status("a"))).toEqual([]);
    expect(judgeStreams(status("a", { streams: [stream("b", true)] }))).toMatchObject([
      { verdict: "ok", message: "to b" },
    ]);
    expect(judgeStreams(status("a", { streams: [stream("b", true), stream("c", false, "refused")] }))).toMatchObject([
      { verdict: "problem", message: "there is none to c (refused)", remedy: expect.stringContaining("TCP port") },
    ]);
  });

  test("says which path datagrams take, and what a faster one needs", () => {
    const finding = judgeDatagrams(status("a"));
    expect(finding).toMatchObject({ check: "datagrams of a", verdict: "ok" });
    expect(finding.message).toBe("portable: the optional package koffi is not installed");
    expect(finding.remedy).toContain("npm install koffi");
    const datagrams = { path: "offload", because: "the kernel cuts and joins datagrams" } as const;
    expect(judgeDatagrams(status("a", { datagrams })).remedy).toBeUndefined();
  });

  test("says how each daemon sends and why, and what to do where multicast does not pass", () => {
    expect(judgeDissemination(status("a"))).toMatchObject({ verdict: "ok", message: "unicast: because" });
    const probes = [probe("b", 15, 15, "works"), probe("c", 15, 0, "fails")];
    const fails = judgeDissemination(status("a", { probes }));
    expect(fails).toMatchObject({
      verdict: "warning",
      message: "unicast: because; multicasts from a do not reach c",
    });
    expect(fails.remedy).toMatch(/Between a and c: .*IGMP.*Dissemination = unicast/);
    expect(judgeDissemination(status("a", { probes, dissemination: "multicast" })).verdict).toBe("problem");
  });

  test("finds the direction of a link that loses packets", () => {
    const good = status("a", { probes: [probe("b", 15, 0, "works")] });
    const bad = status("b", { probes: [probe("a", 7, 6, "works")] });
    expect(judgeLinks([good])).toMatchObject([{ verdict: "ok" }]);
    expect(judgeLinks([good, bad])).toMatchObject([
      {
        check: "link from a to b",
        verdict: "problem",
        message: "of the last 15 probes 7 came by unicast and 6 by multicast",
      },
    ]);
    // What is sent by multicast has to come by multicast.
    expect(
      judgeLinks([status("a", { dissemination: "multicast", probes: [probe("b", 15, 3, "works")] })]),
    ).toMatchObject([{ check: "link from b to a", verdict: "problem" }]);
    expect(judgeLinks([status("a", { probes: [{ ...probe("b", 0, 0, "unknown"), rounds: 2 }] })])).toMatchObject([
      { verdict: "ok" },
    ]);
    expect(judgeLinks([status("a")])).toEqual([]);
  });
});
