import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { GroupShape } from "./bin-plan.ts";
import { type BinLimits, type BinPacket, type Bins, type Fire, type Shared, StaggeredBin } from "./bins.ts";
import { CoverOrder } from "./cover-order.ts";
import type { RateOfFire } from "./rate-of-fire.ts";
import type { Traffic } from "./stagger.ts";

/** A group, as far as this node repairs its members one by one. */
type Assignment = {
  readonly repairs: number;
  readonly order: CoverOrder;
  /** With their distance from this node in the order of members, 0 … others − 1. */
  readonly peers: readonly { readonly peer: PeerBin; readonly distance: number }[];
};

/** What one other member will be sent. */
type PeerBin = {
  readonly target: NodeId;
  readonly bin: StaggeredBin;
  readonly shared: Shared & { readonly groups: Set<GroupNumber> };
  /** How many shall cover each packet there; undefined: as many as the group says. */
  copies: number | undefined;
};

/**
 * For small and irregular overlaps. Who covers a packet at a member follows from its id and the order of the group's members, so each packet is
 * covered by exactly `repairs` others; each member has a bin at each other one that it shares groups with, for the packets of all of them
 * (docs/adr/0009-targets-of-repairs.md).
 */
export class AssignedBins implements Bins {
  readonly #assignments = new Map<GroupNumber, Assignment>();
  readonly #peers = new Map<NodeId, PeerBin>();
  readonly #limits: BinLimits;
  readonly #fire: Fire;

  /** `targets`: those of the other members whose repairs are assigned; others are repaired in another way. */
  constructor(
    me: NodeId,
    groups: readonly GroupShape[],
    targets: (member: NodeId) => boolean,
    limits: BinLimits,
    burstPackets: number,
    traffic: Traffic,
    fire: Fire,
  ) {
    this.#limits = limits;
    this.#fire = fire;
    const orders = new Map<number, CoverOrder>();
    for (const { group, members, repairs } of groups) {
      const rank = members.indexOf(me);
      assert(rank >= 0, "this node is in its groups");
      const peers: { readonly peer: PeerBin; readonly distance: number }[] = [];
      members.forEach((member, other) => {
        if (member === me || !targets(member)) return;
        const distance = (rank - other + members.length) % members.length;
        const peer = this.#peer(member, burstPackets, traffic);
        peer.shared.groups.add(group);
        peers.push({ peer, distance: distance - 1 });
      });
      if (peers.length === 0) continue;
      const others = members.length - 1;
      let order = orders.get(others);
      if (order === undefined) orders.set(others, (order = new CoverOrder(others)));
      this.#assignments.set(group, { repairs, order, peers });
    }
  }

  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { bin } of this.#peers.values()) oldest = Math.min(oldest, bin.oldest);
    return oldest;
  }

  /** A member is to be repaired in this way from now on. */
  setRate(member: NodeId, { every, copies, burst }: RateOfFire): void {
    const peer = this.#peers.get(member);
    if (peer === undefined) return;
    peer.copies = copies;
    peer.bin.change(every, burst);
  }

  advance(): void {}

  add(packet: BinPacket): void {
    const assignment = this.#assignments.get(packet.id.group);
    if (assignment === undefined) return;
    const { repairs, order, peers } = assignment;
    const turn = order.turnOf(packet.id);
    for (const { peer, distance } of peers) {
      if (order.rankOf(turn, distance) >= (peer.copies ?? repairs)) continue;
      // Its sender has it.
      if (peer.target !== packet.id.sender) peer.bin.add(packet);
    }
  }

  fireBefore(at: number): void {
    for (const { bin } of this.#peers.values()) bin.fireBefore(at);
  }

  #peer(target: NodeId, burstPackets: number, traffic: Traffic): PeerBin {
    const known = this.#peers.get(target);
    if (known !== undefined) return known;
    const shared = { groups: new Set<GroupNumber>(), toldAt: Number.NEGATIVE_INFINITY };
    const fire = (packets: readonly BinPacket[]): void => this.#fire([target], packets, shared);
    const bin = new StaggeredBin(this.#limits, burstPackets, traffic, fire);
    const peer = { target, bin, shared, copies: undefined };
    this.#peers.set(target, peer);
    return peer;
  }
}
