import { type GroupNumber, type NodeId, type RegionViewId, regionViewKey } from "../../../base/ids.ts";
import { absentOf, type GroupView, type RegionView } from "../../../cms/views.ts";
import type { MessageNumber } from "../../trace.ts";
import type { FirstPiece, RegionEvent } from "../event.ts";

/** What a node holds of a sender's stream in a region view, if it is in that view and has not retired it. */
export type Probe = (node: NodeId, id: RegionViewId, sender: NodeId) => number | undefined;

/** One life of a machine. */
export type NodeLife = {
  readonly node: NodeId;
  readonly machine: number;
  hasEnded: boolean;
  /** Declared failed by the service. */
  hasFailed: boolean;
  /** Changes that it has applied, or begun to. */
  changes: number;
  /** The groups that it is in, as it knows them, with the change by which it came in. */
  readonly groups: Map<GroupNumber, number>;
  /** Region views that it is or was in, with the change by which it came in. */
  readonly entered: Map<string, number>;
  /** Region views that it was in and has retired. */
  readonly retired: Set<string>;
};

export type ViewLife = {
  readonly view: RegionView;
  isSuperseded: boolean;
  /** By sender; once it is final. */
  final: ReadonlyMap<NodeId, number> | undefined;
  isClosed: boolean;
};

export type MessageLife = {
  readonly message: MessageNumber;
  readonly sender: NodeId;
  readonly group: GroupNumber;
  readonly at: number;
  /** The change by which its sender had come into the group when it submitted it. */
  readonly since: number;
  /** The views in which it is sent, once it has a number in one. */
  pin: { readonly group: GroupView; readonly regions: readonly RegionView[] } | undefined;
  /** Its place among the pinned messages of its sender and group. */
  place: number;
  isStable: boolean;
  /** Numbers of its packets, by region view. */
  readonly packets: Map<string, number[]>;
};

/** What checkers need to know of what has happened so far. */
export class RegionsHistory {
  readonly nodes = new Map<NodeId, NodeLife>();
  readonly views = new Map<string, ViewLife>();
  readonly messages = new Map<MessageNumber, MessageLife>();
  readonly probe: Probe;
  /** Of a sender to a group, in the order in which they were pinned. */
  readonly #orders = new Map<string, MessageLife[]>();
  quietAt: number | undefined;

  constructor(probe: Probe) {
    this.probe = probe;
  }

  order(sender: NodeId, group: GroupNumber): readonly MessageLife[] {
    return this.#orders.get(`${sender} ${group}`) ?? [];
  }

  view(id: RegionViewId): ViewLife | undefined {
    return this.views.get(regionViewKey(id));
  }

  /** The region view in which a message was sent to a node. */
  regionOf(message: MessageLife, node: NodeId): RegionView | undefined {
    const view = message.pin?.regions.find(({ members }) => members.some(({ id }) => id === node));
    return view !== undefined && absentOf(view, node).includes(message.group) ? undefined : view;
  }

  /** Whether a node is to deliver a message: it lives, and may deliver it. */
  concerns(message: MessageLife, node: NodeLife): boolean {
    return !node.hasEnded && !node.hasFailed && this.isFor(message, node);
  }

  /** Whether a node was sent a message, and has been in the group all the time since. (Leaving a group is leaving the region.) */
  isFor(message: MessageLife, node: NodeLife): boolean {
    const since = node.groups.get(message.group);
    const view = this.regionOf(message, node.node);
    if (since === undefined || view === undefined) return false;
    return (node.entered.get(regionViewKey(view.id)) ?? Number.POSITIVE_INFINITY) >= since;
  }

  /** Members that have not been declared failed and have not retired the view, with what they hold of a sender's packets. */
  *holders(id: RegionViewId, sender: NodeId): Generator<{ readonly node: NodeId; readonly contiguous: number }> {
    const key = regionViewKey(id);
    for (const { id: node } of this.views.get(key)?.view.members ?? []) {
      const life = this.nodes.get(node);
      if (life === undefined || life.hasFailed || life.retired.has(key)) continue;
      const contiguous = this.probe(node, id, sender);
      // It retires the view just now, or does not know it yet.
      if (contiguous === undefined && life.entered.has(key)) continue;
      yield { node, contiguous: contiguous ?? 0 };
    }
  }

