import { describe, expect, test } from "vitest";
import { clientDelivery } from "../../test/groups/perfect-evs.ts";
import type { Town } from "../../test/groups/town.ts";
import { town } from "../../test/groups/town.ts";
import { AssertionError } from "../base/assert.ts";
import { coverageReport, watchCoverage } from "../base/coverage.ts";
import { Directory } from "../directory/directory.ts";
import { Content } from "../ordering/content.ts";
import type { Delivery } from "../ordering/upcall.ts";
import { TypeBit } from "../wire/spread/codes.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import { type GroupsEvent, groupsCells, type GroupsStateName } from "./cells.ts";
import { encodeState } from "./state.ts";
import { cutState } from "./state-piece.ts";

/** Daemon 1 in each state, with x@1, y@2, z@3 in g. In GTRANS and GGT the daemons 1 and 2 go on together. */
function daemonIn(state: GroupsStateName): Town {
  const t = town();
  if (state === "GOP") return t;
  t.evs.split(t.configuration(1), [[1, 2], [3], [4]]);
  if (state === "GTRANS") {
    t.seen();
    return t;
  }
  t.evs.merge([1, 3]);
  // Daemon 3 does not get to tell its state, so that the exchange stays open.
  for (let i = 0; i < 9; i++) for (const id of [1, 2]) t.node(id).step(undefined);
  t.lines.splice(0);
  if (state === "GGT") {
    t.evs.split(t.configuration(1), [[1, 2], [3]]);
    for (let i = 0; i < 9; i++) for (const id of [1, 2]) t.node(id).step(undefined);
  }
  expect(t.node(1).groups.state).toBe(state);
  return t;
}

/** Hands the event to daemon 1 directly, as the layer below would. */
function happen(t: Town, event: GroupsEvent): void {
  const { groups, configuration } = t.node(1);
  const request = (bit: number) => {
    const frame = encodeFrame(bit, "#x#d1", [bit === TypeBit.join ? "h" : "g"], 0, new Uint8Array(0));
    groups.message(clientDelivery(1, 1, "agreed", frame));
  };
  switch (event) {
    case "join":
      return request(TypeBit.join);
    case "leave":
      return request(TypeBit.leave);
    case "kill":
      return request(TypeBit.kill);
    case "transitional":
      return groups.transitional({ kind: "transitional", id: { leader: 1, time: 2000 }, members: [1, 2] });
    case "regular":
      return groups.regular({ kind: "regular", id: { leader: 1, time: 2001 }, members: [1, 2], primary: true });
    case "state": {
      const empty = encodeState(new Directory({ positionOf: (id) => id, nameOf: (id) => `d${id}` }).export());
      const id = configuration?.id ?? { leader: 0, time: 0 };
      for (const payload of cutState(empty, id, [3], 1000)) {
        groups.message(stateOf3(payload));
      }
    }
  }
}

/** What becomes of daemon 1, and what x sees. */
const TABLE: readonly [GroupsStateName, GroupsEvent, GroupsStateName, readonly string[]][] = [
  ["GOP", "join", "GOP", ["x h join 1.1001/1*: x | {x}, own 0"]],
  ["GOP", "leave", "GOP", ["x g selfLeave"]],
  ["GOP", "kill", "GOP", ["x ended"]],
  ["GOP", "transitional", "GTRANS", ["x g transitional 1.1001/3"]],
  ["GTRANS", "join", "GTRANS", ["x h join 1.1002/1*: x | {x}, own 0"]],
  ["GTRANS", "leave", "GTRANS", ["x g selfLeave"]],
  ["GTRANS", "kill", "GTRANS", ["x ended"]],
  ["GTRANS", "regular", "GOP", ["x g network 1.2001/1*: x y | {x y}, own 0"]],
  ["GGATHER", "transitional", "GGT", []],
  ["GGATHER", "state", "GOP", ["x g network 1.1005/1*: x y | {x y}, own 0"]],
  // Nobody of daemon 3 is in a group: the cascade that follows touches none.
  ["GGT", "state", "GTRANS", ["x g network 1.1005/1*: x y | {x y}, own 0"]],
  ["GGT", "regular", "GGATHER", []],
];

describe("the table of H.2", () => {
  test.each(TABLE)("%s, %s: then %s", (state, event, after, seen) => {
    const t = daemonIn(state);
    happen(t, event);
    expect(t.node(1).groups.state).toBe(after);
    expect(t.lines.filter((line) => line.startsWith("x"))).toEqual(seen);
  });

  test("names every reachable cell, and no fatal one", () => {
    const cells = TABLE.map(([state, event]) => `groups ${state} ${event}`);
    expect(cells.toSorted()).toEqual(groupsCells.reachable.toSorted());
    expect(coverageReport(groupsCells, new Map(cells.map((cell) => [cell, 1]))).fatalHit).toEqual([]);
  });

  const byConfiguration = groupsCells.fatal.filter((cell) => /transitional|regular/.test(cell));
  const byMessage = groupsCells.fatal.filter((cell) => !byConfiguration.includes(cell));

  test.each(byMessage)("%s is dropped and counted", (cell) => {
    const [, state, event] = cell.split(" ") as [string, GroupsStateName, GroupsEvent];
    const t = daemonIn(state);
    const visits = new Map<string, number>();
    const before = watchCoverage(visits);
    happen(t, event);
    watchCoverage(before);
    const { groups } = t.node(1);
    expect(groups.malformed).toBeGreaterThan(0);
    expect(groups.state).toBe(state);
    expect(t.lines).toEqual([]);
    expect(coverageReport(groupsCells, visits).fatalHit).toEqual([cell]);
  });

  test.each(byConfiguration)("%s is an assertion", (cell) => {
    const [, state, event] = cell.split(" ") as [string, GroupsStateName, GroupsEvent];
    const t = daemonIn(state);
    const visits = new Map<string, number>();
    const before = watchCoverage(visits);
    try {
      expect(() => happen(t, event)).toThrow(AssertionError);
    } finally {
      watchCoverage(before);
    }
    expect(coverageReport(groupsCells, visits).fatalHit).toEqual([cell]);
  });
});

