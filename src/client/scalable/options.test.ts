import { expect, test } from "vitest";
import { type NodeOptions, nodeSetup, nodeSettings } from "./options.ts";

test("a wrong option is named", () => {
  const wrong: readonly [NodeOptions, string][] = [
    [{ host: "my host" }, "node.host"],
    [{ host: "0.0.0.0" }, "node.host"],
    [{ host: "::" }, "node.host"],
    [{ port: 65_534 }, "node.port"],
    [{ dissemination: "broadcast" as "auto" }, "node.dissemination"],
    [{ delivery: "sometime" as "fifo" }, "node.delivery"],
    [{ classes: "four" as "two" }, "node.classes"],
    [{ datagramBytes: 100 }, "node.datagramBytes"],
    [{ datagramBytes: 1_400.5 }, "node.datagramBytes"],
    [{ packetsPerSecondMax: 1 }, "node.packetsPerSecondMax"],
    [{ roundsPerSecond: 0 }, "node.roundsPerSecond"],
    [{ roundsPerSecond: Number.POSITIVE_INFINITY }, "node.roundsPerSecond"],
    [{ windowBytesMax: -1 }, "node.windowBytesMax"],
    [{ waitingMax: Number.NaN }, "node.waitingMax"],
    [{ burstPackets: 0 }, "node.burstPackets"],
    [{ repairs: { every: 100 } }, '"repairs.every"'],
  ];
  for (const [options, name] of wrong) expect(() => nodeSettings(options)).toThrow(name);
  expect(nodeSettings({ host: "::1" }).host).toBe("::1");
});

test("a node never sends faster than it may, from the start", () => {
  const config = nodeSetup(nodeSettings({ packetsPerSecondMax: 100 }), 7, 1).node;
  expect(config).toMatchObject({ me: 7, cluster: 1, rateMax: 100, rateStart: 100 });
});

test("repairs besides the token's are sent if they are asked for, at the usual rate if no other is named", () => {
  expect(nodeSetup(nodeSettings({}), 7, 1).node.lateral).toBeUndefined();
  expect(nodeSetup(nodeSettings({ repairs: {} }), 7, 1).node.lateral).toEqual({ every: 8, copies: 5 });
  expect(nodeSetup(nodeSettings({ repairs: { copies: 3 } }), 7, 1).node.lateral).toEqual({ every: 8, copies: 3 });
});
