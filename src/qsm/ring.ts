import { assert } from "../base/assert.ts";
import { cover } from "../base/coverage.ts";
import type { NodeId, RegionViewId } from "../base/ids.ts";
import type { RangeSet } from "../base/range-set.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import { newPartitionPart, type RegionToken } from "../wire/region/token.ts";
import type { FinalView } from "../cms/views.ts";
import type { RingMode, TokenRelease } from "./config.ts";
import { copyOf, Gather } from "./gather.ts";
import type { RingMembers } from "./members.ts";
import type { PartitionPlan } from "./partition-plan.ts";
import { RoundRecords } from "./round-records.ts";
import { type Part, RoundTree } from "./round-tree.ts";
import type { Stream } from "./stream.ts";
import { Visits } from "./visits.ts";

export type RingSettings = {
  readonly ringMode: RingMode;
  readonly fanOut: number;
  readonly treeMembersMin: number;
  readonly release: TokenRelease;
  readonly tokenRate: number;
  readonly roundBytes: number;
  readonly tokenLossMs: number;
  readonly nakBytes: number;
  readonly transitMs: number;
};

/** The rates that the members of a region can take, packets per second. */
export type AdmissibleRates = { readonly least: number; readonly average: number; readonly greatest: number };

/** What the ring asks of its region. Members are named by index. */
export interface RingHost {
  readonly streams: ReadonlyMap<NodeId, Stream>;
  /** The stream of a sender, made if need be. */
  streamOf(sender: NodeId): Stream;
  send(to: number, token: RegionToken): void;
  /** As the leader: everything of this sender up to `clean` is stable. Once a round, whether that has changed or not. */
  acknowledge(sender: NodeId, clean: number): void;
  /** As the leader: the rates that a round has found. */
  rated(rates: AdmissibleRates, now: number): void;
  /** Asks a sender for what a whole partition lacks. */
  nak(sender: NodeId, partition: number, ranges: RangeSet, round: number): void;
  /** Asks a member for packets; `ranges` in the numbers of the partition. */
  pull(from: number, sender: NodeId, partition: number, ranges: RangeSet, round: number): void;
  /** Sends kept packets to members. */
  push(to: readonly number[], stream: Stream, seqs: Iterable<number>): void;
  /** A member lacks these packets and so does this one, which passes them on when it gets them. */
  owe(to: number, sender: NodeId, seqs: Iterable<number>): void;
  /** As the leader: everything of a sender that has failed is settled, up to `last`. Once. */
  settled(stream: Stream, last: number): void;
  /** Nobody has these packets of a sender that has failed. */
  skip(stream: Stream, lost: RangeSet): void;
  /** Tells the leader that there is something for its token to do. */
  wake(leader: number): void;
  /** The view has ended everywhere that this member has to care about. */
  retired(): void;
  /** Packets per second that this node can take in the region; `undefined` if it knows nothing of that yet. Asked once a visit. */
  admissibleRate(now: number): number | undefined;
  random(): number;
}

/** What a token can say; nobody takes in more. */
const RATE_MAX = 0xffff_ffff;

/** Rounds that may be under way at a time. */
const ROUNDS_MAX = 16;

/** A WAKE waits so many token periods, in case that another member's, or a token, comes first (section 0 h). */
const WAKE_PERIODS = 1;

/**
 * The token of a region view at one of its members (protocols.md A.5–A.7 with section 0 c–i): finds what is missing, has neighbours
 * repair it, tells senders what is stable, and ends the view when nothing can come any more (region-views.md, rules 5–9).
 *
 * A round: the leader opens it at the first partition's leader; the token visits the partition's members, comes back to close
 * it, and opens the next one; from the last it completes at the leader. In a tree (`RoundTree`) all partitions are opened at once, by way of
 * the heads of larger parts, which merge what comes back.
 */
export class RegionRing implements Machine {
  readonly #id: RegionViewId;
  readonly #settings: RingSettings;
  readonly #members: RingMembers;
  readonly #plan: PartitionPlan;
  readonly #tree: RoundTree;
  readonly #host: RingHost;
  /** Of the last failure that concerns the view: tokens of another one do not count. */
  #failure = 0;
  readonly #records: RoundRecords;
  /** A token that knows of a failure which this member has not applied yet. */
  #ahead: RegionToken | undefined;
  /** Greatest round seen since the last failure. */
  #round = 0;
  #isQuiescent = false;
  #final: FinalView | undefined;
  #isRetired = false;

