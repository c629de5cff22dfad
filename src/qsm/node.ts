import { assert } from "../base/assert.ts";
import { type GroupNumber, type NodeId, type RegionId, type RegionViewId, regionViewKey } from "../base/ids.ts";
import { NodeViews } from "../cms/node-views.ts";
import type { Change, NodeInfo, RegionView } from "../cms/views.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { isData, regionOf, type SealedView, viewOf } from "../wire/region/data.ts";
import { clusterOf, headFault, kindOf, NodeKind, originOf, packetAt } from "../wire/region/head.ts";
import { decodeLast } from "../wire/region/last.ts";
import { decodeRegionMessage, encodeRegionMessage, type RegionMessage as LinkMessage } from "../wire/region/message.ts";
import type { NodeConfig } from "./config.ts";
import { Links, linkDefaults } from "./link.ts";
import { maxMinShares } from "./max-min.ts";
import type { NodeChannel, NodeOutbox } from "./outbox.ts";
import { Pacer, pacerDefaults } from "./pacer.ts";
import { RegionMember, type RegionHost } from "./region.ts";
import { RegionMessage, RegionSender } from "./sender.ts";
import type { AdmissibleRates } from "./ring.ts";
import { UnknownViews } from "./unknown-views.ts";
import { ViewTable } from "./view-table.ts";

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
};

/** Views that were retired here are known so many of: later packets of them need no answer but this. */
const TOMBSTONES_MAX = 4_096;
/** Packets that one turn sends, before the sockets are looked at again. */
const TURN_PACKETS_MAX = 256;
/** Copies for other members that may wait. */
const FORWARDS_MAX = 65_536;

/**
 * A node: an application process that takes part in regions (QSM; protocols.md A, region-views.md). It applies the membership service's
 * changes in order, sends to the regions of its groups, and is a member of its own region's views, of which several are
 * alive during a change.
 */
export class Node implements Machine, RegionHost {
  /** Packets that the network takes until the host says otherwise; none while its queues are full. */
  room = Number.POSITIVE_INFINITY;
  readonly drops: NodeDrops = { malformed: 0, foreign: 0, cluster: 0, fenced: 0, retired: 0 };
  readonly #config: NodeConfig;
  readonly #outbox: NodeOutbox;
  readonly #views = new NodeViews();
  /** Where nodes are that are or were members of regions known here. */
  readonly #nodes = new Map<NodeId, NodeInfo>();
  readonly #links: Links;
  readonly #members = new ViewTable<RegionMember>();
  /** Current senders, by region; and those of superseded views in which not everything is stable. */
  readonly #senders = new Map<RegionId, RegionSender>();
  readonly #sealed = new ViewTable<RegionSender>();
  readonly #unknown: UnknownViews;
  readonly #tombstones = new Set<string>();
  readonly #fenced = new Set<NodeId>();
  readonly #forwards: { readonly to: NodeInfo; readonly packet: Uint8Array }[] = [];
  readonly #listening = new Map<number, number>();
  readonly #pacer: Pacer;
  readonly #regionPacers = new Map<RegionId, Pacer>();
  /** What senders have asked for, by region view and sender: packets per second. */
  readonly #demands = new Map<string, Map<NodeId, number>>();
  #turn = 0;
  #isFull = false;
  #now = 0;

