import { assert } from "../../../base/assert.ts";
import type { GroupNumber, NodeId } from "../../../base/ids.ts";
import type { PacketId } from "../../../wire/timely/data.ts";
import type { TimelyEvent } from "../event.ts";
import type { TimelyGroupPlan, TimelySchedule } from "../schedule.ts";

/** A node in one group, as far as it knows. */
export type Membership = {
  readonly group: GroupNumber;
  /** Ascending; `undefined`: it is not in the group now. */
  members: readonly NodeId[] | undefined;
  /** While a change is applied: those of before it. */
  before: readonly NodeId[] | undefined;
  /** How often it has left. */
  left: number;
  /** Of each other node that was a member: how often it has ceased to be one. */
  readonly gone: Map<NodeId, number>;
  /** The number of its present view; and of each node that is or was a member beside it, in which views. */
  view: number;
  readonly common: Map<NodeId, Views[]>;
};

/** Views from this one on, up to that one exclusively, if it has come. */
type Views = { readonly from: number; until: number };

/** One life of a machine. */
export type NodeRecord = {
  readonly id: NodeId;
  readonly machine: number;
  endedAt: number | undefined;
  hasFailed: boolean;
  readonly groups: Map<GroupNumber, Membership>;
  isApplying: boolean;
  /** When it was last behind; −∞: never. */
  behindAt: number;
  isBehind: boolean;
};

/** A packet that was sent, and how things stood then. */
export type PacketRecord = {
  readonly id: PacketId;
  readonly key: string;
  readonly at: number;
  readonly payload: Uint8Array;
  /** The whole datagram; `undefined`: it has not left, as of who is alone in a group. */
  readonly bytes: Uint8Array | undefined;
  /** The view in which it was sent. */
  readonly view: number;
  /** Whom its sender knows as members then, itself included. */
  readonly receivers: readonly Receiver[];
  /** How often its sender had left the group. */
  readonly senderLeft: number;
};

/** Whom a packet is for, with how often it had left the group, had been seen to leave by the sender, and had seen the sender leave. */
export type Receiver = {
  readonly node: NodeId;
  readonly left: number;
  readonly gone: number;
  readonly senderGone: number;
};

/** What has happened so far, as all checkers need it. */
export class TimelyHistory {
  readonly nodes = new Map<NodeId, NodeRecord>();
  readonly packets = new Map<string, PacketRecord>();
  /** Where each node runs that some node was told of: not all of them live long enough to know that they are nodes. */
  readonly machines = new Map<NodeId, number>();
  /** By group, once a node is in it. */
  readonly plans = new Map<GroupNumber, TimelyGroupPlan>();
  readonly schedule: TimelySchedule;
  readonly #plans: ReadonlyMap<string, TimelyGroupPlan>;
  /** Bytes of what has left and is about to be handed over at its sender. */
  readonly #leaving = new Map<string, Uint8Array>();

  constructor(schedule: TimelySchedule) {
    this.schedule = schedule;
    this.#plans = new Map(schedule.groups.map((plan) => [plan.name, plan]));
  }

  apply(event: TimelyEvent): void {
    const { kind } = event;
    if (kind === "start") {
      this.nodes.set(event.node, {
        id: event.node,
        machine: event.machine,
        endedAt: undefined,
        hasFailed: false,
        groups: new Map(),
        isApplying: false,
        behindAt: Number.NEGATIVE_INFINITY,
        isBehind: false,
      });
    } else if (kind === "end") this.node(event.node).endedAt = event.at;
    else if (kind === "failed") {
      const failed = this.nodes.get(event.failed);
      if (failed !== undefined) failed.hasFailed = true;
    } else if (kind === "members") this.#onMembers(event);
    else if (kind === "applying") this.node(event.node).isApplying = true;
    else if (kind === "applied") this.#onApplied(event.node);
    else if (kind === "behind") {
      const node = this.node(event.node);
      node.isBehind = event.isBehind;
      node.behindAt = event.at;
    } else if (kind === "packet") this.#leaving.set(packetKey(event.id), event.bytes);
    else if (kind === "arrive" && event.how === "sent") this.#onSent(event.id, event.payload, event.at);
  }

  node(id: NodeId): NodeRecord {
    const node = this.nodes.get(id);
    assert(node !== undefined, "what happens at a node happens after it has started");
    return node;
  }

  membership(node: NodeId, group: GroupNumber): Membership | undefined {
    return this.nodes.get(node)?.groups.get(group);
  }