  // The leader's.
  #sentAt = Number.NEGATIVE_INFINITY;
  /** Rounds that have not come back, with the times at which they began; in order. */
  readonly #out = new Map<number, number>();
  #releaseAt = NEVER;
  #bytesSince = 0;
  /** The last round found nothing to do: the next one ends the rounds, if it finds nothing either. */
  #commits = false;

  /** The head's: what it waits for from the parts of its parts, by their level. */
  readonly #gathers = new Map<number, Gather>();

  // A member's.
  readonly #visits: Visits;
  #wakeAt = NEVER;
  #roundTripMs = 0;
  #tokens = 0;
  #rounds = 0;

  constructor(id: RegionViewId, settings: RingSettings, members: RingMembers, plan: PartitionPlan, host: RingHost) {
    this.#id = id;
    this.#settings = settings;
    this.#members = members;
    this.#plan = plan;
    const { ringMode, fanOut, treeMembersMin } = settings;
    const isTree = ringMode === "tree" || (ringMode === "bySize" && plan.size >= treeMembersMin);
    this.#tree = new RoundTree(members, plan, isTree ? { fanOut } : "inTurn");
    this.#host = host;
    this.#records = new RoundRecords(host);
    this.#visits = new Visits(settings, members, plan, host);
    this.#isQuiescent = true;
  }

  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** No sender can assign a number any more, and this member knows it. */
  get isFinal(): boolean {
    return this.#final !== undefined;
  }

  /** Senders that have failed in the view, members or not. */
  get failedSenders(): Iterable<NodeId> {
    return this.#records.failedSenders;
  }

  get isQuiescent(): boolean {
    return this.#isQuiescent;
  }

  get round(): number {
    return this.#round;
  }

  /** Rounds in which the token has visited this member, and those that came back to it as the leader. */
  get tokens(): number {
    return this.#tokens;
  }

  get rounds(): number {
    return this.#rounds;
  }

