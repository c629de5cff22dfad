import { describe, expect, test } from "vitest";
import { Town, town } from "../../test/groups/town.ts";
import { TypeBit } from "../wire/spread/codes.ts";

describe("worked examples", () => {
  test("O14: a split tells who stayed together, a merge who came with whom", () => {
    const t = town();
    t.evs.split(t.evs.current[0] as never, [
      [1, 2],
      [3, 4],
    ]);
    expect(t.seen()).toEqual(["x g transitional 1.1001/3", "y g transitional 1.1001/3", "z g transitional 1.1001/3"]);
    t.evs.merge([1, 2]);
    t.evs.merge([3, 4]);
    expect(t.seen()).toEqual([
      "x g network 1.1004/1: x y | {x y}, own 0",
      "y g network 1.1004/1: x y | {x y}, own 0",
      "z g network 3.1005/1: z | {z}, own 0",
    ]);
    expect(t.node(1).groups.synchronised).toEqual([1, 2]);
    for (const c of t.evs.current) t.evs.split(c, [c.members]);
    expect(t.seen()).toEqual([]);
    t.evs.merge([1, 3]);
    expect(t.seen().sort()).toEqual([
      "x g network 1.1008/1*: x y z | {x y} {z}, own 0",
      "y g network 1.1008/1*: x y z | {x y} {z}, own 0",
      "z g network 1.1008/1*: x y z | {x y} {z}, own 1",
    ]);
    expect(t.node(3).groups.synchronised).toEqual([1, 2, 3, 4]);
  });

  test("O15: who joins a partitioned group in the transition is in a set of its own", () => {
    const t = town();
    t.client("w", 2);
    const [c] = t.evs.current;
    t.join("w", "g");
    t.evs.split(c as never, [[1, 2], [3]]);
    expect(t.seen().filter((line) => !line.startsWith("z"))).toEqual([
      "x g transitional 1.1001/3",
      "y g transitional 1.1001/3",
      "x g network 1.1002/2*: x w y z | {x y} {z} {w}, own 0",
      "x g transitional 1.1002/2",
      "y g network 1.1002/2*: x w y z | {x y} {z} {w}, own 0",
      "w g network 1.1002/2*: x w y z | {x y} {z} {w}, own 2",
      "y g transitional 1.1002/2",
      "w g transitional 1.1002/2",
    ]);
    t.evs.merge([1, 2]);
    expect(t.seen().filter((line) => !line.startsWith("z"))).toEqual([
      "x g network 1.1004/1: x w y | {x w y}, own 0",
      "y g network 1.1004/1: x w y | {x w y}, own 0",
      "w g network 1.1004/1: x w y | {x w y}, own 0",
    ]);
  });

  test("O16: of an exchange that is cut short, complete sets become one, and who did not come along goes", () => {
    // The example's four daemons alone would complete the exchange; a sixth, which says nothing, keeps it open.
    const t = new Town(1, 2, 3, 4, 5, 6);
    for (const component of [[1, 2], [3, 4], [5], [6]]) t.evs.merge(component);
    t.seen();
    t.client("x", 1);
    t.client("z", 3);
    t.client("v", 5);
    for (const user of ["x", "z", "v"]) t.join(user, "g");
    t.seen();
    const [two, three, five, six] = t.evs.current as [never, never, never, never];
    for (const [c, members] of [
      [two, [1, 2]],
      [three, [3, 4]],
      [six, [6]],
    ] as const) {
      t.evs.split(c, [members]);
    }
    const c = t.evs.merge([1, 3, 6]);
    for (let i = 0; i < 10; i++) for (const id of [1, 2, 3, 4]) t.node(id).step(undefined);
    expect(t.node(1).groups.state).toBe("GGATHER");
    expect(c.log.map((delivery) => delivery.sender)).toEqual([1, 3]);
    expect(t.lines).toEqual([]);

    t.evs.split(c, [
      [1, 2],
      [3, 4, 6],
    ]);
    t.evs.settle();
    expect([1, 2, 3, 4, 6].map((id) => t.node(id).groups.state)).toEqual(Array(5).fill("GGT"));
    t.evs.split(five, [[5]]);
    const c2 = t.evs.merge([1, 5]);
    t.node(1).step(undefined);
    expect(t.node(1).groups.synchronised).toEqual([1, 2]);
    // d3's part went with it: g has changed, although nobody at d1 was told of d3's part.
    expect(t.node(1).groups.directory.snapshot()).toContain("g 3.1002/1 changed: #x#d1 @1.1001");
    expect(c2.log).toHaveLength(1);
    expect(t.seen().sort()).toEqual([
      "v g network 1.1012/1: x v | {x} {v}, own 1",
      "x g network 1.1012/1: x v | {x} {v}, own 0",
    ]);
    expect(t.node(5).groups.directory.hash()).toBe(t.node(2).groups.directory.hash());
  });
});

