import type { DaemonId } from "../base/ids.ts";
import type { Configuration, Stamp } from "../ring/configuration.ts";
import { isBefore } from "../ring/configuration.ts";
import type { Stream } from "../ring/stream.ts";
import { FragmentCursor } from "../wire/fragment.ts";
import { getU32, setU16, setU32 } from "../wire/bytes.ts";
import { isSafeDigest, RING_DATA_HEAD_BYTES, type RingPacket } from "../wire/ring-data.ts";
import { type NumbersItem, TOKEN_BYTES } from "../wire/ring-digest.ts";
import { Assemblies } from "./assembly.ts";
import { Content, NUMBER_HEAD_BYTES, NUMBERS_BYTES } from "./content.ts";
import { SERVICES, serviceRank } from "./service.ts";
import type { Delivery } from "./upcall.ts";

const RELIABLE = serviceRank("reliable");
const FIFO = serviceRank("fifo");
const CAUSAL = serviceRank("causal");
const AGREED = serviceRank("agreed");
const SAFE = serviceRank("safe");

/**
 * How far the total order has been delivered in one stream: all of the packets before `seq`, and of that itself up to `offset`; of a digest its first
 * `items`.
 */
type Progress = { readonly stream: Stream; seq: number; offset: number; items: number };

/**
 * Decides what of a configuration may be delivered, and in which order (recovery.md, "Terms"; protocols.md G.2). Messages
 * at least as strong as agreed leave in stamp order, at the front. Weaker ones leave with the front as well, and ahead of it
 * when their own service allows it: reliable once complete, FIFO after its session's predecessor, causal once everything
 * that it may depend on is ordered.
 */
export class Orderer {
  readonly #configuration: Configuration;
  readonly #deliver: (delivery: Delivery) => void;
  readonly #progress: readonly Progress[];
  readonly #assemblies = new Assemblies();
  readonly #fragment = new FragmentCursor();
  readonly #scan = new FragmentCursor();
  readonly #look = new FragmentCursor();
  /** Safe messages up to this LTS may be delivered: the configuration's `stable`, or ∞ once it is over. */
  #safeLts = 0;
  #isBlocked = false;
  #frozen = false;
  #delivered: Stamp = { lts: 0, site: 0 };
  /** Messages ahead of the front that wait for something other than their own bytes; those of them that are causal. */
  #waiting = 0;
  #waitingCausal = 0;
  #cutLtsSeen = 0;
  /** Made once, as it is asked for each packet. */
  readonly #isAgreed = (lts: number, site: number): boolean => this.#configuration.isAgreed(lts, site);