  /** How long the last round took, at the leader. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  get failure(): number {
    return this.#failure;
  }

  get deadline(): number {
    if (this.#isRetired) return NEVER;
    if (!this.#members.isLeader) return this.#wakeAt;
    return this.#isOut ? Math.min(this.#sentAt + this.#settings.tokenLossMs, this.#overlapAt) : this.#releaseAt;
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    if (this.#members.isLeader) {
      if (this.#isOut && this.#settings.release === "afterReturn") cover("regions token lost");
      this.#open(now);
    } else {
      cover("regions wake");
      this.#host.wake(this.#members.leader);
      this.#wakeAt = this.#isEndAwaited ? this.#endAsked(now) : this.#wanted(now);
    }
  }

  /** A packet has come: there is something for the token to do. */
  received(bytes: number, now: number): void {
    if (!this.#members.isLeader) {
      if (this.#isQuiescent) this.#wantToken(now);
      return;
    }
    this.#bytesSince += bytes;
    if (this.#isQuiescent) this.resume(now);
    else if (!this.#isOut && this.#bytesSince >= this.#settings.roundBytes) this.#releaseAt = now;
  }

  /** Somebody has something for the token to do. */
  resume(now: number): void {
    if (this.#isRetired) return;
    if (!this.#members.isLeader) {
      this.#wantToken(now);
      return;
    }
    if (!this.#isQuiescent) return;
    this.#isQuiescent = false;
    this.#commits = false;
    this.#releaseAt = Math.max(now, this.#sentAt + this.#periodMs / 2);
  }

  /** Members have failed; `failure` is the position of that change. Senders among them have to be settled. */
  failed(nodes: readonly NodeId[], failure: number, now: number): void {
    for (const node of nodes) {
      this.#members.fail(node);
      this.#records.failed(node);
    }
    this.#failure = failure;
    this.#round = 0;
    this.#wakeAt = NEVER;
    this.#out.clear();
    this.#gathers.clear();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    cover(this.#members.isLeader ? "regions failure at leader" : "regions failure at member");
    if (this.#members.isLeader) {
      this.#isQuiescent = false;
      this.#commits = false;
      this.#open(now);
    } else if (ahead !== undefined) this.onToken(ahead, now);
    else this.#wantToken(now);
  }

  /** No sender can assign a number any more (region-views.md, rule 3). */
  finalised(final: FinalView, now: number): void {
    this.#final = final;
    for (const { sender, seq } of final.last) if (seq > 0) this.#host.streamOf(sender).see(seq);
    for (const sender of final.failed) this.#records.failed(sender);
    this.resume(now);
  }

  onToken(token: RegionToken, now: number): void {
    if (this.#isRetired) return;
    if (token.failure < this.#failure) {
      cover("regions token of before a failure");
      return;
    }
    if (token.failure > this.#failure) {
      cover("regions token held for a failure");
      if (this.#ahead === undefined || !isBefore(token, this.#ahead)) this.#ahead = token;
      return;
    }
    if (!this.#isForMe(token)) {
      cover("regions token for another");
      return;
    }
    if (token.round >= this.#round) {
      this.#round = token.round;
      this.#isQuiescent = false;
      this.#wakeAt = this.#isEndAwaited ? this.#endAsked(now) : NEVER;
    } else if (!this.#canOverlap || token.phase === "open" || token.phase === "visit") {
      cover("regions token stale");
      return;
    }
    switch (token.phase) {
      case "open":
        if (token.level > 0) return this.#openPart(token, now);
        this.#openPartition(token, now);
        return this.#pass(token, now);
      case "visit":
        this.#visit(token, now);
        return this.#pass(token, now);
      case "close":
        return this.#closePartition(token, now);
      case "complete":
        return this.#gather(token, now);
    }
  }

  /** A token that was passed on, as it may leave now (K44); `undefined` if another round has begun while it waited. */
  leaving(token: RegionToken): RegionToken | undefined {
    const isOver = token.round < this.#round && !this.#canOverlap;
    if (token.failure !== this.#failure || isOver) {
      cover("regions token overtaken at home");
      return undefined;
    }
    for (const record of token.records) {
      record.maximumSeen = Math.max(record.maximumSeen, this.#host.streams.get(record.sender)?.maxSeen ?? 0);
    }
    return token;
  }

  /** The view has ended, everything in it being stable: the token has said so, or another member that has heard it. */
  retire(): void {
    if (this.#isRetired) return;
    cover(this.isFinal ? "regions retire" : "regions retire before final");
    this.#isRetired = true;
    this.#host.retired();
  }

  get #periodMs(): number {
    return 1_000 / this.#settings.tokenRate;
  }

  get #isOut(): boolean {
    return this.#out.size > 0;
  }

  /** Rounds may begin while others are under way (A41); in a tree they are too short for that to help. */
  get #canOverlap(): boolean {
    return this.#settings.release === "periodic" && this.#tree.isInTurn;
  }

  /**
   * When a round begins although another is under way. Not while a round has to build on what the one before has found: where senders are
   * settled, the view ends, or the rounds are about to.
   */
  get #overlapAt(): number {
    if (!this.#canOverlap || this.#isQuiescent || this.#commits || this.#final !== undefined) return NEVER;
    return this.#out.size < ROUNDS_MAX && this.#records.areSettled ? this.#sentAt + this.#periodMs : NEVER;
  }

  /** Whether a token is about a part of the view in which this is for me to do. */
  #isForMe(token: RegionToken): boolean {
    const { phase, level, partition } = token;
    const part = partOf(token);
    const { me } = this.#members;
    if (!this.#tree.has(part)) return false;
    switch (phase) {
      case "open":
        return this.#tree.headOf(part) === me;
      case "visit":
        return level === 0 && this.#plan.partitionOf(me) === partition;
      case "close":
        return level === 0 && this.#members.leaderOf(partition) === me;
      case "complete":
        return level < this.#tree.root.level && this.#tree.headOf(this.#tree.above(part)) === me;
    }
  }

  #wantToken(now: number): void {
    if (this.#wakeAt === NEVER) this.#wakeAt = this.#wanted(now);
  }

  #wanted(now: number): number {
    return now + this.#periodMs * (WAKE_PERIODS + this.#host.random());
  }

  /** Tokens come until the view is retired. If none does the leader may have retired it, and its word of it may have got lost. */
  get #isEndAwaited(): boolean {
    return this.#final !== undefined && !this.#isQuiescent;
  }

  #endAsked(now: number): number {
    return now + this.#settings.tokenLossMs * (1 + this.#host.random());
  }

  // ---- the leader -----------------------------------------------------------------------------------------------

  #open(now: number): void {
    if (this.#overlapAt > now) this.#out.clear();
    this.#sentAt = now;
    this.#releaseAt = NEVER;
    this.#bytesSince = 0;
    this.#out.set(++this.#round, now);
    const token: RegionToken = {
      kind: "token",
      id: this.#id,
      phase: "open",
      failure: this.#failure,
      round: this.#round,
      level: this.#tree.root.level,
      partition: 0,
      partitions: this.#plan.partitions,
      quiesce: true,
      quiesceCommit: this.#commits,
      retire: this.#isDrained(),
      admissible: noRates(),
      records: this.#records.open(this.#settings.transitMs, now),
    };
    this.#openPart(token, now);
  }

  #complete(token: RegionToken, now: number): void {
    const began = this.#out.get(token.round);
    if (began === undefined) return;
    for (const round of this.#out.keys()) if (round <= token.round) this.#out.delete(round);
    this.#rounds++;
    this.#roundTripMs = now - began;
    if (token.retire) return this.retire();
    const { least, sum, greatest, count } = token.admissible;
    if (count > 0) this.#host.rated({ least, average: sum / count, greatest }, now);
    for (const record of token.records) this.#records.complete(record);
    // Its own streams, which the token passed at the beginning, may have become active meanwhile.
    const isIdle = token.quiesce && !this.#hasWork();
    if (isIdle && token.quiesceCommit) {
      cover("regions quiet");
      this.#isQuiescent = true;
      this.#commits = false;
      this.#releaseAt = NEVER;
      return;
    }
    this.#commits = isIdle;
    const isHurried = this.#bytesSince >= this.#settings.roundBytes || this.#isDrained();
    this.#releaseAt = isHurried ? now : Math.max(now, this.#nextAt(now));
  }

  #nextAt(now: number): number {
    const at = this.#sentAt + this.#periodMs;
    return this.#settings.release === "periodic" ? at : Math.max(at, now + this.#periodMs / 2);
  }

  #hasWork(): boolean {
    for (const stream of this.#host.streams.values()) if (this.#records.isOfInterest(stream)) return true;
    return this.#isDrained();
  }

  /** Nothing can come any more, and everything that came is everywhere (rule 8). */
  #isDrained(): boolean {
    const final = this.#final;
    if (final === undefined) return false;
    if (!this.#records.areSettled) return false;
    return final.last.every(({ sender, seq }) => {
      return seq === 0 || this.#records.hasFailed(sender) || (this.#host.streams.get(sender)?.clean ?? 0) >= seq;
    });
  }

  // ---- heads of parts -------------------------------------------------------------------------------------------

  /** Has the parts of a part begin: in turn the first of them, otherwise all. */
  #openPart(token: RegionToken, now: number): void {
    const parts = this.#tree.partsOf(partOf(token));
    if (this.#tree.isInTurn) return this.#openNext(token, parts[0], now);
    cover("regions round through a tree");
    this.#gathers.set(token.level, new Gather(token.round, parts));
    // Each has a token of its own before one of them, which may be this member's, is changed.
    const tokens = parts.map(() => copyOf(token));
    tokens.forEach((copy, i) => this.#openNext(copy, parts[i], now));
  }

  #openNext(token: RegionToken, part: Part | undefined, now: number): void {
    const head = part && this.#tree.headOf(part);
    assert(part !== undefined && head !== undefined, "somebody lives in the part");
    token.phase = "open";
    token.level = part.level;
    token.partition = part.first;
    this.#send(head, token, now);
  }

  /** Everybody in a part has been visited. */
  #endPart(token: RegionToken, now: number): void {
    const part = partOf(token);
    const next = this.#tree.isInTurn ? this.#members.partitionFrom(part.first + 1) : undefined;
    if (part.level === this.#tree.root.level) return this.#complete(token, now);
    const to = next === undefined ? this.#tree.headOf(this.#tree.above(part)) : this.#members.leaderOf(next);
    assert(to !== undefined, "a part with members has a head");
    const { me, isLeader } = this.#members;
    if (next === undefined) {
      token.phase = "complete";
      this.#send(to, token, now);
    } else this.#openNext(token, { level: 0, first: next }, now);
    // The region's leader waits until the token is back: until then it answers for the view.
    if (token.retire && to !== me && !isLeader) this.retire();
  }

  /** What a part has found. */
  #gather(token: RegionToken, now: number): void {
    if (this.#tree.isInTurn) return this.#complete(token, now);
    const part = partOf(token);
    const above = this.#tree.above(part);
    const gather = this.#gathers.get(above.level);
    const whole = gather?.round === token.round ? gather.add(part.first, token) : undefined;
    if (whole === undefined) {
      cover(gather?.round === token.round ? "regions part before others" : "regions part of a round that is over");
      return;
    }
    this.#gathers.delete(above.level);
    whole.level = above.level;
    whole.partition = above.first;
    this.#endPart(whole, now);
  }

  // ---- every member ---------------------------------------------------------------------------------------------

  /** The leader of a partition begins a round in it: nobody has been compared with anybody. */
  #openPartition(token: RegionToken, now: number): void {
    for (const record of token.records) Object.assign(record, newPartitionPart());
    this.#visitRecords(token, undefined, now);
  }

  #visit(token: RegionToken, now: number): void {
    this.#visitRecords(token, this.#predecessor(token.partition), now);
  }

