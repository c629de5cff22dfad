import type { NodeId } from "../base/ids.ts";
import type { BinPlan } from "./bin-plan.ts";
import { type BinLimits, type BinPacket, type Bins, type Fire, type Shared, StaggeredBin } from "./bins.ts";
import type { Traffic } from "./stagger.ts";

/**
 * The paper's way (protocols.md B8, B10): each region's packets fill sub-bins in turn, as many as the stagger says; a full one goes to members
 * of the region at random. How many repairs cover a packet at a member is chance: some have none.
 *
 * Where a region's share is no whole number, chance takes packets out, and not repairs: a repair to one member in five of nine cases would be of all
 * packets, and two that are lost together would be together in all repairs. So it goes there always, of five of nine packets.
 */
export class RandomBins implements Bins {
  readonly #plan: BinPlan;
  readonly #shared: Shared;
  readonly #bin: StaggeredBin;
  readonly #fire: Fire;
  readonly #chance: () => number;
  /** Members that each repair goes to, and the share of packets that are in one. */
  readonly #count: number;
  readonly #share: number;

  /** `burstPackets`: packets in a row that a member may lose. `chance`: uniformly from 0 to 1. */
  constructor(
    plan: BinPlan,
    limits: BinLimits,
    burstPackets: number,
    traffic: Traffic,
    chance: () => number,
    fire: Fire,
  ) {
    this.#plan = plan;
    this.#shared = { groups: new Set(plan.groups), toldAt: Number.NEGATIVE_INFINITY };
    this.#bin = new StaggeredBin(limits, burstPackets, traffic, (packets) => this.#fireBin(packets));
    this.#chance = chance;
    this.#fire = fire;
    this.#count = Math.min(Math.ceil(plan.targets), plan.region.length);
    this.#share = plan.targets / this.#count;
  }

  get oldest(): number {
    return this.#bin.oldest;
  }

  advance(): void {}

  add(packet: BinPacket): void {
    if (!this.#shared.groups.has(packet.id.group)) return;
    if (this.#share >= 1 || this.#chance() < this.#share) this.#bin.add(packet);
  }

  fireBefore(at: number): void {
    this.#bin.fireBefore(at);
  }

  #fireBin(packets: readonly BinPacket[]): void {
    this.#fire(this.#choose(), packets, this.#shared);
  }

  #choose(): readonly NodeId[] {
    const { region } = this.#plan;
    const count = this.#count;
    if (count === region.length) return region;
    // Floyd's way to draw without putting back.
    const chosen = new Set<NodeId>();
    for (let i = region.length - count; i < region.length; i++) {
      const drawn = region[Math.floor(this.#chance() * (i + 1))] as NodeId;
      chosen.add(chosen.has(drawn) ? (region[i] as NodeId) : drawn);
    }
    return [...chosen];
  }
}
