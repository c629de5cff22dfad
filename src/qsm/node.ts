import {
  type GroupNumber,
  type NodeId,
  type RegionId,
  type RegionViewId,
  regionViewKey,
  sameRegionView,
} from "../base/ids.ts";
import { cover } from "../base/coverage.ts";
import { NodeViews } from "../cms/node-views.ts";
import type { SettledStream } from "../cms/settled.ts";
import {
  type Change,
  type GroupView,
  type NodeInfo,
  placeOf,
  type RegionView,
  type ViewFailure,
} from "../cms/views.ts";
import type { Machine } from "../machine/machine.ts";
import { isRelayed, regionOf, type SealedView, seqOf, viewOf } from "../wire/region/data.ts";
import { headFault, kindOf, NodeKind, originOf, packetAt } from "../wire/region/head.ts";
import { hybridCountOf, hybridRegionOf, hybridSeqOf, hybridViewOf } from "../wire/region/hybrid.ts";
import type { NodeStatistics } from "../wire/native/node-statistics.ts";
import { encodeRegionMessage, type RegionMessage as LinkMessage } from "../wire/region/message.ts";
import type { RegionToken } from "../wire/region/token.ts";
import { type ArrivalHost, Arrivals, type NodeDrops } from "./arrivals.ts";
import { Bars } from "./bars.ts";
import { Capacity } from "./capacity.ts";
import type { NodeConfig } from "./config.ts";
import { Copies } from "./copies.ts";
import { Inquiry } from "./inquiry.ts";
import { Links, linkDefaults } from "./link.ts";
import { Listening } from "./listening.ts";
import type { NodeChannel, NodeOutbox } from "./outbox.ts";
import { OwnRegion } from "./own-region.ts";
import { Peers } from "./peers.ts";
import { RegionMember, type RegionHost } from "./region.ts";
import { RELAY_WIDTH, relayTargets } from "./relay-tree.ts";
import { RegionMessage, type RegionSender } from "./sender.ts";
import { Sending, type SendingHost } from "./sending.ts";
import { addCounters, collectStatistics, noNodeFigures } from "./statistics.ts";
import { Tombstones } from "./tombstones.ts";
import { UnknownViews } from "./unknown-views.ts";
import { ViewTable } from "./view-table.ts";

/** Packets that one turn sends, before the sockets are looked at again. */
const TURN_PACKETS_MAX = 256;
/**
 * Messages for a node that does not acknowledge them: everything but tokens is said anew in each round, and would only be in
 * the way of a token.
 */
const MESSAGES_MAX = 64;
/** With tokens. Who acknowledges none of so many cannot be reached: a token that waited longer would be stale, and is lost better. */
const TOKENS_MAX = 128;

/**
 * A node: an application process that takes part in regions (QSM; protocols.md A, region-views.md). It applies the membership service's
 * changes in order, sends to the regions of its groups, and is a member of its own region's views, of which several are
 * alive during a change.
 */
export class Node implements Machine, RegionHost, SendingHost, ArrivalHost {
  /** Packets that the network takes until the host says otherwise; none while its queues are full. */
  room = Number.POSITIVE_INFINITY;
  /** There is no multicast: packets to many members are passed on by those who get them. */
  relays = false;
  readonly drops: NodeDrops = { malformed: 0, foreign: 0, cluster: 0, fenced: 0, retired: 0, untold: 0 };
  readonly #config: NodeConfig;
  readonly #outbox: NodeOutbox;
  readonly #views = new NodeViews();
  readonly #peers = new Peers(this.#views);
  readonly #links: Links;
  readonly #members = new ViewTable<RegionMember>();
  readonly #bars = new Bars();
  readonly #sending: Sending;
  readonly #unknown: UnknownViews;
  readonly #tombstones = new Tombstones();
  readonly #ownRegion: OwnRegion;
  readonly #copies = new Copies();
  readonly #listening: Listening;
  readonly #capacity: Capacity;
  readonly #arrivals: Arrivals;
  readonly #inquiry: Inquiry;
  /** What this node counts itself, and what views counted that have been retired. */
  readonly #counters = noNodeFigures();
  readonly #startedAt: number;
  #isFull = false;
  #isHeld = false;
  #now = 0;

