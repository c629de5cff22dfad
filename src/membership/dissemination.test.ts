import { expect, test } from "vitest";
import { Kind, packet, readPrefix, unroutedCopy } from "../wire/prefix.ts";
import { Dissemination } from "./dissemination.ts";
import { Layout } from "./layout.ts";

const layout = new Layout([
  ...[1, 2, 3].map((id) => ({ id, segment: 0 })),
  ...[4, 5].map((id) => ({ id, segment: 1 })),
  { id: 6, segment: 2 },
]);
const bytes = packet(1, Kind.ringData, 7, 1, Uint8Array.of(1, 2, 3));

function sentBy(me: number, members: readonly number[]): string[] {
  const sent: string[] = [];
  const note = (to: string, copy: Uint8Array): void => {
    const prefix = readPrefix(copy);
    const routed = typeof prefix !== "string" && prefix.routed;
    sent.push(`${to}${routed ? " routed" : ""}`);
    expect(unroutedCopy(copy)).toEqual(bytes);
  };
  const dissemination = new Dissemination(me, members, layout, {
    unicast: (to, _channel, copy) => note(`daemon ${to}`, copy),
    multicast: (segment, _channel, copy) => note(`segment ${segment}`, copy),
  });
  dissemination.multicast(bytes);
  return sent;
}

test("in its own segment a daemon multicasts, and not at all when nobody else of the ring is there", () => {
  expect(sentBy(1, [1, 2, 3])).toEqual(["segment 0"]);
  expect(sentBy(1, [1])).toEqual([]);
  expect(sentBy(1, [1, 6])).toEqual(["daemon 6"]);
});

test("of every other segment the first member gets a copy, to multicast there if it has company", () => {
  expect(sentBy(1, [1, 2, 3, 4, 5, 6])).toEqual(["segment 0", "daemon 4 routed", "daemon 6"]);
  expect(sentBy(5, [1, 2, 4, 5])).toEqual(["segment 1", "daemon 1 routed"]);
  expect(sentBy(6, [3, 6])).toEqual(["daemon 3"]);
});
