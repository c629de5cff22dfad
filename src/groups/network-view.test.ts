import fc from "fast-check";
import { expect, test } from "vitest";
import { Directory } from "../directory/directory.ts";
import { type Group, virtualSynchronySets } from "../directory/group.ts";
import { encodeNetworkView, forSet, setOffset } from "../wire/spread/membership.ts";
import { encodeLargeNetworkView } from "./network-view.ts";

test("it has the bytes of the plain encoder, for every set", () => {
  const join = fc.record({ daemon: fc.integer({ min: 1, max: 4 }), user: fc.constantFrom("a", "b", "c", "d") });
  fc.assert(
    fc.property(
      fc.array(join, { minLength: 1, maxLength: 16 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
      join,
      (joins, staying, late) => {
        const directory = new Directory({ positionOf: (id) => -id, nameOf: (id) => `d${id}` });
        for (const { daemon, user } of joins) directory.join("group", daemon, user);
        directory.partition({ leader: 3, time: 0xf000_0001 }, new Set(staying));
        const joined = directory.join("group", late.daemon, late.user);
        const group = directory.get("group") as Group;
        const sets = virtualSynchronySets(group, joined.kind === "joined" ? joined.member : undefined);
        const { configuration, index } = group.id;
        const members = group.members().map((member) => member.name);
        const names = sets.map((set) => set.map((member) => member.name));
        const plain = encodeNetworkView("group", members, { ...configuration, index }, names);
        const view = encodeLargeNetworkView(group, sets);
        expect(view.setOffsets).toEqual(sets.map((_, n) => setOffset(names, n)));
        for (const offset of view.setOffsets) expect(forSet(view.frame, offset)).toEqual(forSet(plain, offset));
      },
    ),
  );
});
