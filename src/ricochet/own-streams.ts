import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import { encodeTimelyData, type PacketId } from "../wire/timely/data.ts";
import type { Nak } from "../wire/timely/nak.ts";
import { encodeTimelyState, type StreamState } from "../wire/timely/state.ts";
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

/**
 * What a node sends: numbers its packets in each group, keeps them for those who ask, and says how far they go when none has followed for a while, so
 * that the loss of the last is noticed (protocols.md B13, B16).
 */
export class OwnStreams {
  readonly #config: TimelyConfig;
  readonly #outbox: OwnStreamsOutbox;
  readonly #streams = new Map<GroupNumber, Outgoing>();
  /** The greatest number that was used in a group that this node has left: a group that it is in again goes on behind it. */
  #lastLeft = 0;
  #bytes = 0;
  /** When a state is to be told, and packets are to be forgotten. */
  #stateAt = NEVER;
  #forgetAt = NEVER;

  constructor(config: TimelyConfig, outbox: OwnStreamsOutbox) {
    this.#config = config;
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

  viewChanged(group: GroupNumber, before: readonly NodeId[], after: readonly NodeId[]): void {
    this.#streams.get(group)?.viewChanged(before, after);
  }

  /** The node is in no other groups any more. */
  keepOnly(isMember: (group: GroupNumber) => boolean): void {
    for (const [group, { kept, last }] of this.#streams) {
      if (isMember(group)) continue;
      for (const { bytes } of kept.values()) this.#bytes -= bytes.length;
      this.#lastLeft = Math.max(this.#lastLeft, last);
      this.#streams.delete(group);
    }
  }

  /** Sends a packet to the group. */
  send(group: GroupNumber, payload: Uint8Array, now: number): { readonly id: PacketId; readonly bytes: Uint8Array } {
    const { me, cluster, stateMs, sentBytes } = this.#config;
    let stream = this.#streams.get(group);
    if (stream === undefined) this.#streams.set(group, (stream = new Outgoing(group, this.#lastLeft)));
    const before = stream.inView;
    const id = { sender: me, group, seq: stream.next() };
    const bytes = encodeTimelyData(cluster, id, 0, before, payload);
    stream.kept.set(id.seq, { seq: id.seq, bytes, at: now });
    this.#bytes += bytes.length;
    stream.stateAt = now + stateMs;
    stream.statesSaid = 0;
    this.#stateAt = Math.min(this.#stateAt, stream.stateAt);
    this.#forgetAt = this.#bytes > sentBytes ? now : Math.min(this.#forgetAt, now + FORGET_MS);
    this.#outbox.multicast(group, bytes);
    return { id, bytes };
  }

  /** A member asks for packets: sends them again, or tells why it cannot have them. */
  onNak(from: NodeId, naks: readonly Nak[]): void {
    const { cluster, me } = this.#config;
    const states: StreamState[] = [];
    let resent = 0;
    for (const { group, missing } of naks) {
      const stream = this.#streams.get(group);
      if (stream === undefined) {
        // Nothing was sent since this node was last in the group, if it is in it.
        const first = this.#lastLeft + 1;
        states.push({ group, from: first, began: first, last: this.#lastLeft });
        continue;
      }
      let asksState = missing.isEmpty;
      const begin = stream.beginsFor(from);
      for (const seq of missing.numbers()) {
        // What was sent before the asking node was a member is not for it.
        const sent = seq < begin ? undefined : stream.kept.get(seq);
        if (sent === undefined) asksState ||= seq <= stream.last;
        // The rest is asked for again.
        else if (resent < RESENDS_MAX) {
          resent++;
          this.#outbox.unicast(from, "repair", sent.bytes);
        }
      }
      if (asksState) states.push(stream.stateFor(from));
    }
    if (states.length > 0) this.#outbox.unicast(from, "control", encodeTimelyState(cluster, me, true, states));
  }

  tick(now: number): void {
    if (now >= this.#stateAt) this.#tellStates(now);
    if (now >= this.#forgetAt) this.#forget(now);
  }

  #tellStates(now: number): void {
    const { cluster, me, stateMs, stateMax } = this.#config;
    this.#stateAt = NEVER;
    for (const stream of this.#streams.values()) {
      if (stream.stateAt <= now) {
        this.#outbox.multicast(stream.group, encodeTimelyState(cluster, me, false, [stream.state]));
        stream.statesSaid++;
        const isOver = stream.statesSaid >= stateMax;
        stream.stateAt = isOver ? NEVER : now + stateMs * 2 ** stream.statesSaid;
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
