import type { NodeId } from "../base/ids.ts";
import type { BinPlan } from "./bin-plan.ts";
import { type BinLimits, type BinPacket, type Bins, type Fire, type Shared, StaggeredBin } from "./bins.ts";
import type { Traffic } from "./stagger.ts";

/**
 * The paper's way (protocols.md B8, B10): each region's packets fill sub-bins in turn, as many as the stagger says; a full one goes to members
 * of the region at random. How many repairs cover a packet at a member is chance: some have none.
 */
export class RandomBins implements Bins {
  readonly #plan: BinPlan;
  readonly #shared: Shared;
  readonly #bin: StaggeredBin;
  readonly #fire: Fire;
  readonly #chance: () => number;

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
  }

  get oldest(): number {
    return this.#bin.oldest;
  }

  advance(): void {}

  add(packet: BinPacket): void {
    if (this.#shared.groups.has(packet.id.group)) this.#bin.add(packet);
  }

  fireBefore(at: number): void {
    this.#bin.fireBefore(at);
  }

  #fireBin(packets: readonly BinPacket[]): void {
    const { targets, region } = this.#plan;
    const whole = Math.floor(targets);
    const count = whole + (this.#chance() < targets - whole ? 1 : 0);
    if (count > 0) this.#fire(this.#choose(Math.min(count, region.length)), packets, this.#shared);
  }

  #choose(count: number): readonly NodeId[] {
    const { region } = this.#plan;
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
