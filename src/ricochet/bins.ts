import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { PacketId } from "../wire/timely/data.ts";
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

/** Sends a repair of these packets to these members. */
export type Fire = (targets: readonly NodeId[], packets: readonly BinPacket[]) => void;

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

/** Packets of one repair to be. */
export class Bin {
  packets: BinPacket[] = [];

  get oldest(): number {
    return this.packets[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  take(): readonly BinPacket[] {
    const { packets } = this;
    this.packets = [];
    return packets;
  }
}

/** A bin of sub-bins that are filled in turn, as many as its share of the node's packets makes advisable (stagger.ts). */
export class StaggeredBin {
  readonly #packetsMax: number;
  readonly #stagger: Stagger;
  readonly #fire: (packets: readonly BinPacket[]) => void;
  #bins: Bin[] = [];
  #turn = 0;

  constructor(
    packetsMax: number,
    burstPackets: number,
    traffic: Traffic,
    fire: (packets: readonly BinPacket[]) => void,
  ) {
    this.#packetsMax = packetsMax;
    this.#stagger = new Stagger(burstPackets, traffic);
    this.#fire = fire;
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
    bin.packets.push(packet);
    if (bin.packets.length >= this.#packetsMax) this.#fire(bin.take());
  }

  fireBefore(at: number): void {
    for (const bin of this.#bins) if (bin.oldest < at) this.#fire(bin.take());
  }

  /** To more sub-bins between two repairs, to fewer at once: too many are perhaps never empty. */
  #change(wanted: number): void {
    const isEmpty = this.oldest === Number.POSITIVE_INFINITY;
    if (wanted > this.#bins.length && !isEmpty) return;
    for (const bin of this.#bins) if (bin.packets.length > 0) this.#fire(bin.take());
    this.#bins = Array.from({ length: wanted }, () => new Bin());
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
