import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { clusterOf, headFault, kindOf, NodeKind, originOf, packetAt } from "../wire/region/head.ts";
import {
  encodeTimelyData,
  isTimelyData,
  type PacketId,
  TIMELY_DATA_HEAD_BYTES,
  timelyGroupOf,
  timelyPayloadOf,
  timelySeqOf,
} from "../wire/timely/data.ts";
import { decodeTimelyNak, encodeTimelyNak, NAK_GROUPS_MAX, type Nak } from "../wire/timely/nak.ts";
import { decodeRepair, encodeRepair, repairHeadBytes } from "../wire/timely/repair.ts";
import { decodeTimelyState, encodeTimelyState, type StreamState } from "../wire/timely/state.ts";
import { AlignedBins } from "./aligned-bins.ts";
import { AssignedBins } from "./assigned-bins.ts";
import { type GroupShape, planBins } from "./bin-plan.ts";
import type { BinPacket, Bins } from "./bins.ts";
import { checksumOf } from "./checksum.ts";
import type { TimelyConfig } from "./config.ts";
import { Decoder, type DecoderStatistics } from "./decoder.ts";
import { Incoming, type Missing } from "./incoming.ts";
import { Outgoing } from "./outgoing.ts";
import { RandomBins } from "./random-bins.ts";
import { Xor } from "./xor.ts";

/** How a packet came to be here. */
export type Arrival = "sent" | "received" | "rebuilt" | "resent";

/** What a node asks of its host. */
export interface TimelyOutbox {
  /** To all members of the group but this node. */
  multicast(group: GroupNumber, bytes: Uint8Array): void;
  /** To one node: repairs and what was asked for, or control. */
  unicast(to: NodeId, channel: "repair" | "control", bytes: Uint8Array): void;
  /** Once for each packet, as soon as it is there: in no order. The payload is a view of a datagram. */
  deliver(id: PacketId, payload: Uint8Array, how: Arrival, now: number): void;
  /** A packet will not come: its sender has not got it any more, or does not answer. */
  lost(id: PacketId, now: number): void;
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

/** Requests that fall due within this time of each other are made together. */
const ASK_MS = 5;
/** The time between two requests for the same packet doubles so often. */
const ASK_DOUBLINGS_MAX = 4;
/** How often own packets are looked through for those that need not be kept any more. */
const FORGET_MS = 1_000;

/** A packet and where it is held. */
type Held = { readonly stream: Incoming; readonly packet: BinPacket };

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
  readonly #xor: Xor;
  readonly #groups = new Map<GroupNumber, GroupShape>();
  #bins: readonly Bins[] = [];
  readonly #incoming = new Map<GroupNumber, Map<NodeId, Incoming>>();
  readonly #outgoing = new Map<GroupNumber, Outgoing>();
  /** Packets that are held to rebuild others with, oldest first, from `#holdStart` on. */
  #hold: Held[] = [];
  #holdStart = 0;
  #holdBytes = 0;
  #sentBytes = 0;
  /** Streams of which something is missing. */
  readonly #lacking = new Set<Incoming>();
  /** When something is to be asked for, a bin to be fired as it is, a state to be told, old packets to be forgotten. */
  #askAt = NEVER;
  #fireAt = NEVER;
  #stateAt = NEVER;
  #forgetAt = NEVER;
  #now: number;

  constructor(config: TimelyConfig, outbox: TimelyOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#now = now;
    this.#xor = new Xor(config.datagramBytes);
    this.#decoder = new Decoder({ find: (id) => this.#find(id) }, config.repairsMax, config.datagramBytes);
  }

  /** Longest payload that repairs of so many packets have room for. */
  static payloadBytesMax(datagramBytes: number, packetsPerRepair: number): number {
    return datagramBytes - repairHeadBytes(packetsPerRepair, 0) - TIMELY_DATA_HEAD_BYTES;
  }

  get decoding(): Readonly<DecoderStatistics> {
    return this.#decoder.statistics;
  }

