import type { Socket } from "node:dgram";
import { expect, test } from "vitest";
import { DatagramSender, type SendCounters } from "./datagram-sender.ts";

test("what is kept for each place stays bounded, however many places there are", () => {
  let sent = 0;
  const socket = { getSendQueueCount: () => 0, getSendQueueSize: () => 0, send: () => sent++ } as unknown as Socket;
  const counters: SendCounters = {
    packetsSent: 0,
    bytesSent: 0,
    batchesSent: 0,
    sendErrors: 0,
    lastSendError: undefined,
    sendDropped: 0,
  };
  const sender = new DatagramSender(socket, counters, { segmentBytes: 1_400, set: () => {}, refused: () => {} });
  for (let n = 0; n < 5_000; n++) {
    sender.send(new Uint8Array(136), { address: "127.0.0.1", port: 4_000 });
    sender.flush();
  }
  expect(sent).toBe(5_000);
  expect(sender.destinations).toBeLessThanOrEqual(1_025);
});
