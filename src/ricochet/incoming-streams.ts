import { cover } from "../base/coverage.ts";
import type { GroupNumber, NodeId } from "../base/ids.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { PacketId } from "../wire/timely/data.ts";
import type { Nak } from "../wire/timely/nak.ts";
import type { StreamState } from "../wire/timely/state.ts";
import type { BinPacket } from "./bins.ts";
import type { CommonViews } from "./common-views.ts";
import type { TimelyConfig } from "./config.ts";
import { FormerStreams } from "./former-streams.ts";
import { HeldPackets } from "./held-packets.ts";
import { Incoming, type Missing } from "./incoming.ts";
import { Requests } from "./requests.ts";

export interface IncomingStreamsOutbox {
  /** Asks a sender for packets. */
  ask(sender: NodeId, naks: readonly Nak[]): void;
  /** The streams of a group are known to go on by so many packets. */
  advance(group: GroupNumber, count: number): void;
  /** A packet that should have come then will not; `lost` follows. */
  givenUp(group: GroupNumber, since: number): void;
  /** So many packets of a sender, from this one on, will not come. */
  lost(first: PacketId, count: number): void;
}

/**
 * The streams of others, in all groups of a node: how far they are known to go, what of them is here, what is missing and asked for or told as lost; and
 * what becomes of them as members come and go.
 */
export class IncomingStreams implements Machine {
  readonly #config: TimelyConfig;
  readonly #common: CommonViews;
  readonly #outbox: IncomingStreamsOutbox;
  readonly #streams = new Map<GroupNumber, Map<NodeId, Incoming>>();
  readonly #former = new FormerStreams();
  readonly #held: HeldPackets;
  readonly #requests: Requests;
  /** When the last of a sender that has left is given up. */
  #departAt = NEVER;

