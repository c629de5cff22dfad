import { cover } from "../base/coverage.ts";
import type { NodeId, RegionViewId } from "../base/ids.ts";
import type { NodeViews } from "../cms/node-views.ts";
import type { NodeInfo } from "../cms/views.ts";
import { isData, isRelayed, regionOf, seqOf, viewOf } from "../wire/region/data.ts";
import { clusterOf, kindOf, NodeKind, originOf } from "../wire/region/head.ts";
import { hybridCountOf, hybridRegionOf, hybridSeqOf, hybridViewOf, isHybrid } from "../wire/region/hybrid.ts";
import { decodeLast } from "../wire/region/last.ts";
import { decodeRegionMessage, type RegionMessage as LinkMessage } from "../wire/region/message.ts";
import { decodeRegionRepair } from "../wire/region/repair.ts";
import type { Bars } from "./bars.ts";
import type { Capacity } from "./capacity.ts";
import type { NodeConfig } from "./config.ts";
import type { Links } from "./link.ts";
import type { NodeChannel } from "./outbox.ts";
import type { Peers } from "./peers.ts";
import type { RegionMember } from "./region.ts";
import type { Sending } from "./sending.ts";
import type { Tombstones } from "./tombstones.ts";
import type { UnknownViews } from "./unknown-views.ts";
import type { ViewTable } from "./view-table.ts";

/** Counters of datagrams that were dropped, by reason. */
export type NodeDrops = {
  malformed: number;
  /** Of another version of the wire format, or sealed. */
  foreign: number;
  cluster: number;
  /** Directly from a node that is declared failed. */
  fenced: number;
  /** Of region views that have been retired, or that this node was never in. */
  retired: number;
  /** Messages and copies for other nodes for whom too much waits. */
  untold: number;
};

/** The parts of a node that packets concern. */
export type ArrivalParts = {
  readonly config: NodeConfig;
  readonly views: NodeViews;
  /** The region views that the node is in and that have not been retired. */
  readonly members: ViewTable<RegionMember>;
  readonly bars: Bars;
  readonly peers: Peers;
  readonly unknown: UnknownViews;
  readonly tombstones: Tombstones;
  readonly links: Links;
  readonly sending: Sending;
  readonly capacity: Capacity;
  readonly drops: NodeDrops;
};

export interface ArrivalHost {
  /** Reliably, to another node. */
  tell(to: NodeId, message: LinkMessage): void;
  /** A packet that its receivers pass on to these members of its view. */
  passOn(packet: Uint8Array, members: readonly NodeInfo[]): void;
}

/** Packets that have come to a node, each to the part that it is for. What is for none is dropped, and counted. */
export class Arrivals {
  readonly #parts: ArrivalParts;
  readonly #host: ArrivalHost;

  constructor(parts: ArrivalParts, host: ArrivalHost) {
    this.#parts = parts;
    this.#host = host;
  }

  /** A packet whose head is sound. */
  receive(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const from = originOf(packet);
    if (clusterOf(packet) !== this.#parts.config.cluster) {
      cover("regions drop cluster");
      this.#parts.drops.cluster++;
    } else if (from === this.#parts.config.me) return;
    else if (this.#parts.peers.isFenced(from) && channel !== "repair") {
      cover("regions drop fenced");
      this.#parts.drops.fenced++;
    } else if (channel === "control") this.#onControl(from, packet, now);
    else if (isData(packet)) this.#onData(channel, packet, now);
    else if (isHybrid(packet)) this.#onHybrid(channel, packet, now);
    else if (kindOf(packet) === NodeKind.regionLast) this.#onLast(from, channel, packet, now);
    else if (kindOf(packet) === NodeKind.regionRepair) this.#onRepair(packet, now);
    else this.#parts.drops.malformed++;
  }

  #onControl(from: NodeId, packet: Uint8Array, now: number): void {
    const bytes = this.#parts.links.receive(packet, now);
    if (bytes === undefined) return;
    const message = decodeRegionMessage(bytes);
    if (message !== undefined) return this.message(from, message, now);
    cover("regions drop malformed");
    this.#parts.drops.malformed++;
  }

