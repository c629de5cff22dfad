import { assert } from "../base/assert.ts";
import type { GroupNumber, NodeId, RegionId, RegionViewId } from "../base/ids.ts";
import type { SettledStream } from "../cms/settled.ts";
import type { GroupView, NodeInfo, RegionView } from "../cms/views.ts";
import { NEVER } from "../machine/machine.ts";
import { AFTER_BYTES, AFTER_MAX } from "../wire/region/data.ts";
import type { NodeConfig } from "./config.ts";
import { GroupSender } from "./group-sender.ts";
import { Pacer, pacerDefaults } from "./pacer.ts";
import { RegionMessage, RegionSender, type SenderSettings } from "./sender.ts";
import { ViewTable } from "./view-table.ts";

/** What sending asks of its node. */
export interface SendingHost {
  region(id: RegionId): RegionView | undefined;
  group(group: GroupNumber): GroupView | undefined;
  /** How packets of a region name a group; `undefined` if the group has not the region. */
  placeIn(region: RegionId, group: GroupNumber): number | undefined;
  multicast(address: number, packet: Uint8Array, members: readonly NodeInfo[]): void;
  /** Whether packets to so many are to be passed on by those who get them. */
  relaysTo(members: number): boolean;
  /** To one node, which may be this one. */
  unicast(to: NodeInfo, packet: Uint8Array): void;
  /** Where this node is a member itself, what it has sent counts as received. `isNew`: not sent again. */
  sent(packet: Uint8Array, isNew: boolean): void;
  /** The end of this node's packets in a region view has been told there. */
  toldLast(id: RegionViewId, seq: number): void;
  stable(message: number): void;
}

/** A superseded view, and the greatest number that this node has assigned in it. */
export type Sealed = { readonly id: RegionViewId; readonly last: number };

/** Views that were left and are remembered: the service replaces a view long before so many nodes have come and gone in it. */
const LEFT_MAX = 65_536;

/**
 * All that a node sends to regions: its messages wait here for window and rate, in the present views; what was begun in a view that is
 * superseded gets its numbers there and stays until it is stable (region-views.md, rule 1).
 */
export class Sending {
  readonly #config: NodeConfig;
  readonly #host: SendingHost;
  /** By region, in its present view; and those of superseded views in which not everything is stable. */
  readonly #current = new Map<RegionId, RegionSender>();
  readonly #sealed = new ViewTable<RegionSender>();
  /** Those of them that have something to do: of thousands of regions, few may. Who has nothing more to do leaves at the next `flush`. */
  readonly #busy = new Set<RegionSender>();
  readonly #settings: SenderSettings;
  /** Views in which this node has sent before it left all their groups, and the greatest number that it has assigned there. */
  readonly #left = new Map<RegionId, { readonly view: number; readonly last: number }>();
  /** Groups in hybrid mode with something to send. */
  readonly #groups = new Map<GroupNumber, GroupSender>();
  /** Of all regions together, and of each. */
  readonly #pacer: Pacer;
  readonly #pacers = new Map<RegionId, Pacer>();
  /** For people; nothing depends on them. */
  readonly counters = { packetsSent: 0, resent: 0 };
  /** Changes of views so far. */
  #seals = 0;
  /** Rotates the turns of senders. */
  #turn = 0;

  constructor(config: NodeConfig, host: SendingHost, now: number) {
    this.#config = config;
    this.#host = host;
    const { cluster, me, datagramBytes, windowBytes, windowResumeBytes, tokenRate, packing } = config;
    const lastMs = 1_000 / tokenRate;
    const backlog = { bytes: 0 };
    this.#settings = { cluster, me, datagramBytes, windowBytes, windowResumeBytes, packing, lastMs, backlog };
    this.#pacer = new Pacer({ ...pacerDefaults, rate: config.rateMax }, now);
  }

  /** The rate of everything that this node sends, repairs for others included. */
  get pacer(): Pacer {
    return this.#pacer;
  }

