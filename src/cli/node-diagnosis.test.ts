import { expect, test } from "vitest";
import { someRegions } from "../../test/cms/regions-status.ts";
import type { NodeStatus, RegionsStatus } from "../daemon/regions-status.ts";
import type { DaemonStatus } from "../daemon/status.ts";
import type { NodeFigures } from "../wire/native/node-statistics.ts";
import { firstAddress, judgeNodeMtu, judgeNodes, judgePool } from "./node-diagnosis.ts";

const calm: Partial<RegionsStatus> = { absent: [], served: { ...someRegions().served, late: 0, lateMs: 0 } };

function judged(regions: Partial<RegionsStatus>, primary = true): [string, string, string][] {
  const status = {
    name: "alpha",
    configuration: { primary },
    regions: someRegions(regions),
  } as unknown as DaemonStatus;
  return judgeNodes([status]).map(({ check, verdict, message }) => [check, verdict, message]);
}

function nodes(count: number, figures: Partial<NodeFigures>): Partial<RegionsStatus> {
  const [node] = someRegions().busiest as [NodeStatus];
  const of = { ...node.figures, ...figures } as NodeFigures;
  return {
    ...calm,
    busiest: Array.from({ length: count }, (_, i) => ({ ...node, name: `#n${i}#alpha`, figures: of })),
  };
}

test("nodes that follow and got what they need are well", () => {
  expect(judged(calm)).toEqual([
    ["nodes at alpha", "ok", "2, 2 of which report"],
    ["receive buffers of nodes", "ok", "at least 4.2 MB"],
  ]);
});

test("nodes that do not follow the changes of memberships, and those without a session, are told", () => {
  const served = { ...someRegions().served, late: 1, lateMs: 7_000 };
  expect(judged({ ...calm, served })[0]).toEqual([
    "nodes at alpha",
    "warning",
    "2, 2 of which report; 1 owe the report of a change, the slowest for 7000 ms: views that others left do not end before",
  ]);
  const absent = [{ name: "#eve#alpha", failsInMs: 6_500 }];
  expect(judged({ ...calm, absent })[0]?.[2]).toContain("without a session: #eve#alpha (fails in 6500 ms)");
});

test("a membership service that is suspended is a problem only in a primary configuration", () => {
  expect(judged({ ...calm, suspended: true }, false)[1]?.slice(1)).toEqual([
    "warning",
    "suspended: not in a primary configuration",
  ]);
  expect(judged({ ...calm, suspended: true }, true)[1]?.slice(1)).toEqual([
    "problem",
    "suspended in a primary configuration: the epoch could not begin",
  ]);
});

test("small buffers, late loops, overrun and foreign datagrams are told with the names of the nodes", () => {
  const verdicts = judged(
    nodes(7, { receiveBufferBytes: 212_992, loopDelayUs: 80_000, dropsOverrun: 1, dropsUnsent: 1, dropsCluster: 1 }),
  );
  expect(verdicts.map(([check, verdict]) => [check, verdict])).toEqual([
    ["nodes at alpha", "ok"],
    ["receive buffers of nodes", "warning"],
    ["event loops of nodes", "warning"],
    ["datagrams that nodes did not get to", "warning"],
    ["datagrams that nodes could not send", "warning"],
    ["foreign datagrams at nodes", "warning"],
  ]);
  expect(verdicts[1]?.[2]).toMatch(
    /^#n0#alpha, #n1#alpha, #n2#alpha, #n3#alpha, #n4#alpha and 2 more got as little as 213 kB/,
  );
  expect(verdicts[2]?.[2]).toContain("up to 80.00 ms late");
});

test("nothing is said of nodes where there are none", () => {
  const served = { ...someRegions().served, count: 0 };
  expect(judged({ served, nodes: 0 })).toEqual([]);
});

test("an MTU that is too small for nodes, and a pool that cannot be heard, come with what to do", () => {
  expect(judgeNodeMtu("eth0", 1_500)).toEqual([]);
  expect(judgeNodeMtu("tun0", 1_280)[0]).toMatchObject({
    verdict: "warning",
    remedy: "Raise the MTU to 1428 or more on all hosts",
  });
  expect(firstAddress({ base: 0xefc1_0000, size: 65_536, port: 4_805, ttl: 1 })).toBe("239.193.0.0");
  expect(judgePool("239.193.0.0", 4_805, true, undefined).verdict).toBe("ok");
  expect(judgePool("239.193.0.0", 4_805, false, "ENETUNREACH")).toMatchObject({
    verdict: "warning",
    message: "ENETUNREACH: nodes on this host do not hear multicasts",
    remedy: expect.stringContaining("allow UDP port 4805"),
  });
});
