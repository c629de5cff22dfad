import fc from "fast-check";
import { expect, test } from "vitest";
import { Replica } from "./replica.ts";
import { decodeState } from "./state.ts";

const address = { host: "10.0.0.1", controlPort: 4810, repairPort: 4811, dataPort: 4812 };

/** Nodes in overlapping groups, some of which have reported, failed, left, and are about to fail. */
function replica(): Replica {
  const made = new Replica({ dissemination: "hybrid", wasteLimit: 0 });
  const groups = new Map<string, string[]>();
  const relation = { groupsOf: (_daemon: number, user: string) => groups.get(user) ?? [] };
  made.enter(3);
  for (let i = 0; i < 12; i++) {
    const user = `u${i}`;
    groups.set(user, ["all", `third${i % 3}`, ...(i % 5 === 0 ? ["fifth"] : [])]);
    made.register(1 + (i % 2), { user, client: `c${i}`, name: `#${user}#d`, address, place: undefined }, relation);
  }
  made.flush();
  const [first, second] = [...made.nodes.values()].map(({ info }) => info.id) as [number, number];
  made.report(1, [{ node: first, n: made.n, sealed: [], retired: [], inquired: [], settled: [] }]);
  made.changed(2, "u1", "fifth", true);
  made.changed(1, "u2", "all", false);
  made.failed(second + 3, 1);
  made.flush();
  const last = made.nodes.get(first)?.unreported[0]?.news?.regionsChanged[0];
  const sealed = last === undefined ? [] : [{ id: { region: last.region, view: last.view - 1 }, last: 7 }];
  made.report(1, [{ node: first, n: made.n, sealed, retired: [], inquired: [], settled: [] }]);
  made.ended(2, "u3");
  return made;
}

test("a state that is told is known exactly, and goes on alike", () => {
  const told = replica();
  const known = Replica.import(told.export()) as Replica;
  expect(known.export()).toEqual(told.export());
  for (const each of [told, known]) {
    each.enter(4);
    each.changed(1, "u4", "new", true);
    expect(each.flush()).toHaveLength(1);
  }
  expect(known.export()).toEqual(told.export());
  expect(known.chain).toBe(told.chain);
});

test("nodes of a daemon that has been started again stay in their groups until a session carries them again", () => {
  const made = new Replica();
  const none = { groupsOf: () => [] };
  const some = { groupsOf: () => ["g"] };
  const registration = { user: "u", client: "c", name: "#u#d", address, place: undefined };
  made.enter(1);
  made.register(1, registration, some);
  made.register(2, { ...registration, client: "d" }, some);
  made.flush();
  const { id } = ([...made.nodes.values()][0] as { info: { id: number } }).info;
  made.restarted([1]);
  const known = Replica.import(made.export()) as Replica;
  for (const each of [made, known]) {
    each.reconcile([1], none);
    expect(each.pending).toBe("none");
    expect(each.nodeOf(1, "u")).toBeUndefined();
    each.changed(1, "u", "other", true);
    each.ended(1, "u");
    expect(each.pending, "what a stranger of the same name does is none of its business").toBe("none");
    expect(each.register(1, { ...registration, place: { node: id, seq: 1 } }, none)).toMatchObject({
      kind: "moved",
      node: { info: { id } },
    });
    expect(each.pending, "its session says what it wants").toBe("soon");
  }
  expect(known.export()).toEqual(made.export());
});

test("who carries a node under the name of another one's session shows that that session has ended", () => {
  const made = new Replica();
  const relation = { groupsOf: () => ["g"] };
  const as = (client: string, user: string, place?: { node: number; seq: number }) => ({
    user,
    client,
    name: `#${user}#d`,
    address,
    place,
  });
  made.enter(1);
  made.register(1, as("c", "u"), relation);
  made.register(2, as("d", "v"), relation);
  made.flush();
  const idOf = (client: string) => [...made.nodes.values()].find((node) => node.client === client)?.info.id as number;
  const [first, moving] = [idOf("c"), idOf("d")];
  expect(made.register(1, as("e", "u"), relation).kind).toBe("new");
  expect(made.pending).toBe("now");
  expect(made.flush().map(({ info }) => info.id)).toEqual([first]);
  expect(made.register(1, as("d", "u", { node: moving, seq: 1 }), relation).kind).toBe("moved");
  expect(made.flush().map(({ client }) => client)).toEqual(["e"]);
  expect(Replica.import(made.export())?.nodeOf(1, "u")?.client).toBe("d");
  expect(made.nodes.size).toBe(1);
});

test("bytes that are no state are refused, and never throw", () => {
  const bytes = replica().export();
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.uint8Array({ maxLength: 80 }), (at, value, noise) => {
      expect(decodeState(bytes.subarray(0, at))).toBeUndefined();
      expect(decodeState(Uint8Array.of(...bytes, value))).toBeUndefined();
      const changed = bytes.slice();
      changed[at] = value;
      decodeState(changed);
      decodeState(Uint8Array.of(4, ...noise));
    }),
  );
});

test("what many nodes share is told once", () => {
  const made = new Replica();
  made.enter(1);
  const groups = Array.from({ length: 500 }, (_, i) => `group${i}`);
  const relation = { groupsOf: () => groups };
  for (let i = 0; i < 500; i++) {
    made.register(1, { user: `u${i}`, client: `c${i}`, name: `#u${i}#d1`, address, place: undefined }, relation);
  }
  made.flush();
  // 250,000 memberships, of which nobody has reported that it knows.
  const state = made.export();
  expect(state.length).toBeLessThan(100_000);
  const known = Replica.import(state) as Replica;
  expect(new Set(Array.from(known.nodes.values(), (node) => node.unreported[0]?.news)).size).toBe(1);

  // Each of them has sent in a view that ends, and all are told of all.
  made.register(1, { user: "more", client: "more", name: "#more#d1", address, place: undefined }, relation);
  made.flush();
  const [region] = [...made.map.regions.values()];
  const sealed = [{ id: { region: region?.id as number, view: 1 }, last: 1_000 }];
  made.report(
    1,
    [...made.nodes.keys()].map((node) => ({ node, n: made.n, sealed, retired: [], inquired: [], settled: [] })),
  );
  expect(made.export().length).toBeLessThan(150_000);
});
