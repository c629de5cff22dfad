import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { NodeFigures } from "../wire/native/node-statistics.ts";
import type { PlatoConfig } from "./config.ts";
import type { OrderedMessage } from "./message.ts";
import { PlatoGroup, type PlatoStatistics } from "./plato-group.ts";

/** What the totally ordered groups of a node ask of it. */
export interface OrderedGroupsOutbox {
  /** A timely packet to the group (ricochet/); returns its number. */
  multicast(group: GroupNumber, body: Uint8Array): number;
  /** A datagram to one member, that may be lost. */
  unicast(group: GroupNumber, to: NodeId, body: Uint8Array): void;
  /** Of each group one stream, in order. */
  deliver(group: GroupNumber, message: OrderedMessage): void;
  commit(group: GroupNumber, position: number): void;
  rollback(group: GroupNumber, position: number): void;
}

type Counted = Pick<PlatoStatistics, "delivered" | "optimistic" | "rolledBack">;

type Ordered = {
  readonly plato: PlatoGroup;
  members: readonly NodeId[];
  /** Messages that wait until the group takes them. */
  readonly waiting: Uint8Array[];
};

/**
 * The totally ordered ones among a node's timely groups: who is in them follows from the node's views, whose numbers are positions in the
 * membership service's log, the same at all members.
 */
export class OrderedGroups implements Machine {
  readonly #config: PlatoConfig;
  readonly #outbox: OrderedGroupsOutbox;
  readonly #groups = new Map<GroupNumber, Ordered>();
  /** Counted in groups that the node has left. */
  readonly #past: Counted = { delivered: 0, optimistic: 0, rolledBack: 0 };
  /** Those in which messages wait. */
  readonly #held = new Set<Ordered>();

  /** `config.bodyBytesMax` is not used: each group has its own. */
  constructor(config: PlatoConfig, outbox: OrderedGroupsOutbox) {
    this.#config = config;
    this.#outbox = outbox;
  }

  has(group: GroupNumber): boolean {
    return this.#groups.has(group);
  }

  /** What there is to see of them, for NODE_STATISTICS. */
  figures(): Partial<NodeFigures> {
    const sum = { ...this.#past };
    for (const { plato } of this.#groups.values()) add(sum, plato.statistics);
    return { orderedDelivered: sum.delivered, orderedOptimistic: sum.optimistic, orderedRolledBack: sum.rolledBack };
  }

  /** The timely group is totally ordered. `bodyBytesMax`: what a packet of it takes. */
  set(group: GroupNumber, optimistic: boolean, bodyBytesMax: number, now: number): void {
    if (this.#groups.has(group)) return;
    const outbox = this.#outbox;
    const plato = new PlatoGroup(
      { ...this.#config, optimistic, bodyBytesMax },
      {
        multicast: (body) => outbox.multicast(group, body),
        unicast: (to, body) => outbox.unicast(group, to, body),
        deliver: (message) => outbox.deliver(group, message),
        commit: (position) => outbox.commit(group, position),
        rollback: (position) => outbox.rollback(group, position),
      },
      now,
    );
    this.#groups.set(group, { plato, members: [], waiting: [] });
  }

  /**
   * The node's views have changed: `n` is the position in the log up to which they are known. `membersOf`: ascending; `undefined`: the node is in this
   * group no more.
   */
  apply(n: number, membersOf: (group: GroupNumber) => readonly NodeId[] | undefined, now: number): void {
    for (const [group, ordered] of this.#groups) {
      const members = membersOf(group);
      if (members === undefined) {
        this.#groups.delete(group);
        ordered.waiting.length = 0;
        add(this.#past, ordered.plato.statistics);
      } else if (members.join() !== ordered.members.join()) {
        ordered.members = members;
        ordered.plato.setView(n, members, now);
      }
    }
  }

  /** Whether messages to the group wait, as too many of this node's are under way there: it is to get no more until `pump` says so. */
  isHeldBack(group: GroupNumber): boolean {
    return (this.#groups.get(group)?.waiting.length ?? 0) > 0;
  }

  /** Sends a message; it is copied, or kept if it has to wait. */
  send(group: GroupNumber, payload: Uint8Array, now: number): void {
    const ordered = this.#groups.get(group);
    assert(ordered !== undefined, "a node sends to its groups");
    if (ordered.waiting.length === 0 && ordered.plato.canSend) ordered.plato.send(payload, now);
    else {
      ordered.waiting.push(payload);
      this.#held.add(ordered);
    }
  }

  /** The end of a turn: what may be sent now is sent. Returns whether a group holds nothing back any more. */
  pump(now: number): boolean {
    let isAnyFree = false;
    for (const ordered of this.#held) {
      const { plato, waiting } = ordered;
      let sent = 0;
      for (; sent < waiting.length && plato.canSend; sent++) plato.send(waiting[sent] as Uint8Array, now);
      waiting.splice(0, sent);
      if (waiting.length > 0) continue;
      this.#held.delete(ordered);
      isAnyFree = true;
    }
    return isAnyFree;
  }

  /** The payload of another member's timely packet; as `PlatoGroup.receive`. */
  receive(
    group: GroupNumber,
    from: NodeId,
    seq: number,
    bytes: Uint8Array,
    waitedMs: number | undefined,
    now: number,
  ): void {
    this.#groups.get(group)?.plato.receive(from, seq, bytes, waitedMs, now);
  }

  /** A datagram of another member to this one. */
  receiveFrom(group: GroupNumber, from: NodeId, bytes: Uint8Array, now: number): void {
    this.#groups.get(group)?.plato.receiveFrom(from, bytes, now);
  }

  get deadline(): number {
    let deadline = NEVER;
    for (const { plato } of this.#groups.values()) deadline = Math.min(deadline, plato.deadline);
    return deadline;
  }

  tick(now: number): void {
    for (const { plato } of this.#groups.values()) if (plato.deadline <= now) plato.tick(now);
  }
}

function add(sum: Counted, { delivered, optimistic, rolledBack }: Counted): void {
  sum.delivered += delivered;
  sum.optimistic += optimistic;
  sum.rolledBack += rolledBack;
}
