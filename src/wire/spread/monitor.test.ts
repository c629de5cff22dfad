import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeMonitorRequest,
  decodeMonitorStatus,
  encodeMonitorRequest,
  encodeMonitorStatus,
  isMonitorDatagram,
  type MonitorRequest,
} from "./monitor.ts";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const hex = (of: Uint8Array) => Array.from(of, (byte) => byte.toString(16).padStart(2, "0")).join("");

// Recorded between spmonitor and a Spread 5.0.1 daemon.
const HEADER = "2697c51c2697c51c00000000000000008f1900000000000010626f37";
const STATUS = `80000081${HEADER}0000000000000000`;
const PARTITION = `80000082${HEADER}0001000000000000${"0000".repeat(128)}`;
const FLOW_CONTROL = `80000084${HEADER}00020000000000000f0000003c000000${"0000".repeat(252)}`;
const REPLY = `80000081000000002697c51c00000000000000000000000000000000000000006000000000000000050000000100000001000000${"00".repeat(40)}060000000c0000002697c51c2697c51c00000000010001000100a000140000000f0000000000050000000100`;

const REQUEST = { transmitter: 482_711_334, target: 482_711_334, replyPort: 6_543, configHash: 930_046_480 };

describe("what spmonitor sends", () => {
  test("a status request", () => {
    expect(decodeMonitorRequest(bytes(STATUS))).toEqual({ kind: "status", ...REQUEST });
    expect(hex(encodeMonitorRequest({ kind: "status", ...REQUEST }))).toBe(STATUS);
  });

  test("a partition", () => {
    const components = new Int16Array(128);
    expect(decodeMonitorRequest(bytes(PARTITION))).toEqual({ kind: "partition", ...REQUEST, components });
    components[1] = -1;
    const other: MonitorRequest = { kind: "partition", ...REQUEST, components };
    expect(decodeMonitorRequest(encodeMonitorRequest(other))).toEqual(other);
  });

  test("flow control of one daemon", () => {
    const request = decodeMonitorRequest(bytes(FLOW_CONTROL));
    expect(request?.kind === "flowControl" && [...request.personal.subarray(0, 3)]).toEqual([15, 60, 0]);
    expect(request !== undefined && hex(encodeMonitorRequest(request))).toBe(FLOW_CONTROL);
  });

  test("a request of a big-endian monitor", () => {
    const swapped = bytes(
      "010000001cc597261cc59726000000000000000000" + "00198f" + "00000000" + "376f6210" + "0000000000000000",
    );
    expect(decodeMonitorRequest(swapped)).toEqual({ kind: "status", ...REQUEST });
  });
});

describe("what a Spread daemon replies", () => {
  test("is read, and written again bit by bit", () => {
    const reply = decodeMonitorStatus(bytes(REPLY));
    expect(reply?.status).toMatchObject({
      uptimeSeconds: 5,
      state: 1,
      groupsState: 1,
      tokenHurries: 6,
      tokenRounds: 12,
      myId: 482_711_334,
      leaderId: 482_711_334,
      membershipChanges: 1,
      daemons: 1,
      segments: 1,
      window: 160,
      personalWindow: 20,
      acceleratedWindow: 15,
      sessions: 0,
      versionMajor: 5,
      versionPatch: 1,
    });
    expect(reply !== undefined && hex(encodeMonitorStatus(reply.target, reply.status))).toBe(REPLY);
  });
});

describe("anything else", () => {
  test("is no monitor datagram", () => {
    expect(isMonitorDatagram(bytes(STATUS))).toBe(true);
    expect(isMonitorDatagram(bytes(REPLY))).toBe(true);
    expect(isMonitorDatagram(bytes(`${STATUS}00`))).toBe(false);
    expect(isMonitorDatagram(bytes(STATUS.replace("80000081", "80000001")))).toBe(false);
    expect(decodeMonitorRequest(bytes(PARTITION.replace("0001000000000000", "0002000000000000")))).toBeUndefined();
  });

  test("never throws", () => {
    const datagrams = fc.uint8Array({ maxLength: 600 });
    const nearly = fc
      .tuple(fc.constantFrom(STATUS, PARTITION, FLOW_CONTROL, REPLY), fc.nat(39), fc.nat(255))
      .map(([text, at, value]) => {
        const changed = bytes(text);
        changed[at] = value;
        return changed;
      });
    fc.assert(
      fc.property(fc.oneof(datagrams, nearly), (datagram) => {
        const request = decodeMonitorRequest(datagram);
        const status = decodeMonitorStatus(datagram);
        if (request !== undefined || status !== undefined) expect(isMonitorDatagram(datagram)).toBe(true);
      }),
    );
  });
});
