import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import { EarlyPackets } from "../base/early-packets.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { clusterOf, headFault, kindOf, NodeKind, originOf, packetAt } from "../wire/region/head.ts";
import {
  BEFORE_MAX,
  isTimelyData,
  type PacketId,
  TIMELY_DATA_HEAD_BYTES,
  timelyBeforeOf,
  timelyGroupOf,
  timelyJoinedOf,
  timelyPayloadOf,
  timelySeqOf,
  timelyViewOf,
} from "../wire/timely/data.ts";
import { decodeTimelyNak, encodeTimelyNak } from "../wire/timely/nak.ts";
import {
  decodeRepair,
  isRepair,
  repairGroupAt,
  repairHeadBytes,
  repairLastsOf,
  repairPacketsOf,
  repairSenderAt,
  repairSeqAt,
} from "../wire/timely/repair.ts";
import { decodeTimelyRate, encodeTimelyRate } from "../wire/timely/rate.ts";
import { decodeTimelyState } from "../wire/timely/state.ts";
import { decodeTimelyTell, encodeTimelyTell } from "../wire/timely/tell.ts";
import type { TimelyShape } from "./bin-plan.ts";
import type { BinPacket } from "./bins.ts";
import { CommonViews } from "./common-views.ts";
import type { TimelyConfig } from "./config.ts";
import { Decoder, type DecoderStatistics } from "./decoder.ts";
import type { Incoming, Missing } from "./incoming.ts";
import { IncomingStreams } from "./incoming-streams.ts";
import { OwnStreams } from "./own-streams.ts";
import type { RateOfFire } from "./rate-of-fire.ts";
import { RateWishes } from "./rate-wishes.ts";
import { Repairer } from "./repairer.ts";

/** How a packet came to be here. */
export type Arrival = "sent" | "received" | "rebuilt" | "resent";

/** What a node asks of its host. */
export interface TimelyOutbox {
  /** To all members of the group but this node. */
  multicast(group: GroupNumber, bytes: Uint8Array): void;
  /** To one node: repairs and what was asked for, or control. */
  unicast(to: NodeId, channel: "repair" | "control", bytes: Uint8Array): void;
  /**
   * Once for each packet, as soon as it is there: in no order. The payload is a view of a datagram. `waitedMs`: since this node has known that the
   * packet was sent and is missing, or, as repairs tell, since it should have come; 0 if it was not missing.
   */
  deliver(id: PacketId, payload: Uint8Array, how: Arrival, now: number, waitedMs: number): void;
  /** So many packets of a sender, from this one on, will not come: it has not got them any more, or does not answer. */
  lost(first: PacketId, now: number, count: number): void;
  /** What a member has said to this one alone; the bytes are a view of a datagram. */
  told?(from: NodeId, group: GroupNumber, body: Uint8Array, now: number): void;
  /** Uniformly from 0 to 1. */
  random(): number;
}

export type TimelyStatistics = {
  sent: number;
  /** Packets that came over the network first. */
  received: number;
  /** Packets that repairs gave back, and that their senders sent again. */
  rebuilt: number;
  resent: number;
  lost: number;
  duplicates: number;
  repairsSent: number;
  /** Repairs by the packets that they were of. */
  coveredBySent: number;
  naksSent: number;
  malformed: number;
  foreign: number;
};

/** No datagram is longer, whatever other nodes are set to. */
const PACKET_BYTES_MAX = 65_536;

/**
 * A node in groups that want every packet within milliseconds (Ricochet, NSDI 2007, over Slingshot; protocols.md B). What is lost is rebuilt from
 * exclusive ors of packets that other receivers send around unasked; what that does not bring is asked of its sender.
 */
