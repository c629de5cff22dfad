import type { GroupNumber, NodeId } from "../base/ids.ts";
import { NEVER } from "../machine/machine.ts";
import type { PacketId } from "../wire/timely/data.ts";
import { encodeRepair, repairHeadBytes } from "../wire/timely/repair.ts";
import type { Targets } from "../wire/timely/repairs.ts";
import { AlignedBins } from "./aligned-bins.ts";
import { AssignedBins } from "./assigned-bins.ts";
import { type GroupShape, planBins } from "./bin-plan.ts";
import type { BinPacket, Bins, Shared } from "./bins.ts";
import type { TimelyConfig } from "./config.ts";
import { RandomBins } from "./random-bins.ts";
import { RATE_START, type RateOfFire } from "./rate-of-fire.ts";
import { RepairSum } from "./repair-sum.ts";
import type { Traffic } from "./stagger.ts";

export interface RepairerOutbox {
  /** A repair of so many packets. */
  repair(target: NodeId, bytes: Uint8Array, packets: number): void;
  /** Uniformly from 0 to 1. */
  random(): number;
}

/** The same members are not told more often than this how far streams go. */
const LASTS_MS = 50;
/** Of what was collected lately, so many packets are looked through for that, and so many streams told of at most. */
const LATELY_MAX = 64;
const LASTS_MAX = 16;

/** Groups whose packets may share repairs. */
type Kind = {
  readonly targets: Targets;
  readonly packetsMax: number;
  readonly recovery: number | undefined;
  readonly shapes: GroupShape[];
};

/** How groups are repaired whose members choose: whether most of them in aligned bins. */
type Adaptive = { readonly bins: readonly (AlignedBins | AssignedBins)[]; readonly isAligned: boolean };

/**
 * Makes the repairs that a node sends: collects what comes to it in bins, groups that are repaired differently in different ones, and sends the
 * exclusive or of what is in a bin when that is full, or has waited long enough. A repair also tells, not too often, which packets of other streams
 * came last, so that the loss of a last packet is noticed (protocols.md B18).
 */
export class Repairer {
  readonly #config: TimelyConfig;
  readonly #outbox: RepairerOutbox;
  readonly #sum = new RepairSum();
  /** What a burst of losses takes packets of: everything, or packets alone where bursts are measured in these. */
  readonly #traffic: Traffic = { packets: 0 };
  readonly #packets: Traffic = { packets: 0 };
  #bins: readonly Bins[] = [];
  /** Bins that let members say how they want to be repaired, by the recovery that their groups are set to. */
  #adaptive = new Map<number, Adaptive>();
  /** What these have said, by recovery. */
  readonly #wishes = new Map<number, Map<NodeId, RateOfFire>>();
  /** Of all groups that are repaired. */
  #members = new Set<NodeId>();
  /** What was collected lately, the newest last. */
  #lately: PacketId[] = [];
  #now = 0;
  /** When a bin is to be fired as it is. */
  deadline = NEVER;

  constructor(config: TimelyConfig, outbox: RepairerOutbox) {
    this.#config = config;
    this.#outbox = outbox;
  }