describe("an exchange", () => {
  test("holds back what overtakes it, and delivers that when it is complete", () => {
    const t = daemonIn("GGATHER");
    const data = encodeFrame(TypeBit.reliable, "#z#d3", ["g"], 0, new TextEncoder().encode("1"));
    t.node(1).groups.message(clientDelivery(3, 1, "reliable", data));
    expect(t.lines).toEqual([]);
    happen(t, "state");
    expect(t.lines.filter((line) => line.startsWith("x"))).toEqual([
      "x g network 1.1005/1*: x y | {x y}, own 0",
      "x < 1",
    ]);
  });

  test("comes to the same whether the cascading change is told before its end or after it (K32)", () => {
    const [before, after] = [daemonIn("GGATHER"), daemonIn("GGATHER")] as const;
    const cascade = { kind: "transitional", id: { leader: 1, time: 2000 }, members: [1] } as const;
    before.node(1).groups.transitional(cascade);
    happen(before, "state");
    happen(after, "state");
    after.node(1).groups.transitional(cascade);
    expect(before.lines).toEqual(after.lines);
    expect(before.lines.filter((line) => line.startsWith("x"))).toEqual([
      "x g network 1.1005/1*: x y | {x y}, own 0",
      "x g transitional 1.1005/1",
    ]);
    expect(before.node(1).groups.directory.hash()).toBe(after.node(1).groups.directory.hash());
    expect(before.node(1).groups.synchronised).toEqual(after.node(1).groups.synchronised);
  });

  test("of a cascade without news sends the same state again, under the new configuration", () => {
    const t = daemonIn("GGT");
    const first = t.node(1).configuration?.log.find((delivery) => delivery.sender === 1);
    t.evs.merge([1, 4]);
    t.node(1).step(undefined);
    const second = t.node(1).configuration?.log.find((delivery) => delivery.sender === 1);
    const body = (payload: Uint8Array | undefined) => [...(payload ?? [])].slice(14);
    expect(second?.head).not.toEqual(first?.head);
    expect(body(second?.head)).toEqual(body(first?.head));
    t.seen();
    expect([1, 2, 4].map((id) => t.node(id).groups.state)).toEqual(["GOP", "GOP", "GOP"]);
  });

  test("does not bring back a numbered session that is forgotten while it goes on", () => {
    const t = town();
    const token = new Uint8Array(16).fill(3);
    t.request("x", TypeBit.agreed, ["g"], { data: "1", numbered: { token, number: 4 } });
    t.seen();
    t.evs.split(t.configuration(1), [
      [1, 2],
      [3, 4],
    ]);
    t.evs.merge([1, 3]);
    for (let i = 0; i < 9; i++) for (const id of [1, 2]) t.node(id).step(undefined);
    expect(t.node(1).groups.state).toBe("GGATHER");
    for (const id of [1, 2]) t.node(id).groups.forget(token);
    expect(t.node(1).groups.lastOrdered(token)).toBe(4);
    t.node(3).step(undefined);
    t.node(4).step(undefined);
    for (let i = 0; i < 2; i++) for (const id of [3, 4]) t.node(id).step(undefined);
    for (const id of [3, 4]) t.node(id).groups.forget(token);
    t.seen();
    expect([1, 2, 3, 4].map((id) => t.node(id).groups.state)).toEqual(Array(4).fill("GOP"));
    expect([1, 2, 3, 4].map((id) => t.node(id).groups.lastOrdered(token))).toEqual([0, 0, 0, 0]);
  });

  test("drops malformed and stale state and goes on waiting", () => {
    const t = daemonIn("GGATHER");
    const { groups } = t.node(1);
    const tell = (payload: Uint8Array) => groups.message(stateOf3(payload));
    tell(new Uint8Array(5));
    for (const piece of cutState(new Uint8Array(9), { leader: 9, time: 9 }, [3], 100)) tell(piece);
    expect(groups.malformed).toBe(1);
    expect(groups.state).toBe("GGATHER");
  });
});

/** A piece of daemon 3's state, as it is delivered. */
function stateOf3(head: Uint8Array): Delivery {
  return { sender: 3, session: 0, service: "agreed", content: Content.groupState, head, tail: undefined };
}