describe("delivery", () => {
  test("a message goes to the members of all its groups, to each once, and to open groups from outside", () => {
    const t = town();
    t.client("v", 1);
    t.join("v", "h");
    t.join("x", "h");
    t.seen();
    t.send("z", ["g", "h"], "1");
    t.send("v", ["g"], "2");
    t.send("v", ["nobody"], "3");
    t.send("v", [], "4");
    expect(t.seen().sort()).toEqual([
      "v tells its daemon 49 bytes",
      "x < 2",
      "x v < 1",
      "y < 1",
      "y < 2",
      "z < 1",
      "z < 2",
    ]);
  });

  test("a private name is one session, wherever it is; names that are none go nowhere", () => {
    const t = town();
    t.send("z", ["#x#d1", "g"], "1");
    t.send("z", ["#y#d2"], "2");
    for (const name of ["#y#d1", "#nobody#d2", "#y", "##d2", "#y#d9"]) t.send("z", [name], "3");
    expect(t.seen().sort()).toEqual(["x < 1", "y < 1", "y < 2", "z < 1"]);
  });

  test("SELF_DISCARD keeps a message from its sender only", () => {
    const t = town();
    t.client("x2", 1);
    t.join("x2", "g");
    t.seen();
    t.request("x", TypeBit.agreed, ["g"], { data: "1", bits: TypeBit.selfDiscard });
    t.request("x", TypeBit.agreed, ["#x#d1"], { data: "2", bits: TypeBit.selfDiscard });
    expect(t.seen().sort()).toEqual(["x2 < 1", "y < 1", "z < 1"]);
  });

  test("a numbered message is delivered once, through whatever daemon it comes", () => {
    const t = town();
    const token = new Uint8Array(16).fill(7);
    t.request("x", TypeBit.agreed, ["#y#d2"], { data: "1", numbered: { token, number: 1 } });
    t.request("x", TypeBit.agreed, ["#x#d1"], { data: "2", numbered: { token, number: 2 } });
    expect(t.seen()).toEqual(["x ordered 1", "y < 1", "x ordered 2", "x < 2"]);
    t.request("z", TypeBit.agreed, ["#y#d2"], { data: "1", numbered: { token, number: 1 } });
    t.request("z", TypeBit.agreed, ["#y#d2"], { data: "3", numbered: { token, number: 3 } });
    expect(t.seen()).toEqual(["z ordered 1 again", "y < 3", "z ordered 3"]);
    expect([1, 2, 3, 4].map((id) => t.node(id).groups.lastOrdered(token))).toEqual([3, 3, 3, 3]);
    for (const id of [1, 2, 3, 4]) t.node(id).groups.forget(token);
    expect(t.node(2).groups.lastOrdered(token)).toBe(0);
  });

  test("what is not a frame is counted and dropped", () => {
    const t = town();
    const { groups } = t.node(1);
    const deliver = (content: number, payload: Uint8Array) =>
      groups.message({ sender: 2, session: 1, service: "agreed", content, head: payload, tail: undefined });
    deliver(0, new Uint8Array(47));
    deliver(0, new Uint8Array(48).fill(255));
    deliver(1, new Uint8Array(20));
    deliver(1, new Uint8Array(72).fill(255));
    t.request("x", TypeBit.join, []);
    t.request("x", TypeBit.join, ["h"], { service: "fifo" });
    expect(t.seen()).toEqual([]);
    expect(groups.malformed).toBe(6);
  });
});

