import { describe, expect, test } from "vitest";
import { clientDelivery, daemonName, type Node, PerfectEvs } from "../../test/groups/perfect-evs.ts";
import type { DaemonId } from "../base/ids.ts";
import type { Service } from "../ordering/service.ts";
import { TypeBit, typeOfService } from "../wire/spread/codes.ts";
import { encodeFrame } from "../wire/spread/frame.ts";
import { decodeMembership } from "../wire/spread/membership.ts";

/** Daemons whose clients' deliveries are written down, one line each; sessions are named by their user. */
class Town {
  readonly lines: string[] = [];
  readonly evs: PerfectEvs;
  readonly #users = new Map<string, { daemon: DaemonId; session: number }>();

  constructor(...daemons: DaemonId[]) {
    this.evs = new PerfectEvs({
      outbox: (node) => ({
        deliver: (sessions, frame) => {
          const text = new TextDecoder().decode(frame.subarray(frame.length - 1));
          this.lines.push(`${sessions.map((session) => this.#user(node.id, session)).join(" ")} < ${text}`);
        },
        notify: (session, notice) => {
          const says = decodeMembership(notice.frame);
          const who = this.#user(node.id, session);
          if (says?.kind === "view") {
            const sets = says.sets.map((set) => `{${set.map(short).join(" ")}}`).join(" ");
            const own = says.ownSet >= 0 ? `, own ${says.ownSet}` : "";
            const id = `${says.id.leader}.${says.id.time}/${says.id.index}`;
            this.lines.push(
              `${who} ${notice.group} ${notice.kind} ${id}${notice.primary ? "*" : ""}: ${says.members.map(short).join(" ")} | ${sets}${own}`,
            );
          } else if (says?.kind === "transitional") {
            this.lines.push(`${who} ${notice.group} transitional ${says.id.leader}.${says.id.time}/${says.id.index}`);
          } else this.lines.push(`${who} ${notice.group} ${notice.kind}`);
        },
        ordered: (session, number, duplicate) =>
          this.lines.push(`${this.#user(node.id, session)} ordered ${number}${duplicate ? " again" : ""}`),
        refused: (session, number, group, why) =>
          this.lines.push(`${this.#user(node.id, session)} refused ${number} ${group}: ${why}`),
        ended: (session) => this.lines.push(`${this.#user(node.id, session)} ended`),
      }),
      stepped: () => {},
    });
    for (const id of daemons) this.evs.start(id);
  }

  node(id: DaemonId): Node {
    return this.evs.nodes.get(id) as Node;
  }

  client(user: string, daemon: DaemonId): void {
    const session = this.#users.size + 1;
    this.#users.set(user, { daemon, session });
    this.node(daemon).groups.attach(user, session);
  }

  request(
    user: string,
    bit: number,
    groups: readonly string[],
    options: { service?: Service; data?: string; numbered?: { token: Uint8Array; number: number }; bits?: number } = {},
  ): void {
    const { daemon, session } = this.#users.get(user) as { daemon: DaemonId; session: number };
    const { service = "agreed", data = "", bits = 0 } = options;
    const bytes = new TextEncoder().encode(data);
    const frame = encodeFrame(bit | bits, `#${user}#${daemonName(daemon)}`, groups, 0, bytes);
    this.node(daemon).submit(clientDelivery(daemon, session, service, frame, options.numbered));
  }

  join(user: string, group: string): void {
    this.request(user, TypeBit.join, [group]);
  }

  leave(user: string, group: string): void {
    this.request(user, TypeBit.leave, [group]);
  }

  kill(user: string): void {
    this.request(user, TypeBit.kill, []);
  }

  send(user: string, groups: readonly string[], data: string, service: Service = "agreed"): void {
    this.request(user, typeOfService(service), groups, { data, service });
  }

  /** Lets everything happen that is due; what clients saw of it. */
  seen(): string[] {
    this.evs.settle();
    return this.lines.splice(0);
  }

  #user(daemon: DaemonId, session: number): string {
    for (const [user, at] of this.#users) if (at.daemon === daemon && at.session === session) return user;
    return `?${session}`;
  }
}

const short = (name: string) => name.slice(1, name.indexOf("#", 1));

/** Four daemons in one configuration, with x@1, y@2, z@3 in group g. */
function town(): Town {
  const town = new Town(1, 2, 3, 4);
  town.evs.merge([1, 2, 3, 4]);
  town.seen();
  for (const [user, daemon] of [
    ["x", 1],
    ["y", 2],
    ["z", 3],
  ] as const) {
    town.client(user, daemon);
    town.join(user, "g");
  }
  town.seen();
  return town;
}

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
