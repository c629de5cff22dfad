import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { Directory } from "./directory.ts";
import { type Group, virtualSynchronySets } from "./group.ts";

/** Daemons in the order 3, 1, 2: not the order of their ids. */
const names = { positionOf: (id: DaemonId) => [3, 1, 2].indexOf(id), nameOf: (id: DaemonId) => `d${id}` };
const id = (time: number): ConfigurationId => ({ leader: 1, time });

function directory(time = 1): Directory {
  const made = new Directory(names);
  made.settle(id(time), () => {});
  return made;
}

function joined(to: Directory, group: string, daemon: DaemonId, user: string): Group {
  const result = to.join(group, daemon, user);
  if (result.kind !== "joined") throw new Error(result.kind);
  return result.group;
}

function leave(from: Directory, name: string, daemon: DaemonId, user: string): void {
  const group = from.get(name);
  const member = from.member(daemon, user);
  if (group === undefined || member === undefined) throw new Error("no such member");
  from.leave(group, member);
}

const list = (group: Group | undefined) => group?.members().map((member) => member.name);

test("members are listed by daemon as configured, then by name", () => {
  const d = directory();
  for (const [daemon, user] of [
    [2, "bob"],
    [1, "zoe"],
    [3, "cat"],
    [1, "ann"],
  ] as const) {
    joined(d, "g", daemon, user);
  }
  expect(list(d.get("g"))).toEqual(["#cat#d3", "#ann#d1", "#zoe#d1", "#bob#d2"]);
  expect(d.get("g")?.memberCount).toBe(4);
});

test("joins and leaves keep groups and members like a plain set, in any order", () => {
  const step = fc.record({
    group: fc.constantFrom("a", "b", "AA"),
    daemon: fc.constantFrom(1, 2, 3),
    user: fc.constantFrom("u", "v", "uu"),
    leaves: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const d = directory();
      const model = new Set<string>();
      const ids = new Set<string>();
      for (const { group, daemon, user, leaves } of steps) {
        const key = `${group} #${user}#d${daemon}`;
        const before = { snapshot: d.snapshot(), version: d.version };
        if (leaves && model.delete(key)) leave(d, group, daemon, user);
        else if (!leaves) {
          expect(d.join(group, daemon, user).kind).toBe(model.has(key) ? "alreadyMember" : "joined");
          if (!model.has(key)) {
            const shown = `${group} ${d.get(group)?.id.index}`;
            expect(ids).not.toContain(shown);
            ids.add(shown);
          }
          model.add(key);
        }
        // What was worked out of it is to be worked out anew exactly when something has changed.
        expect(d.version > before.version).toBe(d.snapshot() !== before.snapshot);
      }
      expect(d.groups().map((group) => group.name)).toEqual(
        [...new Set([...model].map((key) => key.slice(0, key.indexOf(" "))))].sort(),
      );
      const known = d.groups().flatMap((group) => (list(group) ?? []).map((name) => `${group.name} ${name}`));
      expect(known.sort()).toEqual([...model].sort());
      for (const daemon of [1, 2, 3]) {
        for (const user of ["u", "v", "uu"]) {
          const groups = [...model]
            .filter((key) => key.endsWith(` #${user}#d${daemon}`))
            .map((key) => key.slice(0, key.indexOf(" ")));
          expect((d.member(daemon, user)?.groups ?? []).map((group) => group.name).sort()).toEqual(groups.sort());
        }
      }
    }),
  );
});

describe("group ids", () => {
  test("count within a configuration, beginning at 1", () => {
    const d = directory();
    expect(joined(d, "g", 1, "a").id).toEqual({ configuration: id(1), index: 1 });
    expect(joined(d, "g", 1, "b").id).toEqual({ configuration: id(1), index: 2 });
    expect(joined(d, "h", 1, "b").id).toEqual({ configuration: id(1), index: 1 });
  });

  test("do not recur when a group empties and is created again", () => {
    const d = directory();
    joined(d, "g", 1, "a");
    leave(d, "g", 1, "a");
    expect(joined(d, "g", 1, "a").id).toEqual({ configuration: id(1), index: 3 });
  });

  test("are of the configuration in which the view came to be", () => {
    const d = directory();
    joined(d, "g", 1, "a");
    d.partition(id(2), new Set([1, 2]));
    d.settle(id(3), () => {});
    expect(d.get("g")?.id).toEqual({ configuration: id(1), index: 1 });
    expect(joined(d, "g", 2, "b").id).toEqual({ configuration: id(3), index: 1 });
    expect(d.get("g")?.parts.map((part) => part.configuration)).toEqual([id(3), id(3)]);
  });

  test("go on when a group of this transition is joined from a partitioned daemon", () => {
    const d = directory();
    d.partition(id(2), new Set([1]));
    joined(d, "g", 1, "a");
    expect(joined(d, "g", 2, "b").id).toEqual({ configuration: id(2), index: 2 });
    expect(d.get("g")?.changed).toBe(true);
  });
});

