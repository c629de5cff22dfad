import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import { encodeTimelyData, type PacketId } from "../wire/timely/data.ts";
import type { Nak } from "../wire/timely/nak.ts";
import { encodeTimelyState, type StreamState } from "../wire/timely/state.ts";
import type { TimelyShape } from "./bin-plan.ts";
import type { CommonViews } from "./common-views.ts";
import type { TimelyConfig } from "./config.ts";
import { Outgoing, type SentPacket } from "./outgoing.ts";

export interface OwnStreamsOutbox {
  /** To all members of the group but this node. */
  multicast(group: GroupNumber, bytes: Uint8Array): void;
  /** To one node: what it has asked for, or an answer to what it wants to know. */
  unicast(to: NodeId, channel: "repair" | "control", bytes: Uint8Array): void;
}

/** Packets that one request is answered with. */
const RESENDS_MAX = 1_000;
/** How often packets are looked through for those that need not be kept any more. */
const FORGET_MS = 1_000;
/** Groups that were left and are remembered. */
const LEFT_MAX = 16_384;

/**
 * What a node sends: numbers its packets in each group, keeps them for those who ask, and says how far they go when none has followed for a while, so
 * that the loss of the last is noticed (protocols.md B13, B16).
 */
export class OwnStreams {
  readonly #config: TimelyConfig;
  readonly #outbox: OwnStreamsOutbox;
  readonly #streams = new Map<GroupNumber, Outgoing>();
  /** The greatest numbers that were used in groups that this node has left: one that it is in again goes on behind that, so that no number comes twice. */
  readonly #left = new Map<GroupNumber, number>();
  /** And in those that are not remembered. */
  #lastForgotten = 0;
  /** The groups of this node, and since when it has been in them. */
  #groups: ReadonlyMap<GroupNumber, TimelyShape> = new Map();
  readonly #common: CommonViews;
  #bytes = 0;
  /** When a state is to be told, and packets are to be forgotten. */
  #stateAt = NEVER;
  #forgetAt = NEVER;

  constructor(config: TimelyConfig, common: CommonViews, outbox: OwnStreamsOutbox) {
    this.#config = config;
    this.#common = common;
    this.#outbox = outbox;
  }

  /** Bytes of packets that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get deadline(): number {
    return Math.min(this.#stateAt, this.#forgetAt);
  }

  /** The greatest number in the group: up to it all are used, if not by packets. Before the first packet there is none, which is 0. */
  lastOf(group: GroupNumber): number {
    return this.#streams.get(group)?.last ?? 0;
  }

  keptOf(group: GroupNumber): ReadonlyMap<number, SentPacket> | undefined {
    return this.#streams.get(group)?.kept;
  }

  /** All groups of this node, in their present views. */
  setGroups(groups: ReadonlyMap<GroupNumber, TimelyShape>): void {
    this.#groups = groups;
    for (const [group, stream] of this.#streams) {
      const shape = groups.get(group);
      if (shape === undefined) this.#leave(stream);
      else if (shape.view !== stream.view) stream.viewChanged(shape.view);
    }
  }

  /** Sends a packet to a group of this node. */
  send(group: GroupNumber, payload: Uint8Array, now: number): { readonly id: PacketId; readonly bytes: Uint8Array } {
    const { me, cluster, stateMs, sentBytes } = this.#config;
    let stream = this.#streams.get(group);
    if (stream === undefined) {
      const shape = this.#groups.get(group);
      assert(shape !== undefined, "a node sends to its groups");
      stream = new Outgoing(group, this.#joined(shape), shape.view, this.#lastBefore(group));
      this.#streams.set(group, stream);
    }
    const { joined, view, inView: before } = stream;
    const id = { sender: me, group, seq: stream.next() };
    const bytes = encodeTimelyData(cluster, id, { view, before, joined }, payload);
    stream.kept.set(id.seq, { seq: id.seq, bytes, at: now });
    this.#bytes += bytes.length;
    stream.stateAt = now + stateMs;
    stream.statesSaid = 0;
    this.#stateAt = Math.min(this.#stateAt, stream.stateAt);
    this.#forgetAt = this.#bytes > sentBytes ? now : Math.min(this.#forgetAt, now + FORGET_MS);
    this.#outbox.multicast(group, bytes);
    return { id, bytes };
  }

  /** Somebody asks for packets: sends them again, or tells why it cannot have them. */
  onNak(from: NodeId, naks: readonly Nak[]): void {
    const { cluster, me } = this.#config;
    const states: StreamState[] = [];
    let resent = 0;
    for (const { group, since, missing } of naks) {
      const shape = this.#groups.get(group);
      // One of the two has not heard yet that both are in the group, or are not: who asks will ask again.
      if (shape === undefined || since > shape.view || !shape.members.includes(from)) {
        cover("timely asked too soon");
        continue;
      }
      const stream = this.#streams.get(group);
      if (stream === undefined) {
        // Nothing was sent since this node has been in the group.
        const last = this.#lastBefore(group);
        states.push({ group, joined: this.#joined(shape), view: since, from: last + 1, began: last + 1, last });
        continue;
      }
      let asksState = missing.isEmpty;
      const began = stream.beganIn(since);
      for (const seq of missing.numbers()) {
        // What was sent before both were members is not for who asks.
        const sent = seq < began ? undefined : stream.kept.get(seq);
        if (sent === undefined) asksState ||= seq <= stream.last;
        // The rest is asked for again.
        else if (resent < RESENDS_MAX) {
          resent++;
          this.#outbox.unicast(from, "repair", sent.bytes);
        }
      }
      if (asksState) states.push(stream.stateSince(since));
    }
    if (states.length > 0) this.#outbox.unicast(from, "control", encodeTimelyState(cluster, me, states));
  }

  tick(now: number): void {
    if (now >= this.#stateAt) this.#tellStates(now);
    if (now >= this.#forgetAt) this.#forget(now);
  }

  #joined({ group, view }: TimelyShape): number {
    return this.#common.since(group, this.#config.me) ?? view;
  }

  #leave({ group, kept, last }: Outgoing): void {
    for (const { bytes } of kept.values()) this.#bytes -= bytes.length;
    this.#streams.delete(group);
    this.#left.delete(group);
    this.#left.set(group, last);
    if (this.#left.size <= LEFT_MAX) return;
    for (const [oldest, used] of this.#left) {
      this.#left.delete(oldest);
      this.#lastForgotten = Math.max(this.#lastForgotten, used);
      return;
    }
  }

  /** The greatest number that the node used in the group before it came to it. */
  #lastBefore(group: GroupNumber): number {
    return this.#left.get(group) ?? this.#lastForgotten;
  }

  #tellStates(now: number): void {
    const { cluster, me, stateMs } = this.#config;
    this.#stateAt = NEVER;
    for (const stream of this.#streams.values()) {
      if (stream.stateAt <= now) {
        this.#outbox.multicast(stream.group, encodeTimelyState(cluster, me, [stream.state]));
        stream.statesSaid++;
        stream.stateAt = now + stateMs * 2 ** stream.statesSaid;
      }
      this.#stateAt = Math.min(this.#stateAt, stream.stateAt);
    }
  }

  #forget(now: number): void {
    const { sentMs, sentBytes } = this.#config;
    for (const { kept } of this.#streams.values()) {
      for (const [seq, { at, bytes }] of kept) {
        if (at > now - sentMs && this.#bytes <= sentBytes) break;
        kept.delete(seq);
        this.#bytes -= bytes.length;
      }
    }
    this.#forgetAt = this.#bytes > 0 ? now + FORGET_MS : NEVER;
  }
}
