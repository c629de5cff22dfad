import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { BinPlan } from "./bin-plan.ts";
import { Bin, type BinLimits, type BinPacket, type Bins, type Fire, type Shared } from "./bins.ts";
import { RATE_START, type RateOfFire } from "./rate-of-fire.ts";

/** Neighbours in rank begin their repairs so many packets apart: any few of them differ. */
const OFFSET_STEP = 5;
/** Multiples of this share of a window are spread evenly over it, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
/** Each of the region's members is sent repairs by the same others for so many times a repair's packets. */
const ROTATION_WINDOWS = 12;
/** For so many packets where repairs are of different numbers of packets: longer than any of them takes. */
const ROTATION_PACKETS = 4_096;

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

/** How far apart the packets of a member's repairs are, and where its windows begin: as a share of one, or so many packets from the first member's. */
type Pattern = { readonly stride: number; readonly begin: { readonly share: number } | { readonly packets: number } };

/**
 * Where all are repaired by (r, c): the distances are for bursts up to `stagger` packets, three in turn by rank. A packet waits for the first repair of it
 * that is complete, so members that take packets equally far apart begin as far from each other as they can. Windows of a few packets leave no
 * choice but that they differ.
 */
function patternOf(rank: number, stagger: number): Pattern {
  const place = rank % 3;
  if (stagger === 1) return { stride: place === 2 ? 3 : 1, begin: { packets: rank * OFFSET_STEP } };
  const stride = stagger + ([0, 1, 3][place] as number);
  return { stride, begin: { share: GOLDEN * Math.floor(rank / 3) + place / 3 } };
}

/**
 * Where members choose: four distances, of which any three in a row have a large common multiple, so that two packets are hardly ever together in three
 * repairs, however long these are. Few long repairs do then what many would. The number of members is made of fours and threes, or some three
 * neighbours would have the same distances.
 */
function chosenPatternOf(rank: number, members: number, stagger: number): Pattern {
  const threes = (4 - (members % 4)) % 4;
  const inFours = Math.max(0, members - 3 * threes);
  const isInFour = rank < inFours;
  const place = isInFour ? rank % 4 : (rank - inFours) % 3;
  const turn = isInFour ? Math.floor(rank / 4) : inFours / 4 + Math.floor((rank - inFours) / 3);
  const stride = stagger + ([0, 3, 4, 2][place] as number);
  return { stride, begin: { share: GOLDEN * turn + place / 4 } };
}

/**
 * For a large region. All members count its packets alike, by the sum of the highest numbers of its streams. So all know without a word who
 * repairs whom: each packet is covered at each member by as many others as shall be, no more and no less. And they make their repairs of
 * different packets: each begins at another place of the count, and some take every third packet only, so that two packets that are lost together are
 * hardly ever together in all repairs that cover them.
 *
 * Members may say themselves by how many they want to be covered. A repair goes to all that it is for, so it is of as many packets, and these are as far
 * from each other, as they want on the median: who needs more than others asks for more copies.
 */
export class AlignedBins implements Bins {
  readonly #plan: BinPlan;
  readonly #shared: Shared;
  readonly #limits: BinLimits;
  readonly #fire: Fire;
  /** The region and this node. */
  readonly #everybody: readonly NodeId[];
  readonly #rank: number;
  /** What members have said; undefined: all are repaired alike. */
  #rates: Map<NodeId, RateOfFire> | undefined;
  #packetsMax: number;
  #stride = 1;
  #offset = 0;
  #rotation: number;
  #bins: readonly Bin[] = [];
  /** Packets of the streams so far, whether they came or not. */
  #count = 0;
  #window = 0;

