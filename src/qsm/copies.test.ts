import { expect, test } from "vitest";
import type { NodeInfo } from "../cms/views.ts";
import { Copies } from "./copies.ts";
import type { NodeChannel } from "./outbox.ts";

const copyOf = (channel: NodeChannel, mark: number) => ({
  to: {} as NodeInfo,
  channel,
  packet: Uint8Array.of(mark),
});

test("repairs leave before what is passed on without multicast, and each in order", () => {
  const copies = new Copies();
  for (const [mark, channel] of (["data", "repair", "data", "repair", "repair"] as const).entries()) {
    expect(copies.add(copyOf(channel, mark))).toBe(true);
  }
  const take = (count: number) => copies.take(count).map(({ packet }) => packet[0]);
  expect(take(2)).toEqual([1, 3]);
  expect(take(2)).toEqual([4, 0]);
  expect(copies.size).toBe(1);
  expect(take(5)).toEqual([2]);
  expect(take(1)).toEqual([]);
});