  /** Sends what has been collected as it is, to those whom it was for. */
  fireAll(now: number): void {
    this.#now = now;
    for (const bins of this.#bins) bins.fireBefore(Number.POSITIVE_INFINITY);
  }

  /** New bins; `countOf`: how many packets the present members have sent to a group so far, as far as is known. */
  setGroups(groups: Iterable<GroupShape>, countOf: (group: GroupNumber) => number): void {
    const { targets, packetsPerRepair } = this.#config;
    const kinds = new Map<string, Kind>();
    const members = new Set<NodeId>();
    for (const shape of groups) {
      if (shape.members.length < 2 || shape.repairs === 0) continue;
      const kind = {
        targets: shape.targets ?? targets,
        packetsMax: shape.packetsPerRepair ?? packetsPerRepair,
        recovery: shape.recovery,
      };
      const key = `${kind.targets} ${kind.packetsMax} ${kind.recovery}`;
      const known = kinds.get(key);
      if (known === undefined) kinds.set(key, { ...kind, shapes: [shape] });
      else known.shapes.push(shape);
      for (const member of shape.members) members.add(member);
    }
    this.#members = members;
    for (const wishes of this.#wishes.values()) {
      for (const member of wishes.keys()) if (!members.has(member)) wishes.delete(member);
    }
    this.#adaptive = new Map();
    this.#bins = [...kinds.values()].flatMap((kind) => this.#binsOf(kind));
    for (const { shapes } of kinds.values()) {
      for (const { group } of shapes) {
        const count = countOf(group);
        for (const bins of this.#bins) bins.advance(group, count);
      }
    }
  }

  /** A member wants to be repaired in this way, in groups that are set to this recovery. */
  setRate(member: NodeId, recovery: number, rate: RateOfFire): void {
    const adaptive = this.#adaptive.get(recovery);
    // Who is not known as a member yet will say it again.
    if (adaptive === undefined || !this.#members.has(member)) return;
    let wishes = this.#wishes.get(recovery);
    if (wishes === undefined) this.#wishes.set(recovery, (wishes = new Map()));
    wishes.set(member, rate);
    for (const bins of adaptive.bins) bins.setRate(member, rate);
  }

  /** Whether in groups that are set to this recovery most members are repaired by aligned bins: so this node is as well. */
  isAligned(recovery: number): boolean {
    return this.#adaptive.get(recovery)?.isAligned === true;
  }

  /** The streams of a group are known to go on by so many packets. */
  advance(group: GroupNumber, count: number): void {
    for (const bins of this.#bins) bins.advance(group, count);
  }

  /** A repair came: where losses come in a row, it may have been lost like a packet. */
  countRepair(): void {
    this.#traffic.packets++;
  }

  /** A packet is here, for the first time and as it was sent. */
  collect(packet: BinPacket, now: number): void {
    this.#now = now;
    this.#traffic.packets++;
    this.#packets.packets++;
    this.#lately.push(packet.id);
    if (this.#lately.length >= 2 * LATELY_MAX) this.#lately = this.#lately.slice(LATELY_MAX);
    for (const bins of this.#bins) bins.add(packet);
    this.deadline = Math.min(this.deadline, now + this.#config.binMs);
  }

  tick(now: number): void {
    this.#now = now;
    const { binMs } = this.#config;
    this.deadline = NEVER;
    for (const bins of this.#bins) {
      bins.fireBefore(now - binMs);
      this.deadline = Math.min(this.deadline, bins.oldest + binMs);
    }
    // Within a few milliseconds nobody minds, and bins that fall due one by one would wake the node for each.
    if (this.deadline < NEVER) this.deadline = Math.max(this.deadline, now + binMs / 8);
  }

  #binsOf({ targets, packetsMax, recovery, shapes }: Kind): readonly Bins[] {
    const { me, burstPackets, alignedMin, datagramBytes } = this.#config;
    const fire = (to: readonly NodeId[], packets: readonly BinPacket[], shared: Shared): void =>
      this.#fire(to, packets, shared);
    const limits = { packetsMax, datagramBytes };
    const plans = planBins(me, shapes);
    const burst = recovery === undefined ? burstPackets : RATE_START.burst;
    const traffic = recovery === undefined ? this.#traffic : this.#packets;
    if (targets === "random") {
      const random = (): number => this.#outbox.random();
      return plans.map((plan) => new RandomBins(plan, limits, burst, traffic, random, fire));
    }
    const alignedFrom = targets === "aligned" ? 1 : targets === "auto" ? alignedMin : Number.POSITIVE_INFINITY;
    const aligned = plans.filter(({ region }) => region.length >= alignedFrom);
    const isAligned = new Set(aligned.flatMap(({ region }) => region));
    const bins: (AlignedBins | AssignedBins)[] = aligned.map((plan) => new AlignedBins(me, plan, limits, burst, fire));
    bins.push(new AssignedBins(me, shapes, (member) => !isAligned.has(member), limits, burst, traffic, fire));
    if (recovery !== undefined) {
      const others = new Set(plans.flatMap(({ region }) => region));
      this.#adaptive.set(recovery, { bins, isAligned: 2 * isAligned.size > others.size });
      const wishes = this.#wishes.get(recovery);
      for (const { members } of shapes) {
        for (const member of members) {
          for (const one of bins) if (member !== me) one.setRate(member, wishes?.get(member) ?? RATE_START);
        }
      }
    }
    return bins;
  }

  #fire(targets: readonly NodeId[], packets: readonly BinPacket[], shared: Shared): void {
    const sum = this.#sum;
    sum.of(packets);
    const { cluster, me } = this.#config;
    const ids = packets.map(({ id }) => id);
    const lasts = this.#lastsFor(ids, shared, sum.bytesLength);
    const bytes = encodeRepair(cluster, me, ids, lasts, sum.sums, sum.bytesLength);
    sum.copyTo(bytes, repairHeadBytes(ids.length, lasts.length));
    for (const target of targets) this.#outbox.repair(target, bytes, packets.length);
  }

  /** The last packets of streams that who gets the repair may not have heard of, as far as there is room. */
  #lastsFor(ids: readonly PacketId[], shared: Shared, xorBytes: number): readonly PacketId[] {
    if (this.#now < shared.toldAt + LASTS_MS) return [];
    shared.toldAt = this.#now;
    const lasts: PacketId[] = [];
    const told = new Set(ids.map(keyOf));
    for (let i = this.#lately.length - 1; i >= 0 && lasts.length < LASTS_MAX; i--) {
      const id = this.#lately[i] as PacketId;
      if (!shared.groups.has(id.group) || told.has(keyOf(id))) continue;
      told.add(keyOf(id));
      if (repairHeadBytes(ids.length, lasts.length + 1) + xorBytes > this.#config.datagramBytes) break;
      lasts.push(id);
    }
    return lasts;
  }
}

/** Of the stream. */
function keyOf({ sender, group }: PacketId): string {
  return `${sender} ${group}`;
}