  /** `burstPackets`: datagrams in a row that a member may lose. */
  constructor(me: NodeId, plan: BinPlan, limits: BinLimits, burstPackets: number, fire: Fire) {
    this.#plan = plan;
    this.#shared = { groups: new Set(plan.groups), toldAt: Number.NEGATIVE_INFINITY };
    this.#limits = limits;
    this.#packetsMax = limits.packetsMax;
    this.#fire = fire;
    this.#everybody = [...plan.region, me].sort((a, b) => a - b);
    this.#rank = this.#everybody.indexOf(me);
    // Repairs are lost in bursts as well, and all members know how many of these there are.
    const stagger = Math.ceil(burstPackets / (1 + plan.targets / limits.packetsMax));
    this.#rotation = ROTATION_WINDOWS * limits.packetsMax * stagger;
    this.#spread(patternOf(this.#rank, stagger));
  }

  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const bin of this.#bins) oldest = Math.min(oldest, bin.oldest);
    return oldest;
  }

  /** A member is to be repaired in this way from now on, and all others in ways of their own, too. */
  setRate(member: NodeId, rate: RateOfFire): void {
    if (!this.#plan.region.includes(member)) return;
    this.#rates ??= new Map(this.#plan.region.map((one) => [one, RATE_START]));
    this.#rotation = ROTATION_PACKETS;
    this.#rates.set(member, rate);
    const rates = [...this.#rates.values()];
    const packetsMax = middle(rates.map(({ every }) => every));
    const stagger = middle(rates.map(({ burst }) => burst));
    const pattern = chosenPatternOf(this.#rank, this.#everybody.length, stagger);
    if (packetsMax === this.#packetsMax && pattern.stride === this.#stride) return;
    this.#fireAll();
    this.#packetsMax = packetsMax;
    this.#spread(pattern);
  }

  advance(group: GroupNumber, count: number): void {
    if (this.#shared.groups.has(group)) this.#count += count;
  }

  add(packet: BinPacket): void {
    if (!this.#shared.groups.has(packet.id.group)) return;
    const windowPackets = this.#packetsMax * this.#stride;
    const position = Math.max(0, this.#count - 1) + this.#offset;
    const window = Math.floor(position / windowPackets);
    if (window !== this.#window) {
      this.#fireAll();
      this.#window = window;
    }
    const place = position % windowPackets;
    const bin = this.#bins[place % this.#stride] as Bin;
    if (!bin.fits(packet, this.#limits.datagramBytes)) this.#fireBin(bin);
    bin.add(packet);
    const isLast = place + this.#stride >= windowPackets;
    if (isLast || bin.packets.length >= this.#packetsMax) this.#fireBin(bin);
  }

  fireBefore(at: number): void {
    for (const bin of this.#bins) if (bin.oldest < at) this.#fireBin(bin);
  }

  /** New bins, whose packets are so far apart. */
  #spread({ stride, begin }: Pattern): void {
    const windowPackets = this.#packetsMax * stride;
    this.#stride = stride;
    this.#offset = "packets" in begin ? begin.packets % windowPackets : Math.floor((begin.share % 1) * windowPackets);
    this.#window = Math.floor((this.#count + this.#offset) / windowPackets);
    this.#bins = Array.from({ length: stride }, () => new Bin());
  }

  #fireAll(): void {
    for (const bin of this.#bins) this.#fireBin(bin);
  }

  #fireBin(bin: Bin): void {
    const packets = bin.take();
    if (packets.length === 0) return;
    const begin = Math.max(0, this.#window * this.#packetsMax * this.#stride - this.#offset);
    const targets = this.#targetsOf(Math.floor(begin / this.#rotation));
    if (targets.length > 0) this.#fire(targets, packets, this.#shared);
  }

  /** Who gets repairs of this turn. */
  #targetsOf(turn: number): NodeId[] {
    const others = this.#everybody.length - 1;
    const targets: NodeId[] = [];
    if (this.#rates === undefined) {
      // With a share that is no whole number some turns have one more.
      const from = Math.floor(turn * this.#plan.targets);
      const count = Math.min(Math.floor((turn + 1) * this.#plan.targets) - from, others);
      for (let i = 0; i < count; i++) targets.push(this.#atDistance(1 + ((from + i) % others)));
      return targets;
    }
    for (let distance = 1; distance <= others; distance++) {
      const member = this.#atDistance(distance);
      // The region's share of what the groups would have at the start, of what this member wants.
      const copies = (this.#plan.targets * (this.#rates.get(member) as RateOfFire).copies) / RATE_START.copies;
      const from = Math.floor(turn * copies);
      const count = Math.floor((turn + 1) * copies) - from;
      if ((((distance - 1 - from) % others) + others) % others < count) targets.push(member);
    }
    return targets;
  }

  #atDistance(distance: number): NodeId {
    return this.#everybody[(this.#rank + distance) % this.#everybody.length] as NodeId;
  }
}