  constructor(configuration: Configuration, deliver: (delivery: Delivery) => void) {
    this.#configuration = configuration;
    this.#deliver = deliver;
    this.#progress = configuration.streams.map((stream) => ({
      stream,
      seq: 1,
      offset: RING_DATA_HEAD_BYTES,
      items: 0,
    }));
  }

  /** Whether a safe message is next, which not all daemons are known to have. */
  get awaitsStable(): boolean {
    return this.#isBlocked;
  }

  /** The greatest stamp of which anything was delivered here: what a causal message sent now depends on. */
  get delivered(): Stamp {
    return this.#delivered;
  }

  /** Greatest seq of which everything was delivered, in the stream of this index: what may be dropped once stable. */
  deliveredSeq(stream: number): number {
    return (this.#progress[stream] as Progress).seq - 1;
  }

  /** A packet has been added to one of the streams. */
  held(packet: RingPacket): void {
    if (this.#frozen) return;
    this.advance();
    const cutLts = this.#configuration.cutLts;
    const cutJumped = cutLts > this.#cutLtsSeen + 1;
    const cutMoved = cutLts > this.#cutLtsSeen;
    this.#cutLtsSeen = cutLts;
    let moved = false;
    // Behind a digest that fills a gap more may be delivered than there is in it.
    if (packet.numbers !== undefined) moved = true;
    else if (this.#isAhead(packet)) moved = this.#deliverEarly(packet);
    const mayMove = moved || cutJumped || (cutMoved && this.#waitingCausal > 0);
    if (mayMove && this.#waiting > 0) this.#deliverAllEarly();
  }

  /** Delivers what has become deliverable at the front; called when packets, promises or stability have come. */
  advance(): void {
    if (this.#frozen) return;
    this.#safeLts = this.#configuration.stable;
    this.#advance();
    // A causal message may have waited for a safe one.
    if (this.#waitingCausal > 0) this.#deliverAllEarly();
  }

  /** The configuration is ending: nothing is delivered any more until `finish`. */
  freeze(): void {
    this.#frozen = true;
  }

  /** The form says that everything up to `stable` was held by all: delivers it, still in the old configuration. */
  deliverStable(): void {
    this.#safeLts = this.#configuration.stable;
    this.#advanceWhile((lts) => lts <= this.#safeLts);
  }

  /**
   * Delivery at install (recovery.md, "Delivery at install"): the configuration holds exactly what all survivors hold,
   * and `commit` are those whose messages must come. `transitional` is called between what still belongs to
   * the regular configuration and what is delivered in the transitional one.
   */
  finish(commit: ReadonlySet<DaemonId>, transitional: () => void): void {
    this.#safeLts = this.#configuration.stable;
    this.#advance();
    transitional();
    this.#safeLts = Number.POSITIVE_INFINITY;
    this.#advance();
    for (const packet of this.#beyondCut()) this.#deliverBeyondCut(packet, commit);
  }

  #advance(): void {
    this.#advanceWhile(this.#isAgreed);
  }

  #advanceWhile(admits: (lts: number, site: number) => boolean): void {
    this.#isBlocked = false;
    for (;;) {
      const next = this.#lowest();
      const packet = next?.stream.get(next.seq);
      if (next === undefined || packet === undefined) return;
      if (packet.numbers !== undefined) {
        if (!this.#consumeDigest(packet, packet.numbers, next, admits)) return;
        continue;
      }
      if (!admits(packet.lts, packet.site) || !this.#consume(packet, next)) return;
      next.seq++;
      next.offset = RING_DATA_HEAD_BYTES;
    }
  }

  /** The stream in which the smallest stamp is next, of those that hold what is. */
  #lowest(except?: Progress): Progress | undefined {
    if (this.#progress.length === 1) return this.#progress[0];
    let lowest: Progress | undefined;
    let lowestLts = 0;
    let lowestSite = 0;
    for (const progress of this.#progress) {
      if (progress === except) continue;
      const packet = progress.stream.get(progress.seq);
      if (packet === undefined) continue;
      const lts = nextLts(packet, progress);
      if (lowest === undefined || isBefore(lts, packet.site, lowestLts, lowestSite)) {
        lowest = progress;
        lowestLts = lts;
        lowestSite = packet.site;
      }
    }
    return lowest;
  }

  /**
   * Passes over packets that were not for this site, one by one as far as they have numbers of sessions: these count from each packet's own place in the order on.
   * False when it has to wait; otherwise the digest is over, or what another stream has is next.
   */
  #consumeDigest(
    digest: RingPacket,
    numbers: readonly NumbersItem[],
    progress: Progress,
    admits: (lts: number, site: number) => boolean,
  ): boolean {
    const { site, seq, lts } = digest;
    const other = this.#lowest(progress);
    const otherPacket = other?.stream.get(other.seq);
    const otherLts = other && otherPacket ? nextLts(otherPacket, other) : Number.POSITIVE_INFINITY;
    const isNext = (at: number): boolean => isBefore(at, site, otherLts, otherPacket?.site ?? 0);
    const isBlocked = lts > this.#safeLts && isSafeEnd(digest);
    const from = progress.items;
    let item = numbers[from];
    while (item !== undefined && isNext(item.lts) && admits(item.lts, site) && !(isBlocked && item.seq === seq)) {
      item = numbers[++progress.items];
    }
    if (progress.items > from) this.#deliverNumbers(digest, numbers.slice(from, progress.items));
    const at = item?.lts ?? lts;
    if (!isNext(at)) return true;
    if (!admits(at, site)) return false;
    this.#isBlocked = isBlocked;
    if (isBlocked) return false;
    progress.seq = seq + 1;
    progress.items = 0;
    return true;
  }

  #deliverNumbers({ origin: sender }: RingPacket, items: readonly NumbersItem[]): void {
    const payload = new Uint8Array(NUMBERS_BYTES * items.length);
    items.forEach(({ token, number, ordered }, i) => {
      const at = NUMBERS_BYTES * i;
      payload.set(token, at);
      setU32(payload, at + TOKEN_BYTES, Math.floor(number / 2 ** 32));
      setU32(payload, at + TOKEN_BYTES + 4, number % 2 ** 32);
      setU16(payload, at + NUMBER_HEAD_BYTES, Math.min(ordered, 0xffff));
    });
    this.#deliver({ sender, session: 0, service: "agreed", content: Content.numbers, head: payload, tail: undefined });
  }

  /** Delivers the rest of the packet at the front; false when a safe message has to wait in it. */
  #consume(packet: RingPacket, progress: Progress): boolean {
    const fragment = this.#fragment;
    fragment.open(packet.bytes, progress.offset, packet.end);
    while (fragment.advance()) {
      if (fragment.isLast && fragment.service === SAFE && packet.lts > this.#safeLts) {
        progress.offset = fragment.start;
        this.#isBlocked = true;
        return false;
      }
      if (!fragment.isWhole && !packet.assembled) this.#assemblies.add(packet.origin, fragment);
      if (!fragment.isLast) continue;
      if (packet.early !== undefined && packet.early.includes(fragment.start)) continue;
      this.#deliverFragment(packet, fragment);
    }
    return true;
  }

  #deliverFragment(packet: RingPacket, fragment: FragmentCursor): boolean {
    const isWhole = fragment.isWhole;
    const assembly = isWhole ? undefined : this.#assemblies.take(packet.origin, fragment.message);
    if (!isWhole && assembly === undefined) return false;
    if (isBefore(this.#delivered.lts, this.#delivered.site, packet.lts, packet.site)) {
      this.#delivered = { lts: packet.lts, site: packet.site };
    }
    const { session, content } = fragment;
    const service = SERVICES[fragment.service] as Delivery["service"];
    const head = assembly === undefined ? fragment.data() : assembly.head;
    this.#deliver({ sender: packet.origin, session, service, content, head, tail: assembly?.tail });
    return true;
  }

  #isAhead(packet: RingPacket): boolean {
    const progress = this.#progressOf(packet);
    return packet.seq > progress.seq || (packet.seq === progress.seq && packet === progress.stream.get(progress.seq));
  }

  #progressOf(packet: RingPacket): Progress {
    if (this.#progress.length === 1) return this.#progress[0] as Progress;
    return this.#progress.find((progress) => progress.stream.site === packet.site) as Progress;
  }

  #deliverAllEarly(): void {
    for (let again = true; again; ) {
      again = false;
      this.#waiting = 0;
      this.#waitingCausal = 0;
      for (const { stream, seq } of this.#progress) {
        for (let n = seq; n <= stream.high; n++) {
          const packet = stream.get(n);
          if (packet === undefined) continue;
          if (this.#deliverEarly(packet)) again = true;
          n = packet.seq;
        }
      }
    }
  }

  /** Delivers what its service lets overtake the front. Returns whether there was any. */
  #deliverEarly(packet: RingPacket): boolean {
    if (packet.numbers !== undefined) return false;
    const progress = this.#progressOf(packet);
    const from = fromOf(packet, progress);
    this.#assemble(packet, from);
    const fragment = this.#scan;
    let any = false;
    fragment.open(packet.bytes, from, packet.end);
    while (fragment.advance()) {
      if (!fragment.isLast || fragment.service >= AGREED || packet.early?.includes(fragment.start)) continue;
      if (!this.#mayOvertake(packet, fragment)) {
        this.#waiting++;
        if (fragment.service === CAUSAL) this.#waitingCausal++;
      } else if (this.#deliverFragment(packet, fragment)) {
        if (packet.early === undefined) packet.early = [];
        packet.early.push(fragment.start);
        any = true;
      } else {
        this.#waiting++;
      }
    }
    return any;
  }

  #assemble(packet: RingPacket, from: number): void {
    if (packet.assembled) return;
    packet.assembled = true;
    const fragment = this.#scan;
    fragment.open(packet.bytes, from, packet.end);
    while (fragment.advance()) if (!fragment.isWhole) this.#assemblies.add(packet.origin, fragment);
  }

  #mayOvertake(packet: RingPacket, fragment: FragmentCursor): boolean {
    if (fragment.service === RELIABLE) return true;
    if (!this.#isPredecessorDelivered(packet, fragment)) return false;
    if (fragment.service === FIFO) return true;
    if (fragment.service !== CAUSAL) return false;
    const { dependencyLts, dependencySite } = fragment;
    return (
      this.#configuration.isAgreed(dependencyLts, dependencySite) &&
      this.#areCausesDelivered(dependencyLts, dependencySite)
    );
  }

  /**
   * Whether everything at least causal up to this stamp was delivered. To hold it is not enough: a safe message that
   * is stable at the sender need not be known to be stable here, nor what follows it in its session.
   */
  #areCausesDelivered(lts: number, site: number): boolean {
    const look = this.#look;
    for (const progress of this.#progress) {
      const { stream, seq } = progress;
      for (let n = seq; n <= stream.high; n++) {
        const packet = stream.get(n);
        if (packet === undefined || isBefore(lts, site, packet.lts, packet.site)) break;
        n = packet.seq;
        if (packet.numbers !== undefined) {
          if (packet.lts > this.#safeLts && isSafeEnd(packet)) return false;
          continue;
        }
        look.open(packet.bytes, fromOf(packet, progress), packet.end);
        while (look.advance()) {
          if (look.isLast && look.service >= CAUSAL && !packet.early?.includes(look.start)) return false;
        }
      }
    }
    return true;
  }

  /** Whether the session's message before this one (of those at least FIFO) was delivered. */
  #isPredecessorDelivered(packet: RingPacket, fragment: FragmentCursor): boolean {
    const { previous, session } = fragment;
    if (previous === 0) return true;
    const progress = this.#progressOf(packet);
    if (previous < progress.seq) return true;
    const { stream, seq } = progress;
    const holder = stream.get(previous);
    if (holder === undefined) return false;
    if (holder === packet) return this.#isSessionDelivered(packet, session, progress, fragment.start);
    if (holder.numbers === undefined) return this.#isSessionDelivered(holder, session, progress, holder.end);
    // The one before was not for this site, and does not tell which is the last one that was.
    if (stream.prefix < previous) return false;
    for (let n = holder.first - 1; n >= seq; n--) {
      const before = stream.get(n) as RingPacket;
      const isOfOrigin = before.origin === packet.origin && before.numbers === undefined;
      const isDelivered = isOfOrigin ? this.#ofSession(before, session, progress, before.end) : undefined;
      // With the last one that was for this site, all before it were delivered.
      if (isDelivered !== undefined) return isDelivered;
      n = before.first;
    }
    return true;
  }

  #isSessionDelivered(packet: RingPacket, session: number, progress: Progress, end: number): boolean {
    return this.#ofSession(packet, session, progress, end) ?? true;
  }

  /** Whether what a packet has of a session (FIFO or stronger) was delivered, up to this place in it; undefined if it has nothing. */
  #ofSession(packet: RingPacket, session: number, progress: Progress, end: number): boolean | undefined {
    const look = this.#look;
    let isDelivered: boolean | undefined;
    look.open(packet.bytes, fromOf(packet, progress), packet.end);
    while (look.advance() && look.start < end) {
      if (look.session !== session || look.service < FIFO || !look.isLast) continue;
      if (!packet.early?.includes(look.start)) return false;
      isDelivered = true;
    }
    return isDelivered;
  }

  /** What is held behind the last packet that could be delivered in order, by stamp. */
  #beyondCut(): RingPacket[] {
    const packets: RingPacket[] = [];
    for (const { stream, seq } of this.#progress) {
      for (let n = seq; n <= stream.high; n++) {
        const packet = stream.get(n);
        if (packet === undefined) continue;
        packets.push(packet);
        n = packet.seq;
      }
    }
    return packets.sort((a, b) => (isBefore(a.lts, a.site, b.lts, b.site) ? -1 : 1));
  }

  /** Rules (a) and (b) for a packet behind a hole or an unknown tail. */
  #deliverBeyondCut(packet: RingPacket, commit: ReadonlySet<DaemonId>): void {
    const progress = this.#progressOf(packet);
    if (packet.numbers !== undefined) {
      const items = packet.numbers.slice(packet.first === progress.seq ? progress.items : 0);
      const obliged = items.filter(({ origin }) => commit.has(origin));
      if (obliged.length > 0) this.#deliverNumbers(packet, obliged);
      return;
    }
    const obliged = commit.has(packet.origin);
    const from = fromOf(packet, progress);
    this.#assemble(packet, from);
    const fragment = this.#scan;
    fragment.open(packet.bytes, from, packet.end);
    while (fragment.advance()) {
      if (!fragment.isLast || packet.early?.includes(fragment.start)) continue;
      if (!obliged && (fragment.service >= AGREED || !this.#mayOvertake(packet, fragment))) continue;
      if (!this.#deliverFragment(packet, fragment)) continue;
      if (packet.early === undefined) packet.early = [];
      packet.early.push(fragment.start);
    }
  }
}

/** The stamp with which that of a packet goes on that is next in its stream. */
function nextLts({ numbers, lts }: RingPacket, { items }: Progress): number {
  return numbers?.[items]?.lts ?? lts;
}

/** Where that of a packet begins which was not delivered in order. */
function fromOf(packet: RingPacket, { seq, offset }: Progress): number {
  return packet.seq === seq ? offset : RING_DATA_HEAD_BYTES;
}

/** Whether a safe message ends with the last packet of a digest, if it is not cut off there. */
function isSafeEnd({ bytes, seq }: RingPacket): boolean {
  return isSafeDigest(bytes) && getU32(bytes, SEQ) === seq;
}

/** Where a packet has its seq. */
const SEQ = 28;
