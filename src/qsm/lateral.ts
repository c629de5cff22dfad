import type { NodeId, RegionViewId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { AlignedBins } from "../ricochet/aligned-bins.ts";
import { AssignedBins } from "../ricochet/assigned-bins.ts";
import { planBins } from "../ricochet/bin-plan.ts";
import type { BinPacket, Bins } from "../ricochet/bins.ts";
import { timelyDefaults } from "../ricochet/config.ts";
import { Decoder } from "../ricochet/decoder.ts";
import type { Missing } from "../ricochet/incoming.ts";
import { RepairSum } from "../ricochet/repair-sum.ts";
import { isData, regionOf, seqOf, viewOf } from "../wire/region/data.ts";
import { originOf } from "../wire/region/head.ts";
import { hybridCountOf, hybridRegionOf, hybridSeqOf, hybridViewOf, isHybrid } from "../wire/region/hybrid.ts";
import { encodeRegionRepair, type RegionRepair, regionRepairHeadBytes } from "../wire/region/repair.ts";
import type { PacketId } from "../wire/timely/data.ts";

/** (r, c) of the repairs that members of a region send each other. */
export type LateralRate = { readonly every: number; readonly copies: number };

/** What lateral repairs of a region view ask of their member. */
export interface LateralHost {
  /** A repair, to a member; it may be lost. */
  repair(to: NodeId, packet: Uint8Array): void;
  /** A packet that repairs have given back, as its sender sent it. */
  rebuilt(packet: Uint8Array, seq: number): void;
  /** Whether a packet has come, or was given up. */
  has(sender: NodeId, seq: number): boolean;
}

export type LateralConfig = LateralRate & { readonly me: NodeId; readonly cluster: number };

const PACKET_BYTES_MAX = 65_536;
/** Packets are held to rebuild others with, for so long and so many of them; and what is missing is known of so many. */
const HOLD_MS = 500;
const HELD_MAX = 8_192;
const REPAIRS_MAX = 1_024;
const BIN_MS = 100;

/**
 * Ricochet over a region's token: members of a view send each other, unasked, the exclusive or of what they have just received (ricochet/; protocols.md
 * J6), so that most losses are repaired before a round of the token finds them. The token brings the rest. Nothing of the ring depends on it: what is
 * rebuilt counts as a copy that another member has forwarded.
 */
export class LateralRepair implements Machine {
  readonly statistics = { sent: 0, received: 0, rebuilt: 0 };
  readonly #config: LateralConfig;
  readonly #id: RegionViewId;
  readonly #host: LateralHost;
  readonly #bins: Bins;
  readonly #decoder: Decoder;
  readonly #sum = new RepairSum();
  /** By sender and number, oldest first. */
  readonly #held = new Map<string, BinPacket>();
  readonly #missing = new Map<string, Missing>();
  /** The greatest numbers that have come, by sender: all members count packets by their sum. */
  readonly #highest = new Map<NodeId, number>();
  #fireAt = NEVER;
  #now = 0;

  /** `members`: of the view, ascending. */
  constructor(id: RegionViewId, members: readonly NodeId[], config: LateralConfig, host: LateralHost) {
    this.#id = id;
    this.#config = config;
    this.#host = host;
    const { me, every, copies } = config;
    const shape = { group: id.region, members, repairs: copies };
    const fire = (to: readonly NodeId[], packets: readonly BinPacket[]): void => this.#fire(to, packets);
    const [plan] = planBins(me, [shape]);
    const limits = { packetsMax: every, datagramBytes: PACKET_BYTES_MAX };
    const isAligned = plan !== undefined && plan.region.length >= timelyDefaults.alignedMin;
    this.#bins = isAligned
      ? new AlignedBins(me, plan, limits, 1, fire)
      : new AssignedBins(me, [shape], () => true, limits, 1, { packets: 0 }, fire);
    this.#decoder = new Decoder(
      { find: (packet) => this.#find(packet), idOf: (bytes) => this.#idOf(bytes) },
      REPAIRS_MAX,
      PACKET_BYTES_MAX,
    );
  }

  get deadline(): number {
    return this.#fireAt;
  }

  tick(now: number): void {
    this.#now = now;
    if (now < this.#fireAt) return;
    this.#bins.fireBefore(now - BIN_MS);
    this.#fireAt = Math.max(this.#bins.oldest + BIN_MS, now + BIN_MS / 8);
  }

  /**
   * A packet is here, for the first time. `isDirect`: as its sender has sent it, for the first time; only such packets are repaired to others.
   * `isOriginal`: its bytes are those of the first time.
   */
  arrived(packet: Uint8Array, seq: number, isDirect: boolean, isOriginal: boolean, now: number): void {
    this.#now = now;
    const sender = originOf(packet);
    const id = { sender, group: this.#id.region, seq };
    const key = keyOf(id);
    const advanced = Math.max(0, seq - (this.#highest.get(sender) ?? 0));
    if (advanced > 0) {
      this.#highest.set(sender, seq);
      this.#bins.advance(id.group, advanced);
    }
    if (isOriginal) {
      const kept = { id, bytes: packet, at: now, checksum: undefined };
      this.#held.set(key, kept);
      this.#forget();
      if (isDirect) {
        this.#bins.add(kept);
        this.#fireAt = Math.min(this.#fireAt, now + BIN_MS);
      }
    }
    const missing = this.#missing.get(key);
    if (missing === undefined) return;
    this.#missing.delete(key);
    for (const bytes of this.#decoder.arrived(missing)) this.#rebuilt(bytes);
  }

  receive({ origin, packets, lengths, checksum, xor }: RegionRepair, now: number): void {
    this.#now = now;
    this.statistics.received++;
    const ids = packets.map(({ sender, seq }) => ({ sender, group: this.#id.region, seq }));
    const bytes = this.#decoder.receive({ origin, packets: ids, lasts: [], lengths, checksum, xor });
    if (bytes !== undefined) this.#rebuilt(bytes);
  }

  #rebuilt(bytes: Uint8Array): void {
    const seq = this.#idOf(bytes)?.seq;
    if (seq === undefined) return;
    this.statistics.rebuilt++;
    this.#host.rebuilt(bytes, seq);
  }

  #find(id: PacketId): BinPacket | Missing | undefined {
    const key = keyOf(id);
    const known = this.#held.get(key) ?? this.#missing.get(key);
    if (known !== undefined || this.#host.has(id.sender, id.seq)) return known;
    const missing = { seq: id.seq, since: this.#now, repairs: [], askAt: NEVER, asked: 0 };
    this.#missing.set(key, missing);
    if (this.#missing.size > HELD_MAX) dropFirst(this.#missing);
    return missing;
  }

  /** The packet of this view that a datagram is. */
  #idOf(bytes: Uint8Array): PacketId | undefined {
    const { region, view } = this.#id;
    const id = (seq: number): PacketId => ({ sender: originOf(bytes), group: region, seq });
    if (isData(bytes)) return regionOf(bytes) === region && viewOf(bytes) === view ? id(seqOf(bytes)) : undefined;
    if (!isHybrid(bytes)) return undefined;
    for (let i = 0; i < hybridCountOf(bytes); i++) {
      if (hybridRegionOf(bytes, i) === region && hybridViewOf(bytes, i) === view) return id(hybridSeqOf(bytes, i));
    }
    return undefined;
  }

  #fire(targets: readonly NodeId[], packets: readonly BinPacket[]): void {
    const sum = this.#sum;
    sum.of(packets);
    const { me, cluster } = this.#config;
    const ids = packets.map(({ id: { sender, seq } }) => ({ sender, seq }));
    const repair = { origin: me, id: this.#id, packets: ids, ...sum.sums };
    const bytes = encodeRegionRepair(cluster, repair, sum.bytesLength);
    sum.copyTo(bytes, regionRepairHeadBytes(packets.length));
    this.statistics.sent += targets.length;
    for (const target of targets) this.#host.repair(target, bytes);
  }

  #forget(): void {
    for (const [key, { at }] of this.#held) {
      if (at > this.#now - HOLD_MS && this.#held.size <= HELD_MAX) return;
      this.#held.delete(key);
    }
  }
}

function keyOf({ sender, seq }: PacketId): string {
  return `${sender} ${seq}`;
}

function dropFirst(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