  apply(event: RegionEvent): void {
    switch (event.kind) {
      case "start":
        this.nodes.set(event.node, {
          node: event.node,
          machine: event.machine,
          hasEnded: false,
          hasFailed: false,
          changes: 0,
          groups: new Map(),
          entered: new Map(),
          retired: new Set(),
        });
        return;
      case "end":
        this.#node(event.node).hasEnded = true;
        return;
      case "failed":
        this.#node(event.failed).hasFailed = true;
        return;
      case "opened":
        this.views.set(regionViewKey(event.view.id), {
          view: event.view,
          isSuperseded: false,
          final: undefined,
          isClosed: false,
        });
        return;
      case "superseded":
        this.#view(event.id).isSuperseded = true;
        return;
      case "final":
        this.#view(event.id).final = new Map(event.last.map(({ sender, seq }) => [sender, seq]));
        return;
      case "closed":
        this.#view(event.id).isClosed = true;
        return;
      case "applying":
        this.#node(event.node).changes++;
        return;
      case "applied":
        this.#onApplied(event.node, event.known);
        return;
      case "group": {
        const { groups, changes } = this.#node(event.node);
        if (!groups.has(event.view.group)) groups.set(event.view.group, changes);
        return;
      }
      case "left":
        this.#node(event.node).groups.delete(event.group);
        return;
      case "submit":
        this.messages.set(event.message, {
          message: event.message,
          sender: event.node,
          group: event.group,
          at: event.at,
          since: this.#node(event.node).groups.get(event.group) ?? 0,
          pin: undefined,
          place: -1,
          isStable: false,
          packets: new Map(),
        });
        return;
      case "stable": {
        const message = this.messages.get(event.message);
        if (message !== undefined) message.isStable = true;
        return;
      }
      case "packet":
        this.#onPacket(event.id, event.seq, event.messages, event.firsts);
        return;
      case "retired":
        this.#node(event.node).retired.add(regionViewKey(event.id));
        return;
      case "quiet":
        this.quietAt = event.at;
        return;
      case "map":
      case "logged":
      case "suspended":
      case "deliver":
      case "lost":
      case "last":
      case "sent":
      case "ticked":
      case "fencedHeard":
      case "taken":
      case "awaited":
      case "heard":
      case "round":
      case "untold":
      case "token":
      case "told":
      case "visited":
      case "acknowledged":
      case "cleaned":
      case "over":
    }
  }

  #onApplied(node: NodeId, known: readonly RegionView[]): void {
    const { entered, changes } = this.#node(node);
    for (const { id, members } of known) {
      const key = regionViewKey(id);
      if (!entered.has(key) && members.some((member) => member.id === node)) entered.set(key, changes);
    }
  }

  #onPacket(id: RegionViewId, seq: number, messages: readonly MessageNumber[], firsts: readonly FirstPiece[]): void {
    for (const { message, group, regions } of firsts) {
      const life = this.messages.get(message);
      if (life === undefined || life.pin !== undefined) continue;
      life.pin = { group, regions };
      const key = `${life.sender} ${life.group}`;
      let order = this.#orders.get(key);
      if (order === undefined) this.#orders.set(key, (order = []));
      life.place = order.length;
      order.push(life);
    }
    const key = regionViewKey(id);
    for (const message of messages) {
      const packets = this.messages.get(message)?.packets;
      const seqs = packets?.get(key);
      if (seqs === undefined) packets?.set(key, [seq]);
      else seqs.push(seq);
    }
  }

  #node(node: NodeId): NodeLife {
    const life = this.nodes.get(node);
    if (life === undefined) throw new Error(`node ${node} has started`);
    return life;
  }

  #view(id: RegionViewId): ViewLife {
    const life = this.views.get(regionViewKey(id));
    if (life === undefined) throw new Error(`region view ${regionViewKey(id)} is open`);
    return life;
  }
}
