import { beforeEach, describe, expect, test } from "vitest";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { kindOf, NodeKind } from "../wire/region/head.ts";
import { timelyDefaults } from "./config.ts";
import { TimelyNode } from "./timely-node.ts";

const GROUP = 7;
const OTHER = 8;

type Datagram = { readonly from: NodeId; readonly to: NodeId; readonly kind: number; readonly bytes: Uint8Array };

/** Nodes that hear each other after a millisecond, unless what they send is lost. Nothing is repaired but by requests. */
class Few {
  now = 0;
  /** Whether a datagram does not come. */
  isLost: (datagram: Datagram) => boolean = () => false;
  /** What each has been given, and told not to expect: numbers in `GROUP` by sender. */
  readonly given = new Map<NodeId, number[]>();
  readonly lost = new Map<NodeId, number[]>();
  readonly #nodes = new Map<NodeId, TimelyNode>();
  #flying: (Datagram & { readonly at: number })[] = [];

  constructor(count: number) {
    for (let id = 1; id <= count; id++) {
      this.given.set(id, []);
      this.lost.set(id, []);
      const node = new TimelyNode(
        { ...timelyDefaults, me: id, cluster: 1 },
        {
          // To everybody, as by multicast: who is not in the group, too.
          multicast: (_group, bytes) => {
            for (const to of this.#nodes.keys()) if (to !== id) this.#carry(id, to, bytes);
          },
          unicast: (to, _channel, bytes) => this.#carry(id, to, bytes),
          deliver: (packet, _payload, how) => {
            if (how !== "sent" && packet.group === GROUP) this.given.get(id)?.push(packet.seq);
          },
          lost: (first, _now, packets) => {
            for (let i = 0; i < packets; i++) this.lost.get(id)?.push(first.seq + i);
          },
          random: () => 0.5,
        },
        0,
      );
      this.#nodes.set(id, node);
    }
  }

  /** The node hears of a view of the group, and is in other groups. */
  view(node: NodeId, view: number, members: readonly NodeId[], others: readonly GroupNumber[] = []): void {
    const groups = [...(members.includes(node) ? [GROUP] : []), ...others];
    this.#node(node).setGroups(
      groups.map((group) => ({ group, view, members: group === GROUP ? members : [node], repairs: 0 })),
      this.now,
    );
  }

  send(node: NodeId, count: number, group = GROUP): void {
    for (let i = 0; i < count; i++) this.#node(node).send(group, Uint8Array.of(i), this.now);
  }

  run(ms: number): void {
    for (const until = this.now + ms; this.now < until; this.now++) {
      const arrived = this.#flying.filter(({ at }) => at <= this.now);
      this.#flying = this.#flying.filter(({ at }) => at > this.now);
      for (const { to, bytes } of arrived) this.#node(to).receive(bytes, this.now);
      for (const node of this.#nodes.values()) if (node.deadline <= this.now) node.tick(this.now);
    }
  }

  unsettled(node: NodeId): number {
    return this.#node(node).unsettled;
  }

  #node(id: NodeId): TimelyNode {
    return this.#nodes.get(id) as TimelyNode;
  }

  #carry(from: NodeId, to: NodeId, bytes: Uint8Array): void {
    const datagram = { from, to, kind: kindOf(bytes), bytes };
    if (!this.isLost(datagram)) this.#flying.push({ ...datagram, at: this.now + 1 });
  }
}

