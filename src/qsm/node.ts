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
  absentOf,
  type Change,
  type GroupView,
  type NodeInfo,
  placeOf,
  type RegionView,
  type ViewFailure,
} from "../cms/views.ts";
import type { Machine } from "../machine/machine.ts";
import { isData, isRelayed, regionOf, type SealedView, seqOf, viewOf } from "../wire/region/data.ts";
import { clusterOf, headFault, kindOf, NodeKind, originOf, packetAt } from "../wire/region/head.ts";
import { hybridCountOf, hybridRegionOf, hybridSeqOf, hybridViewOf, isHybrid } from "../wire/region/hybrid.ts";
import type { NodeStatistics } from "../wire/native/node-statistics.ts";
import { decodeLast } from "../wire/region/last.ts";
import { decodeRegionMessage, encodeRegionMessage, type RegionMessage as LinkMessage } from "../wire/region/message.ts";
import type { RegionToken } from "../wire/region/token.ts";
import { AdmissionEstimator, admissionDefaults, type Reception } from "./admission.ts";
import type { NodeConfig } from "./config.ts";
import { Inquiry } from "./inquiry.ts";
import { Links, linkDefaults } from "./link.ts";
import type { NodeChannel, NodeOutbox } from "./outbox.ts";
import { RegionMember, type RegionHost } from "./region.ts";
import { RELAY_WIDTH, relayTargets } from "./relay-tree.ts";
import { RegionMessage, type RegionSender } from "./sender.ts";
import { Sending, type SendingHost } from "./sending.ts";
import { StandingDelay } from "./standing-delay.ts";
import { addCounters, collectStatistics, noNodeFigures } from "./statistics.ts";
import { Tombstones } from "./tombstones.ts";
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
  /** Messages and copies for other nodes for whom too much waits. */
  untold: number;
};

/** Packets that one turn sends, before the sockets are looked at again. */
const TURN_PACKETS_MAX = 256;
/**
 * Messages for a node that does not acknowledge them: everything but tokens is said anew in each round, and would only be in
 * the way of a token.
 */
const MESSAGES_MAX = 64;
/** With tokens. Who acknowledges none of so many cannot be reached: a token that waited longer would be stale, and is lost better. */
const TOKENS_MAX = 128;
/** Copies for other members that may wait. */
const FORWARDS_MAX = 65_536;

/**
 * A node: an application process that takes part in regions (QSM; protocols.md A, region-views.md). It applies the membership service's
 * changes in order, sends to the regions of its groups, and is a member of its own region's views, of which several are
 * alive during a change.
 */
