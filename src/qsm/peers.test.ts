import fc from "fast-check";
import { expect, test } from "vitest";
import { NodeViews } from "../cms/node-views.ts";
import type { NodeInfo } from "../cms/views.ts";
import { Peers } from "./peers.ts";
import { relayTargets } from "./relay-tree.ts";

/** Host and data port of each member, by id from 1 on. */
function membersAt(places: readonly (readonly [host: string, dataPort: number])[]): NodeInfo[] {
  return places.map(([host, dataPort], i) => {
    return { id: i + 1, name: "", address: { host, controlPort: 1, repairPort: 2, dataPort } };
  });
}

test("a member is gone when it has failed, or when a later one has its address", () => {
  const peers = new Peers(new NodeViews());
  const members = membersAt([
    ["a", 3],
    ["a", 4],
    ["b", 3],
    ["a", 3],
    ["c", 3],
  ]);
  const gone = (): number[] => members.map(({ id }) => id).filter((id) => peers.isGone(id, members));
  expect(gone()).toEqual([1]);
  peers.fence(5);
  expect(gone()).toEqual([1, 5]);
  // In a view without the one that came later nothing shows it.
  expect(peers.isGone(1, members.slice(0, 3))).toBe(false);
});

test("a packet that is passed on reaches everybody once, also where processes have come back at their addresses", () => {
  const hosts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(hosts, fc.nat(), fc.nat(1_000), (list, pick, seq) => {
      const members = membersAt(list.map((host) => [`h${host}`, 3]));
      const peers = new Peers(new NodeViews());
      // Who is at an address now.
      const at = new Map(members.map(({ id, address }) => [address.host, id]));
      const present = [...at.values()];
      const origin = present[pick % present.length] as number;
      const got: number[] = [];
      const pass = (from: number): void => {
        for (const { address } of relayTargets(members, origin, from, seq, (id) => peers.isGone(id, members))) {
          const to = at.get(address.host) as number;
          got.push(to);
          if (got.length <= members.length) pass(to);
        }
      };
      pass(origin);
      expect(got.toSorted((a, b) => a - b)).toEqual(present.filter((id) => id !== origin).toSorted((a, b) => a - b));
    }),
  );
});
