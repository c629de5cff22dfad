import { expect, test } from "vitest";
import { EarlyPackets } from "./early-packets.ts";

test("packets that come too early are kept in order, and the oldest go when there are too many bytes", () => {
  const early = new EarlyPackets<{ readonly bytes: Uint8Array; readonly name: string }>(10);
  const packet = (name: string, length: number) => ({ name, bytes: new Uint8Array(length) });
  expect([early.keep(packet("a", 4)), early.keep(packet("b", 4)), early.keep(packet("c", 2))]).toEqual([0, 0, 0]);
  expect(early.keep(packet("d", 3))).toBe(1);
  expect(early.take().map(({ name }) => name)).toEqual(["b", "c", "d"]);
  expect(early.take()).toEqual([]);
  expect(early.keep(packet("e", 11))).toBe(1);
  expect(early.take()).toEqual([]);
});