describe("clients", () => {
  test("a join is told to all members, a leave to the leaver first, and both only once", () => {
    const t = town();
    t.client("w", 1);
    t.join("w", "g");
    t.join("w", "g");
    expect(t.seen().filter((line) => /^[xw]/.test(line))).toEqual([
      "x g join 1.1001/4*: w x y z | {w}, own 0",
      "w g join 1.1001/4*: w x y z | {w}, own 0",
    ]);
    t.leave("w", "g");
    t.leave("w", "g");
    t.leave("w", "none");
    expect(t.seen().filter((line) => /^[xw]/.test(line))).toEqual([
      "w g selfLeave",
      "x g leave 1.1001/5*: x y z | {w}, own 0",
    ]);
  });

  test("the end of a client takes it out of its groups by name, and frees its name", () => {
    const t = town();
    for (const group of ["zz", "mm", "AA", "aa"]) {
      t.join("x", group);
      t.join("y", group);
    }
    t.seen();
    t.kill("y");
    const lines = t.seen();
    expect(lines.filter((line) => line.startsWith("x")).map((line) => line.split(" ").slice(1, 3))).toEqual(
      ["AA", "aa", "g", "mm", "zz"].map((group) => [group, "disconnect"]),
    );
    expect(lines).toContain("y ended");
    t.send("x", ["g", "#y#d2"], "1");
    expect(t.seen().sort()).toEqual(["x < 1", "z < 1"]);
    expect(t.node(4).groups.directory.member(2, "y")).toBeUndefined();
  });

  test("a client that is in no group ends too", () => {
    const t = town();
    t.client("v", 4);
    t.kill("v");
    expect(t.seen()).toEqual(["v ended"]);
  });

  test("names that are no group's are not joined", () => {
    const t = town();
    for (const group of ["", "#x#d1", "a b", "#abc"]) t.join("x", group);
    expect(t.seen()).toEqual([]);
    expect(t.node(1).groups.directory.groupCount).toBe(1);
  });

  test("a detached client stays a member but is told nothing, until it is attached again", () => {
    const t = town();
    t.node(1).groups.detach("x");
    t.send("z", ["g", "#x#d1"], "1");
    expect(t.seen().sort()).toEqual(["y < 1", "z < 1"]);
    expect(t.node(1).groups.localMembers("g")).toEqual([]);
    expect(t.node(2).groups.directory.get("g")?.memberCount).toBe(3);
    t.node(1).groups.attach("x", 1);
    t.send("z", ["g"], "2");
    expect(t.seen()).toContain("x < 2");
  });

  test("a join that disagrees about the group's options is refused, with the reason", () => {
    const t = town();
    const token = new Uint8Array(16).fill(1);
    const join = (user: string, number: number, data: string) =>
      t.request(user, TypeBit.join, ["h"], { data, numbered: { token, number } });
    join("x", 1, '{"slow":"drop"}');
    join("y", 2, '{"slow":"wait"}');
    join("y", 3, "{");
    const lines = t.seen();
    expect(lines).toContain("y ordered 2");
    expect(lines.filter((line) => line.includes("refused"))).toEqual([
      'y refused 2 h: the group\'s slow-receiver policy is "drop", not "wait": join without naming one, or name this one',
      "y refused 3 h: join options are not JSON",
    ]);
    expect(t.node(4).groups.optionsOf("h")).toEqual({ slow: "drop", quality: "ordered" });
    expect(t.node(4).groups.directory.get("h")?.memberCount).toBe(1);
  });

  test("options and numbered sessions come along when components merge", () => {
    const t = new Town(1, 2);
    t.evs.merge([1]);
    t.evs.merge([2]);
    t.seen();
    const token = new Uint8Array(16).fill(9);
    t.client("x", 1);
    t.client("y", 2);
    t.request("x", TypeBit.join, ["h"], { data: '{"slow":"expel"}', numbered: { token, number: 1 } });
    t.request("y", TypeBit.join, ["h"]);
    t.seen();
    for (const c of t.evs.current) t.evs.split(c, [c.members]);
    t.evs.merge([1, 2]);
    t.seen();
    expect(t.node(2).groups.optionsOf("h")?.slow).toBe("expel");
    expect(t.node(2).groups.lastOrdered(token)).toBe(1);
    t.request("y", TypeBit.agreed, ["h"], { data: "1", numbered: { token, number: 1 } });
    expect(t.seen()).toEqual(["y ordered 1 again"]);
  });

  test("a configuration is told also to those whose groups have no new view", () => {
    const t = town();
    t.client("w", 4);
    t.join("w", "alone");
    t.seen();
    expect(t.configured.get(4)).toEqual({ primary: true, daemons: 4 });
    t.evs.split(t.configuration(4), [[1, 2, 3], [4]]);
    t.evs.merge([4]);
    expect(t.seen()).toEqual([]);
    expect(t.configured.get(4)).toEqual({ primary: false, daemons: 1 });
    t.evs.merge([1, 2, 3]);
    t.seen();
    for (const configuration of t.evs.current) t.evs.split(configuration, [configuration.members]);
    t.evs.merge([1, 2, 3, 4]);
    expect(t.seen()).toEqual([]);
    expect(t.configured.get(4)).toEqual({ primary: true, daemons: 4 });
  });

  test("views say whether their configuration is primary", () => {
    const t = town();
    t.evs.split(t.configuration(1), [[1, 2, 3], [4]]);
    t.evs.merge([1]);
    t.seen();
    expect(t.node(1).groups.primary).toBe(true);
    t.evs.split(t.configuration(1), [[1], [2], [3]]);
    t.evs.merge([1]);
    expect(t.seen().filter((line) => line.startsWith("x"))).toEqual([
      "x g transitional 1.1001/3",
      "x g network 1.1008/1: x | {x}, own 0",
    ]);
    expect(t.node(1).groups.primary).toBe(false);
  });
});