describe("what a member is told of a sender", () => {
  let few: Few;

  beforeEach(() => {
    few = new Few(4);
    for (const node of [1, 2]) few.view(node, 10, [1, 2]);
    few.send(1, 5);
    few.run(20);
    expect(few.given.get(2)).toEqual([1, 2, 3, 4, 5]);
  });

  test("begins with the first packet of the first view that has both, also if none of that view comes, and no answer for long", () => {
    for (const node of [1, 2, 3]) few.view(node, 20, [1, 2, 3]);
    few.isLost = ({ to }) => to === 3;
    few.send(1, 3);
    few.run(5);
    for (const node of [1, 2, 3, 4]) few.view(node, 30, [1, 2, 3, 4]);
    few.isLost = () => false;
    few.send(1, 1);
    few.run(5);
    few.isLost = ({ to }) => to === 3;
    few.run(30_000);
    // Of what comes before the ninth it does not know yet whether that is for it.
    expect([few.given.get(3), few.lost.get(3), few.unsettled(3)]).toEqual([[9], [], 1]);
    few.isLost = () => false;
    few.run(5_000);
    // Its sender has them no more.
    expect([few.given.get(3), few.lost.get(3), few.unsettled(3)]).toEqual([[9], [6, 7, 8], 0]);
    expect([few.given.get(4), few.lost.get(4), few.unsettled(4)]).toEqual([[9], [], 0]);
  });

  test("has what is lost for good among it, and nothing of before", () => {
    for (const node of [1, 2, 3]) few.view(node, 20, [1, 2, 3]);
    few.isLost = ({ to }) => to === 3;
    few.send(1, 3);
    // Then they are not kept any more.
    few.run(13_000);
    few.isLost = () => false;
    few.run(20_000);
    expect([few.given.get(3), few.lost.get(3), few.unsettled(3)]).toEqual([[], [6, 7, 8], 0]);
  });

  test("does not begin sooner for who hears of a view sooner than the sender", () => {
    few.view(3, 20, [1, 2, 3]);
    few.isLost = ({ to }) => to === 3;
    few.send(1, 1);
    few.isLost = () => false;
    few.send(1, 1);
    few.run(500);
    expect(few.given.get(2)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    for (const node of [1, 2]) few.view(node, 20, [1, 2, 3]);
    few.send(1, 2);
    few.run(10_000);
    expect([few.given.get(3), few.lost.get(3), few.unsettled(3)]).toEqual([[8, 9], [], 0]);
  });

  test("goes on when the sender comes back, whatever it has sent elsewhere meanwhile", () => {
    few.view(1, 20, [2], [OTHER]);
    few.view(2, 20, [2]);
    few.send(1, 100, OTHER);
    few.run(50);
    few.view(1, 30, [1, 2], [OTHER]);
    few.send(1, 1);
    few.run(10);
    // It has not heard of that view yet.
    expect(few.given.get(2)).toEqual([1, 2, 3, 4, 5]);
    few.view(2, 30, [1, 2]);
    few.send(1, 1);
    few.run(10_000);
    expect([few.given.get(2), few.lost.get(2), few.unsettled(2)]).toEqual([[1, 2, 3, 4, 5, 6, 7], [], 0]);
  });

  test("has nothing of while the member was away, and what was on its way to it does not come again", () => {
    few.view(2, 20, [1]);
    few.send(1, 2);
    few.run(5);
    few.view(1, 20, [1]);
    few.send(1, 2);
    for (const node of [1, 2]) few.view(node, 30, [1, 2]);
    few.send(1, 2);
    few.run(10_000);
    expect([few.given.get(2), few.lost.get(2), few.unsettled(2)]).toEqual([[1, 2, 3, 4, 5, 10, 11], [], 0]);
  });

  test("does not come again in a membership that the sender has heard of sooner", () => {
    few.view(1, 20, [1]);
    few.view(1, 30, [1, 2]);
    few.isLost = ({ to, kind }) => to === 2 && kind === NodeKind.timelyData;
    few.send(1, 1);
    few.isLost = () => false;
    few.send(1, 1);
    few.run(5);
    expect(few.given.get(2)).toEqual([1, 2, 3, 4, 5, 7]);
    few.view(2, 20, [1]);
    few.run(1_000);
    few.view(2, 30, [1, 2]);
    few.send(1, 1);
    few.run(10_000);
    expect([few.given.get(2), few.lost.get(2), few.unsettled(2)]).toEqual([[1, 2, 3, 4, 5, 7, 8, 6], [], 0]);
  });

  test("does not come again when the sender is back before the member knows that it was away", () => {
    few.view(1, 20, [2]);
    few.view(1, 30, [1, 2]);
    few.isLost = ({ to, kind }) => to === 2 && kind === NodeKind.timelyData;
    few.send(1, 1);
    few.isLost = () => false;
    few.send(1, 1);
    few.run(1_000);
    expect([few.given.get(2), few.lost.get(2)]).toEqual([[1, 2, 3, 4, 5], []]);
    few.view(2, 20, [2]);
    few.run(1_000);
    few.view(2, 30, [1, 2]);
    few.run(1_000);
    expect([few.given.get(2), few.lost.get(2), few.unsettled(2)]).toEqual([[1, 2, 3, 4, 5, 7, 6], [], 0]);
  });

  test("ends, when the sender leaves, with what was heard of by then", () => {
    few.isLost = ({ to, kind }) => to === 2 && kind === NodeKind.timelyData;
    few.send(1, 2);
    few.run(20);
    for (const node of [1, 2]) few.view(node, 20, [2]);
    few.run(1_000);
    expect([few.given.get(2), few.lost.get(2)]).toEqual([
      [1, 2, 3, 4, 5],
      [6, 7],
    ]);
  });
});
