import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { BinPlan } from "./bin-plan.ts";
import { Bin, type BinPacket, type Bins, type Fire } from "./bins.ts";

/**
 * The paper's way (protocols.md B8, B10): each region's packets fill sub-bins in turn, as many as the stagger says; a full one goes to members
 * of the region at random. How many repairs cover a packet at a member is chance: some have none.
 */
export class RandomBins implements Bins {
  readonly #plan: BinPlan;
  readonly #groups: ReadonlySet<GroupNumber>;
  readonly #packetsMax: number;
  readonly #bins: readonly Bin[];
  readonly #fire: Fire;
  readonly #chance: () => number;
  #turn = 0;

  /** `chance`: uniformly from 0 to 1. */
  constructor(plan: BinPlan, packetsMax: number, stagger: number, chance: () => number, fire: Fire) {
    this.#plan = plan;
    this.#groups = new Set(plan.groups);
    this.#packetsMax = packetsMax;
    this.#bins = Array.from({ length: stagger }, () => new Bin());
    this.#chance = chance;
    this.#fire = fire;
  }

  get oldest(): number {
    return Math.min(...this.#bins.map((bin) => bin.oldest));
  }

  advance(): void {}

  add(packet: BinPacket): void {
    if (!this.#groups.has(packet.id.group)) return;
    const bin = this.#bins[this.#turn] as Bin;
    this.#turn = (this.#turn + 1) % this.#bins.length;
    bin.packets.push(packet);
    if (bin.packets.length >= this.#packetsMax) this.#fireBin(bin);
  }

  fireBefore(at: number): void {
    for (const bin of this.#bins) if (bin.oldest < at) this.#fireBin(bin);
  }

  #fireBin(bin: Bin): void {
    const packets = bin.take();
    const { targets, region } = this.#plan;
    const whole = Math.floor(targets);
    const count = whole + (this.#chance() < targets - whole ? 1 : 0);
    if (count > 0) this.#fire(this.#choose(Math.min(count, region.length)), packets);
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
