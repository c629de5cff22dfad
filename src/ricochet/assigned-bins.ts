import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import type { GroupShape } from "./bin-plan.ts";
import { type BinPacket, type Bins, type Fire, hashOf, StaggeredBin } from "./bins.ts";
import type { Traffic } from "./stagger.ts";

/** A group, as far as this node repairs its members one by one. */
type Assignment = {
  readonly repairs: number;
  /** How many others there are. */
  readonly others: number;
  /** With their distance from this node in the order of members, 0 … others − 1. */
  readonly peers: readonly { readonly peer: PeerBins; readonly distance: number }[];
};

/** What one other member will be sent. */
type PeerBins = { readonly target: NodeId; readonly bin: StaggeredBin };

/**
 * For small and irregular overlaps. Who covers a packet at a member follows from its id and the order of the group's members, so each packet is
 * covered by exactly `repairs` others; each member has a bin at each other one that it shares groups with, for the packets of all of them
 * (docs/adr/0009-targets-of-repairs.md).
 */
export class AssignedBins implements Bins {
  readonly #assignments = new Map<GroupNumber, Assignment>();
  readonly #peers = new Map<NodeId, PeerBins>();
  readonly #packetsMax: number;
  readonly #fire: Fire;

  /** `targets`: those of the other members whose repairs are assigned; others are repaired in another way. */
  constructor(
    me: NodeId,
    groups: readonly GroupShape[],
    targets: (member: NodeId) => boolean,
    packetsMax: number,
    burstPackets: number,
    traffic: Traffic,
    fire: Fire,
  ) {
    this.#packetsMax = packetsMax;
    this.#fire = fire;
    for (const { group, members, repairs } of groups) {
      const rank = members.indexOf(me);
      assert(rank >= 0, "this node is in its groups");
      const peers: { readonly peer: PeerBins; readonly distance: number }[] = [];
      members.forEach((member, other) => {
        if (member === me || !targets(member)) return;
        const distance = (rank - other + members.length) % members.length;
        peers.push({ peer: this.#peer(member, burstPackets, traffic), distance: distance - 1 });
      });
      if (peers.length > 0) this.#assignments.set(group, { repairs, others: members.length - 1, peers });
    }
  }

  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { bin } of this.#peers.values()) oldest = Math.min(oldest, bin.oldest);
    return oldest;
  }

  advance(): void {}

  add(packet: BinPacket): void {
    const assignment = this.#assignments.get(packet.id.group);
    if (assignment === undefined) return;
    const { repairs, others, peers } = assignment;
    const turn = hashOf(packet.id) % others;
    for (const { peer, distance } of peers) {
      if ((distance + turn) % others >= repairs) continue;
      // Its sender has it.
      if (peer.target !== packet.id.sender) peer.bin.add(packet);
    }
  }

  fireBefore(at: number): void {
    for (const { bin } of this.#peers.values()) bin.fireBefore(at);
  }

  #peer(target: NodeId, burstPackets: number, traffic: Traffic): PeerBins {
    const known = this.#peers.get(target);
    if (known !== undefined) return known;
    const fire = (packets: readonly BinPacket[]): void => this.#fire([target], packets);
    const peer = { target, bin: new StaggeredBin(this.#packetsMax, burstPackets, traffic, fire) };
    this.#peers.set(target, peer);
    return peer;
  }
}