export class Node implements Machine, RegionHost, SendingHost {
  /** Packets that the network takes until the host says otherwise; none while its queues are full. */
  room = Number.POSITIVE_INFINITY;
  /** Datagrams of this node wait for its network: what is sent now leaves later. */
  isHeldUp = false;
  /** There is no multicast: packets to many members are passed on by those who get them. */
  relays = false;
  readonly drops: NodeDrops = { malformed: 0, foreign: 0, cluster: 0, fenced: 0, retired: 0, untold: 0 };
  readonly #config: NodeConfig;
  readonly #outbox: NodeOutbox;
  readonly #views = new NodeViews();
  /** Where nodes are that this one has told something, or that were members of regions known here and are not any more. */
  readonly #nodes = new Map<NodeId, NodeInfo>();
  readonly #links: Links;
  readonly #members = new ViewTable<RegionMember>();
  /** Views in which packets wait for those of earlier views. Some of them may have been retired since. */
  #barred: RegionMember[] = [];
  readonly #sending: Sending;
  readonly #unknown: UnknownViews;
  readonly #tombstones = new Tombstones();
  readonly #fenced = new Set<NodeId>();
  /** Groups of this node's (approximate) region that it is not in. */
  #absent: ReadonlySet<GroupNumber> = new Set();
  #ownRegion: RegionId | undefined;
  readonly #forwards: { readonly to: NodeInfo; readonly channel: NodeChannel; readonly packet: Uint8Array }[] = [];
  /** How many views and groups of this node use an address. */
  readonly #listening = new Map<number, number>();
  readonly #admission: AdmissionEstimator;
  readonly #inquiry: Inquiry;
  /** What was received in views that have been retired. */
  readonly #past = { received: 0, expected: 0, gaps: 0 };
  readonly #delay = new StandingDelay();
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
          const info = this.#infoOf(to);
          if (info !== undefined) this.#unicast(info, "control", bytes);
        },
      },
    );
    this.#sending = new Sending(config, this, now);
    this.#inquiry = new Inquiry(config.inquireMs);
    const { rateStart, rateMin, rateMax } = config;
    this.#admission = new AdmissionEstimator({ ...admissionDefaults, rateStart, rateMin, rateMax }, now);
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
        forwarding: this.#forwards.length,
        rateAdmissible: this.#admission.isInformed ? Math.round(this.#admission.rate) : 0,
        rateMax: Math.round(this.#config.rateMax),
        datagramBytes: this.#config.datagramBytes,
        held: Number(this.#isHeld),
      },
    });
  }

  get deadline(): number {
    let deadline = Math.min(this.#links.deadline, this.#sending.deadline(this.room > 0));
    for (const member of this.#members) deadline = Math.min(deadline, member.deadline);
    if (this.#forwards.length > 0 && this.room > 0) deadline = Math.min(deadline, this.#sending.pacer.deadline);
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
    const failed = change.failed.filter((node) => !this.#fenced.has(node));
    for (const node of failed) this.#fence(node);

    const touched = new Set<GroupNumber>(change.groupsDeleted);
    for (const { group } of change.groupsChanged) touched.add(group);
    for (const { group } of change.groupsCreated) touched.add(group);
    const absent = this.#absentAfter(change);
    const unwanted = [...absent].filter((group) => !this.#absent.has(group) && this.#views.groups.has(group));
    const wanted = [...this.#absent].filter((group) => !absent.has(group) && !change.groupsDeleted.includes(group));
    for (const group of [...unwanted, ...wanted]) touched.add(group);
    const withdrawn = this.#sending.withdraw(touched);
    const addresses = this.#addressesOf(touched);
    this.#remember(change);
    const { opened, superseded, left: leftRegions } = this.#views.apply(change);
    const left = [...change.groupsDeleted.filter((group) => !this.#absent.has(group)), ...unwanted];
    this.#absent = absent;
    if (left.length > 0) {
      for (const member of [...this.#members, ...this.#barred]) member.leave(left);
      this.#tombstones.leave(left);
    }
    for (const view of opened) this.#enter(view);
    for (const address of this.#addressesOf(touched)) this.#listen(address);
    for (const address of addresses) this.#unlisten(address);
    const sealed = this.#sending.seal(superseded, leftRegions, withdrawn);
    if (withdrawn.length > 0) cover("regions message moved");
    for (const message of withdrawn) this.#sending.enqueue(message);
    this.#tellViews(change, wanted, left, now);
    this.#outbox.installed(change.n, sealed);
    if (failed.length > 0) this.#sending.failed((node) => this.#fenced.has(node));

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
    for (const { id } of opened) this.#replay(id, now);
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
      this.#receive(channel, packet, now);
    }
  }

  /** The end of a turn: what can be sent is pulled and sent, control first, then repairs, then data (A54). */
  flush(now: number): void {
    this.#now = now;
    this.#links.flush(now);
    // A packet that others pass on takes several datagrams.
    const copies = this.relays && this.#config.relays ? RELAY_WIDTH : 1;
    const most = Math.min(TURN_PACKETS_MAX, Math.ceil(this.room / copies));
    const forwards = this.#flushForwards(most, now);
    this.room -= forwards + this.#sending.flush(most - forwards, this.isHeldUp, now);
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
    else if (this.#links.unacknowledgedMessages(to) >= MESSAGES_MAX) this.drops.untold++;
    else this.#links.send(to, encodeRegionMessage(message));
  }

  pass(to: NodeId, token: () => RegionToken | undefined): void {
    if (this.#fenced.has(to)) return;
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
    this.#forward(to, "repair", packet);
  }

  deliver(group: GroupNumber, sender: NodeId, payload: Uint8Array): void {
    this.#outbox.deliver(group, sender, payload);
  }

  lost(groups: readonly GroupNumber[], sender: NodeId, count: number): void {
    this.#outbox.lost(groups, sender, count);
  }

  hasAll({ id, last }: SealedView, sender: NodeId): boolean {
    const member = this.#members.of(id) ?? this.#barred.find((other) => sameRegionView(other.id, id));
    return member === undefined || (member.streams.get(sender)?.passed ?? 0) >= last;
  }

  passOver(sealed: SealedView, sender: NodeId): void {
    const lost = this.#tombstones.lost(sealed, sender);
    if (lost === undefined) return;
    cover("regions lost lately");
    this.#outbox.lost(lost.groups, sender, lost.count);
  }

  admissibleRate(now: number): number | undefined {
    if (this.#admission.isDue(now)) {
      const all = { ...this.#past };
      for (const { reception } of this.#members) add(all, reception);
      this.#admission.observe(all, this.#delay.take(), now);
    }
    return this.#admission.isInformed ? this.#admission.rate : undefined;
  }

  stamped(sender: NodeId, stamp: number, now: number): void {
    // How long this node's own packets take to itself says nothing.
    if (sender !== this.#config.me) this.#delay.sample(sender, stamp, now);
  }

  retired(member: RegionMember): void {
    add(this.#past, member.reception);
    addCounters(this.#counters, member);
    this.#members.delete(member.id);
    this.#tombstones.add(member.id, member.tombstone);
    this.#unlisten(member.view.address);
    if (member.isLeader) this.#outbox.retired(member.id);
    this.#unbar();
  }

  settled(stream: SettledStream): void {
    this.#outbox.settled(stream);
  }

  barred(member: RegionMember): void {
    this.#barred.push(member);
  }

  barredBefore({ order }: RegionMember, sender: NodeId): SealedView[] {
    return this.#barred.flatMap((member) => (member.order < order ? (member.behindBar(sender) ?? []) : []));
  }

  endingBefore({ order }: RegionMember): SealedView[] {
    return [...this.#members]
      .filter((member) => member.order < order)
      .map(({ id }) => ({ id, last: Number.MAX_SAFE_INTEGER }));
  }

  random(): number {
    return this.#outbox.random();
  }

  // SendingHost

  region(id: RegionId): RegionView | undefined {
    return this.#views.regions.get(id);
  }

  /** Of a group that this node is in. */
  group(group: GroupNumber): GroupView | undefined {
    return this.#absent.has(group) ? undefined : this.#views.groups.get(group);
  }

  placeIn(region: RegionId, group: GroupNumber): number | undefined {
    return this.#views.placeIn(region, group);
  }

  relaysTo(members: number): boolean {
    return this.relays && this.#config.relays && members > RELAY_WIDTH + 1;
  }

  multicast(address: number, packet: Uint8Array, members: readonly NodeInfo[]): void {
    if (isFromSender(packet) && isRelayed(packet)) {
      for (const to of this.#relayTargets(packet, members)) this.#unicast(to, "data", packet);
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
      this.#unbar();
      return;
    }
    for (let entry = 0; entry < hybridCountOf(packet); entry++) {
      const member = this.#members.get(hybridRegionOf(packet, entry), hybridViewOf(packet, entry));
      member?.receive(packet, hybridSeqOf(packet, entry), false, now);
    }
    this.#unbar();
  }

  toldLast(id: RegionViewId, seq: number): void {
    this.#members.of(id)?.last(this.#config.me, seq, this.#now);
  }

  stable(message: number): void {
    this.#counters.messagesStable++;
    this.#outbox.stable(message);
  }

  /** Delivers what need not wait any more. What one view lets go may be what a later one waits for. */
  #unbar(): void {
    if (this.#barred.length === 0) return;
    cover("regions order waits");
    for (let isOver = false; !isOver; ) {
      isOver = true;
      for (const member of this.#barred) if (member.unbar()) isOver = false;
    }
    this.#barred = this.#barred.filter((member) => member.hasBars);
  }

  // ---- changes --------------------------------------------------------------------------------------------------

  #fence(node: NodeId): void {
    cover("regions fence");
    this.#fenced.add(node);
    this.#nodes.delete(node);
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
    if (node === this.#config.me || this.#fenced.has(node)) return true;
    for (const member of this.#members) if (!member.ring.isFinal && member.has(node)) return true;
    for (const { members } of this.#views.regions.values()) if (members.some(({ id }) => id === node)) return true;
    return false;
  }

  /** Members of the present views are found there: only who is gone from them has to be remembered. */
  #infoOf(node: NodeId): NodeInfo | undefined {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    for (const { members } of this.#views.regions.values()) {
      const place = placeOf(members, node);
      const info = place === undefined ? undefined : members[place];
      if (info === undefined) continue;
      this.#nodes.set(node, info);
      return info;
    }
    return undefined;
  }

  #remember({ regionsDeleted, regionsChanged }: Change): void {
    for (const region of regionsDeleted) {
      for (const member of this.#views.regions.get(region)?.members ?? []) this.#keep(member);
    }
    for (const { region, removed } of regionsChanged) {
      const { members } = this.#views.regions.get(region) ?? { members: [] };
      for (const node of removed) {
        const place = placeOf(members, node);
        if (place !== undefined) this.#keep(members[place] as NodeInfo);
      }
    }
  }

  #keep(info: NodeInfo): void {
    if (!this.#fenced.has(info.id)) this.#nodes.set(info.id, info);
  }

  /** A new view of a region: if this node is in it, it takes part from here on. */
  #enter(view: RegionView): void {
    if (placeOf(view.members, this.#config.me) === undefined) return;
    this.#listen(view.address);
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

  /** The groups of this node's region that it is not in once this change is applied. */
  #absentAfter({ regionsCreated, regionsChanged, regionsDeleted }: Change): ReadonlySet<GroupNumber> {
    const { me } = this.#config;
    if (regionsDeleted.some((region) => region === this.#ownRegion)) this.#ownRegion = undefined;
    for (const { region, added, removed } of regionsChanged) {
      if (added.some(({ id }) => id === me)) this.#ownRegion = region;
      else if (region === this.#ownRegion && removed.includes(me)) this.#ownRegion = undefined;
    }
    for (const view of regionsCreated) if (placeOf(view.members, me) !== undefined) this.#ownRegion = view.id.region;
    if (this.#ownRegion === undefined) return new Set();
    const own = this.#ownRegion;
    const news =
      regionsCreated.find(({ id }) => id.region === own) ?? regionsChanged.find(({ region }) => region === own);
    return news === undefined ? this.#absent : new Set(absentOf(news, me));
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

  /** Packets that came before the view was known. */
  #replay(id: RegionViewId, now: number): void {
    for (const { channel, packet } of this.#unknown.take(id)) {
      cover("regions early packet");
      this.#receive(channel, packet, now);
    }
    const token = this.#unknown.takeToken(id);
    if (token === undefined) return;
    cover("regions early token");
    this.#members.of(id)?.onToken(token, now);
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

  // ---- sending --------------------------------------------------------------------------------------------------

  #isOverfull(): boolean {
    return this.#sending.queuedBytes > this.#config.windowBytes;
  }

  #flushForwards(most: number, now: number): number {
    if (this.#forwards.length === 0 || most <= 0) return 0;
    const count = this.#sending.pacer.take(Math.min(most, this.#forwards.length), now);
    for (const { to, channel, packet } of this.#forwards.splice(0, count)) this.#unicast(to, channel, packet);
    return count;
  }

  #forward(to: NodeInfo, channel: NodeChannel, packet: Uint8Array): void {
    if (this.#forwards.length < FORWARDS_MAX) this.#forwards.push({ to, channel, packet });
    else this.drops.untold++;
  }

  #relayTargets(packet: Uint8Array, members: readonly NodeInfo[]): readonly NodeInfo[] {
    const hasFailed = (node: NodeId): boolean => this.#fenced.has(node);
    return relayTargets(members, originOf(packet), this.#config.me, seqOf(packet), hasFailed);
  }

  #unicast(to: NodeInfo, channel: NodeChannel, bytes: Uint8Array): void {
    this.#counters.datagramsSent++;
    this.#counters.bytesSent += bytes.length;
    this.#outbox.unicast(to.address, channel, bytes);
  }

  // ---- receiving ------------------------------------------------------------------------------------------------

  #receive(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const from = originOf(packet);
    if (clusterOf(packet) !== this.#config.cluster) {
      cover("regions drop cluster");
      this.drops.cluster++;
    } else if (from === this.#config.me) return;
    else if (this.#fenced.has(from) && channel !== "repair") {
      cover("regions drop fenced");
      this.drops.fenced++;
    } else if (channel === "control") this.#onControl(from, packet, now);
    else if (isData(packet)) this.#onData(channel, packet, now);
    else if (isHybrid(packet)) this.#onHybrid(channel, packet, now);
    else if (kindOf(packet) === NodeKind.regionLast) this.#onLast(from, channel, packet, now);
    else this.drops.malformed++;
  }

  #onControl(from: NodeId, packet: Uint8Array, now: number): void {
    const bytes = this.#links.receive(packet, now);
    if (bytes === undefined) return;
    const message = decodeRegionMessage(bytes);
    if (message !== undefined) return this.#onMessage(from, message, now);
    cover("regions drop malformed");
    this.drops.malformed++;
  }

  #onData(channel: NodeChannel, packet: Uint8Array, now: number): void {
    const region = regionOf(packet);
    const view = viewOf(packet);
    const member = this.#members.get(region, view);
    if (member === undefined) this.#onUnknown({ region, view }, channel, packet);
    else {
      if (channel === "data" && isRelayed(packet)) {
        for (const to of this.#relayTargets(packet, member.view.members)) this.#forward(to, "data", packet);
      }
      this.#toMember(member, channel, packet, seqOf(packet), now);
    }
  }

  /** A packet to several regions: what counts is its numbers in this node's own views. */
  #onHybrid(channel: NodeChannel, packet: Uint8Array, now: number): void {
    let ahead: RegionViewId | undefined;
    let isMine = false;
    for (let entry = 0; entry < hybridCountOf(packet); entry++) {
      const id = { region: hybridRegionOf(packet, entry), view: hybridViewOf(packet, entry) };
      const member = this.#members.of(id);
      if (member !== undefined) {
        isMine = true;
        this.#toMember(member, channel, packet, hybridSeqOf(packet, entry), now);
      } else if (id.view > (this.#views.regions.get(id.region)?.id.view ?? 0)) ahead = id;
    }
    if (isMine) return;
    // A region that this node will be in, perhaps, once it is told of it.
    if (ahead !== undefined) this.#onUnknown(ahead, channel, packet);
    else this.drops.retired++;
  }

  #toMember(member: RegionMember, channel: NodeChannel, packet: Uint8Array, seq: number, now: number): void {
    member.receive(packet, seq, channel === "repair", now);
    this.#unbar();
  }

  #onLast(from: NodeId, channel: NodeChannel, packet: Uint8Array, now: number): void {
    const last = decodeLast(packet);
    if (last === undefined) {
      this.drops.malformed++;
      return;
    }
    const member = this.#members.of(last.id);
    if (member === undefined) {
      if (!this.#tellRetired(from, last.id)) this.#onUnknown(last.id, channel, packet);
      return;
    }
    this.stamped(from, last.stamp, now);
    member.last(from, last.seq, now);
  }

  /** A view that this node has not been told of yet, or one that is over. */
  #onUnknown(id: RegionViewId, channel: NodeChannel, packet: Uint8Array): void {
    const known = this.#views.regions.get(id.region)?.id.view ?? 0;
    if (id.view > known && !this.#tombstones.has(id)) return this.#unknown.add(id, channel, packet);
    cover("regions drop retired");
    this.drops.retired++;
  }

  /** Who still has something to do with a view that is over here has not heard of its end. False if it is not over. */
  #tellRetired(to: NodeId, id: RegionViewId): boolean {
    if (!this.#tombstones.has(id)) return false;
    cover("regions retired told");
    this.tell(to, { kind: "retired", id });
    return true;
  }

  #onMessage(from: NodeId, message: LinkMessage, now: number): void {
    const { id } = message;
    const member = this.#members.of(id);
    switch (message.kind) {
      case "token":
        if (member !== undefined) {
          member.onToken(message, now);
          this.#unbar();
        }
        // Until this node knows the view, it holds the token: nobody may count as having what it has not.
        else if (!this.#tellRetired(from, id)) this.#unknown.addToken(message);
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
        return this.#sending.acknowledged(id, message.acknowledged, message.grant, now);
      case "nak":
        return this.#sending.lacked(id, message.partition, message.partitions, message.ranges.ranges());
      case "retired":
        member?.onRetired();
        return this.#sending.retired(id);
    }
  }
}

/** Whether it is a packet of one region that its sender sends, for the first time or again. */
function isFromSender(packet: Uint8Array): boolean {
  const kind = kindOf(packet);
  return kind === NodeKind.regionData || kind === NodeKind.regionResent;
}

function add(sum: { -readonly [K in keyof Reception]: number }, part: Reception): void {
  sum.received += part.received;
  sum.expected += part.expected;
  sum.gaps += part.gaps;
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