  #visitRecords(token: RegionToken, predecessor: number | undefined, now: number): void {
    this.#tokens++;
    const known = new Set(token.records.map(({ sender }) => sender));
    for (const stream of this.#host.streams.values()) {
      if (stream.isActive && !known.has(stream.sender)) token.records.push(this.#records.fresh(stream));
    }
    for (const record of token.records) this.#visits.visit(record, token, predecessor, now);
    if (token.quiesce || token.quiesceCommit) {
      for (const stream of this.#host.streams.values()) {
        if (!stream.isActive) continue;
        token.quiesce = token.quiesceCommit = false;
      }
    }
    if (token.quiesceCommit) this.#isQuiescent = true;
    const rate = this.#host.admissibleRate(now);
    if (rate === undefined) return;
    const { admissible } = token;
    admissible.least = Math.min(admissible.least, rate);
    admissible.greatest = Math.max(admissible.greatest, rate);
    admissible.sum += rate;
    admissible.count++;
  }

  #closePartition(token: RegionToken, now: number): void {
    const last = this.#predecessorOfClose(token.partition);
    for (const record of token.records) this.#visits.close(record, token, last);
    this.#endPart(token, now);
  }

  #pass(token: RegionToken, now: number): void {
    const { me } = this.#members;
    const next = this.#members.nextOf(me);
    const leader = this.#members.leaderOf(token.partition) as number;
    token.phase = next === undefined ? "close" : "visit";
    this.#send(next ?? leader, token, now);
    if (token.retire && me !== leader) this.retire();
  }

  #send(to: number, token: RegionToken, now: number): void {
    if (to === this.#members.me) this.onToken(token, now);
    else this.#host.send(to, token);
  }

  #predecessor(partition: number): number | undefined {
    let last: number | undefined;
    for (let index = this.#members.leaderOf(partition); index !== undefined && index !== this.#members.me; ) {
      last = index;
      index = this.#members.nextOf(index);
    }
    return last;
  }

  /** The last member of a partition whose leader I am, if that is not me. */
  #predecessorOfClose(partition: number): number | undefined {
    let last: number | undefined;
    for (let index = this.#members.nextOf(this.#members.me); index !== undefined; index = this.#members.nextOf(index)) {
      last = index;
    }
    return last !== undefined && this.#plan.partitionOf(last) === partition ? last : undefined;
  }
}

function partOf({ level, partition }: RegionToken): Part {
  return { level, first: partition };
}

function isBefore(token: RegionToken, other: RegionToken): boolean {
  return token.failure < other.failure || (token.failure === other.failure && token.round < other.round);
}

/** Before the first member has been visited. */
function noRates(): RegionToken["admissible"] {
  return { least: RATE_MAX, sum: 0, greatest: 0, count: 0 };
}
