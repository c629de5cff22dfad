import { sameRegionView, type GroupNumber, type NodeId, type RegionViewId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { cover } from "../base/coverage.ts";
import type { SettledStream } from "../cms/settled.ts";
import { absentOf, type FinalView, type NodeInfo, type RegionView } from "../cms/views.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { afterOf, itemsAt, type SealedView, stampOf } from "../wire/region/data.ts";
import { kindOf, NodeKind, originOf } from "../wire/region/head.ts";
import { hybridGroupOf, hybridItemsAt, isHybridResent } from "../wire/region/hybrid.ts";
import { ItemCursor } from "../wire/region/items.ts";
import type { RegionMessage as LinkMessage, RegionPull } from "../wire/region/message.ts";
import type { RegionRepair } from "../wire/region/repair.ts";
import type { RegionToken } from "../wire/region/token.ts";
import { noFigures } from "../wire/native/node-statistics.ts";
import type { Reception } from "./admission.ts";
import { Assemblies } from "./assemblies.ts";
import type { NodeConfig } from "./config.ts";
import { Grants } from "./grants.ts";
import { RingMembers } from "./members.ts";
import { type LateralRate, LateralRepair } from "./lateral.ts";
import { PartitionPlan } from "./partition-plan.ts";
import { Recent } from "./recent.ts";
import { type AdmissibleRates, RegionRing, type RingHost } from "./ring.ts";
import { REGION_COUNTERS, type RegionCounters } from "./statistics.ts";
import { Stream } from "./stream.ts";
import type { Tombstone } from "./tombstones.ts";

/** What a region view asks of its node. */
export interface RegionHost {
  /** Reliably, to a member or a sender. */
  tell(to: NodeId, message: LinkMessage): void;
  /** Reliably, to another member: what `token` returns when it can leave; nothing, if that is `undefined`. */
  pass(to: NodeId, token: () => RegionToken | undefined): void;
  /** A copy of a packet, to a member; it may be lost. */
  forward(to: NodeInfo, packet: Uint8Array): void;
  deliver(group: GroupNumber, sender: NodeId, payload: Uint8Array): void;
  lost(groups: readonly GroupNumber[], sender: NodeId, count: number): void;
  /** Whether everything of a sender up to a number has come in another view of which this node is a member (rule 11). */
  hasAll(sealed: SealedView, sender: NodeId): boolean;
  /** Nobody waits for more of this sender there: tells what of it is lost, if the view has ended without. */
  passOver(sealed: SealedView, sender: NodeId): void;
  /** Packets of this view wait for those of others, from now on and perhaps for longer than the view lives. */
  barred(region: RegionMember): void;
  /** Views from before this one in which packets of a sender wait, and up to where: nothing else of it is under way there. */
  barredBefore(region: RegionMember, sender: NodeId): readonly SealedView[];
  /** Views from before this one that have not been retired, each to its end. */
  endingBefore(region: RegionMember): readonly SealedView[];
  admissibleRate(now: number): number | undefined;
  /** A packet that its sender made at `stamp`, of its own clock, has come from it. */
  stamped(sender: NodeId, stamp: number, now: number): void;
  settled(stream: SettledStream): void;
  retired(region: RegionMember): void;
  random(): number;
}

/** Why a member sends another one a copy. */
type Forwarding = "pushed" | "pulled" | "pulledElsewhere" | "forwardedLate";
const FORWARDING_CELLS: Readonly<Record<Forwarding, string>> = {
  pushed: "regions repair pushed",
  pulled: "regions repair pulled",
  pulledElsewhere: "regions repair pulled elsewhere",
  forwardedLate: "regions repair forwarded late",
};

/** Packets that were asked for here and have not come: kept in mind up to so many. */
const WANTED_MAX = 16_384;

/** One region view at one of its members: streams of its senders, and the ring that keeps them whole. */
export class RegionMember implements Machine, RingHost {
  readonly view: RegionView;
  /** By their places: packets name them so. */
  readonly groups: readonly GroupNumber[];
  /** Its node's views, as they followed each other there. */
  readonly order: number;
  readonly ring: RegionRing;
  readonly streams = new Map<NodeId, Stream>();
  /** For people; nothing depends on them. */
  readonly counters: RegionCounters = noFigures(REGION_COUNTERS);
  readonly #config: NodeConfig;
  readonly #host: RegionHost;
  readonly #plan: PartitionPlan;
  readonly #members: RingMembers;
  /** Senders whose first packet has come, and has been asked what has to be delivered before it. */
  readonly #begun = new Set<NodeId>();
  readonly #cursor = new ItemCursor();
  readonly #left = new Set<GroupNumber>();
  readonly #assemblies = new Map<NodeId, Assemblies>();
  /** What holds the packets of a sender back. */
  readonly #bars = new Map<NodeId, readonly SealedView[]>();
  /** Members by index that asked for packets which are not here, by sender and number. */
  readonly #wanted = new Map<NodeId, Map<number, number[]>>();
  #wantedCount = 0;
  /** What was sent to each member lately, so that nothing is sent twice while it is under way. */
  readonly #pushed = new Map<number, Map<NodeId, Recent>>();
  #isHeld = false;
  #now = 0;
  #rates: AdmissibleRates = { least: 0, average: 0, greatest: 0 };
  readonly #grants: Grants;
  readonly #lateral: LateralRepair | undefined;
  #received = 0;
  #gaps = 0;

  constructor(view: RegionView, groups: readonly GroupNumber[], order: number, config: NodeConfig, host: RegionHost) {
    this.view = view;
    this.groups = groups;
    this.order = order;
    this.#config = config;
    this.#host = host;
    this.#plan = new PartitionPlan(view.members.length, config);
    this.#members = new RingMembers(view.members, config.me, this.#plan);
    this.#grants = new Grants(config.rateMin);
    this.leave(absentOf(view, config.me));
    this.ring = new RegionRing(view.id, config, this.#members, this.#plan, this);
    if (config.lateral !== undefined) this.#lateral = this.#newLateral(config.lateral);
  }

  get id(): RegionViewId {
    return this.view.id;
  }

  get deadline(): number {
    return Math.min(this.ring.deadline, this.#lateral?.deadline ?? NEVER);
  }

  /** The rates of the last round that this member led. */
  get rates(): AdmissibleRates {
    return this.#rates;
  }

  get isLeader(): boolean {
    return this.#members.isLeader;
  }

  /**
   * Packets that came from their senders for the first time of sending; how many there should have been; and how often some were left
   * out in a row. They only grow.
   */
  get reception(): Reception {
    let expected = 0;
    for (const { maxCome } of this.streams.values()) expected += maxCome;
    return { received: this.#received, expected, gaps: this.#gaps };
  }

  has(node: NodeId): boolean {
    return this.#members.indexOf(node) !== undefined;
  }

  tick(now: number): void {
    this.#now = now;
    this.ring.tick(now);
    this.#lateral?.tick(now);
  }

  /** A repair of this view. */
  onRepair(repair: RegionRepair, now: number): void {
    this.#now = now;
    this.#lateral?.receive(repair, now);
  }

  /**
   * A checked packet that has this number here, of one region or of several. `isForwarded`: it comes from another member, not from its
   * sender.
   */
  receive(packet: Uint8Array, seq: number, isForwarded: boolean, now: number): void {
    this.#now = now;
    const sender = originOf(packet);
    const stream = this.streamOf(sender);
    if (!this.#begun.has(sender)) {
      this.#begun.add(sender);
      this.#bar(stream, packet);
    }
    if (!stream.receive(seq, packet)) {
      if (isForwarded) {
        cover("regions repair redundant");
        this.counters.redundant++;
      }
      return;
    }
    if (isForwarded) this.counters.repaired++;
    else if (!isAgain(packet)) {
      this.#received++;
      if (sender !== this.#config.me) this.counters.packetsReceived++;
      if (seq > stream.maxCome) {
        if (seq > stream.maxCome + 1) this.#gaps++;
        stream.come(seq, now);
      }
      const stamp = kindOf(packet) === NodeKind.regionData ? stampOf(packet) : undefined;
      if (stamp !== undefined) this.#host.stamped(sender, stamp, now);
    }
    this.ring.received(packet.length, now);
    this.#lateral?.arrived(packet, seq, !isForwarded && !isAgain(packet), !isAgain(packet), now);
    if (this.#wantedCount > 0) this.#bring(stream, seq, isForwarded);
  }

  /** There are packets of this sender up to `seq`. */
  last(sender: NodeId, seq: number, now: number): void {
    if (seq === 0) return;
    const stream = this.streamOf(sender);
    stream.see(seq);
    if (stream.isActive) this.ring.resume(now);
    // Its acknowledgement was lost with the leader that sent it.
    else if (this.#members.isLeader) this.acknowledge(sender, stream.clean);
  }

  onToken(token: RegionToken, now: number): void {
    this.#now = now;
    if (token.partitions !== this.#plan.partitions) {
      cover("regions token of another plan");
      return;
    }
    this.ring.onToken(token, now);
  }

  onPull(from: NodeId, { sender, partition, ranges }: RegionPull, now: number): void {
    this.#now = now;
    const to = this.#members.indexOf(from);
    if (to === undefined || partition >= this.#plan.partitions) return;
    const stream = this.streams.get(sender);
    if (stream === undefined) return;
    const held: number[] = [];
    for (const number of ranges.numbers()) {
      const seq = this.#plan.toRegion(partition, number);
      // Nobody can have asked for what is beyond; who did, is answered by the next round.
      if (seq > stream.maxSeen) break;
      if (stream.get(seq) !== undefined) held.push(seq);
      else if (seq > stream.clean && !this.#want(to, sender, seq)) break;
    }
    const isNeighbour = this.#plan.partitionOf(to) === partition;
    if (held.length > 0) this.#forward([to], stream, held, isNeighbour ? "pulled" : "pulledElsewhere");
  }

  /**
   * Another member has retired the view, and its last token has got lost on the way of somebody who failed, or was overtaken by a new
   * round. The leader tells all.
   */
  onRetired(): void {
    cover("regions retired heard");
    const { me, leader, isLeader } = this.#members;
    for (const index of isLeader ? this.#members.living() : [leader]) {
      if (index !== me) this.#host.tell(this.#idAt(index), { kind: "retired", id: this.id });
    }
    this.ring.retire();
  }

  failed(nodes: readonly NodeId[], failure: number, now: number): void {
    this.#now = now;
    this.ring.failed(nodes, failure, now);
  }

  finalised(final: FinalView, now: number): void {
    this.ring.finalised(final, now);
  }

  /**
   * The node has left these groups: from here on it delivers nothing of them that was sent in this view, also when it comes back, and
   * goes on repairing others.
   */
  leave(groups: readonly GroupNumber[]): void {
    for (const group of groups) this.#left.add(group);
  }

  /** Nothing more counts as stable here, or all that has come does again (`Stream.hold`). */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    for (const stream of this.streams.values()) {
      if (isHeld) stream.hold();
      else stream.release();
    }
  }

  /** Delivers what waited for earlier views and need not wait any more; false if there was nothing. */
  unbar(): boolean {
    let hasAny = false;
    for (const [sender, sealed] of this.#bars) {
      if (sealed.some((view) => !this.#host.hasAll(view, sender))) continue;
      for (const view of sealed) this.#host.passOver(view, sender);
      this.#bars.delete(sender);
      this.streams.get(sender)?.unbar();
      hasAny = true;
    }
    return hasAny;
  }

  /** What has come of a sender and waits; `undefined`: nothing. */
  behindBar(sender: NodeId): SealedView | undefined {
    return this.#bars.has(sender) ? { id: this.id, last: this.streams.get(sender)?.contiguous ?? 0 } : undefined;
  }

  /** The view ends here. */
  get tombstone(): Tombstone {
    const ended = new Map<NodeId, number>();
    for (const sender of this.ring.failedSenders) ended.set(sender, this.streams.get(sender)?.maxSeen ?? 0);
    return { leader: this.#idAt(this.#members.leader), ended, groups: new Set(this.#ownGroups()) };
  }

  get hasBars(): boolean {
    return this.#bars.size > 0;
  }

  // RingHost

  streamOf(sender: NodeId): Stream {
    let stream = this.streams.get(sender);
    if (stream === undefined) {
      stream = new Stream(sender, this.#plan, this.#members.me, this.#config, {
        deliver: (packet) => this.#deliver(sender, packet),
        lost: (count) => {
          this.counters.lost += count;
          this.#assemblies.get(sender)?.clear();
          this.#host.lost(this.#ownGroups(), sender, count);
        },
      });
      this.streams.set(sender, stream);
      if (this.#isHeld) stream.hold();
    }
    return stream;
  }

  send(to: number, token: RegionToken): void {
    this.#host.pass(this.#idAt(to), () => this.ring.leaving(token));
  }

  acknowledge(sender: NodeId, clean: number): void {
    const { least, average, greatest } = this.#rates;
    this.#host.tell(sender, {
      kind: "ack",
      id: this.id,
      acknowledged: clean,
      grant: Math.round(this.#grants.of(sender) ?? NO_GRANT),
      least: Math.round(least),
      average: Math.round(average),
      greatest: Math.round(greatest),
      isolated: NO_RANGES,
    });
  }

  rated(rates: AdmissibleRates, now: number): void {
    this.#rates = rates;
    // Not what is known to exist: the service tells the ends of streams whose last packets are yet to be sent.
    const seen = Array.from(this.streams.values(), ({ sender, maxCome }) => [sender, maxCome] as const);
    this.#grants.completed(rates.least, seen, now);
  }

  nak(sender: NodeId, partition: number, ranges: RangeSet, round: number): void {
    cover("regions nak");
    this.counters.naks++;
    const { partitions } = this.#plan;
    const failure = this.ring.failure;
    this.#host.tell(sender, { kind: "nak", id: this.id, failure, round, partition, partitions, ranges });
  }

  pull(from: number, sender: NodeId, partition: number, ranges: RangeSet, round: number): void {
    this.#host.tell(this.#idAt(from), { kind: "pull", id: this.id, sender, round, partition, ranges });
  }

  push(to: readonly number[], stream: Stream, seqs: Iterable<number>): void {
    this.#forward(to, stream, seqs, "pushed");
  }

  owe(to: number, sender: NodeId, seqs: Iterable<number>): void {
    for (const seq of seqs) if (!this.#want(to, sender, seq)) return;
  }

  settled({ sender, skipped }: Stream, last: number): void {
    this.#host.settled({ id: this.id, sender, seq: last, lost: [...skipped.ranges()] });
  }

  skip(stream: Stream, lost: RangeSet): void {
    const { sender } = stream;
    if (!this.#begun.has(sender)) {
      // The packets that would say what comes before are lost: it may be anything.
      this.#begun.add(sender);
      this.#barBehind(stream, this.#host.endingBefore(this));
    }
    stream.skip(lost);
  }

  wake(leader: number): void {
    this.#host.tell(this.#idAt(leader), { kind: "wake", id: this.id });
  }

  retired(): void {
    // The view has ended elsewhere, and with it those who had what is missing here: of a sender that failed, nobody brings it any more.
    for (const stream of this.streams.values()) {
      const missing = stream.missingAll(stream.maxSeen);
      if (missing.isEmpty) continue;
      cover("regions retire incomplete");
      this.skip(stream, missing);
    }
    this.#host.retired(this);
  }

  admissibleRate(now: number): number | undefined {
    return this.#host.admissibleRate(now);
  }

  random(): number {
    return this.#host.random();
  }

  /** The first packet of a sender says what has to be delivered before it. */
  #bar(stream: Stream, packet: Uint8Array): void {
    // A packet to several regions has no room to say it: it is none of the first ones (section 0 k).
    if (kindOf(packet) === NodeKind.regionHybrid) return;
    const { sender } = stream;
    // What is stable its sender does not name; it may still wait here for something that is not, and that this region has nothing to do with.
    this.#barBehind(stream, [...afterOf(packet), ...this.#host.barredBefore(this, sender)]);
  }

  #barBehind(stream: Stream, before: readonly SealedView[]): void {
    const { sender } = stream;
    const waiting = before.filter((view) => {
      if (sameRegionView(view.id, this.id)) return false;
      if (!this.#host.hasAll(view, sender)) return true;
      this.#host.passOver(view, sender);
      return false;
    });
    if (waiting.length === 0) return;
    cover("regions order barred");
    stream.bar();
    if (!this.hasBars) this.#host.barred(this);
    this.#bars.set(sender, waiting);
  }

  /** Those of the view in which the node is. */
  #ownGroups(): GroupNumber[] {
    return this.groups.filter((group) => !this.#left.has(group));
  }

  #deliver(sender: NodeId, packet: Uint8Array): void {
    const cursor = this.#cursor;
    const { groups } = this;
    const isHybrid = kindOf(packet) === NodeKind.regionHybrid;
    cursor.open(packet, isHybrid ? hybridItemsAt(packet) : itemsAt(packet));
    while (cursor.advance()) {
      const group = isHybrid ? hybridGroupOf(packet) : groups[cursor.groupIndex];
      if (group === undefined || this.#left.has(group)) continue;
      if (cursor.isFirst && cursor.isLast) {
        this.#pass(group, sender, cursor.data());
        continue;
      }
      let assemblies = this.#assemblies.get(sender);
      if (assemblies === undefined) this.#assemblies.set(sender, (assemblies = new Assemblies()));
      const whole = assemblies.add(group, cursor.isFirst, cursor.isLast, cursor.data());
      if (whole !== undefined) this.#pass(group, sender, whole);
    }
  }

  #pass(group: GroupNumber, sender: NodeId, payload: Uint8Array): void {
    this.counters.messagesDelivered++;
    this.counters.bytesDelivered += payload.length;
    this.#host.deliver(group, sender, payload);
  }

  #forward(to: readonly number[], stream: Stream, seqs: Iterable<number>, how: Forwarding): void {
    for (const seq of seqs) {
      const packet = stream.get(seq);
      if (packet === undefined) continue;
      for (const index of to) {
        const info = this.view.members[index];
        if (info === undefined || !this.#members.isAlive(index)) continue;
        if (!this.#isNewPush(index, stream.sender, seq)) continue;
        cover(FORWARDING_CELLS[how]);
        this.counters[how]++;
        this.#host.forward(info, packet);
      }
    }
  }

  #isNewPush(index: number, sender: NodeId, seq: number): boolean {
    let bySender = this.#pushed.get(index);
    if (bySender === undefined) this.#pushed.set(index, (bySender = new Map()));
    let recent = bySender.get(sender);
    if (recent === undefined) bySender.set(sender, (recent = new Recent(this.#config.transitMs)));
    return recent.add(seq, this.#now);
  }

  /** Remembers that a member asked for a packet that is not here; false if there is no room for more. */
  #want(index: number, sender: NodeId, seq: number): boolean {
    if (this.#wantedCount >= WANTED_MAX) return false;
    let bySeq = this.#wanted.get(sender);
    if (bySeq === undefined) this.#wanted.set(sender, (bySeq = new Map()));
    const indexes = bySeq.get(seq);
    if (indexes === undefined) bySeq.set(seq, [index]);
    else if (indexes.includes(index)) return true;
    else indexes.push(index);
    this.#wantedCount++;
    return true;
  }

  /** A packet has come that was asked for. One that its sender has sent again has come to the others as well. */
  #bring(stream: Stream, seq: number, isForwarded: boolean): void {
    const bySeq = this.#wanted.get(stream.sender);
    const indexes = bySeq?.get(seq);
    if (bySeq === undefined || indexes === undefined) return;
    bySeq.delete(seq);
    this.#wantedCount -= indexes.length;
    if (isForwarded) this.#forward(indexes, stream, [seq], "forwardedLate");
  }

  #newLateral(rate: LateralRate): LateralRepair {
    const { me, cluster } = this.#config;
    const ids = this.view.members.map(({ id }) => id);
    return new LateralRepair(
      this.id,
      ids,
      { me, cluster, ...rate },
      {
        repair: (to, packet) => {
          const index = this.#members.indexOf(to);
          const info = index === undefined ? undefined : this.view.members[index];
          if (index !== undefined && info !== undefined && this.#members.isAlive(index))
            this.#host.forward(info, packet);
        },
        rebuilt: (packet, seq) => this.receive(packet, seq, true, this.#now),
        has: (sender, seq) => this.streams.get(sender)?.has(seq) ?? false,
      },
    );
  }

  #idAt(index: number): NodeId {
    return (this.view.members[index] as NodeInfo).id;
  }
}

const NO_RANGES = new RangeSet();
/** In an acknowledgement: nothing is known of rates. */
const NO_GRANT = 0;

function isAgain(packet: Uint8Array): boolean {
  const kind = kindOf(packet);
  return kind === NodeKind.regionResent || (kind === NodeKind.regionHybrid && isHybridResent(packet));
}
