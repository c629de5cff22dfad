import fc from "fast-check";
import { expect, test } from "vitest";
import { firstChange, NodeNet } from "../../test/qsm/node-net.ts";
import type { NodeInfo } from "../cms/views.ts";
import { relayTargets } from "./relay-tree.ts";

const address = { host: "", controlPort: 1, repairPort: 2, dataPort: 3 };
const memberOf = (id: number): NodeInfo => ({ id, name: "", address });

test("everybody who has not failed gets the packet once, whoever sends it", () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      ids,
      fc.nat(),
      fc.nat(1_000),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(),
      (list, pick, seq, width, mask) => {
        const members = list.toSorted((a, b) => a - b).map(memberOf);
        // A member, or somebody who is none.
        const origin = pick % 3 === 0 ? 2_000 : (members[pick % members.length] as NodeInfo).id;
        const hasFailed = (node: number): boolean => node !== origin && ((mask >> (node % 20)) & 1) === 1;
        const got: number[] = [];
        const pass = (from: number): void => {
          for (const { id } of relayTargets(members, origin, from, seq, hasFailed, width)) {
            got.push(id);
            pass(id);
          }
        };
        pass(origin);
        const expected = members.map(({ id }) => id).filter((id) => id !== origin && !hasFailed(id));
        expect(got.toSorted((a, b) => a - b)).toEqual(expected);
      },
    ),
  );
});

test("over many packets all carry about alike, and nobody more than the width for one", () => {
  const members = Array.from({ length: 20 }, (_, i) => memberOf(i + 1));
  const carried = new Map<number, number>();
  for (let seq = 1; seq <= 190; seq++) {
    for (const { id } of members) {
      const { length } = relayTargets(members, 7, id, seq, () => false);
      expect(length).toBeLessThanOrEqual(4);
      carried.set(id, (carried.get(id) ?? 0) + length);
    }
  }
  expect(carried.get(7)).toBe(190 * 4);
  for (const [id, count] of carried) if (id !== 7) expect(count).toBe((190 * 15) / 19);
});

test("without multicast a region's packets are passed on from node to node, and what is lost on the way is repaired", () => {
  const net = new NodeNet(3, { tokenRate: 20, packing: false });
  for (let id = 1; id <= 12; id++) net.add(id).node.relays = true;
  net.loses = () => net.random.chance(0.05);
  const members = [...net.nodes.values()].map(({ info }) => info);
  const view = { id: { region: 1, view: 1 }, groups: [1], address: 0, members };
  for (let id = 1; id <= 12; id++) net.apply(id, firstChange(view));
  for (let i = 0; i < 200; i++) net.after(i, () => net.send(1 + (i % 3), 1, `m${i}`, i));
  net.run(3_000);
  for (const { delivered } of net.nodes.values()) {
    expect(delivered.map(({ text }) => text).toSorted()).toEqual(
      Array.from({ length: 200 }, (_, i) => `m${i}`).toSorted(),
    );
  }
  // Each packet goes to each other once: nothing is multicast, and nobody sends more than two copies of its own.
  expect(net.multicasts).toBe(0);
});
