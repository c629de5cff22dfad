import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MapReplica } from "../../examples/map-replica.ts";
import { Random } from "../../src/base/random.ts";
import type { GroupEvent, View } from "../../src/index.ts";

/** One side of a split: a total order of what its members say. */
class Side {
  members: string[] = [];
  queue: { readonly sender: string; readonly note: string }[] = [];
  primary = true;
}

/** Replicas over a total order that splits and merges as a test says. */
class Cluster {
  readonly replicas = new Map<string, MapReplica>();
  readonly written = new Map<string, boolean>();
  sides: Side[] = [];
  #views = 0;
  #writes = 0;

  sideOf(name: string): Side {
    return this.sides.find(({ members }) => members.includes(name)) as Side;
  }

  join(name: string, side: Side): void {
    if (!this.sides.includes(side)) this.sides.push(side);
    const replica = new MapReplica({
      send: (note) => this.sideOf(name).queue.push({ sender: name, note }),
      written: (id, effective) => this.written.set(id, effective),
    });
    this.replicas.set(name, replica);
    const others = [...side.members];
    side.members = [...others, name].sort();
    this.#install(
      side,
      [others, [name]].filter((set) => set.length > 0),
    );
  }

  crash(name: string): void {
    const side = this.sideOf(name);
    side.members = side.members.filter((member) => member !== name);
    if (side.members.length > 0) this.#install(side, [side.members]);
  }

  /** What has not been delivered is lost to the side that goes; the rest stays primary. */
  split(names: readonly string[]): Side {
    const old = this.sideOf(names[0] as string);
    const away = new Side();
    away.primary = false;
    away.members = [...names].sort();
    old.members = old.members.filter((member) => !names.includes(member));
    away.queue = old.queue.filter(({ sender }) => names.includes(sender));
    old.queue = old.queue.filter(({ sender }) => !names.includes(sender));
    this.sides.push(away);
    this.#install(old, [old.members]);
    this.#install(away, [away.members]);
    return away;
  }

  merge(a: Side, b: Side): void {
    for (const side of [a, b]) this.deliver(side);
    const sets = [a.members, b.members];
    a.members = [...a.members, ...b.members].sort();
    a.primary = true;
    this.sides = this.sides.filter((side) => side !== b);
    this.#install(a, sets);
  }

  write(name: string, key: string, value: string): string {
    const id = `${name} ${++this.#writes}`;
    this.sideOf(name).queue.push({ sender: name, note: MapReplica.write(id, key, value) });
    return id;
  }

  /** Delivers some or all of what is queued on a side. */
  deliver(side: Side, count = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < count; i++) {
      const next = side.queue.shift();
      if (next === undefined) return;
      const event: GroupEvent = {
        kind: "message",
        sender: next.sender,
        groups: ["map"],
        service: "agreed",
        type: 0,
        payload: new TextEncoder().encode(next.note),
        own: false,
        bigEndian: false,
      };
      for (const member of side.members) this.replicas.get(member)?.receive(event);
    }
  }

  entries(name: string): Record<string, string> {
    return Object.fromEntries(this.replicas.get(name)?.entries ?? []);
  }

  #install(side: Side, sets: readonly (readonly string[])[]): void {
    const id = { leader: 1, time: 1, index: ++this.#views };
    for (const [index, member] of side.members.entries()) {
      const view: View = {
        kind: "view",
        group: "map",
        id,
        members: side.members,
        index,
        cause: "network",
        joined: [],
        left: [],
        sets,
        ownSet: sets.find((set) => set.includes(member)) ?? [],
        primary: side.primary,
      };
      this.replicas.get(member)?.receive(view);
    }
  }
}

describe("state transfer", () => {
  test("a joiner gets the state, and what is written while it comes", () => {
    const cluster = new Cluster();
    const side = new Side();
    cluster.join("a", side);
    cluster.write("a", "x", "1");
    cluster.deliver(side);
    cluster.join("b", side);
    cluster.write("a", "y", "2");
    cluster.deliver(side, 2);
    cluster.write("a", "z", "3");
    expect(cluster.replicas.get("b")?.isComplete).toBe(false);
    cluster.deliver(side);
    expect(cluster.entries("b")).toEqual({ x: "1", y: "2", z: "3" });
    expect(cluster.entries("a")).toEqual(cluster.entries("b"));
  });

  test("a donor that crashes before it has sent is replaced by another", () => {
    const cluster = new Cluster();
    const side = new Side();
    for (const name of ["a", "b"]) cluster.join(name, side);
    cluster.write("a", "x", "1");
    cluster.deliver(side);
    cluster.join("c", side);
    cluster.deliver(side, 3);
    side.queue = [];
    cluster.crash("a");
    cluster.deliver(side);
    expect(cluster.entries("c")).toEqual({ x: "1" });
    expect(cluster.replicas.get("c")?.isComplete).toBe(true);
  });

  test("after a split only the primary side writes, and its state survives the merge", () => {
    const cluster = new Cluster();
    const main = new Side();
    for (const name of ["a", "b", "c"]) cluster.join(name, main);
    cluster.deliver(main);
    const away = cluster.split(["a"]);
    const refused = cluster.write("a", "x", "minority");
    const accepted = cluster.write("b", "x", "majority");
    for (const side of [main, away]) cluster.deliver(side);
    expect([cluster.written.get(refused), cluster.written.get(accepted)]).toEqual([false, true]);
    cluster.merge(main, away);
    cluster.deliver(main);
    expect(cluster.entries("a")).toEqual({ x: "majority" });
  });

  test("copies agree after any history of joins, crashes, splits and merges", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new Random(seed);
        const cluster = new Cluster();
        const main = new Side();
        cluster.join("m0", main);
        let names = 0;
        for (let i = 0; i < 80; i++) {
          const side = random.pick(cluster.sides);
          const dice = random.integer(0, 19);
          if (dice === 0 && main.members.length < 6) cluster.join(`m${++names}`, main);
          else if (dice === 1 && main.members.length > 1) cluster.crash(random.pick(main.members));
          else if (dice === 2 && cluster.sides.length < 3 && main.members.length > 2) {
            cluster.split([random.pick(main.members)]);
          } else if (dice === 3 && cluster.sides.length > 1) cluster.merge(main, cluster.sides[1] as Side);
          else if (dice < 10 && side.members.length > 0) {
            cluster.write(random.pick(side.members), `k${random.integer(0, 3)}`, `${i}`);
          } else cluster.deliver(side, random.integer(1, 4));
        }
        while (cluster.sides.length > 1) cluster.merge(main, cluster.sides[1] as Side);
        cluster.deliver(main);
        const [first, ...others] = main.members;
        for (const member of main.members) expect(cluster.replicas.get(member)?.isComplete).toBe(true);
        for (const other of others) expect(cluster.entries(other)).toEqual(cluster.entries(first as string));
      }),
      { numRuns: 500 },
    );
  });
});