  /** Whether a node lives, and nobody thinks otherwise. */
  isAlive(node: NodeId): boolean {
    const record = this.nodes.get(node);
    return record !== undefined && record.endedAt === undefined && !record.hasFailed;
  }

  /** Whether the packet was sent in a view that has both, as far as the node knows: one that is expelled learns it later than others. */
  isFor({ id: { sender, group }, view }: PacketRecord, node: NodeId): boolean {
    const common = this.membership(node, group)?.common.get(sender) ?? [];
    return common.some(({ from, until }) => from <= view && view < until);
  }

  /** Whether sender and receiver have both been in the group ever since the packet was sent, and know of each other. */
  isEntitled({ id: { sender, group }, senderLeft }: PacketRecord, { node, left, gone, senderGone }: Receiver): boolean {
    const [here, there] = [this.membership(node, group), this.membership(sender, group)];
    return (
      this.isAlive(node) &&
      this.isAlive(sender) &&
      here?.members?.includes(sender) === true &&
      here.left === left &&
      (here.gone.get(sender) ?? 0) === senderGone &&
      there?.members?.includes(node) === true &&
      there.left === senderLeft &&
      (there.gone.get(node) ?? 0) === gone
    );
  }

  #membershipFor(node: NodeId, group: GroupNumber): Membership {
    const { groups } = this.node(node);
    let membership = groups.get(group);
    if (membership === undefined) {
      membership = {
        group,
        members: undefined,
        before: undefined,
        left: 0,
        gone: new Map(),
        view: 0,
        common: new Map(),
      };
      groups.set(group, membership);
    }
    return membership;
  }

  #onMembers({ node, group, name, members, machines, view }: TimelyEvent & { readonly kind: "members" }): void {
    for (const [member, machine] of machines) this.machines.set(member, machine);
    const plan = this.#plans.get(name);
    if (plan !== undefined) this.plans.set(group, plan);
    const membership = this.#membershipFor(node, group);
    const { members: before } = membership;
    membership.before = before;
    membership.members = members;
    membership.view = view;
    if (members === undefined) {
      membership.left++;
      membership.gone.clear();
      membership.common.clear();
      return;
    }
    for (const member of members) {
      if (before?.includes(member) === true) continue;
      const views = membership.common.get(member) ?? [];
      views.push({ from: view, until: Number.POSITIVE_INFINITY });
      membership.common.set(member, views);
    }
    for (const member of before ?? []) {
      if (members.includes(member)) continue;
      membership.gone.set(member, (membership.gone.get(member) ?? 0) + 1);
      const last = membership.common.get(member)?.at(-1);
      if (last !== undefined) last.until = view;
    }
  }

  #onApplied(id: NodeId): void {
    const node = this.node(id);
    node.isApplying = false;
    for (const membership of node.groups.values()) membership.before = undefined;
  }

  #onSent(id: PacketId, payload: Uint8Array, at: number): void {
    const key = packetKey(id);
    const membership = this.membership(id.sender, id.group);
    // A number that is used twice is reported by who checks what is delivered.
    if (membership?.members === undefined || this.packets.has(key)) return;
    this.packets.set(key, {
      id,
      key,
      at,
      payload: payload.slice(),
      bytes: this.#leaving.get(key),
      view: membership.view,
      receivers: membership.members.map((node) => ({
        node,
        left: this.membership(node, id.group)?.left ?? 0,
        gone: membership.gone.get(node) ?? 0,
        senderGone: this.membership(node, id.group)?.gone.get(id.sender) ?? 0,
      })),
      senderLeft: membership.left,
    });
    this.#leaving.delete(key);
  }
}

export function packetKey({ sender, group, seq }: PacketId): string {
  return `${sender}.${group}.${seq}`;
}

/** For people: ids are counters behind an epoch. */
export function packetName(history: TimelyHistory, { sender, group, seq }: PacketId): string {
  return `packet ${seq} of ${nameOf(history, sender)} in ${groupName(history, group)}`;
}

export function nameOf(history: TimelyHistory, node: NodeId): string {
  const machine = history.nodes.get(node)?.machine ?? history.machines.get(node);
  return `node ${node % 0x1_0000_0000}${machine === undefined ? "" : ` (machine ${machine})`}`;
}

export function groupName(history: TimelyHistory, group: GroupNumber): string {
  return history.plans.get(group)?.name ?? `group ${group % 0x1_0000_0000}`;
}