  #onData(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const region = regionOf(packet);
    const view = viewOf(packet);
    const member = this.#parts.members.get(region, view);
    if (member === undefined) this.#onUnknown({ region, view }, channel, packet);
    else {
      if (channel === "data" && isRelayed(packet)) this.#host.passOn(packet, member.view.members);
      this.#toMember(member, channel, packet, seqOf(packet), now);
    }
  }

  /** A packet to several regions: what counts is its numbers in this node's own views. */
  #onHybrid(channel: NodeChannel, packet: Uint8Array, now: number): void {
    let ahead: RegionViewId | undefined;
    let isMine = false;
    for (let entry = 0; entry < hybridCountOf(packet); entry++) {
      const id = { region: hybridRegionOf(packet, entry), view: hybridViewOf(packet, entry) };
      const member = this.#parts.members.of(id);
      if (member !== undefined) {
        isMine = true;
        this.#toMember(member, channel, packet, hybridSeqOf(packet, entry), now);
      } else if (id.view > (this.#parts.views.regions.get(id.region)?.id.view ?? 0)) ahead = id;
    }
    if (isMine) return;
    // A region that this node will be in, perhaps, once it is told of it.
    if (ahead !== undefined) this.#onUnknown(ahead, channel, packet);
    else this.#parts.drops.retired++;
  }

  #toMember(member: RegionMember, channel: NodeChannel, packet: Uint8Array, seq: number, now: number): void {
    member.receive(packet, seq, channel === "repair", now);
    this.#parts.bars.lift();
  }

  #onRepair(packet: Uint8Array, now: number): void {
    const repair = decodeRegionRepair(packet);
    if (repair === undefined) {
      this.#parts.drops.malformed++;
      return;
    }
    // Of a view that is over, or has not begun here, the token brings what is missing.
    this.#parts.members.of(repair.id)?.onRepair(repair, now);
    this.#parts.bars.lift();
  }

  #onLast(from: NodeId, channel: NodeChannel, packet: Uint8Array, now: number): void {
    const last = decodeLast(packet);
    if (last === undefined) {
      this.#parts.drops.malformed++;
      return;
    }
    const member = this.#parts.members.of(last.id);
    if (member === undefined) {
      if (!this.#tellRetired(from, last.id)) this.#onUnknown(last.id, channel, packet);
      return;
    }
    this.#parts.capacity.stamped(from, last.stamp, now);
    member.last(from, last.seq, now);
  }

  /** A view that this node has not been told of yet, or one that is over. */
  #onUnknown(id: RegionViewId, channel: NodeChannel, packet: Uint8Array): void {
    const known = this.#parts.views.regions.get(id.region)?.id.view ?? 0;
    if (id.view > known && !this.#parts.tombstones.has(id)) return this.#parts.unknown.add(id, channel, packet);
    cover("regions drop retired");
    this.#parts.drops.retired++;
  }

  /** Who still has something to do with a view that is over here has not heard of its end. False if it is not over. */
  #tellRetired(to: NodeId, id: RegionViewId): boolean {
    if (!this.#parts.tombstones.has(id)) return false;
    cover("regions retired told");
    this.#host.tell(to, { kind: "retired", id });
    return true;
  }

  message(from: NodeId, message: LinkMessage, now: number): void {
    const { id } = message;
    const member = this.#parts.members.of(id);
    switch (message.kind) {
      case "token":
        if (member !== undefined) {
          member.onToken(message, now);
          this.#parts.bars.lift();
        }
        // Until this node knows the view, it holds the token: nobody may count as having what it has not.
        else if (!this.#tellRetired(from, id)) this.#parts.unknown.addToken(message);
        return;
      case "pull":
        if (member !== undefined) member.onPull(from, message, now);
        else this.#tellRetired(from, id);
        return;
      case "wake":
        if (member !== undefined) member.ring.resume(now);
        else this.#tellRetired(from, id);
        return;
      case "ack":
        return this.#parts.sending.acknowledged(id, message.acknowledged, message.grant, now);
      case "nak":
        return this.#parts.sending.lacked(id, message.partition, message.partitions, message.ranges.ranges());
      case "retired":
        member?.onRetired();
        return this.#parts.sending.retired(id);
    }
  }

  /** A view has become known: what came of it before is taken now. */
  replay(id: RegionViewId, now: number): void {
    for (const { channel, packet } of this.#parts.unknown.take(id)) {
      cover("regions early packet");
      this.receive(channel, packet, now);
    }
    const token = this.#parts.unknown.takeToken(id);
    if (token === undefined) return;
    cover("regions early token");
    this.#parts.members.of(id)?.onToken(token, now);
  }
}