describe("scalable groups", () => {
  const node = (host: string) =>
    JSON.stringify({ quality: "scalable", node: { host, control: 1, repair: 2, data: 3 } });
  const numbered = (id: number, number: number) => ({ token: new Uint8Array(16).fill(id), number });

  test("all daemons tell who comes and goes, and members get neither views nor messages", () => {
    const t = town();
    t.request("x", TypeBit.join, ["s"], { data: node("hx"), numbered: numbered(1, 1) });
    t.request("y", TypeBit.join, ["s"], { data: node("hy"), numbered: numbered(2, 1) });
    const told = (line: string) => [1, 2, 3, 4].map((id) => `at ${id}: ${line}`);
    expect(t.seen().sort()).toEqual(
      [...told("x@1 in s"), ...told("y@2 in s"), "x is node hx", "y is node hy", "x ordered 1", "y ordered 1"].sort(),
    );
    t.send("x", ["s"], "1");
    expect(t.seen()).toEqual([]);
    t.leave("x", "s");
    expect(t.seen().sort()).toEqual(told("x@1 out of s"));
    t.kill("y");
    t.seen();
    expect(t.ends.sort()).toEqual(told("y@2"));
    expect(t.node(4).groups.nodeGroups.ofClient(2, "y")).toEqual([]);
  });

  test("groups that have ended are not counted among those that there may be, however they ended", () => {
    const t = town();
    const all = (): boolean[] => {
      t.seen();
      return [1, 2, 3, 4].map((id) => t.node(id).groups.nodeGroups.areThere);
    };
    const join = (user: string, group: string, id: number, number: number) =>
      t.request(user, TypeBit.join, [group], { data: node(`h${user}`), numbered: numbered(id, number) });
    join("x", "s1", 1, 1);
    join("x", "s2", 1, 2);
    t.leave("x", "s1");
    expect(all()).toEqual([true, true, true, true]);
    t.leave("x", "s2");
    expect(all()).toEqual([false, false, false, false]);
    join("y", "s3", 2, 1);
    expect(all()).toEqual([true, true, true, true]);
    t.kill("y");
    expect(all()).toEqual([false, false, false, false]);
  });

  test("members of a timely group are told how they repair each other", () => {
    const t = town();
    const join = (host: string, wanted: object) =>
      JSON.stringify({ quality: "timely", node: { host, control: 1, repair: 2, data: 3 }, ...wanted });
    t.request("x", TypeBit.join, ["s"], { data: join("hx", { repairs: { copies: 3 } }), numbered: numbered(1, 1) });
    expect(t.seen()).toContain("x is told that s is (8, 3) auto");
    t.request("y", TypeBit.join, ["s"], { data: join("hy", { slow: "drop" }), numbered: numbered(2, 1) });
    const seen = t.seen();
    for (const line of ["y is told that s is (8, 3) auto", "x is told that s is drop, (8, 3) auto"])
      expect(seen).toContain(line);
    t.request("z", TypeBit.join, ["s"], { data: join("hz", { repairs: {} }), numbered: numbered(3, 1) });
    expect(t.seen().find((line) => line.startsWith("z refused"))).toContain("(8, 3) auto, not (8, 5) auto");
  });

  test("a Spread client cannot be told why it is refused: it is told that it is not in the group", () => {
    const t = town();
    t.request("x", TypeBit.join, ["s"], { data: node("hx"), numbered: numbered(1, 1) });
    t.seen();
    t.join("z", "s");
    expect(t.seen()).toEqual(["z s selfLeave"]);
    expect(t.node(1).groups.directory.get("s")?.memberCount).toBe(1);
  });

  test("what a session sends to no group is for its daemon", () => {
    const t = town();
    t.request("x", TypeBit.agreed, [], { data: "12", numbered: numbered(1, 1) });
    expect(t.seen()).toEqual(["x ordered 1", "x tells its daemon 50 bytes"]);
  });
});