  /** Packets per second that the region which grants least lets this node send; `undefined`: it sends in none. */
  get leastGranted(): number | undefined {
    let least: number | undefined;
    for (const { rate } of this.#pacers.values()) if (least === undefined || rate < least) least = rate;
    return least;
  }

  /** Those of superseded views last. */
  get senders(): readonly RegionSender[] {
    return [...this.#current.values(), ...this.#sealed];
  }

  /** Those that a turn looks at. */
  get busySenders(): number {
    return this.#busy.size;
  }

  /** Bytes that wait for a number. */
  get queuedBytes(): number {
    return this.#settings.backlog.bytes;
  }

  /** When something may be sent, or a region has to be told how far its packets go. `hasRoom`: the network takes packets. */
  deadline(hasRoom: boolean): number {
    let deadline = NEVER;
    for (const sender of this.#busy) deadline = Math.min(deadline, this.#deadlineOf(sender, hasRoom));
    if (hasRoom) for (const group of this.#groups.keys()) deadline = Math.min(deadline, this.#groupAt(group));
    return deadline;
  }

  /** Tells regions how far this node's packets go, where that is due. */
  tick(now: number): void {
    for (const sender of this.#busy) {
      if (now < sender.deadline) continue;
      const { address, members } = sender.view;
      const packet = sender.lastPacket(now);
      this.#host.multicast(address, packet, members);
      // Of a view that has ended nobody listens any more; each of its members remembers that it has.
      if (sender.isSealed) this.#host.unicast(members[this.#turn++ % members.length] as NodeInfo, packet);
      this.#host.toldLast(sender.id, sender.last);
    }
  }

  /** Takes a message in the present views. Nothing happens if the group was left, or has ended. */
  enqueue(message: RegionMessage): void {
    const group = this.#host.group(message.group);
    if (group === undefined) return;
    message.regionsLeft = group.regions.length;
    let sender = this.#groups.get(group.group);
    // Not before what waits for the group's address.
    if (sender?.hasQueued === true || this.#isHybrid(group)) {
      if (sender === undefined) this.#groups.set(group.group, (sender = new GroupSender(this.#settings)));
      sender.enqueue(message);
    } else for (const region of group.regions) this.#enqueueIn(this.#regionView(region), message);
  }

  /**
   * Before views change: takes out the messages of these groups that no view has given a number; they are to be enqueued again
   * afterwards. What a group in hybrid mode has begun gets its numbers now.
   */
  withdraw(groups: ReadonlySet<GroupNumber>): RegionMessage[] {
    const messages = new Set<RegionMessage>();
    for (const [number, sender] of this.#groups) {
      for (const message of sender.withdraw()) messages.add(message);
      const group = this.#host.group(number);
      if (group === undefined) continue;
      while (sender.hasQueued) this.#sendGroup(group, sender, true);
    }
    // Of a group that this node is not in any more the rest is dropped.
    for (const { queuedBytes } of this.#groups.values()) this.#settings.backlog.bytes -= queuedBytes;
    this.#groups.clear();
    if (groups.size === 0) return [...messages];
    for (const sender of this.#current.values()) for (const message of sender.withdraw(groups)) messages.add(message);
    return [...messages];
  }

  /**
   * These views are superseded, and the present views are known: assigns nothing more in them, and says up to where something was. `left`: regions
   * that may go on without this node.
   * Messages for regions that are no more go to `withdrawn`.
   */
  seal(superseded: readonly RegionView[], left: ReadonlySet<RegionId>, withdrawn: RegionMessage[]): Sealed[] {
    const resent: { readonly view: RegionView; readonly messages: readonly RegionMessage[] }[] = [];
    this.#seals++;
    const sealed = superseded.map((view) => {
      const { id } = view;
      const sender = this.#current.get(id.region);
      if (sender === undefined) {
        const last = this.#lastIn(id);
        this.#remember(id, last, left);
        return { id, last };
      }
      this.#current.delete(id.region);
      const rest = sender.seal(this.#seals);
      if (!sender.isDone) this.#sealed.add(sender);
      this.#remember(id, sender.last, left);
      const next = this.#host.region(id.region);
      if (next === undefined) withdrawn.push(...rest);
      else if (rest.length > 0) resent.push({ view: next, messages: rest });
      return { id, last: sender.last };
    });
    // Only now: the first packets of the new views name all that is sealed before them.
    for (const { view, messages } of resent) for (const message of messages) this.#enqueueIn(view, message);
    return sealed;
  }

  /** Sends up to so many packets, as rates and windows allow; returns how many it sent. */
  flush(most: number, now: number): number {
    let left = most;
    for (const [number, sender] of this.#groups) {
      const group = this.#host.group(number);
      while (group !== undefined && left > 0 && sender.hasQueued && this.#groupAt(number) <= now) {
        const count = this.#sendGroup(group, sender, false);
        if (count === 0) break;
        for (const pacer of [this.#pacer, ...group.regions.map((region) => this.#pacerOf(region, now))])
          pacer.take(1, now);
        left -= count;
      }
      if (!sender.hasQueued) this.#groups.delete(number);
    }
    return most - this.#flushRegions(left, now);
  }

  /** The region has everything of this node up to a number, and lets it send at a rate; 0: nothing is known of rates. */
  acknowledged(id: RegionViewId, upTo: number, grant: number, now: number): void {
    const sender = this.#senderBy(id);
    if (sender === undefined) return;
    const { rateMin, rateMax } = this.#config;
    if (grant > 0) this.#pacers.get(id.region)?.setRate(Math.min(Math.max(grant, rateMin), rateMax), now);
    this.#stable(id, sender.acknowledged(upTo));
  }

  lacked(id: RegionViewId, partition: number, partitions: number, ranges: Iterable<readonly [number, number]>): void {
    const sender = this.#senderBy(id);
    if (sender === undefined) return;
    sender.lacked(partition, partitions, ranges);
    this.#busy.add(sender);
  }

  /** The view is over: everything in it was stable. */
  retired(id: RegionViewId): void {
    this.#stable(id, this.#senderBy(id)?.retired() ?? []);
  }

  /** The node has been declared failed: what of its messages has been accepted everywhere is stable. */
  expelled(settled: readonly SettledStream[]): void {
    for (const { id, seq, lost } of settled) this.#stable(id, this.#senderBy(id)?.settled(seq, lost) ?? []);
  }

  /** Nodes have failed: in superseded views where nobody is left, nothing is waited for. */
  failed(hasFailed: (node: NodeId) => boolean): void {
    const deserted = [...this.#sealed].filter(({ view }) => view.members.every(({ id }) => hasFailed(id)));
    for (const { id } of deserted) this.retired(id);
  }

  #enqueueIn(view: RegionView, message: RegionMessage): void {
    const sender = this.#senderOf(view);
    const place = this.#host.placeIn(view.id.region, message.group);
    assert(place !== undefined, "a message goes to a region of its group");
    sender.enqueue(message, place);
    this.#busy.add(sender);
  }

  #regionView(region: RegionId): RegionView {
    const view = this.#host.region(region);
    assert(view !== undefined, "a node knows the regions of its groups");
    return view;
  }

  #senderOf(view: RegionView): RegionSender {
    const { region } = view.id;
    let sender = this.#current.get(region);
    if (sender !== undefined) return sender;
    const last = this.#lastIn(view.id);
    this.#left.delete(region);
    // Sealed before, and current again: only a view that this node has left and come back to.
    sender = this.#sealed.of(view.id);
    if (sender !== undefined) {
      this.#sealed.delete(view.id);
      sender.reopen();
    } else {
      sender = new RegionSender(view, this.#sealedFor(view), this.#settings, last);
    }
    this.#current.set(region, sender);
    return sender;
  }

  /** Greatest number that this node has assigned in a view that it has no sender for. */
  #lastIn({ region, view }: RegionViewId): number {
    const left = this.#left.get(region);
    return left?.view === view ? left.last : 0;
  }

  /** A view that this node has left goes on without it, and it may come back to it: it goes on counting then. */
  #remember({ region, view }: RegionViewId, last: number, left: ReadonlySet<RegionId>): void {
    this.#left.delete(region);
    if (last === 0 || !left.has(region)) return;
    this.#left.set(region, { view, last });
    const [oldest] = this.#left.keys();
    if (this.#left.size > LEFT_MAX && oldest !== undefined) this.#left.delete(oldest);
  }

  /**
   * Sealed views with packets that are not stable and that members of this view were in (rule 11): of each member the last one. What came
   * before that, its packets wait for themselves.
   */
  #sealedFor(view: RegionView): RegionSender[] {
    const rest = new Set(view.members.map(({ id }) => id));
    const before: RegionSender[] = [];
    for (const sender of [...this.#sealed].sort((a, b) => b.sealed - a.sealed)) {
      if (sender.isDone) continue;
      const { size } = rest;
      for (const { id } of sender.view.members) rest.delete(id);
      if (rest.size < size) before.push(sender);
    }
    // Half a packet at most; that is more views than the members of a region come from.
    return before.slice(0, Math.min(AFTER_MAX, Math.floor(this.#config.datagramBytes / 2 / AFTER_BYTES)));
  }

  /** The sender of exactly this view. */
  #senderBy(id: RegionViewId): RegionSender | undefined {
    const current = this.#current.get(id.region);
    return current?.id.view === id.view ? current : this.#sealed.of(id);
  }

  #pacerOf(region: RegionId, now: number): Pacer {
    let pacer = this.#pacers.get(region);
    if (pacer === undefined) {
      pacer = new Pacer({ ...pacerDefaults, rate: this.#config.rateStart }, now);
      this.#pacers.set(region, pacer);
    }
    return pacer;
  }

  #deadlineOf(sender: RegionSender, hasRoom: boolean): number {
    if (!hasRoom || !sender.wantsToSend) return sender.deadline;
    const sendAt = Math.max(this.#pacer.deadline, this.#pacers.get(sender.id.region)?.deadline ?? 0);
    return Math.min(sender.deadline, sendAt);
  }

  #flushRegions(most: number, now: number): number {
    const senders: RegionSender[] = [];
    for (const sender of this.#busy) {
      if (sender.wantsToSend) senders.push(sender);
      else if (sender.isIdle) this.#busy.delete(sender);
    }
    let left = most;
    // A packet each, in turn.
    for (let idle = 0; left > 0 && senders.length > 0 && idle < senders.length; ) {
      const sender = senders[this.#turn++ % senders.length] as RegionSender;
      if (this.#sendOne(sender, now)) {
        left--;
        idle = 0;
      } else idle++;
    }
    return left;
  }

  #sendOne(sender: RegionSender, now: number): boolean {
    if (!sender.wantsToSend) return false;
    if (this.#pacer.deadline > now || this.#pacerOf(sender.id.region, now).take(1, now) === 0) return false;
    this.#pacer.take(1, now);
    const again = sender.resentCount;
    const packet = sender.next(now, this.#host.relaysTo(sender.view.members.length));
    if (packet === undefined) return false;
    const isNew = sender.resentCount === again;
    this.counters[isNew ? "packetsSent" : "resent"]++;
    this.#host.multicast(sender.view.address, packet, sender.view.members);
    this.#host.sent(packet, isNew);
    return true;
  }

  /**
   * Whether the group's messages go to its own address now. Not while a region has to be told first what comes before, and not
   * before what went to each region by itself has got its numbers.
   */
  #isHybrid({ address, regions }: GroupView): boolean {
    if (address === undefined) return false;
    return regions.every((region) => {
      const sender = this.#senderOf(this.#regionView(region));
      return !sender.saysAfter && sender.queuedBytes === 0;
    });
  }

  /** When a group in hybrid mode may send; never while a window is full. */
  #groupAt(group: GroupNumber): number {
    const { regions } = this.#host.group(group) ?? { regions: [] };
    if (regions.some((region) => this.#current.get(region)?.isWindowFull === true)) return NEVER;
    let at = this.#pacer.deadline;
    for (const region of regions) at = Math.max(at, this.#pacers.get(region)?.deadline ?? 0);
    return at;
  }

  /** Returns how many packets the next piece of a message took. */
  #sendGroup(group: GroupView, sender: GroupSender, isForced: boolean): number {
    const { address } = group;
    assert(address !== undefined, "a group in hybrid mode has an address");
    const regions = group.regions.map((region) => this.#senderOf(this.#regionView(region)));
    const packets = sender.next(group, regions, isForced);
    for (const region of regions) this.#busy.add(region);
    const members = packets.length > 0 ? regions.flatMap(({ view }) => view.members) : [];
    for (const packet of packets) {
      this.counters.packetsSent++;
      this.#host.multicast(address, packet, members);
      this.#host.sent(packet, true);
    }
    return packets.length;
  }

  #stable(id: RegionViewId, messages: readonly RegionMessage[]): void {
    if (this.#sealed.of(id)?.isDone === true) {
      this.#sealed.delete(id);
      if (this.#host.region(id.region) === undefined) this.#pacers.delete(id.region);
    }
    for (const message of messages) if (--message.regionsLeft === 0) this.#host.stable(message.number);
  }
}