  constructor(config: TimelyConfig, common: CommonViews, outbox: IncomingStreamsOutbox) {
    this.#config = config;
    this.#common = common;
    this.#outbox = outbox;
    this.#held = new HeldPackets(config.holdMs, config.holdBytes);
    this.#requests = new Requests(config, {
      ask: (sender, naks) => outbox.ask(sender, naks),
      giveUp: (stream, missing) => this.#giveUp(stream, missing),
    });
  }

  /** Packets that are known to be missing now. */
  get missing(): number {
    return this.#requests.missing;
  }

  /** Senders that have not yet said with which packet their streams begin for this node. */
  get unsettled(): number {
    return this.#requests.unsettled;
  }

  /** Bytes that are held to rebuild others with. */
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** All groups of this node, once their views are known (`common`). `hasFailed`: which of those that are gone have failed. */
  setGroups(groups: { has(group: GroupNumber): boolean }, hasFailed: (node: NodeId) => boolean, now: number): void {
    for (const [group, streams] of this.#streams) {
      if (!groups.has(group)) {
        for (const stream of streams.values()) {
          this.#requests.drop(stream);
          this.#former.remember(stream);
        }
        this.#requests.forget(group);
        this.#streams.delete(group);
        continue;
      }
      for (const [sender, stream] of streams) {
        const since = this.#common.since(group, sender);
        if (since === undefined) this.#depart(stream, hasFailed(sender), now);
        else if (stream.departure !== undefined) this.#comeBack(stream, since, now);
      }
    }
  }

  /** Whether packets may be here, in a queue or a socket, that this node has not been given yet. */
  behind(isBehind: boolean, now: number): void {
    this.#requests.behind(isBehind, now);
  }

  get deadline(): number {
    return Math.min(this.#requests.deadline, this.#held.deadline, this.#departAt);
  }

  tick(now: number): void {
    if (now >= this.#requests.deadline) this.#requests.tick(now);
    if (now >= this.#held.deadline) this.#held.tick(now);
    if (now >= this.#departAt) this.#endDeparted(now);
  }

  /** The stream of a packet; undefined: the sender is no other member of the group, as far as this node knows. */
  of({ sender, group, seq }: PacketId, now: number): Incoming | undefined {
    let streams = this.#streams.get(group);
    let stream = streams?.get(sender);
    if (stream !== undefined) return stream;
    const since = this.#common.since(group, sender);
    if (since === undefined || sender === this.#config.me) return undefined;
    if (streams === undefined) this.#streams.set(group, (streams = new Map()));
    stream = this.#former.take(group, sender);
    if (stream === undefined) stream = new Incoming(sender, group, since, seq);
    else stream.rejoin(since);
    streams.set(sender, stream);
    stream.beginningAskAt = now + this.#config.nakMs;
    this.#requests.note(stream, stream.beginningAskAt);
    // Whoever has been here for longer has counted what came before.
    this.#outbox.advance(group, stream.highest);
    return stream;
  }

  /** What of a sender's stream is here. */
  heldOf(group: GroupNumber, sender: NodeId): ReadonlyMap<number, BinPacket> | undefined {
    return this.#streams.get(group)?.get(sender)?.held;
  }

  find({ sender, group, seq }: PacketId): BinPacket | Missing | undefined {
    const stream = this.#streams.get(group)?.get(sender);
    return stream?.held.get(seq) ?? stream?.missing.get(seq);
  }

  /** Packets that present members have sent to a group, as far as is known. */
  countOf(group: GroupNumber): number {
    let count = 0;
    for (const { departure, highest } of this.#streams.get(group)?.values() ?? []) {
      if (departure === undefined) count += highest;
    }
    return count;
  }

  /** Whether nothing is taken from this sender directly. */
  isFenced(group: GroupNumber, sender: NodeId): boolean {
    return this.#streams.get(group)?.get(sender)?.departure?.hasFailed === true;
  }

  /** A repair of the group has come so long after a packet that it names. */
  observeLag(group: GroupNumber, ageMs: number): void {
    this.#requests.observeLag(group, ageMs);
  }

  /** A packet of the stream is here. */
  hold(stream: Incoming, packet: BinPacket): void {
    this.#held.add(stream, packet);
  }

  /** Something of the stream may not be missing any more. */
  noteLess(stream: Incoming): void {
    this.#requests.noteLess(stream);
  }

  /** The packet was sent, and is missing since then. */
  hearOf(id: PacketId, since: number, now: number): void {
    const stream = this.of(id, now);
    // What is too far ahead to be missed is told by its sender, too.
    const isFar = id.seq > (stream?.highest ?? 0) + this.#config.missingMax;
    if (stream?.presence(id.seq) === "unknown" && !isFar) this.announce(stream, id.seq, since, now);
  }

  /** The stream goes as far as this packet; what of it is not here has been missing since then. */
  announce(stream: Incoming, seq: number, since: number, now: number): void {
    const { missingMax } = this.#config;
    const { highest } = stream;
    // A sender that ran on so far without this node is not caught up with.
    if (seq - highest > missingMax) {
      const from = seq - missingMax + 1;
      if (stream.isMine(highest + 1)) {
        this.#lose(stream, highest + 1, from - highest - 1);
        this.#trim(stream, from);
      } else stream.restart(from);
    }
    const askAt = this.#requests.firstAt(stream.group, since, now);
    stream.announce(seq, since, askAt);
    if (stream.highest > highest) this.#outbox.advance(stream.group, stream.highest - highest);
    this.#requests.note(stream, askAt);
  }

  /** Packets up to this number are not for this node. */
  beginBehind(stream: Incoming, seq: number): void {
    const { highest } = stream;
    stream.beginBehind(seq);
    this.#outbox.advance(stream.group, stream.highest - highest);
    this.#requests.noteLess(stream);
  }

  /** Packets from this number on are for this node; `isBeginning`: and none before. */
  reachBack(stream: Incoming, from: number, isBeginning: boolean, now: number): void {
    if (stream.isBeginningKnown) return;
    const askAt = this.#requests.firstAt(stream.group, now, now);
    const skipped = stream.reachBack(from, now, askAt, this.#config.missingMax);
    if (skipped > 0) this.#lose(stream, from, skipped);
    if (isBeginning) stream.begin(from);
    this.#requests.note(stream, askAt);
  }

  /** What a sender says of its own stream. `isBehind`: what of it has not come may be here, and is not missing. */
  onState(sender: NodeId, state: StreamState, isBehind: boolean, now: number): void {
    const { group, joined, view, from, began, last } = state;
    const stream = this.of({ sender, group, seq: Math.max(from, began) }, now);
    if (stream === undefined || stream.departure !== undefined || joined > stream.since) return;
    if (view < stream.since) {
      // The sender has not heard of this node yet, or the state is an old one.
      this.beginBehind(stream, last);
      return;
    }
    stream.sentTo(last);
    this.reachBack(stream, began, view === stream.since, now);
    this.#requests.noteLess(stream);
    if (isBehind) return;
    // What the sender has sent in an earlier membership of its own.
    if (view === stream.since) this.#trim(stream, began);
    // What the sender has not got any more is lost also if nothing was heard of it in time.
    if (from - 1 > stream.highest) {
      cover("timely gone unheard of");
      this.announce(stream, from - 1, now, now);
    }
    this.#trim(stream, from);
    this.announce(stream, last, now, now);
  }

  /** What comes before `from` cannot be had. */
  #trim(stream: Incoming, from: number): void {
    for (const missing of stream.trim(from)) {
      cover("timely gone at its sender");
      this.#giveUp(stream, missing);
    }
  }

  /** The sender is no member any more. Repairs of its last packets may be under way. */
  #depart(stream: Incoming, hasFailed: boolean, now: number): void {
    if (stream.departure !== undefined) return;
    const until = now + this.#config.departMs;
    stream.depart({ until, hasFailed });
    this.#departAt = Math.min(this.#departAt, until);
  }

  #comeBack(stream: Incoming, since: number, now: number): void {
    stream.comeBack(since);
    cover("timely sender back");
    this.#requests.note(stream, this.#requests.firstAt(stream.group, now, now));
  }

  #endDeparted(now: number): void {
    this.#departAt = NEVER;
    for (const streams of this.#streams.values()) {
      for (const stream of streams.values()) {
        const until = stream.departure?.until ?? NEVER;
        if (until <= now) this.#end(stream);
        else this.#departAt = Math.min(this.#departAt, until);
      }
    }
  }

  #end(stream: Incoming): void {
    for (const missing of stream.missing.values()) {
      // Of the others it is not known whether they were for this node.
      if (!stream.isMine(missing.seq)) continue;
      cover("timely departed");
      this.#giveUp(stream, missing);
    }
    stream.missing.clear();
    this.#requests.drop(stream);
    this.#streams.get(stream.group)?.delete(stream.sender);
  }

  #giveUp(stream: Incoming, { seq, since, repairs }: Missing): void {
    for (const pending of repairs) pending.isOver = true;
    this.#outbox.givenUp(stream.group, since);
    this.#lose(stream, seq, 1);
  }

  #lose({ sender, group }: Incoming, seq: number, count: number): void {
    this.#outbox.lost({ sender, group, seq }, count);
  }
}
