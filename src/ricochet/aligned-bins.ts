import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { BinPlan } from "./bin-plan.ts";
import { Bin, type BinPacket, type Bins, type Fire } from "./bins.ts";

/** Neighbours in rank begin their repairs so many packets apart: any few of them differ. */
const OFFSET_STEP = 5;
/** Each of the region's members is sent repairs by the same others for so many times a repair's packets. */
const ROTATION_WINDOWS = 12;

/** Distances between the packets of a repair, by rank modulo their number: for bursts up to `stagger` packets. */
function stridesFor(stagger: number): readonly number[] {
  return stagger === 1 ? [1, 1, 3] : [stagger, stagger + 1, stagger + 3];
}

/**
 * For a large region. All members count its packets alike, by the sum of the highest numbers of its streams. So all know without a word who
 * repairs whom: each packet is covered at each member by as many others as shall be, no more and no less. And they make their repairs of
 * different packets: each begins at another place of the count, and some take every third packet only, so that two packets that are lost together are
 * hardly ever together in all repairs that cover them.
 */
export class AlignedBins implements Bins {
  readonly #plan: BinPlan;
  readonly #groups: ReadonlySet<GroupNumber>;
  readonly #packetsMax: number;
  readonly #fire: Fire;
  /** The region and this node. */
  readonly #everybody: readonly NodeId[];
  readonly #rank: number;
  readonly #stride: number;
  readonly #offset: number;
  readonly #rotation: number;
  readonly #bins: readonly Bin[];
  /** Packets of the streams so far, whether they came or not. */
  #count = 0;
  #window = 0;

  /** `burstPackets`: datagrams in a row that a member may lose. */
  constructor(me: NodeId, plan: BinPlan, packetsMax: number, burstPackets: number, fire: Fire) {
    // Repairs are lost in bursts as well, and all members know how many of these there are.
    const stagger = Math.ceil(burstPackets / (1 + plan.targets / packetsMax));
    this.#plan = plan;
    this.#groups = new Set(plan.groups);
    this.#packetsMax = packetsMax;
    this.#fire = fire;
    this.#everybody = [...plan.region, me].sort((a, b) => a - b);
    this.#rank = this.#everybody.indexOf(me);
    const strides = stridesFor(stagger);
    this.#stride = strides[this.#rank % strides.length] as number;
    this.#offset = (this.#rank * OFFSET_STEP) % (packetsMax * this.#stride);
    this.#rotation = ROTATION_WINDOWS * packetsMax * stagger;
    this.#bins = Array.from({ length: this.#stride }, () => new Bin());
  }

  get oldest(): number {
    return Math.min(...this.#bins.map((bin) => bin.oldest));
  }

  advance(group: GroupNumber, count: number): void {
    if (this.#groups.has(group)) this.#count += count;
  }

  add(packet: BinPacket): void {
    if (!this.#groups.has(packet.id.group)) return;
    const windowPackets = this.#packetsMax * this.#stride;
    const position = Math.max(0, this.#count - 1) + this.#offset;
    const window = Math.floor(position / windowPackets);
    if (window !== this.#window) {
      for (const bin of this.#bins) this.#fireBin(bin);
      this.#window = window;
    }
    const place = position % windowPackets;
    const bin = this.#bins[place % this.#stride] as Bin;
    bin.packets.push(packet);
    const isLast = place + this.#stride >= windowPackets;
    if (isLast || bin.packets.length >= this.#packetsMax) this.#fireBin(bin);
  }

  fireBefore(at: number): void {
    for (const bin of this.#bins) if (bin.oldest < at) this.#fireBin(bin);
  }

  #fireBin(bin: Bin): void {
    const packets = bin.take();
    if (packets.length === 0) return;
    const begin = Math.max(0, this.#window * this.#packetsMax * this.#stride - this.#offset);
    const turn = Math.floor(begin / this.#rotation);
    const others = this.#everybody.length - 1;
    // With a share that is no whole number some turns have one more.
    const from = Math.floor(turn * this.#plan.targets);
    const count = Math.min(Math.floor((turn + 1) * this.#plan.targets) - from, others);
    if (count === 0) return;
    const targets: NodeId[] = [];
    for (let i = 0; i < count; i++) {
      const distance = 1 + ((from + i) % others);
      targets.push(this.#everybody[(this.#rank + distance) % this.#everybody.length] as NodeId);
    }
    this.#fire(targets, packets);
  }
}
