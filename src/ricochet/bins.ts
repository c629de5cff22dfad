import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { PacketId } from "../wire/timely/data.ts";
import { repairHeadBytes } from "../wire/timely/repair.ts";
import { Stagger, type Traffic } from "./stagger.ts";

/** A packet that is there. */
export type BinPacket = {
  readonly id: PacketId;
  /** The whole datagram, kept as long as it may be needed. */
  readonly bytes: Uint8Array;
  /** When it came, ms. */
  readonly at: number;
  /** Of the bytes, once it has been asked for. */
  checksum: number | undefined;
};

/** What this node and those who get a bin's repairs have in common. */
export type Shared = {
  readonly groups: ReadonlySet<GroupNumber>;
  /** When they were told how far streams of these groups go. */
  toldAt: number;
};

/** Sends a repair of these packets to these members. */
export type Fire = (targets: readonly NodeId[], packets: readonly BinPacket[], shared: Shared) => void;

/**
 * Collects packets until they make a repair, and decides who gets it. How that is decided is what the strategies differ in
 * (docs/adr/0009-targets-of-repairs.md).
 */
export interface Bins {
  /** The streams of a group are known to go on by so many packets: called before `add`, and for packets that did not come. */
  advance(group: GroupNumber, count: number): void;
  /** A packet that came over the network, or was sent by this node. What was rebuilt is not added: others know of it already. */
  add(packet: BinPacket): void;
  /** Fires what was begun before this time: late packets wait no longer than that for company. */
  fireBefore(at: number): void;
  /** When the oldest packet that has not been fired came; ∞ if there is none. */
  readonly oldest: number;
}

/** What limits a repair. */
export type BinLimits = {
  /** r: packets in it, at most. */
  readonly packetsMax: number;
  /** Longest datagram that it may become. */
  readonly datagramBytes: number;
};

/** Packets of one repair to be. */
export class Bin {
  packets: BinPacket[] = [];
  #longest = 0;

  get oldest(): number {
    return this.packets[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Whether a repair with this packet as well fits into a datagram of that length. */
  fits({ bytes }: BinPacket, datagramBytes: number): boolean {
    const longest = Math.max(this.#longest, bytes.length);
    return repairHeadBytes(this.packets.length + 1, 0) + longest <= datagramBytes;
  }

  add(packet: BinPacket): void {
    this.packets.push(packet);
    this.#longest = Math.max(this.#longest, packet.bytes.length);
  }

  take(): readonly BinPacket[] {
    const { packets } = this;
    this.packets = [];
    this.#longest = 0;
    return packets;
  }
}

/** A bin of sub-bins that are filled in turn, as many as its share of the node's packets makes advisable (stagger.ts). */
export class StaggeredBin {
  #limits: BinLimits;
  readonly #stagger: Stagger;
  readonly #fire: (packets: readonly BinPacket[]) => void;
  #bins: Bin[] = [];
  #turn = 0;

  constructor(
    limits: BinLimits,
    burstPackets: number,
    traffic: Traffic,
    fire: (packets: readonly BinPacket[]) => void,
  ) {
    this.#limits = limits;
    this.#stagger = new Stagger(burstPackets, traffic);
    this.#fire = fire;
  }

  /** From now on repairs are of so many packets, and against such bursts. */
  change(packetsMax: number, burstPackets: number): void {
    this.#limits = { ...this.#limits, packetsMax };
    this.#stagger.burstPackets = burstPackets;
    if (this.#stagger.bins === this.#bins.length) return;
    for (const bin of this.#bins) this.#fireBin(bin);
    this.#bins = [];
    this.#turn = 0;
  }

  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const bin of this.#bins) oldest = Math.min(oldest, bin.oldest);
    return oldest;
  }

  add(packet: BinPacket): void {
    this.#stagger.countMine();
    const wanted = this.#stagger.bins;
    if (this.#turn === 0 && this.#bins.length !== wanted) this.#change(wanted);
    const bin = this.#bins[this.#turn] as Bin;
    this.#turn = (this.#turn + 1) % this.#bins.length;
    const { packetsMax, datagramBytes } = this.#limits;
    if (!bin.fits(packet, datagramBytes)) this.#fireBin(bin);
    bin.add(packet);
    if (bin.packets.length >= packetsMax) this.#fireBin(bin);
  }

  fireBefore(at: number): void {
    for (const bin of this.#bins) if (bin.oldest < at) this.#fireBin(bin);
  }

  /** To more sub-bins between two repairs, to fewer at once: too many are perhaps never empty. */
  #change(wanted: number): void {
    const isEmpty = this.oldest === Number.POSITIVE_INFINITY;
    if (wanted > this.#bins.length && !isEmpty) return;
    for (const bin of this.#bins) this.#fireBin(bin);
    this.#bins = Array.from({ length: wanted }, () => new Bin());
  }

  #fireBin(bin: Bin): void {
    if (bin.packets.length > 0) this.#fire(bin.take());
  }
}

/** A number that looks like chance and that everybody works out alike from a packet's id. */
export function hashOf({ sender, group, seq }: PacketId): number {
  let hash = 0x9e37_79b9;
  for (const word of [sender, sender / 2 ** 32, group, group / 2 ** 32, seq]) {
    hash = Math.imul(hash ^ (word >>> 0), 0x85eb_ca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2_ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}
