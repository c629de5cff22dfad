import { expect, test } from "vitest";
import { decodePlato, encodePlato } from "../wire/plato/bodies.ts";
import { platoDefaults } from "./config.ts";
import { OrderedGroups } from "./ordered-groups.ts";

/** Node 2 in two groups with node 1; it has part in the order of group 2, and not yet in that of group 1. */
function twoGroups() {
  const sent: string[] = [];
  let seq = 0;
  const groups = new OrderedGroups(
    { ...platoDefaults, me: 2 },
    {
      multicast: (group, bytes) => {
        const body = decodePlato(bytes);
        if (body?.kind === "message") sent.push(`${group}: ${body.payload[0]}`);
        return ++seq;
      },
      unicast: () => {},
      deliver: () => {},
      commit: () => {},
      rollback: () => {},
    },
  );
  for (const group of [1, 2]) groups.set(group, true, 1_000, 0);
  groups.apply(1, () => [1, 2], 0);
  const open = (group: number): void => {
    const state = { kind: "state", view: 1, part: 0, parts: 1, opened: 0, base: 0, entries: [] } as const;
    groups.receiveFrom(group, 1, encodePlato(state), 0);
  };
  open(2);
  return { groups, sent, open };
}

test("one group takes messages while another holds them back, and it is told once when that does no more", () => {
  const { groups, sent, open } = twoGroups();
  expect(groups.pump(0)).toBe(false);
  groups.send(1, Uint8Array.of(1), 0);
  groups.send(2, Uint8Array.of(2), 0);
  expect([1, 2].map((group) => groups.isHeldBack(group))).toEqual([true, false]);
  expect(groups.pump(0)).toBe(false);
  expect(sent).toEqual(["2: 2"]);
  open(1);
  expect(groups.pump(0)).toBe(true);
  expect(groups.isHeldBack(1)).toBe(false);
  expect(groups.pump(0)).toBe(false);
  expect(sent).toEqual(["2: 2", "1: 1"]);
});

test("a group that the node leaves holds nothing back any more, which is told", () => {
  const { groups, sent } = twoGroups();
  groups.send(1, Uint8Array.of(1), 0);
  groups.apply(2, (group) => (group === 1 ? undefined : [1, 2]), 0);
  expect(groups.pump(0)).toBe(true);
  expect(groups.isHeldBack(1)).toBe(false);
  expect(sent).toEqual([]);
});