  /** Packets that are known to be missing now. */
  get missing(): number {
    let count = 0;
    for (const { missing } of this.#lacking) count += missing.size;
    return count;
  }

  /** Bytes that are held to rebuild others with, and for those who ask. */
  get heldBytes(): number {
    return this.#holdBytes + this.#sentBytes;
  }

  /**
   * New views of groups: all groups of this node, with their present members. Repairs that were being collected are sent as they are, to those
   * who were members before.
   */
  setGroups(groups: readonly GroupShape[], now: number): void {
    this.#now = now;
    for (const bins of this.#bins) bins.fireBefore(Number.POSITIVE_INFINITY);
    const before = new Map(this.#groups);
    this.#groups.clear();
    for (const shape of groups) {
      this.#groups.set(shape.group, shape);
      const members = before.get(shape.group)?.members.join();
      if (members !== shape.members.join()) this.#outgoing.get(shape.group)?.viewChanged();
    }
    for (const [group, streams] of this.#incoming) {
      const members = this.#groups.get(group)?.members ?? [];
      for (const [sender, stream] of streams) {
        if (members.includes(sender)) continue;
        streams.delete(sender);
        this.#lacking.delete(stream);
      }
      if (!this.#groups.has(group)) this.#incoming.delete(group);
    }
    for (const [group, { kept }] of this.#outgoing) {
      if (this.#groups.has(group)) continue;
      for (const { bytes } of kept.values()) this.#sentBytes -= bytes.length;
      this.#outgoing.delete(group);
    }
    this.#bins = this.#newBins();
  }

  /** Sends a packet to a group of this node, and delivers it here. */
  send(group: GroupNumber, payload: Uint8Array, now: number): PacketId {
    this.#now = now;
    const { me, cluster, datagramBytes, packetsPerRepair, stateMs } = this.#config;
    assert(this.#groups.has(group), "a node sends to its groups");
    const most = TimelyNode.payloadBytesMax(datagramBytes, packetsPerRepair);
    assert(payload.length <= most, "a payload fits into a datagram with room for repairs");
    let outgoing = this.#outgoing.get(group);
    if (outgoing === undefined) this.#outgoing.set(group, (outgoing = new Outgoing(group)));
    const id = { sender: me, group, seq: outgoing.next() };
    const bytes = encodeTimelyData(cluster, id, 0, payload);
    outgoing.kept.set(id.seq, { seq: id.seq, bytes, at: now });
    this.#sentBytes += bytes.length;
    outgoing.stateAt = now + stateMs;
    outgoing.statesSaid = 0;
    this.#stateAt = Math.min(this.#stateAt, outgoing.stateAt);
    this.#forgetAt = this.#sentBytes > this.#config.sentBytes ? now : Math.min(this.#forgetAt, now + FORGET_MS);
    this.statistics.sent++;
    this.#outbox.multicast(group, bytes);
    this.#outbox.deliver(id, payload, "sent", now);
    this.#collect({ id, bytes, at: now, checksum: undefined }, 1);
    return id;
  }

  /** A datagram, given away. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    for (let at = 0; at < bytes.length; ) {
      const fault = headFault(bytes, at);
      if (fault !== undefined) {
        if (fault === "malformed") this.statistics.malformed++;
        else this.statistics.foreign++;
        return;
      }
      const packet = packetAt(bytes, at);
      at += packet.length;
      if (clusterOf(packet) !== this.#config.cluster) this.statistics.foreign++;
      else this.#receive(packet);
    }
  }

  get deadline(): number {
    return Math.min(this.#askAt, this.#fireAt, this.#stateAt, this.#forgetAt);
  }

  tick(now: number): void {
    this.#now = now;
    if (now >= this.#fireAt) this.#fireOld();
    if (now >= this.#askAt) this.#ask();
    if (now >= this.#stateAt) this.#tellStates();
    if (now >= this.#forgetAt) this.#forgetSent();
  }

  // ---- receiving --------------------------------------------------------------------------------------------------

  #receive(packet: Uint8Array): void {
    switch (kindOf(packet)) {
      case NodeKind.timelyData:
        if (isTimelyData(packet)) this.#onData(packet, "received");
        else this.statistics.malformed++;
        return;
      case NodeKind.timelyRepair: {
        const repair = decodeRepair(packet);
        if (repair === undefined) {
          this.statistics.malformed++;
          return;
        }
        for (const id of repair.packets) this.#hearOf(id);
        for (const id of repair.lasts) this.#hearOf(id);
        const bytes = this.#decoder.receive(repair);
        if (bytes !== undefined) this.#onData(bytes, "rebuilt");
        return;
      }
      case NodeKind.timelyState: {
        const states = decodeTimelyState(packet);
        if (states === undefined) this.statistics.malformed++;
        else for (const state of states) this.#onState(originOf(packet), state);
        return;
      }
      case NodeKind.timelyNak: {
        const naks = decodeTimelyNak(packet);
        if (naks === undefined) this.statistics.malformed++;
        else this.#onNak(originOf(packet), naks);
        return;
      }
      default:
        this.statistics.foreign++;
    }
  }

  #onData(packet: Uint8Array, how: "received" | "rebuilt"): void {
    const id = { sender: originOf(packet), group: timelyGroupOf(packet), seq: timelySeqOf(packet) };
    const stream = this.#stream(id);
    if (stream === undefined) {
      this.statistics.foreign++;
      return;
    }
    const presence = stream.presence(id.seq);
    if (presence === "held" || presence === "past") {
      this.statistics.duplicates++;
      return;
    }
    const advanced = this.#announce(stream, id.seq);
    const missing = stream.missing.get(id.seq);
    assert(missing !== undefined, "what has been heard of and has not come is missing");
    stream.missing.delete(id.seq);
    if (stream.missing.size === 0) this.#lacking.delete(stream);
    const kept = { id, bytes: packet, at: this.#now, checksum: undefined };
    stream.held.set(id.seq, kept);
    this.#hold.push({ stream, packet: kept });
    this.#holdBytes += packet.length;
    this.#forgetHeld();
    const arrival = how === "received" && missing.asked > 0 ? "resent" : how;
    this.statistics[arrival]++;
    this.#outbox.deliver(id, timelyPayloadOf(packet), arrival, this.#now);
    // What others have rebuilt too, or have had all along, needs no further repairs (B9).
    if (arrival === "received") this.#collect(kept, advanced);
    for (const bytes of this.#decoder.arrived(missing)) this.#onData(bytes, "rebuilt");
  }

  #onState(sender: NodeId, { group, from, last }: StreamState): void {
    const stream = this.#stream({ sender, group, seq: Math.max(1, last) });
    if (stream === undefined) return;
    const askAt = this.#now + this.#config.nakMs;
    for (const { seq, repairs } of stream.begin(from, this.#now, askAt)) {
      for (const pending of repairs) pending.isOver = true;
      this.#lose({ sender, group, seq });
    }
    this.#announce(stream, last);
    this.#note(stream, askAt);
  }

  #onNak(from: NodeId, naks: readonly Nak[]): void {
    const gone: StreamState[] = [];
    for (const { group, missing } of naks) {
      const outgoing = this.#outgoing.get(group);
      if (outgoing === undefined) {
        // Nothing was sent since this node was last in the group.
        gone.push({ group, from: 1, last: 0 });
        continue;
      }
      let isGone = false;
      for (const seq of missing.numbers()) {
        const sent = seq >= outgoing.from ? outgoing.kept.get(seq) : undefined;
        if (sent === undefined) isGone ||= seq <= outgoing.last;
        else this.#outbox.unicast(from, "repair", sent.bytes);
      }
      if (isGone) gone.push({ group, from: outgoing.from, last: outgoing.last });
    }
    if (gone.length > 0) {
      this.#outbox.unicast(from, "control", encodeTimelyState(this.#config.cluster, this.#config.me, gone));
    }
  }

  #hearOf(id: PacketId): void {
    if (id.sender === this.#config.me) return;
    const stream = this.#stream(id);
    if (stream !== undefined && id.seq > stream.highest) this.#announce(stream, id.seq);
  }

  /** Returns by how much the stream has advanced. */
  #announce(stream: Incoming, seq: number): number {
    const { missingMax, nakMs } = this.#config;
    // A sender that ran on so far without this node is not caught up with.
    if (seq - stream.highest > missingMax) {
      const { sender, group } = stream;
      const from = seq - missingMax + 1;
      for (let n = stream.highest + 1; n < from; n++) this.#lose({ sender, group, seq: n });
      for (const missing of stream.begin(from, this.#now, NEVER)) this.#lose({ sender, group, seq: missing.seq });
    }
    const askAt = this.#now + nakMs;
    const advanced = stream.announce(seq, this.#now, askAt);
    if (advanced > 0) {
      for (const bins of this.#bins) bins.advance(stream.group, advanced);
      this.#note(stream, askAt);
    }
    return advanced;
  }

  #note(stream: Incoming, askAt: number): void {
    if (stream.missing.size === 0) return;
    this.#lacking.add(stream);
    this.#askAt = Math.min(this.#askAt, askAt);
  }

  #stream({ sender, group, seq }: PacketId): Incoming | undefined {
    const shape = this.#groups.get(group);
    if (shape === undefined || sender === this.#config.me) return undefined;
    let streams = this.#incoming.get(group);
    let stream = streams?.get(sender);
    if (stream !== undefined) return stream;
    if (!shape.members.includes(sender)) return undefined;
    if (streams === undefined) this.#incoming.set(group, (streams = new Map()));
    stream = new Incoming(sender, group, seq);
    streams.set(sender, stream);
    return stream;
  }

  #find(id: PacketId): BinPacket | Missing | undefined {
    if (id.sender === this.#config.me) {
      const sent = this.#outgoing.get(id.group)?.kept.get(id.seq);
      return sent === undefined ? undefined : { id, bytes: sent.bytes, at: sent.at, checksum: undefined };
    }
    const stream = this.#incoming.get(id.group)?.get(id.sender);
    return stream?.held.get(id.seq) ?? stream?.missing.get(id.seq);
  }

  // ---- repairs ----------------------------------------------------------------------------------------------------

  #newBins(): readonly Bins[] {
    const { me, targets, packetsPerRepair, burstPackets, alignedMin } = this.#config;
    const shapes = [...this.#groups.values()].filter(({ members }) => members.length > 1);
    const fire = (to: readonly NodeId[], packets: readonly BinPacket[]): void => this.#repair(to, packets);
    const plans = planBins(me, shapes);
    if (targets === "random") {
      const random = (): number => this.#outbox.random();
      return plans.map((plan) => new RandomBins(plan, packetsPerRepair, burstPackets, random, fire));
    }
    const alignedFrom = targets === "aligned" ? 1 : targets === "auto" ? alignedMin : Number.POSITIVE_INFINITY;
    const aligned = plans.filter(({ region }) => region.length >= alignedFrom);
    const isAligned = new Set(aligned.flatMap(({ region }) => region));
    const bins: Bins[] = aligned.map((plan) => new AlignedBins(me, plan, packetsPerRepair, burstPackets, fire));
    bins.push(new AssignedBins(me, shapes, (member) => !isAligned.has(member), packetsPerRepair, burstPackets, fire));
    return bins;
  }

  #collect(packet: BinPacket, advanced: number): void {
    if (packet.id.sender === this.#config.me) for (const bins of this.#bins) bins.advance(packet.id.group, advanced);
    for (const bins of this.#bins) bins.add(packet);
    this.#fireAt = Math.min(this.#fireAt, this.#now + this.#config.binMs);
  }

  #fireOld(): void {
    const { binMs } = this.#config;
    this.#fireAt = NEVER;
    for (const bins of this.#bins) {
      bins.fireBefore(this.#now - binMs);
      this.#fireAt = Math.min(this.#fireAt, bins.oldest + binMs);
    }
    // Within a few milliseconds nobody minds, and bins that fall due one by one would wake the node for each.
    if (this.#fireAt < NEVER) this.#fireAt = Math.max(this.#fireAt, this.#now + binMs / 8);
  }

  #repair(targets: readonly NodeId[], packets: readonly BinPacket[]): void {
    if (packets.length === 0) return;
    const xor = this.#xor;
    xor.clear();
    let lengths = 0;
    let checksum = 0;
    for (const packet of packets) {
      xor.add(packet.bytes);
      lengths ^= packet.bytes.length;
      checksum ^= checksumOf(packet);
    }
    const { cluster, me } = this.#config;
    const ids = packets.map(({ id }) => id);
    const bytes = encodeRepair(cluster, me, ids, [], { lengths, checksum }, xor.length);
    xor.copyTo(bytes, repairHeadBytes(packets.length, 0));
    for (const target of targets) {
      this.statistics.repairsSent++;
      this.statistics.coveredBySent += packets.length;
      this.#outbox.unicast(target, "repair", bytes);
    }
  }

  // ---- what repairs do not bring ----------------------------------------------------------------------------------

  #ask(): void {
    const { nakMs, nakMax, cluster, me } = this.#config;
    const naks = new Map<NodeId, Nak[]>();
    this.#askAt = NEVER;
    for (const stream of this.#lacking) {
      const { sender, group } = stream;
      const due = new RangeSet();
      for (const missing of stream.missing.values()) {
        if (missing.askAt <= this.#now) {
          if (missing.asked >= nakMax) {
            stream.missing.delete(missing.seq);
            for (const pending of missing.repairs) pending.isOver = true;
            this.#lose({ sender, group, seq: missing.seq });
            continue;
          }
          due.add(missing.seq);
          missing.asked++;
          missing.askAt = this.#now + nakMs * 2 ** Math.min(missing.asked, ASK_DOUBLINGS_MAX);
        }
        this.#askAt = Math.min(this.#askAt, missing.askAt);
      }
      if (stream.missing.size === 0) this.#lacking.delete(stream);
      if (due.isEmpty) continue;
      const list = naks.get(sender);
      if (list === undefined) naks.set(sender, [{ group, missing: due }]);
      else list.push({ group, missing: due });
    }
    if (this.#askAt < NEVER) this.#askAt = Math.max(this.#askAt, this.#now + ASK_MS);
    for (const [sender, list] of naks) {
      for (let i = 0; i < list.length; i += NAK_GROUPS_MAX) {
        this.statistics.naksSent++;
        const bytes = encodeTimelyNak(cluster, me, list.slice(i, i + NAK_GROUPS_MAX));
        this.#outbox.unicast(sender, "control", bytes);
      }
    }
  }

  #tellStates(): void {
    const { cluster, me, stateMs, stateMax } = this.#config;
    let next = NEVER;
    for (const outgoing of this.#outgoing.values()) {
      if (outgoing.stateAt > this.#now) {
        next = Math.min(next, outgoing.stateAt);
        continue;
      }
      const { group, from, last } = outgoing;
      this.#outbox.multicast(group, encodeTimelyState(cluster, me, [{ group, from, last }]));
      outgoing.statesSaid++;
      const isOver = outgoing.statesSaid >= stateMax;
      outgoing.stateAt = isOver ? NEVER : this.#now + stateMs * 2 ** outgoing.statesSaid;
      next = Math.min(next, outgoing.stateAt);
    }
    this.#stateAt = next;
  }

  #lose(id: PacketId): void {
    this.statistics.lost++;
    this.#outbox.lost(id, this.#now);
  }

  #forgetHeld(): void {
    const { holdMs, holdBytes } = this.#config;
    while (this.#holdStart < this.#hold.length) {
      const { stream, packet } = this.#hold[this.#holdStart] as Held;
      if (packet.at > this.#now - holdMs && this.#holdBytes <= holdBytes) break;
      stream.held.delete(packet.id.seq);
      this.#holdBytes -= packet.bytes.length;
      this.#holdStart++;
    }
    if (this.#holdStart > this.#hold.length / 2) {
      this.#hold = this.#hold.slice(this.#holdStart);
      this.#holdStart = 0;
    }
  }

  #forgetSent(): void {
    const { sentMs, sentBytes } = this.#config;
    this.#forgetHeld();
    for (const { kept } of this.#outgoing.values()) {
      for (const [seq, { at, bytes }] of kept) {
        if (at > this.#now - sentMs && this.#sentBytes <= sentBytes) break;
        kept.delete(seq);
        this.#sentBytes -= bytes.length;
      }
    }
    this.#forgetAt = this.#sentBytes + this.#holdBytes > 0 ? this.#now + FORGET_MS : NEVER;
  }
}