describe("a transition", () => {
  test("changes exactly the groups that lose daemons, and tells the ids that end", () => {
    const d = directory();
    for (const daemon of [1, 2, 3]) joined(d, "all", daemon, "x");
    joined(d, "here", 1, "x");
    const affected = d.partition(id(2), new Set([1, 2]));
    expect(affected.map(({ group, idBefore }) => [group.name, idBefore.index])).toEqual([["all", 3]]);
    expect(d.get("all")?.parts.map((part) => [part.roster.daemon, part.configuration])).toEqual([
      [3, undefined],
      [1, id(2)],
      [2, id(2)],
    ]);
    expect(d.prune(new Set([1, 2]))).toBe(true);
    expect(d.prune(new Set([1, 2]))).toBe(false);
    const views: string[] = [];
    d.settle(id(3), (group) => views.push(`${group.name} ${list(group)?.join(" ")}`));
    expect(views).toEqual(["all #x#d1 #x#d2"]);
    expect(d.get("all")?.id).toEqual({ configuration: id(3), index: 1 });
    expect(d.get("here")?.id.configuration).toEqual(id(1));
  });

  test("puts each member into one set: together, partitioned, and the joiner last", () => {
    const d = directory();
    for (const daemon of [1, 2, 3]) joined(d, "g", daemon, "x");
    d.partition(id(2), new Set([1, 2]));
    const group = joined(d, "g", 1, "w");
    const sets = virtualSynchronySets(group, d.member(1, "w"));
    expect(sets.map((set) => set.map((member) => member.name))).toEqual([["#x#d1", "#x#d2"], ["#x#d3"], ["#w#d1"]]);
  });
});

describe("merging", () => {
  /** Three components, each with clients of its own daemon, that agreed on groups in configurations of their own. */
  const component = fc.record({
    joins: fc.array(fc.record({ group: fc.constantFrom("a", "b", "c"), user: fc.constantFrom("u", "v", "w") }), {
      maxLength: 8,
    }),
    changed: fc.boolean(),
  });

  function build(daemon: DaemonId, joins: readonly { group: string; user: string }[]): Directory {
    const made = new Directory(names);
    made.settle({ leader: daemon, time: daemon }, () => {});
    for (const { group, user } of joins) made.join(group, daemon, user);
    return made;
  }

  test("does not depend on the order, and all components come to the same", () => {
    fc.assert(
      fc.property(fc.tuple(component, component, component), (components) => {
        const make = () => components.map(({ joins }, i) => build(i + 1, joins));
        const states = make().map((d) => d.export());
        const results = [
          [0, 1, 2],
          [0, 2, 1],
          [1, 0, 2],
          [2, 1, 0],
        ].map(([own, ...others]) => {
          const d = make()[own as number] as Directory;
          for (const other of others) d.merge(states[other] as (typeof states)[number]);
          const changed: string[] = [];
          d.settle(id(10), (group) => {
            changed.push(group.name);
            expect(virtualSynchronySets(group).flat().length).toBe(group.memberCount);
          });
          return { snapshot: d.snapshot(), hash: d.hash(), changed, state: d.export() };
        });
        for (const result of results) expect(result).toEqual(results[0]);
        for (const name of ["a", "b", "c"]) {
          const at = states.filter((state) => state.groups.some((group) => group.name === name)).length;
          expect(results[0]?.changed.includes(name)).toBe(at > 1);
        }
      }),
    );
  });

  test("a directory that is built from a state exports the same state", () => {
    fc.assert(
      fc.property(component, ({ joins }) => {
        const told = build(1, joins).export();
        const other = new Directory(names);
        other.merge(told);
        expect(other.export()).toEqual(told);
      }),
    );
  });

  test("the hash differs when anything differs", () => {
    const of = (...joins: [string, DaemonId, string][]) => {
      const d = directory();
      for (const [group, daemon, user] of joins) d.join(group, daemon, user);
      return d.hash();
    };
    const hashes = [
      of(),
      of(["g", 1, "a"]),
      of(["g", 1, "b"]),
      of(["g", 2, "a"]),
      of(["h", 1, "a"]),
      of(["g", 1, "a"], ["g", 2, "a"]),
      of(["g", 2, "a"], ["g", 1, "a"], ["g", 1, "c"]),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(of(["g", 1, "a"], ["g", 2, "a"])).toBe(of(["g", 2, "a"], ["g", 1, "a"]));
  });
});