  constructor(config: NodeConfig, outbox: NodeOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#now = now;
    this.#unknown = new UnknownViews(config.unknownBytes);
    const { me, cluster, datagramBytes } = config;
    this.#links = new Links(
      { ...linkDefaults, me, cluster, datagramBytes },
      {
        transmit: (to, bytes) => {
          const info = this.#nodes.get(to);
          if (info !== undefined) outbox.unicast(info.address, "control", bytes);
        },
      },
    );
    this.#pacer = new Pacer({ ...pacerDefaults, rate: config.rateMax }, now);
  }

  /** Position in the membership service's log up to which changes have been applied. */
  get applied(): number {
    return this.#views.n;
  }

  get views(): NodeViews {
    return this.#views;
  }

  /** The region views that this node is in and that have not been retired. */
  get regions(): Iterable<RegionMember> {
    return this.#members;
  }

  /** Those that it sends in, superseded ones last. */
  get senders(): readonly RegionSender[] {
    return [...this.#senders.values(), ...this.#sealed];
  }

  get deadline(): number {
    let deadline = this.#links.deadline;
    for (const member of this.#members) deadline = Math.min(deadline, member.deadline);
    for (const sender of this.#senders.values()) deadline = Math.min(deadline, sender.deadline, this.#sendAt(sender));
    for (const sender of this.#sealed) deadline = Math.min(deadline, sender.deadline, this.#sendAt(sender));
    if (this.#forwards.length > 0 && this.room > 0) deadline = Math.min(deadline, this.#pacer.deadline);
    return deadline;
  }

  tick(now: number): void {
    this.#now = now;
    for (const member of this.#members) member.tick(now);
    for (const sender of this.#senders.values()) this.#tellLast(sender, now);
    for (const sender of this.#sealed) this.#tellLast(sender, now);
    this.flush(now);
  }

  /**
   * Applies the next change (rule 1): everything of one change in one go. Changes that were applied before are passed over; one
   * that leaves something out is an error of the caller.
   */
  apply(change: Change, now: number): void {
    if (change.seq <= this.#views.seq) return;
    this.#now = now;
    for (const node of change.failed) this.#fence(node);

    const touched = new Set<GroupNumber>(change.groupsDeleted);
    for (const { group } of change.groupsChanged) touched.add(group);
    for (const { group } of change.groupsCreated) touched.add(group);
    const withdrawn = this.#withdraw(touched);
    const { opened, superseded } = this.#views.apply(change);
    const sealed = this.#seal(superseded, withdrawn);
    for (const view of opened) this.#enter(view, now);
    for (const message of withdrawn) this.#enqueue(message);
    this.#tellViews(change, now);
    this.#outbox.installed(change.n, sealed);

    for (const { id, nodes } of change.viewsFailed) {
      this.#members.of(id)?.failed(nodes, change.n, now);
    }
    for (const final of change.finals) this.#members.of(final.id)?.finalised(final, now);
    for (const { id } of opened) this.#replay(id, now);
  }

  /**
   * Sends a message to a group of this node. The payload is given away. False: too much waits, call again after
   * `writable`; this message was taken all the same.
   */
  send(group: GroupNumber, payload: Uint8Array, number: number, now: number): boolean {
    this.#now = now;
    this.#enqueue(new RegionMessage(group, payload, number));
    this.#isFull = this.#isOverfull();
    return !this.#isFull;
  }

  /** A datagram, given away. */
  receive(channel: NodeChannel, bytes: Uint8Array, now: number): void {
    this.#now = now;
    for (let at = 0; at < bytes.length; ) {
      const fault = headFault(bytes, at);
      if (fault !== undefined) {
        if (fault === "malformed") this.drops.malformed++;
        else this.drops.foreign++;
        return;
      }
      const packet = packetAt(bytes, at);
      at += packet.length;
      this.#receive(channel, packet, now);
    }
  }

  /** The end of a turn: what can be sent is pulled and sent, control first, then repairs, then data (A54). */
  flush(now: number): void {
    this.#now = now;
    this.#links.flush(now);
    const most = Math.min(TURN_PACKETS_MAX, this.room);
    const forwards = this.#flushForwards(most, now);
    this.room -= forwards + this.#flushData(most - forwards, now);
    // What a token or a packet of this node's own has brought about.
    this.#links.flush(now);
    if (this.#isFull && !this.#isOverfull()) {
      this.#isFull = false;
      this.#outbox.writable();
    }
  }

  // RegionHost

  tell(to: NodeId, message: LinkMessage): void {
    if (this.#fenced.has(to)) return;
    if (to === this.#config.me) this.#onMessage(to, message, this.#now);
    else this.#links.send(to, encodeRegionMessage(message));
  }

  forward(to: NodeInfo, packet: Uint8Array): void {
    if (this.#forwards.length < FORWARDS_MAX) this.#forwards.push({ to, packet });
  }

  deliver(group: GroupNumber, sender: NodeId, payload: Uint8Array): void {
    if (this.#views.groups.has(group)) this.#outbox.deliver(group, sender, payload);
  }

  lost(view: RegionView, sender: NodeId, count: number): void {
    const groups = view.groups.filter((group) => this.#views.groups.has(group));
    this.#outbox.lost(groups, sender, count);
  }

  hasAll({ id, last }: SealedView, sender: NodeId): boolean {
    const member = this.#members.of(id);
    return member === undefined || (member.streams.get(sender)?.contiguous ?? 0) >= last;
  }

  grantOf(id: RegionViewId, sender: NodeId, { least }: AdmissibleRates): number {
    const demands = this.#demands.get(regionViewKey(id));
    if (demands === undefined || !demands.has(sender)) return Math.round(least);
    const senders = [...demands];
    const shares = maxMinShares(
      least,
      senders.map(([, demand]) => (demand > 0 ? demand : Number.POSITIVE_INFINITY)),
    );
    return Math.round(shares[senders.findIndex(([id]) => id === sender)] ?? least);
  }

  admissibleRate(): number {
    return this.#config.rateMax;
  }

  retired(member: RegionMember): void {
    const key = regionViewKey(member.id);
    this.#members.delete(member.id);
    this.#demands.delete(key);
    if (this.#tombstones.size >= TOMBSTONES_MAX) this.#tombstones.clear();
    this.#tombstones.add(key);
    this.#unlisten(member.view.address);
    if (member.isLeader) this.#outbox.retired(member.id);
    for (const other of this.#members) if (other.hasBars) other.unbar();
  }

  random(): number {
    return this.#outbox.random();
  }

  // ---- changes --------------------------------------------------------------------------------------------------

  #fence(node: NodeId): void {
    this.#fenced.add(node);
    this.#links.forget(node);
  }

  /** Messages of groups whose regions change, which no view has given a number: they will go out in the next one. */
  #withdraw(groups: ReadonlySet<GroupNumber>): RegionMessage[] {
    if (groups.size === 0) return [];
    const messages = new Set<RegionMessage>();
    for (const sender of this.#senders.values()) for (const message of sender.withdraw(groups)) messages.add(message);
    return [...messages];
  }

  /** Assigns nothing more in these views, and says up to where something was (rule 1). */
  #seal(superseded: readonly RegionView[], withdrawn: RegionMessage[]) {
    const sealed: { readonly id: RegionViewId; readonly last: number }[] = [];
    for (const view of superseded) {
      const { region } = view.id;
      const sender = this.#senders.get(region);
      if (sender === undefined) {
        sealed.push({ id: view.id, last: 0 });
        continue;
      }
      this.#senders.delete(region);
      const rest = sender.seal();
      sealed.push({ id: view.id, last: sender.last });
      if (!sender.isDone) this.#sealed.add(sender);
      const next = this.#views.regions.get(region);
      if (next === undefined) withdrawn.push(...rest);
      else if (rest.length > 0) {
        const successor = this.#senderOf(next);
        for (const message of rest) successor.enqueue(message);
      }
    }
    return sealed;
  }

  /** A new view of a region: if this node is in it, it takes part from here on. */
  #enter(view: RegionView, now: number): void {
    for (const member of view.members) this.#nodes.set(member.id, member);
    if (!view.members.some(({ id }) => id === this.#config.me)) return;
    this.#listen(view.address);
    this.#members.add(new RegionMember(view, this.#config, this, now));
  }

  #tellViews({ groupsCreated, groupsChanged, groupsDeleted }: Change, now: number): void {
    for (const { group } of [...groupsCreated, ...groupsChanged]) {
      const view = this.#views.groups.get(group);
      if (view !== undefined) this.#outbox.view(view, now);
    }
    for (const group of groupsDeleted) this.#outbox.left(group);
  }

  /** Packets that came before the view was known. */
  #replay(id: RegionViewId, now: number): void {
    for (const { channel, packet } of this.#unknown.take(id)) this.#receive(channel, packet, now);
    const token = this.#unknown.takeToken(id);
    if (token !== undefined) this.#members.of(id)?.onToken(token, now);
  }

  // ---- sending --------------------------------------------------------------------------------------------------

  #enqueue(message: RegionMessage): void {
    const group = this.#views.groups.get(message.group);
    // The group was left, or has ended, before the message was begun.
    if (group === undefined) return;
    message.regionsLeft = group.regions.length;
    for (const region of group.regions) {
      const view = this.#views.regions.get(region);
      assert(view !== undefined, "a node knows the regions of its groups");
      this.#senderOf(view).enqueue(message);
    }
  }

  #senderOf(view: RegionView): RegionSender {
    const { region } = view.id;
    let sender = this.#senders.get(region);
    if (sender !== undefined) return sender;
    const settings = { ...this.#config, lastMs: 1_000 / this.#config.tokenRate };
    const indexes = new Map(view.groups.map((group, index) => [group, index]));
    sender = new RegionSender(view, indexes, this.#sealedFor(view), settings);
    this.#senders.set(region, sender);
    return sender;
  }

  /** Sealed views with packets that are not stable, and that members of this view may be in (rule 11). */
  #sealedFor(view: RegionView): SealedView[] {
    const groups = new Set(view.groups);
    const sealed: SealedView[] = [];
    for (const sender of this.#sealed) {
      if (!sender.isDone && sender.view.groups.some((group) => groups.has(group))) {
        sealed.push({ id: sender.id, last: sender.last });
      }
    }
    return sealed;
  }

  #isOverfull(): boolean {
    let bytes = 0;
    for (const sender of this.#senders.values()) bytes += sender.queuedBytes;
    return bytes > this.#config.windowBytes;
  }

  #sendAt(sender: RegionSender): number {
    if (this.room === 0 || !sender.wantsToSend) return NEVER;
    return Math.max(this.#pacer.deadline, this.#regionPacers.get(sender.id.region)?.deadline ?? 0);
  }

  #flushForwards(most: number, now: number): number {
    const count = this.#forwards.length === 0 ? 0 : this.#pacer.take(Math.min(most, this.#forwards.length), now);
    for (const { to, packet } of this.#forwards.splice(0, count)) {
      this.#outbox.unicast(to.address, "repair", packet);
    }
    return count;
  }

  /** Senders take turns, a packet each. */
  #flushData(most: number, now: number): number {
    const senders = [...this.#sealed, ...this.#senders.values()].filter((sender) => sender.wantsToSend);
    let left = most;
    for (let idle = 0; left > 0 && senders.length > 0 && idle < senders.length; ) {
      const sender = senders[this.#turn++ % senders.length] as RegionSender;
      if (this.#sendOne(sender, now)) {
        left--;
        idle = 0;
      } else idle++;
    }
    return most - left;
  }

  #sendOne(sender: RegionSender, now: number): boolean {
    if (!sender.wantsToSend) return false;
    const { region } = sender.id;
    let regionPacer = this.#regionPacers.get(region);
    if (regionPacer === undefined) {
      regionPacer = new Pacer({ ...pacerDefaults, rate: this.#config.rateStart }, now);
      this.#regionPacers.set(region, regionPacer);
    }
    if (this.#pacer.deadline > now || regionPacer.take(1, now) === 0) return false;
    this.#pacer.take(1, now);
    const packet = sender.next(now);
    if (packet === undefined) return false;
    this.#outbox.multicast(sender.view.address, packet, sender.view.members);
    if (kindOf(packet) === NodeKind.regionData) {
      this.#members.of(sender.id)?.receive(packet, false, now);
    }
    return true;
  }

  #tellLast(sender: RegionSender, now: number): void {
    if (now < sender.deadline) return;
    this.#outbox.multicast(sender.view.address, sender.lastPacket(now), sender.view.members);
    this.#members.of(sender.id)?.last(this.#config.me, sender.last, now);
  }

  // ---- receiving ------------------------------------------------------------------------------------------------

  #receive(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const from = originOf(packet);
    if (clusterOf(packet) !== this.#config.cluster) this.drops.cluster++;
    else if (from === this.#config.me) return;
    else if (this.#fenced.has(from) && channel !== "repair") this.drops.fenced++;
    else if (channel === "control") this.#onControl(from, packet, now);
    else if (kindOf(packet) === NodeKind.regionLast) this.#onLast(from, channel, packet, now);
    else if (isData(packet)) this.#onData(channel, packet, now);
    else this.drops.malformed++;
  }

  #onControl(from: NodeId, packet: Uint8Array, now: number): void {
    const bytes = this.#links.receive(packet, now);
    if (bytes === undefined) return;
    const message = decodeRegionMessage(bytes);
    if (message === undefined) this.drops.malformed++;
    else this.#onMessage(from, message, now);
  }

  #onData(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const region = regionOf(packet);
    const view = viewOf(packet);
    const member = this.#members.get(region, view);
    if (member === undefined) {
      this.#onUnknown({ region, view }, channel, packet);
      return;
    }
    member.receive(packet, channel === "repair", now);
    if (this.#members.size > 1) for (const other of this.#members) if (other.hasBars) other.unbar();
  }

  #onLast(from: NodeId, channel: NodeChannel, packet: Uint8Array, now: number): void {
    const last = decodeLast(packet);
    if (last === undefined) {
      this.drops.malformed++;
      return;
    }
    const key = regionViewKey(last.id);
    const member = this.#members.of(last.id);
    if (member === undefined) {
      if (this.#tombstones.has(key)) this.tell(from, { kind: "retired", id: last.id });
      else this.#onUnknown(last.id, channel, packet);
      return;
    }
    let demands = this.#demands.get(key);
    if (demands === undefined) this.#demands.set(key, (demands = new Map()));
    demands.set(from, last.demand);
    member.last(from, last.seq, now);
  }

  /** A view that this node has not been told of yet, or one that is over. */
  #onUnknown(id: RegionViewId, channel: NodeChannel, packet: Uint8Array): void {
    const known = this.#views.regions.get(id.region)?.id.view ?? 0;
    if (id.view <= known || this.#tombstones.has(regionViewKey(id))) this.drops.retired++;
    else this.#unknown.add(id, channel, packet);
  }

  #onMessage(from: NodeId, message: LinkMessage, now: number): void {
    const { id } = message;
    const member = this.#members.of(id);
    switch (message.kind) {
      case "token":
        if (member !== undefined) member.onToken(message, now);
        // Until this node knows the view, it holds the token: nobody may count as having what it has not.
        else if (!this.#tombstones.has(regionViewKey(id))) this.#unknown.addToken(message);
        return;
      case "pull":
        member?.onPull(from, message);
        return;
      case "wake":
        member?.ring.resume(now);
        return;
      case "ack":
        return this.#onAcknowledged(id, message.acknowledged, message.grant, now);
      case "nak":
        return this.#senderBy(id)?.lacked(message.partition, message.partitions, message.ranges.ranges());
      case "retired":
        return this.#onStable(id, this.#senderBy(id)?.retired() ?? []);
    }
  }

  #onAcknowledged(id: RegionViewId, acknowledged: number, grant: number, now: number): void {
    const sender = this.#senderBy(id);
    if (sender === undefined) return;
    const rate = Math.max(grant, this.#config.rateMin);
    this.#regionPacers.get(id.region)?.setRate(Math.min(rate, this.#config.rateMax), now);
    this.#onStable(id, sender.acknowledged(acknowledged));
  }

  #onStable(id: RegionViewId, messages: readonly RegionMessage[]): void {
    if (this.#sealed.of(id)?.isDone === true) this.#sealed.delete(id);
    for (const message of messages) if (--message.regionsLeft === 0) this.#outbox.stable(message.number);
  }

  /** The sender of exactly this view. */
  #senderBy(id: RegionViewId): RegionSender | undefined {
    const current = this.#senders.get(id.region);
    return current?.id.view === id.view ? current : this.#sealed.of(id);
  }

  #listen(address: number): void {
    const count = this.#listening.get(address) ?? 0;
    this.#listening.set(address, count + 1);
    if (count === 0) this.#outbox.listen(address);
  }

  #unlisten(address: number): void {
    const count = (this.#listening.get(address) ?? 0) - 1;
    if (count > 0) this.#listening.set(address, count);
    else {
      this.#listening.delete(address);
      this.#outbox.unlisten(address);
    }
  }
}