  constructor(config: NodeConfig, outbox: NodeOutbox, now: number) {
    this.#config = config;
    this.#outbox = outbox;
    this.#now = this.#startedAt = now;
    this.#unknown = new UnknownViews(config.unknownBytes);
    const { me, cluster, datagramBytes } = config;
    this.#links = new Links(
      { ...linkDefaults, me, cluster, datagramBytes },
      {
        transmit: (to, bytes) => {
          const info = this.#peers.infoOf(to);
          if (info !== undefined) this.#unicast(info, "control", bytes);
        },
      },
    );
    this.#sending = new Sending(config, this, now);
    this.#inquiry = new Inquiry(config.inquireMs);
    this.#capacity = new Capacity(config, now);
    this.#ownRegion = new OwnRegion(me);
    this.#listening = new Listening(outbox);
    this.#arrivals = new Arrivals(
      {
        config,
        views: this.#views,
        members: this.#members,
        bars: this.#bars,
        peers: this.#peers,
        unknown: this.#unknown,
        tombstones: this.#tombstones,
        links: this.#links,
        sending: this.#sending,
        capacity: this.#capacity,
        drops: this.drops,
      },
      this,
    );
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
    return this.#sending.senders;
  }

  /** What there is to see of it, for people: counters since it began, and how things stand. The host adds what only it knows. */
  statistics(now: number): NodeStatistics {
    const regions = [...this.#members];
    return collectStatistics({
      counters: this.#counters,
      regions,
      sending: this.#sending,
      drops: this.drops,
      links: this.#links.statistics,
      unknown: this.#unknown,
      own: {
        upMs: Math.round(now - this.#startedAt),
        applied: this.applied,
        forwarding: this.#copies.size,
        rateAdmissible: Math.round(this.#capacity.rate ?? 0),
        rateMax: Math.round(this.#config.rateMax),
        datagramBytes: this.#config.datagramBytes,
        held: Number(this.#isHeld),
      },
    });
  }

  get deadline(): number {
    let deadline = Math.min(this.#links.deadline, this.#sending.deadline(this.room > 0));
    for (const member of this.#members) deadline = Math.min(deadline, member.deadline);
    if (this.#copies.size > 0 && this.room > 0) deadline = Math.min(deadline, this.#sending.pacer.deadline);
    return deadline;
  }

  tick(now: number): void {
    this.#now = now;
    for (const member of this.#members) member.tick(now);
    this.#sending.tick(now);
    const awaited = this.#inquiry.due(this.#links, this.senders, (node) => this.#isToldOf(node), now);
    if (awaited.length > 0) this.#outbox.inquire(awaited);
    this.flush(now);
  }

  /**
   * Applies the next change (rule 1): everything of one change in one go. Changes that were applied before are passed over; one
   * that leaves something out is an error of the caller.
   */
  apply(change: Change, now: number): void {
    if (change.seq <= this.#views.seq) return;
    this.#now = now;
    const failed = change.failed.filter((node) => !this.#peers.isFenced(node));
    for (const node of failed) this.#fence(node);

    const touched = new Set<GroupNumber>(change.groupsDeleted);
    for (const { group } of change.groupsChanged) touched.add(group);
    for (const { group } of change.groupsCreated) touched.add(group);
    const { absent: absentBefore } = this.#ownRegion;
    const absent = this.#ownRegion.absentAfter(change);
    const unwanted = [...absent].filter((group) => !absentBefore.has(group) && this.#views.groups.has(group));
    const wanted = [...absentBefore].filter((group) => !absent.has(group) && !change.groupsDeleted.includes(group));
    for (const group of [...unwanted, ...wanted]) touched.add(group);
    const withdrawn = this.#sending.withdraw(touched);
    const addresses = this.#addressesOf(touched);
    this.#peers.remember(change);
    const { opened, superseded, left: leftRegions } = this.#views.apply(change);
    const left = [...change.groupsDeleted.filter((group) => !absentBefore.has(group)), ...unwanted];
    this.#ownRegion.become(absent);
    if (left.length > 0) {
      for (const member of [...this.#members, ...this.#bars]) member.leave(left);
      this.#tombstones.leave(left);
    }
    for (const view of opened) this.#enter(view);
    for (const address of this.#addressesOf(touched)) this.#listening.add(address);
    for (const address of addresses) this.#listening.remove(address);
    const sealed = this.#sending.seal(superseded, leftRegions, withdrawn);
    if (withdrawn.length > 0) cover("regions message moved");
    for (const message of withdrawn) this.#sending.enqueue(message);
    this.#tellViews(change, wanted, left, now);
    this.#outbox.installed(change.n, sealed);
    if (failed.length > 0) this.#sending.failed((node) => this.#peers.isFenced(node));

    for (const { id, nodes } of merged(change.viewsFailed)) {
      this.#members.of(id)?.failed(nodes, change.n, now);
      // The leader has failed, perhaps before it could say so. As long as it lives others may not have heard of the end, and it sees to them.
      const leader = this.#tombstones.leaderOf(id);
      if (leader === undefined || !nodes.includes(leader)) continue;
      cover("regions retire again");
      this.#outbox.retired(id);
    }
    if (failed.length > 0) this.#retireUnnamed(failed, change.viewsFailed);
    for (const final of change.finals) this.#members.of(final.id)?.finalised(final, now);
    for (const { id } of opened) this.#arrivals.replay(id, now);
  }

  /**
   * Sends a message to a group of this node. The payload is given away. False: too much waits, call again after
   * `writable`; this message was taken all the same.
   */
  send(group: GroupNumber, payload: Uint8Array, number: number, now: number): boolean {
    this.#now = now;
    this.#counters.messagesSent++;
    this.#sending.enqueue(new RegionMessage(group, payload, number));
    this.#isFull = this.#isOverfull();
    return !this.#isFull;
  }

  /**
   * The application does not keep up and wants its senders to wait: until it is told otherwise, what is sent in its regions gets
   * not stable, so that all senders there stop at the ends of their windows.
   */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    for (const member of this.#members) member.hold(isHeld);
  }

  /**
   * This node has been declared failed: the messages of which all is known to be accepted (`settled`) are told as stable, and the others will
   * never be. The node is at its end; it is not to be used any more.
   */
  expelled(settled: readonly SettledStream[]): void {
    this.#sending.expelled(settled);
  }

  /** A datagram, or several that the kernel has joined; given away. */
  receive(channel: NodeChannel, bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#counters.bytesReceived += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      this.#counters.datagramsReceived++;
      const fault = headFault(bytes, at);
      if (fault !== undefined) {
        cover("regions drop malformed");
        if (fault === "malformed") this.drops.malformed++;
        else this.drops.foreign++;
        return;
      }
      const packet = packetAt(bytes, at);
      at += packet.length;
      this.#arrivals.receive(channel, packet, now);
    }
  }

  /** The end of a turn: what can be sent is pulled and sent, control first, then repairs, then data (A54). */
  flush(now: number): void {
    this.#now = now;
    this.#links.flush(now);
    // A packet that others pass on takes several datagrams.
    const copies = this.relays && this.#config.relays ? RELAY_WIDTH : 1;
    const most = Math.min(TURN_PACKETS_MAX, Math.ceil(this.room / copies));
    const copied = this.#flushCopies(most, now);
    this.room -= copied + this.#sending.flush(most - copied, now);
    // What a token or a packet of this node's own has brought about.
    this.#links.flush(now);
    if (this.#isFull && !this.#isOverfull()) {
      this.#isFull = false;
      this.#outbox.writable();
    }
  }

  // RegionHost

  tell(to: NodeId, message: LinkMessage): void {
    if (this.#peers.isFenced(to)) return;
    if (to === this.#config.me) this.#arrivals.message(to, message, this.#now);
    else if (this.#links.unacknowledgedMessages(to) >= MESSAGES_MAX) this.drops.untold++;
    else this.#links.send(to, encodeRegionMessage(message));
  }

  pass(to: NodeId, token: () => RegionToken | undefined): void {
    if (this.#peers.isFenced(to)) return;
    if (this.#links.unacknowledgedMessages(to) >= TOKENS_MAX) {
      this.drops.untold++;
      return;
    }
    this.#links.send(to, () => {
      const fresh = token();
      return fresh && encodeRegionMessage(fresh);
    });
  }

  forward(to: NodeInfo, packet: Uint8Array): void {
    this.#copy(to, "repair", packet);
  }

  deliver(group: GroupNumber, sender: NodeId, payload: Uint8Array): void {
    this.#outbox.deliver(group, sender, payload);
  }

  lost(groups: readonly GroupNumber[], sender: NodeId, count: number): void {
    this.#outbox.lost(groups, sender, count);
  }

  hasAll({ id, last }: SealedView, sender: NodeId): boolean {
    const member = this.#members.of(id) ?? this.#bars.of(id);
    return member === undefined || (member.streams.get(sender)?.passed ?? 0) >= last;
  }

  passOver(sealed: SealedView, sender: NodeId): void {
    const lost = this.#tombstones.lost(sealed, sender);
    if (lost === undefined) return;
    cover("regions lost lately");
    this.#outbox.lost(lost.groups, sender, lost.count);
  }

  admissibleRate(now: number): number | undefined {
    this.#capacity.observe(this.#members, now);
    return this.#capacity.rate;
  }

  stamped(sender: NodeId, stamp: number, now: number): void {
    // How long this node's own packets take to itself says nothing.
    if (sender !== this.#config.me) this.#capacity.stamped(sender, stamp, now);
  }

  retired(member: RegionMember): void {
    this.#capacity.retired(member);
    addCounters(this.#counters, member);
    this.#members.delete(member.id);
    this.#tombstones.add(member.id, member.tombstone);
    this.#listening.remove(member.view.address);
    if (member.isLeader) this.#outbox.retired(member.id);
    this.#bars.lift();
  }

  settled(stream: SettledStream): void {
    this.#outbox.settled(stream);
  }

  barred(member: RegionMember): void {
    this.#bars.add(member);
  }

  barredBefore(member: RegionMember, sender: NodeId): SealedView[] {
    return this.#bars.before(member, sender);
  }

  endingBefore({ order }: RegionMember): SealedView[] {
    return [...this.#members]
      .filter((member) => member.order < order)
      .map(({ id }) => ({ id, last: Number.MAX_SAFE_INTEGER }));
  }

  random(): number {
    return this.#outbox.random();
  }

  // ArrivalHost

  passOn(packet: Uint8Array, members: readonly NodeInfo[]): void {
    for (const to of this.#relayTargets(packet, members)) this.#copy(to, "data", packet);
  }

  // SendingHost

  region(id: RegionId): RegionView | undefined {
    return this.#views.regions.get(id);
  }

  /** Of a group that this node is in. */
  group(group: GroupNumber): GroupView | undefined {
    return this.#ownRegion.absent.has(group) ? undefined : this.#views.groups.get(group);
  }

  placeIn(region: RegionId, group: GroupNumber): number | undefined {
    return this.#views.placeIn(region, group);
  }

  relaysTo(members: number): boolean {
    return this.relays && this.#config.relays && members > RELAY_WIDTH + 1;
  }

  multicast(address: number, packet: Uint8Array, members: readonly NodeInfo[]): void {
    if (isFromSender(packet) && isRelayed(packet)) {
      const targets = this.#relayTargets(packet, members);
      this.#counters.datagramsSent += targets.length;
      this.#counters.bytesSent += targets.length * packet.length;
      this.#outbox.relay(targets, packet);
      return;
    }
    this.#counters.datagramsSent++;
    this.#counters.bytesSent += packet.length;
    this.#outbox.multicast(address, packet, members);
  }

  unicast(to: NodeInfo, packet: Uint8Array): void {
    if (to.id !== this.#config.me) this.#unicast(to, "data", packet);
  }

  sent(packet: Uint8Array, isNew: boolean): void {
    if (!isNew) return;
    const now = this.#now;
    if (kindOf(packet) !== NodeKind.regionHybrid) {
      this.#members.get(regionOf(packet), viewOf(packet))?.receive(packet, seqOf(packet), false, now);
      this.#bars.lift();
      return;
    }
    for (let entry = 0; entry < hybridCountOf(packet); entry++) {
      const member = this.#members.get(hybridRegionOf(packet, entry), hybridViewOf(packet, entry));
      member?.receive(packet, hybridSeqOf(packet, entry), false, now);
    }
    this.#bars.lift();
  }

  toldLast(id: RegionViewId, seq: number): void {
    this.#members.of(id)?.last(this.#config.me, seq, this.#now);
  }

  stable(message: number): void {
    this.#counters.messagesStable++;
    this.#outbox.stable(message);
  }

  // ---- changes --------------------------------------------------------------------------------------------------

  #fence(node: NodeId): void {
    cover("regions fence");
    this.#peers.fence(node);
    this.#links.forget(node);
  }

  /** Of which view a member has failed, and the service does not say so, it knows that it has ended: who knew it here may be gone. */
  #retireUnnamed(failed: readonly NodeId[], viewsFailed: readonly ViewFailure[]): void {
    const ended = [...this.#members].filter(
      (member) =>
        member.ring.isFinal &&
        failed.some((node) => member.has(node)) &&
        !viewsFailed.some(({ id }) => sameRegionView(id, member.id)),
    );
    if (ended.length > 0) cover("regions retire unnamed");
    for (const member of ended) member.ring.retire();
  }

  /**
   * Whether this node would be told if that one had failed: it is the node itself, it knows that, or is in a view with it. A view that is
   * final may be forgotten by the service, since others have retired it.
   */
  #isToldOf(node: NodeId): boolean {
    if (node === this.#config.me || this.#peers.isFenced(node)) return true;
    for (const member of this.#members) if (!member.ring.isFinal && member.has(node)) return true;
    return this.#peers.isPresent(node);
  }

  /** A new view of a region: if this node is in it, it takes part from here on. */
  #enter(view: RegionView): void {
    if (placeOf(view.members, this.#config.me) === undefined) return;
    this.#listening.add(view.address);
    const member = new RegionMember(view, this.#groupsOf(view), this.#views.seq, this.#config, this);
    member.hold(this.#isHeld);
    this.#members.add(member);
  }

  /** All groups of a region that this node is a member of, by their places. */
  #groupsOf({ id: { region } }: RegionView): readonly GroupNumber[] {
    const groups: GroupNumber[] = [];
    for (const group of this.#views.groupsIn(region)) groups[this.#views.placeIn(region, group) as number] = group;
    return groups;
  }

  /** `joined`, `left`: groups that this node is in from now on, or is not in any more, though its region has them, or has ended. */
  #tellViews(change: Change, joined: readonly GroupNumber[], left: readonly GroupNumber[], now: number): void {
    const news = new Set(joined);
    for (const { group } of [...change.groupsCreated, ...change.groupsChanged]) news.add(group);
    for (const group of news) {
      const view = this.group(group);
      if (view !== undefined) this.#outbox.view(view, now);
    }
    for (const group of left) this.#outbox.left(group);
  }

  /** Of those of these groups that are in hybrid mode. */
  #addressesOf(groups: Iterable<GroupNumber>): number[] {
    const addresses: number[] = [];
    for (const group of groups) {
      const address = this.#views.groups.get(group)?.address;
      if (address !== undefined) addresses.push(address);
    }
    return addresses;
  }

  // ---- sending --------------------------------------------------------------------------------------------------

  #isOverfull(): boolean {
    return this.#sending.queuedBytes > this.#config.windowBytes;
  }

  #flushCopies(most: number, now: number): number {
    if (this.#copies.size === 0 || most <= 0) return 0;
    const count = this.#sending.pacer.take(Math.min(most, this.#copies.size), now);
    for (const { to, channel, packet } of this.#copies.take(count)) this.#unicast(to, channel, packet);
    return count;
  }

  #copy(to: NodeInfo, channel: NodeChannel, packet: Uint8Array): void {
    if (!this.#copies.add({ to, channel, packet })) this.drops.untold++;
  }

  #relayTargets(packet: Uint8Array, members: readonly NodeInfo[]): readonly NodeInfo[] {
    const isGone = (node: NodeId): boolean => this.#peers.isGone(node, members);
    return relayTargets(members, originOf(packet), this.#config.me, seqOf(packet), isGone);
  }

  #unicast(to: NodeInfo, channel: NodeChannel, bytes: Uint8Array): void {
    this.#counters.datagramsSent++;
    this.#counters.bytesSent += bytes.length;
    this.#outbox.unicast(to.address, channel, bytes);
  }
}

/** Whether it is a packet of one region that its sender sends, for the first time or again. */
function isFromSender(packet: Uint8Array): boolean {
  const kind = kindOf(packet);
  return kind === NodeKind.regionData || kind === NodeKind.regionResent;
}

/** What a change says of a view at several places is one failure: its token begins anew once. */
function merged(failures: readonly ViewFailure[]): readonly ViewFailure[] {
  if (failures.length < 2) return failures;
  const byView = new Map<string, { readonly id: RegionViewId; readonly nodes: NodeId[] }>();
  for (const { id, nodes } of failures) {
    const key = regionViewKey(id);
    const known = byView.get(key);
    if (known === undefined) byView.set(key, { id, nodes: [...nodes] });
    else known.nodes.push(...nodes);
  }
  return [...byView.values()];
}