export class TimelyNode implements Machine {
  readonly statistics: TimelyStatistics = {
    sent: 0,
    received: 0,
    rebuilt: 0,
    resent: 0,
    lost: 0,
    duplicates: 0,
    repairsSent: 0,
    coveredBySent: 0,
    naksSent: 0,
    malformed: 0,
    foreign: 0,
  };
  readonly #config: TimelyConfig;
  readonly #outbox: TimelyOutbox;
  readonly #decoder: Decoder;
  readonly #groups = new Map<GroupNumber, TimelyShape>();
  readonly #common = new CommonViews();
  readonly #repairer: Repairer;
  readonly #rates: RateWishes;
  readonly #incoming: IncomingStreams;
  readonly #own: OwnStreams;
  /** Packets of senders that this node has not been told of. */
  readonly #early: EarlyPackets<{ readonly bytes: Uint8Array }>;
  /** Packets may be here that this node has not been given. That others have heard of them says nothing of their being lost. */
  #isBehind = false;
  #now: number;

  constructor(config: TimelyConfig, outbox: TimelyOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#now = now;
    this.#early = new EarlyPackets(config.earlyBytes);
    this.#own = new OwnStreams(config, this.#common, {
      multicast: (group, bytes) => this.#outbox.multicast(group, bytes),
      unicast: (to, channel, bytes) => this.#outbox.unicast(to, channel, bytes),
    });
    this.#incoming = new IncomingStreams(config, this.#common, {
      ask: (sender, naks) => {
        this.statistics.naksSent++;
        this.#outbox.unicast(sender, "control", encodeTimelyNak(config.cluster, config.me, naks));
      },
      advance: (group, count) => this.#repairer.advance(group, count),
      givenUp: (group, since) => this.#rates.arrived(group, "lost", since, this.#now),
      lost: (first, count) => {
        this.statistics.lost += count;
        this.#outbox.lost(first, this.#now, count);
      },
    });
    this.#repairer = new Repairer(config, {
      repair: (target, bytes, packets) => {
        this.statistics.repairsSent++;
        this.statistics.coveredBySent += packets;
        this.#outbox.unicast(target, "repair", bytes);
      },
      random: () => this.#outbox.random(),
    });
    this.#rates = new RateWishes((to, wishes) => {
      this.#outbox.unicast(to, "control", encodeTimelyRate(config.cluster, config.me, wishes));
    });
    this.#decoder = new Decoder({ find: (id) => this.#find(id) }, config.repairsMax, PACKET_BYTES_MAX);
  }

  /** Longest payload that repairs of so many packets have room for. */
  static payloadBytesMax(datagramBytes: number, packetsPerRepair: number): number {
    return datagramBytes - repairHeadBytes(packetsPerRepair, 0) - TIMELY_DATA_HEAD_BYTES;
  }

  get decoding(): Readonly<DecoderStatistics> {
    return this.#decoder.statistics;
  }

  /** How this node wants to be repaired now in groups that are set to this recovery; undefined: it is in none. */
  rateOf(recovery: number): RateOfFire | undefined {
    return this.#rates.rateOf(recovery);
  }

  /** Packets that are known to be missing now. */
  get missing(): number {
    return this.#incoming.missing;
  }

  /** Senders that have not yet said with which packet their streams begin for this node. */
  get unsettled(): number {
    return this.#incoming.unsettled;
  }

  /** Bytes that are held to rebuild others with, and for those who ask. */
  get heldBytes(): number {
    return this.#incoming.heldBytes + this.#own.bytes;
  }

  /**
   * New views of groups: all groups of this node, with their present members. Repairs that were being collected are sent as they are, to those
   * who were members before. `hasFailed`: which of those that are gone have failed, so that nothing is taken from them directly any more.
   */
  setGroups(groups: readonly TimelyShape[], now: number, hasFailed: (node: NodeId) => boolean = () => false): void {
    this.#now = now;
    this.#repairer.fireAll(now);
    this.#groups.clear();
    for (const shape of groups) this.#groups.set(shape.group, shape);
    this.#common.set(groups);
    this.#own.setGroups(this.#groups);
    this.#incoming.setGroups(this.#groups, hasFailed, now);
    this.#repairer.setGroups(this.#groups.values(), (group) => this.#own.lastOf(group) + this.#incoming.countOf(group));
    const isAligned = (recovery: number): boolean => this.#repairer.isAligned(recovery);
    this.#rates.setGroups(this.#groups.values(), this.#config.me, isAligned, now);
    for (const { bytes } of this.#early.take()) this.#onData(bytes, "received");
    for (const early of this.#early.take()) {
      // Whoever is still not known may be in no group of this node's.
      const isOfLaterView = timelyViewOf(early.bytes) > (this.#groups.get(timelyGroupOf(early.bytes))?.view ?? NEVER);
      this.statistics.foreign += isOfLaterView ? this.#early.keep(early) : 1;
    }
  }

  /** Sends a packet to a group of this node, and delivers it here. */
  send(group: GroupNumber, payload: Uint8Array, now: number): PacketId {
    this.#now = now;
    const { datagramBytes, packetsPerRepair } = this.#config;
    assert(this.#groups.has(group), "a node sends to its groups");
    const most = TimelyNode.payloadBytesMax(
      datagramBytes,
      this.#groups.get(group)?.packetsPerRepair ?? packetsPerRepair,
    );
    assert(payload.length <= most, "a payload fits into a datagram with room for repairs");
    const before = this.#own.lastOf(group);
    const { id, bytes } = this.#own.send(group, payload, now);
    this.statistics.sent++;
    this.#outbox.deliver(id, payload, "sent", now, 0);
    this.#repairer.advance(group, id.seq - before);
    this.#repairer.collect({ id, bytes, at: now, checksum: undefined }, now);
    return id;
  }

  /** Says something to one member of the group, which may be lost. */
  tell(group: GroupNumber, to: NodeId, body: Uint8Array): void {
    const { cluster, me } = this.#config;
    this.#outbox.unicast(to, "control", encodeTimelyTell(cluster, me, { group, body }));
  }

  /** A datagram, given away. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    for (let at = 0; at < bytes.length; ) {
      const fault = headFault(bytes, at);
      if (fault !== undefined) {
        if (fault === "malformed") this.#malformed();
        else this.statistics.foreign++;
        return;
      }
      const packet = packetAt(bytes, at);
      at += packet.length;
      if (clusterOf(packet) !== this.#config.cluster) this.statistics.foreign++;
      else this.#receive(packet);
    }
  }

  /** Whether packets may be here, in a queue or a socket, that this node has not been given yet: to be said before `tick`. */
  behind(isBehind: boolean, now: number): void {
    this.#isBehind = isBehind;
    this.#incoming.behind(isBehind, now);
    this.#rates.isBehind = isBehind;
  }

  get deadline(): number {
    return Math.min(this.#incoming.deadline, this.#repairer.deadline, this.#rates.deadline, this.#own.deadline);
  }

  tick(now: number): void {
    this.#now = now;
    if (now >= this.#repairer.deadline) this.#repairer.tick(now);
    if (now >= this.#rates.deadline) this.#rates.tick(now);
    if (now >= this.#incoming.deadline) this.#incoming.tick(now);
    if (now >= this.#own.deadline) this.#own.tick(now);
  }

  // ---- receiving --------------------------------------------------------------------------------------------------

  #receive(packet: Uint8Array): void {
    switch (kindOf(packet)) {
      case NodeKind.timelyData:
        if (!isTimelyData(packet)) this.#malformed();
        else if (this.#incoming.isFenced(timelyGroupOf(packet), originOf(packet))) {
          this.statistics.foreign++;
          cover("timely drop fenced");
        } else this.#onData(packet, "received");
        return;
      case NodeKind.timelyRepair:
        if (!isRepair(packet)) this.#malformed();
        else if (!this.#isKnown(packet)) this.#onRepair(packet);
        return;
      case NodeKind.timelyState: {
        const states = decodeTimelyState(packet);
        if (states === undefined) this.#malformed();
        else for (const state of states) this.#incoming.onState(originOf(packet), state, this.#isBehind, this.#now);
        return;
      }
      case NodeKind.timelyNak: {
        const naks = decodeTimelyNak(packet);
        if (naks === undefined) this.#malformed();
        else this.#own.onNak(originOf(packet), naks);
        return;
      }
      case NodeKind.timelyRate: {
        const wishes = decodeTimelyRate(packet);
        if (wishes === undefined) this.#malformed();
        else for (const { recovery, ...rate } of wishes) this.#repairer.setRate(originOf(packet), recovery, rate);
        return;
      }
      case NodeKind.timelyTell: {
        const telling = decodeTimelyTell(packet);
        if (telling === undefined) this.#malformed();
        else if (!this.#groups.has(telling.group)) this.statistics.foreign++;
        else this.#outbox.told?.(originOf(packet), telling.group, telling.body, this.#now);
        return;
      }
      default:
        this.statistics.foreign++;
    }
  }

  #onData(packet: Uint8Array, how: "received" | "rebuilt"): void {
    const id = { sender: originOf(packet), group: timelyGroupOf(packet), seq: timelySeqOf(packet) };
    const stream = this.#incoming.of(id, this.#now);
    const view = timelyViewOf(packet);
    // Its sender is a member for the first time, or again, since a view that this node has not heard of.
    if (stream === undefined || timelyJoinedOf(packet) > stream.since) {
      this.statistics.foreign += this.#early.keep({ bytes: packet });
      return;
    }
    const presence = stream.presence(id.seq);
    if (presence === "held" || presence === "past") {
      this.statistics.duplicates++;
      const since = stream.rebuilt.get(id.seq);
      if (how === "received" && since !== undefined) {
        stream.rebuilt.delete(id.seq);
        this.#rates.cameAfterAll(id.group, since);
      }
      return;
    }
    const kept = { id, bytes: packet, at: this.#now, checksum: undefined };
    if (view < stream.since && !stream.isMine(id.seq)) {
      this.#onOthers(stream, kept);
      return;
    }
    stream.sentTo(id.seq);
    this.#incoming.announce(stream, id.seq, this.#now, this.#now);
    const missing = stream.missing.get(id.seq);
    assert(missing !== undefined, "what has been heard of and has not come is missing");
    stream.missing.delete(id.seq);
    this.#incoming.hold(stream, kept);
    if (how === "rebuilt" && missing.asked === 0) stream.rebuilt.set(id.seq, missing.since);
    if (how === "received") stream.arrived = Math.max(stream.arrived, id.seq);
    const arrival = how === "received" && missing.asked > 0 ? "resent" : how;
    this.statistics[arrival]++;
    if (view >= stream.since) {
      const before = timelyBeforeOf(packet);
      const began = Math.max(1, id.seq - before);
      // With the first view that has both, or the sender's very first packet, there is nothing to ask.
      const isBeginning = before < BEFORE_MAX && (view === stream.since || began === 1);
      this.#incoming.reachBack(stream, began, isBeginning, this.#now);
    }
    this.#incoming.noteLess(stream);
    this.#outbox.deliver(id, timelyPayloadOf(packet), arrival, this.#now, this.#now - missing.since);
    // What others have rebuilt too, or have had all along, needs no further repairs (B9).
    if (arrival === "received") this.#repairer.collect(kept, this.#now);
    this.#rates.arrived(id.group, arrival, missing.since, this.#now);
    for (const bytes of this.#decoder.arrived(missing)) this.#onData(bytes, "rebuilt");
  }

  #malformed(): void {
    this.statistics.malformed++;
    cover("timely drop malformed");
  }

  /** A packet that was sent before this node, or its sender, was a member: others are repaired with it, it is not delivered. */
  #onOthers(stream: Incoming, packet: BinPacket): void {
    const { seq } = packet.id;
    cover("timely packet of before");
    this.statistics.foreign++;
    const missing = stream.missing.get(seq);
    this.#incoming.beginBehind(stream, seq);
    this.#incoming.hold(stream, packet);
    if (missing === undefined) return;
    for (const bytes of this.#decoder.arrived(missing)) this.#onData(bytes, "rebuilt");
  }

  /**
   * Whether a repair tells nothing, since all its packets are here, as those of nearly all repairs are where little is lost. Then it is not decoded, and
   * streams are looked up once for packets in a row.
   */
  #isKnown(packet: Uint8Array): boolean {
    if (repairLastsOf(packet) > 0) return false;
    const count = repairPacketsOf(packet);
    let [oldestAt, newestAt] = [NEVER, NEVER];
    let [sender, group] = [-1, -1];
    let held: ReadonlyMap<number, { readonly at: number }> | undefined;
    for (let i = 0; i < count; i++) {
      const [nextSender, nextGroup] = [repairSenderAt(packet, i), repairGroupAt(packet, i)];
      if (nextSender !== sender || nextGroup !== group) {
        [sender, group] = [nextSender, nextGroup];
        held = sender === this.#config.me ? this.#own.keptOf(group) : this.#incoming.heldOf(group, sender);
      }
      const found = held?.get(repairSeqAt(packet, i));
      if (found === undefined) return false;
      if (i === 0) oldestAt = found.at;
      newestAt = found.at;
    }
    this.#repairer.countRepair();
    this.#decoder.countUseless();
    this.#countAge(repairGroupAt(packet, 0), count, oldestAt, newestAt);
    return true;
  }

  #onRepair(packet: Uint8Array): void {
    const repair = decodeRepair(packet);
    if (repair === undefined) {
      this.#malformed();
      return;
    }
    this.#repairer.countRepair();
    this.#hearOfAll(repair.packets);
    for (const id of repair.lasts) this.#hearOf(id, this.#now);
    const bytes = this.#decoder.receive(repair);
    if (bytes !== undefined) this.#onData(bytes, "rebuilt");
  }

  /** A repair of so many packets has come; the first and the last of them that are here had come then. */
  #countAge(group: GroupNumber, packets: number, firstAt: number, lastAt: number): void {
    this.#incoming.observeLag(group, this.#now - firstAt);
    // Not until the repair has come: how late a node that is busy sees it is no matter of bins.
    this.#rates.filled(group, packets, Math.max(0, lastAt - firstAt));
  }

  /** The packets of a repair, in the order in which they came to its origin: one that is not here would have come before those behind it. */
  #hearOfAll(packets: readonly PacketId[]): void {
    let since = this.#now;
    let oldest: BinPacket | undefined;
    let newest: BinPacket | undefined;
    for (let i = packets.length - 1; i >= 0; i--) {
      const id = packets[i] as PacketId;
      const found = this.#find(id);
      if (found === undefined) this.#hearOf(id, since);
      else if ("bytes" in found) {
        since = Math.min(since, found.at);
        oldest = found;
        newest ??= found;
      }
    }
    if (oldest !== undefined && newest !== undefined) {
      this.#countAge(oldest.id.group, packets.length, oldest.at, newest.at);
    }
  }

  /** The packet was sent, and is missing since then. */
  #hearOf(id: PacketId, since: number): void {
    if (id.sender !== this.#config.me && !this.#isBehind) this.#incoming.hearOf(id, since, this.#now);
  }

  #find(id: PacketId): BinPacket | Missing | undefined {
    if (id.sender !== this.#config.me) return this.#incoming.find(id);
    const sent = this.#own.keptOf(id.group)?.get(id.seq);
    return sent === undefined ? undefined : { id, bytes: sent.bytes, at: sent.at, checksum: undefined };
  }
}
