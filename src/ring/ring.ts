import { assert } from "../base/assert.ts";
import { type DaemonId, sameConfiguration } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Channel } from "../machine/network.ts";
import { Kind, PREFIX_BYTES, writePrefix } from "../wire/prefix.ts";
import { encodeRingControl } from "../wire/ring-control.ts";
import {
  isLocal,
  PRUNING_VERSION,
  RING_DATA_HEAD_BYTES,
  type RingPacket,
  writeRingDataHead,
} from "../wire/ring-data.ts";
import { encodeRingRest, type RingRest } from "../wire/ring-rest.ts";
import { type Token, encodeToken } from "../wire/ring-token.ts";
import { AruRule } from "./aru.ts";
import type { RingConfig } from "./config.ts";
import type { Configuration } from "./configuration.ts";
import { ANY_ROOM, type Room } from "./room.ts";
import { firstToken } from "./first-token.ts";
import { isPlausibleToken } from "./plausible.ts";
import { RemoteSites } from "./remote-sites.ts";
import { Repairs, type RepairsOutbox } from "./repairs.ts";
import { Rest } from "./rest.ts";
import type { RingStatistics } from "./statistics.ts";
import { FlowWindow } from "./window.ts";

/**
 * What a ring asks of its host, which may not call back into the ring meanwhile. All of it are methods: an object literal
 * with accessors is slow, whatever is called on it, and all of this is called for each token and packet.
 */
export interface RingOutbox extends RepairsOutbox {
  /** An own unreliable packet, to all other members of the configuration. */
  multicastUnreliable(bytes: Uint8Array): void;
  /** `Network.flush`. */
  flush(): void;
  /** Wraps the body of a control packet and sends it to one member. */
  control(to: DaemonId, channel: Channel, kind: number, body: Uint8Array): void;
  /** The same, to all other members, by the way of data. */
  announce(kind: number, body: Uint8Array): void;
  /**
   * Writes fragments of new messages into `bytes` from `at` on, for the packet with this stamp, and returns where they
   * end: `at` when there is nothing to send that there is room for.
   */
  fill(bytes: Uint8Array, at: number, seq: number, lts: number, room: Room): number;
  /** `PacketFlag`s and the greatest priority of what `fill` has written last. */
  filledFlags(): number;
  /** Whether a message waits whose session has a priority above 0. */
  isUrgent(): boolean;
  /** The same for unreliable messages. */
  fillUnreliable(bytes: Uint8Array, at: number, room: Room): number;
  unreliableFlags(): number;
  /** Whether `fill` or `fillUnreliable` would write anything. */
  hasData(): boolean;
  /** A packet has been added to one of the configuration's streams: an own one, or a received one. */
  held(packet: RingPacket): void;
  /** `configuration.stable` has grown, or the cut has without a packet. */
  stable(): void;
  /** Whether a message waits for `stable`. */
  awaitsStable(): boolean;
  /** Recovery: commits if this daemon holds all that the form promised; whether it has committed. */
  commit(): boolean;
  /** The least LTS for what is stamped now, among other sites; 0: any. */
  clock(now: number): number;
  /** Bytes that the hops of this site can take now. Asked of the representative, among other sites. */
  credit(): number;
  /** Recovery: all members of this ring have committed; whether all sites have. Asked of the representative. */
  sitesDone(): boolean;
  /** Recovery: everybody has committed. Called once. */
  recovered(): void;
  /** The stamps of this configuration are used up: form a new one. */
  exhausted(): void;
  /** After `retire`: the token is here, and everything this member has sent is stable. It will not be passed on. */
  retired(): void;
}

/** A ring of one sends nothing: its packets need not pass a network, and messages are cut into fewer pieces. */
const ALONE_DATAGRAM_BYTES = 32 * 1024;
/** So many times as many packets that are for this site alone may be unstable as of others: no line has to carry them. */
const LOCAL_GAPS = 7;

/** Of a visit that stamps no more than this, none leaves after the token. */
const FEW_PACKETS = 2;

/** Where the token is, as far as this member knows. */
type State =
  /** Somewhere else; somebody after us was seen to have it. */
  | { readonly name: "waiting" }
  /** Passed on, and no sign yet that it arrived: sent again at `resendAt`. */
  | { readonly name: "passed"; readonly body: Uint8Array; readonly hop: number; readonly seq: number; resendAt: number }
  /** Here, while nobody has anything to send, or may send before `dataAt`; goes round at `probeAt`. The others are told at `tellAt`. */
  | {
      readonly name: "resting";
      readonly token: Token;
      readonly probeAt: number;
      readonly dataAt: number;
      tellAt: number;
    };

/**
 * One member's part in the token ring of a site (protocols.md G.6, G.7, with the accelerated strategy of G.8): who holds
 * the token stamps and multicasts, asks for what it lacks and answers what others lack.
 *
 * An idle token rests with the daemon that sent last, not with a leader: whoever sends once is likely to send
 * again, and then need not wait for the token at all (docs/adr/0002).
 */
export class Ring implements Machine {
  readonly configuration: Configuration;
  readonly statistics: RingStatistics;
  #config: RingConfig;
  readonly #outbox: RingOutbox;
  readonly #me: DaemonId;
  readonly #confHash: number;
  readonly #version: number;
  readonly #successor: DaemonId;
  readonly #predecessor: DaemonId;
  /** `undefined` while there is one site. */
  readonly #remote: RemoteSites | undefined;
  /** Whether packets may be for this site alone. */
  readonly #prunes: boolean;
  readonly #window: FlowWindow;
  readonly #linkAru: AruRule;
  readonly #siteAru: AruRule;
  readonly #recovery: AruRule;
  readonly #repairs: Repairs;
  #datagramBytes: number;
  readonly #slab = new Slab();
  #state: State = { name: "waiting" };
  #recovering = true;
  /** Of packets that came from other sites and went to the ring since the last visit. */
  #relayedBytes = 0;
  #cutSeen = 0;
  /** Hop of the last token accepted. */
  #hop = 0;
  #lastTokenAt = 0;
  /** When `hop` was last seen to move on by this member. */
  #visitedAt = 0;
  #rotationBytesMine = 0;
  /** Whether this member is among the token's `waiting`. */
  #waitingMine = false;
  #shareBytes: number;
  /** Highest seq on the token that this member sent last: nothing above it is asked for when accelerated (K21). */
  #seqPassed = 0;
  readonly #rest: Rest;
  #unreliableSeq = 0;
  /** Highest seq that this member stamped. */
  #ownSeq = 0;
  #hurryAt = NEVER;
  /** There was data after the last visit: HURRY has gone out, or will at `hurryAt`. */
  #wantsToken = false;
  #prefersToken = true;
  #retiring = false;

  constructor(
    me: DaemonId,
    configuration: Configuration,
    config: RingConfig,
    wire: { readonly confHash: number; readonly version: number },
    statistics: RingStatistics,
    outbox: RingOutbox,
    now: number,
  ) {
    const { ring } = configuration;
    const position = ring.indexOf(me);
    const count = ring.length;
    assert(position >= 0, "a ring is made by its members");
    this.#me = me;
    this.configuration = configuration;
    this.#config = config;
    this.#datagramBytes = datagramBytesOf(configuration, config);
    this.#confHash = wire.confHash;
    this.#version = wire.version;
    this.statistics = statistics;
    this.#outbox = outbox;
    this.#successor = ring[(position + 1) % count] as DaemonId;
    this.#predecessor = ring[(position + count - 1) % count] as DaemonId;
    this.#prunes = !configuration.hasOneSite && wire.version >= PRUNING_VERSION;
    this.#remote = configuration.hasOneSite ? undefined : new RemoteSites(me, configuration);
    this.#rest = new Rest(me, configuration, wire.version);
    this.#window = new FlowWindow(config);
    this.#shareBytes = this.#window.bytes;
    this.#linkAru = new AruRule(me);
    this.#siteAru = new AruRule(me);
    this.#recovery = new AruRule(me);
    this.#repairs = new Repairs(configuration, this.#remote, statistics, outbox);
    this.#lastTokenAt = now;
    this.#visitedAt = now;
  }

  /** When the token was last seen here; a token that rests here counts as seen. */
  lastTokenAt(now: number): number {
    return this.#state.name === "resting" ? now : this.#lastTokenAt;
  }

  /** Whether the host should look for a token before data (protocols.md G46). */
  get prefersToken(): boolean {
    return this.#prefersToken;
  }

  /** How many packets may be stamped beyond those that are stable. */
  get gapMax(): number {
    return this.#gapMax;
  }

  get windowBytes(): number {
    return this.#window.bytes;
  }

  /** Other settings from the next visit on. */
  reconfigure(config: RingConfig): void {
    this.#config = config;
    this.#datagramBytes = datagramBytesOf(this.configuration, config);
    this.#window.reconfigure(config);
  }

  /** What of the window this member may use at a visit, as of the last one. */
  get shareBytes(): number {
    return this.#shareBytes;
  }

  get holdsToken(): boolean {
    return this.#state.name === "resting";
  }

  get hop(): number {
    return this.#hop;
  }

  get isRecovering(): boolean {
    return this.#recovering;
  }

  get deadline(): number {
    switch (this.#state.name) {
      case "passed":
        return Math.min(this.#state.resendAt, this.#hurryAt);
      case "resting":
        return Math.min(this.#state.probeAt, this.#state.tellAt, this.#outbox.hasData() ? this.#state.dataAt : NEVER);
      case "waiting":
        return this.#hurryAt;
    }
  }

  /** Makes the first token, as the last member of the ring. */
  start(now: number): void {
    this.receiveToken(firstToken(this.configuration), now);
  }

  tick(now: number): void {
    const state = this.#state;
    if (state.name === "passed" && now >= state.resendAt) {
      this.statistics.tokenResends++;
      this.#outbox.control(this.#successor, "token", Kind.ringToken, state.body);
      state.resendAt = now + this.#resendMs;
    }
    if (state.name === "resting" && (now >= state.probeAt || (this.#outbox.hasData() && now >= state.dataAt))) {
      this.#visit(state.token, now);
      return;
    }
    if (state.name === "resting" && now >= state.tellAt) {
      state.tellAt = NEVER;
      this.#tellRest(state.token);
    }
    if (now >= this.#hurryAt) this.#hurry(now);
  }

  /** Keeps the token, once everything that this member has sent is stable, in order to leave. */
  retire(): void {
    this.#retiring = true;
  }

  /** There is something to send. Asks for the token if it may be resting elsewhere. */
  dataQueued(now: number): void {
    if (this.#state.name === "resting") {
      if (now >= this.#state.dataAt) this.#visit(this.#state.token, now);
    } else if (!this.#wantsToken) {
      this.#wantsToken = true;
      if (this.#rest.mayComeToRest(this.#hop)) this.#hurry(now);
      else this.#hurryAt = now + this.#resendMs;
    }
  }

  /** Something has come from another site: the representative lets a resting token go. */
  remoteNews(now: number): void {
    if (this.#state.name === "resting") this.#visit(this.#state.token, now);
  }

  /** The representative promises what its clock says, if the token is here: nobody need see the token for that. */
  promise(now: number): void {
    if (this.#state.name !== "resting" || this.#recovering) return;
    const { token } = this.#state;
    token.siteLts = Math.max(token.siteLts, this.#outbox.clock(now));
    this.configuration.local.announce({ seq: token.siteSeq, lts: token.siteLts });
  }

  /** Who passes the token on to this member. */
  get predecessor(): DaemonId {
    return this.#predecessor;
  }

  /** Whether the predecessor may have passed on this token of the ring's configuration; otherwise it must not be received. */
  admits(token: Token): boolean {
    return token.hop <= this.#hop || isPlausibleToken(token, this.configuration, this.#hop);
  }

  receiveToken(token: Token, now: number): void {
    if (!sameConfiguration(token.configuration, this.configuration.id)) return;
    if (token.hop <= this.#hop) {
      this.#sendHeld(this.#predecessor);
      return;
    }
    // A token that may have rested since tells nothing of how long it takes.
    if (token.idleHops === 0 && this.#hop > 0 && !this.#rest.mayRest) {
      const rotationMs = now - this.#visitedAt;
      const smoothed = this.statistics.rotationMs;
      this.statistics.rotationMs = smoothed === 0 ? rotationMs : smoothed + (rotationMs - smoothed) / 16;
    }
    this.#hop = token.hop;
    this.#lastTokenAt = now;
    this.statistics.tokens++;
    // Nothing that an idle ring sends would show the predecessor that the token has arrived.
    if (token.idleHops >= this.configuration.ring.length) this.#sendHeld(this.#predecessor);
    this.#visit(token, now);
  }

  /** A packet of this configuration. */
  receiveData(packet: RingPacket, now: number): void {
    this.statistics.packetsReceived++;
    const { local } = this.configuration;
    if (!this.configuration.admits(packet)) return;
    if (packet.site !== local.site) {
      this.#receiveRemote(packet);
      return;
    }
    // There cannot be anything new while the token rests here.
    if (this.#state.name === "resting" && packet.seq > this.#state.token.siteSeq) return;
    if (!local.hold(packet)) {
      this.statistics.duplicates++;
      return;
    }
    this.#rest.note(packet);
    if (packet.round > this.#hop) {
      this.#sawProgress(packet.seq);
      if (packet.origin === this.#predecessor) this.#prefersToken = true;
    }
    this.#lastTokenAt = Math.max(this.#lastTokenAt, now);
    this.#outbox.held(packet);
  }

  /** To the other members, what is not the ring's own business. */
  multicast(bytes: Uint8Array): void {
    this.#relayedBytes += bytes.length;
    this.#outbox.multicast(bytes);
  }

  /** A packet of another site has come over a hop: for the ring as well, if it is new. */
  relay(packet: RingPacket): void {
    this.statistics.packetsReceived++;
    if (!this.configuration.admits(packet) || !this.#receiveRemote(packet)) return;
    this.multicast(packet.bytes);
  }

  #receiveRemote(packet: RingPacket): boolean {
    const isNew = this.configuration.stream(packet.site)?.hold(packet) === true;
    if (isNew) this.#outbox.held(packet);
    else this.statistics.duplicates++;
    return isNew;
  }

  /** Some member has data: lets a resting token go. */
  receiveHurry(now: number): void {
    this.statistics.hurries++;
    if (this.#state.name === "resting") {
      // Who sends will be the sign that the token goes on: the others need not say HELD.
      this.#state.token.idleHops = 0;
      this.#visit(this.#state.token, now);
    } else this.#rest.wanted();
  }

  /** `from` keeps the token. False if it cannot, as far as this member knows. */
  receiveRest(from: DaemonId, { hop, seq }: RingRest, now: number): boolean {
    if (this.#state.name === "resting" || this.#recovering) return false;
    if (!this.#rest.isPlausible(from, { hop, seq }, this.#hop)) return false;
    this.receiveHeld(hop);
    this.#lastTokenAt = now;
    this.#siteAru.told(seq);
    this.#useArus();
    this.#rest.passed(this.configuration.ring.length);
    if (!this.#wantsToken) this.#hurryAt = NEVER;
    return true;
  }

  /** The successor has had the token of this hop. */
  receiveHeld(hop: number): void {
    if (this.#state.name === "passed" && hop >= this.#state.hop) this.#state = { name: "waiting" };
  }

  #sawProgress(seq: number): void {
    if (this.#state.name === "passed" && seq > this.#state.seq) this.#state = { name: "waiting" };
  }

  get #resendMs(): number {
    return Math.max(this.#config.tokenResendMs, 3 * this.statistics.rotationMs);
  }

  #hurry(now: number): void {
    if (!this.#outbox.hasData() && !this.#rest.waitsToBeTold) {
      this.#hurryAt = NEVER;
      return;
    }
    this.#hurryAt = now + this.#resendMs;
    // Where it rests if it rests at all; if that is here, it is on its way.
    const { at } = this.#rest;
    if (at !== this.#me) this.#outbox.control(at, "token", Kind.ringHurry, this.#controlBody());
  }

  #sendHeld(to: DaemonId): void {
    if (to !== this.#me) this.#outbox.control(to, "token", Kind.ringHeld, this.#controlBody());
  }

  #controlBody(): Uint8Array {
    return encodeRingControl({ configuration: this.configuration.id, hop: this.#hop });
  }

  /** Everything that holding the token allows (protocols.md G34, in this order). */
  #visit(token: Token, now: number): void {
    const { local } = this.configuration;
    const wasResting = this.#state.name === "resting";
    const seqBefore = token.siteSeq;
    const top = token.linkAru === token.linkSeq;
    const siteAruBefore = token.siteAru;
    local.announce({ seq: token.siteSeq, lts: token.siteLts });
    this.#linkAru.arrived(token.linkAru);
    this.#siteAru.arrived(token.siteAru);
    let changed = this.#remote?.visit(token, this.#outbox.clock(now)) === true;
    if (this.#remote?.isRepresentative === true) token.credit = this.#outbox.credit();

    const asked = token.requests.length > 0;
    const retransmitted = this.#repairs.answer(token, this.#window.bytes, this.#recovering);
    const others = wasResting ? 0 : Math.max(0, token.rotationBytes - this.#rotationBytesMine);
    const othersWaiting = Math.max(0, token.waiting - (this.#waitingMine ? 1 : 0));
    const allowance = this.#allowance(token, others, othersWaiting);
    const { stampedBytes, stamped, unsent } = this.#stampPackets(token, allowance);
    let sentBytes = retransmitted + this.#relayedBytes + stampedBytes;
    this.#relayedBytes = 0;
    sentBytes += this.#sendUnreliable(token, allowance - sentBytes);

    // What the predecessors sent after the token may still be on its way: it is not missing yet (G46, K21).
    const upTo = this.#config.acceleratedPackets > 0 && !wasResting ? Math.min(this.#seqPassed, seqBefore) : seqBefore;
    this.#repairs.ask(token, upTo, this.#recovering);
    this.#raiseArus(token, top);
    this.#recover(token);
    this.#remote?.passing(token);
    if (this.#remote !== undefined) changed ||= token.siteAru !== siteAruBefore;

    this.#window.adapt(asked && !this.#recovering, allowance > 0 && sentBytes >= allowance - this.#datagramBytes);
    token.rotationBytes = others + sentBytes;
    this.#waitingMine = sentBytes > 0 || this.#outbox.hasData();
    token.waiting = othersWaiting + (this.#waitingMine ? 1 : 0);
    this.#rotationBytesMine = sentBytes;
    const quiet =
      sentBytes === 0 &&
      token.requests.length === 0 &&
      token.linkAru === token.linkSeq &&
      !changed &&
      !this.#recovering;
    token.idleHops = quiet ? token.idleHops + 1 : 0;
    this.#wantsToken = false;
    this.#prefersToken = false;
    const isAwaited = this.#outbox.awaitsStable();
    if (stamped.length > 0) {
      // Who has stamped passes the token on in any case: first, so that the others work while this member delivers.
      this.#pass(token, unsent, now);
      this.#outbox.flush();
      for (const packet of stamped) this.#outbox.held(packet);
    }
    this.#useArus();
    this.#hurryAt = this.#rest.waitsToBeTold ? now + 2 * this.#resendMs : NEVER;
    if (stamped.length === 0) this.#passOrKeep(token, wasResting, isAwaited, now);
  }

  #passOrKeep(token: Token, wasResting: boolean, isAwaited: boolean, now: number): void {
    if (this.#retiring && this.#isSettled) {
      this.#state = { name: "waiting" };
      this.#outbox.retired();
      return;
    }
    const keeps = wasResting || this.#outbox.hasData() ? "no" : this.#rest.keeps(token);
    if (keeps === "no") this.#pass(token, [], now);
    else this.#keep(token, keeps === "yes" ? NEVER : isAwaited ? now : now + this.#config.tokenResendMs / 2, now);
  }

  /** Whether all members have what this one has sent, and nothing waits here. */
  get #isSettled(): boolean {
    return !this.#recovering && !this.#outbox.hasData() && this.configuration.stableSeq >= this.#ownSeq;
  }

  /** The others are told at `tellAt`, unless the token has gone on by then, which tells them as well. */
  #keep(token: Token, tellAt: number, now: number): void {
    this.#rest.passed(token.idleHops);
    this.#state = {
      name: "resting",
      token,
      probeAt: now + this.#config.tokenProbeMs,
      dataAt: 0,
      tellAt: tellAt <= now ? NEVER : tellAt,
    };
    if (tellAt <= now) this.#tellRest(token);
  }

  #tellRest({ configuration, hop, siteSeq: seq }: Token): void {
    this.#outbox.announce(Kind.ringRest, encodeRingRest({ configuration, hop, seq }));
  }

  /** Passes the token on, and sends behind it what was stamped for that. */
  #pass(token: Token, unsent: readonly Uint8Array[], now: number): void {
    token.hop++;
    const body = encodeToken(token);
    this.#seqPassed = token.siteSeq;
    this.#rest.passed(token.idleHops);
    this.#visitedAt = now;
    if (this.#successor === this.#me) {
      this.#passToMyself(token, now);
      return;
    }
    this.#outbox.control(this.#successor, "token", Kind.ringToken, body);
    this.#state = { name: "passed", body, hop: token.hop, seq: token.siteSeq, resendAt: now + this.#resendMs };
    for (const bytes of unsent) this.#outbox.multicast(bytes);
  }

  /** A ring of one: the token rests here, to be visited again as soon as there is anything to do. */
  #passToMyself(token: Token, now: number): void {
    this.#hop = token.hop;
    this.#lastTokenAt = now;
    const { tokenProbeMs, tokenResendMs } = this.#config;
    const settled = token.idleHops >= 2;
    // Among other sites it is they who are waited for, and what they send wakes the token.
    const soon = this.#remote !== undefined && this.#recovering ? now + tokenResendMs : now;
    // Nor does it help to look all the time whether the hops take more.
    const isBlocked = this.#remote !== undefined && this.#rotationBytesMine === 0 && this.#outbox.hasData();
    const dataAt = isBlocked ? now + tokenResendMs : 0;
    this.#state = {
      name: "resting",
      token,
      probeAt: settled ? now + tokenProbeMs : Math.max(soon, dataAt),
      dataAt,
      tellAt: NEVER,
    };
  }

  #allowance(token: Token, othersBytes: number, othersWaiting: number): number {
    if (this.#recovering) return 0;
    if (token.siteSeq - this.configuration.stableSeq > this.#gapMax) return 0;
    if (token.siteLts >= this.#config.seqMax) {
      this.#outbox.exhausted();
      return 0;
    }
    this.#shareBytes = this.#window.share(othersWaiting);
    return this.#window.allowance(othersBytes, othersWaiting);
  }

  /** Packets for this site alone have a window of their own, so that neither they nor the others stop each other. */
  get #localGapMax(): number {
    return this.#prunes ? LOCAL_GAPS * this.#config.gapMax : 0;
  }

  get #gapMax(): number {
    return this.#config.gapMax + this.#localGapMax;
  }

  /** What may be stamped at a visit, of which `allowance` is left and `done` packets were stamped. */
  #room(token: Token, allowance: number, done: number): Room {
    if (this.#remote === undefined) return ANY_ROOM;
    const datagramBytes = this.#datagramBytes;
    const { stableSeq, local } = this.configuration;
    const gap = token.siteSeq - stableSeq;
    const localRoom = Math.min(this.#localGapMax - (gap - local.unstableWide), this.#gapMax - gap);
    // What is urgent overtakes what waits for the hops: it does not wait until they take more.
    const hasCredit = token.credit >= datagramBytes || (done === 0 && this.#outbox.isUrgent());
    return {
      packets: Math.min(Math.floor(allowance / datagramBytes), this.#config.seqMax - token.siteLts, localRoom),
      packetsMax: Math.min(Math.floor(this.#shareBytes / datagramBytes), this.#localGapMax),
      isWide: hasCredit && local.unstableWide < this.#config.gapMax,
    };
  }

  /**
   * Stamps new packets, as many as the allowance and the gap to the stable ones admit, and holds them. Each leaves as soon as it is known not to be
   * among those that follow the token, so that the others work on the first while this member makes the last. Returns them all, their bytes, and what is
   * left to send.
   */
  #stampPackets(
    token: Token,
    allowance: number,
  ): { readonly stampedBytes: number; readonly stamped: RingPacket[]; readonly unsent: Uint8Array[] } {
    const stamped: RingPacket[] = [];
    const unsent: Uint8Array[] = [];
    let count = 0;
    let stampedBytes = 0;
    const { acceleratedPackets } = this.#config;
    const datagramBytes = this.#datagramBytes;
    const { id, local, stableSeq } = this.configuration;
    const left = this.#config.seqMax - token.siteLts;
    const seqMax = Math.min(token.siteSeq + left, stableSeq + this.#gapMax);
    while (allowance >= datagramBytes && token.siteSeq < seqMax && this.#outbox.hasData()) {
      const seq = token.siteSeq + 1;
      const lts = token.siteLts + 1;
      const full = this.#slab.take(datagramBytes);
      const room = this.#room(token, allowance, count);
      const end = this.#outbox.fill(full, RING_DATA_HEAD_BYTES, seq, lts, room);
      const isEmpty = end === RING_DATA_HEAD_BYTES;
      // The next one goes behind it in memory and, padded, in the same call of the kernel.
      const isPadded = this.#config.padded && !isEmpty && this.#outbox.hasData();
      const bytes = isPadded ? full : this.#slab.shrinkLast(full, isEmpty ? 0 : end);
      if (bytes.length === 0) break;
      this.#writePrefix(bytes, Kind.ringData, end);
      writeRingDataHead(bytes, id, local.site, seq, lts, this.#hop, this.#outbox.filledFlags());
      token.siteSeq = seq;
      token.linkSeq = seq;
      token.siteLts = lts;
      allowance -= bytes.length;
      stampedBytes += bytes.length;
      this.#ownSeq = seq;
      const packet: RingPacket = {
        origin: this.#me,
        site: local.site,
        seq,
        first: seq,
        lts,
        round: this.#hop,
        bytes,
        end,
        numbers: undefined,
        early: undefined,
        assembled: false,
      };
      const isNew = local.hold(packet);
      assert(isNew, "a stamp is used once");
      this.#rest.note(packet);
      if (this.#remote !== undefined && !isLocal(bytes)) token.credit = Math.max(0, token.credit - bytes.length);
      this.statistics.packetsSent++;
      this.statistics.bytesSent += bytes.length;
      stamped.push(packet);
      count++;
      unsent.push(bytes);
      if (unsent.length > acceleratedPackets) this.#outbox.multicast(unsent.shift() as Uint8Array);
    }
    // Few go first: they then arrive before the token and are acknowledged in the same rotation.
    if (count <= FEW_PACKETS) for (const bytes of unsent.splice(0)) this.#outbox.multicast(bytes);
    return { stampedBytes, stamped, unsent };
  }

  /** Unreliable messages need the token only for their share of the window (protocols.md G25). */
  #sendUnreliable(token: Token, allowance: number): number {
    if (this.#recovering) return 0;
    const { id, local } = this.configuration;
    let sent = 0;
    let packets = 0;
    while (allowance - sent >= this.#datagramBytes && this.#outbox.hasData()) {
      const full = this.#slab.take(this.#datagramBytes);
      const room = this.#room(token, allowance - sent, packets++);
      const end = this.#outbox.fillUnreliable(full, RING_DATA_HEAD_BYTES, room);
      const bytes = this.#slab.shrinkLast(full, end === RING_DATA_HEAD_BYTES ? 0 : end);
      if (bytes.length === 0) break;
      this.#writePrefix(bytes, Kind.ringUnreliable, end);
      writeRingDataHead(bytes, id, local.site, ++this.#unreliableSeq, 0, this.#hop, this.#outbox.unreliableFlags());
      sent += bytes.length;
      if (this.#remote !== undefined && !isLocal(bytes)) token.credit = Math.max(0, token.credit - bytes.length);
      this.statistics.packetsSent++;
      this.statistics.bytesSent += bytes.length;
      this.#outbox.multicastUnreliable(bytes);
    }
    return sent;
  }

  /** The rest of `bytes` behind `end` is padding. */
  #writePrefix(bytes: Uint8Array, kind: number, end: number): void {
    writePrefix(bytes, 0, this.#version, kind, this.#confHash, end - PREFIX_BYTES, this.#me, bytes.length);
  }

  #raiseArus(token: Token, top: boolean): void {
    const mine = this.configuration.local.prefix;
    const link = this.#linkAru.pass(token.linkAru, token.linkAruSetter, mine, top);
    token.linkAru = link.value;
    token.linkAruSetter = link.setter;
    // Other sites may have installed: a member that has not yet must not acknowledge what it may never deliver. In one site
    // nothing that is stamped can be acknowledged by all before all have installed.
    const ack = this.#recovering && this.#remote !== undefined ? 0 : this.configuration.cutLts - 1;
    // Over several sites the greatest stamp is no sign of what somebody lacks (protocols.md, correction 10).
    const isTop = top && this.#remote === undefined;
    const site = this.#siteAru.pass(token.siteAru, token.siteAruSetter, ack, isTop);
    token.siteAru = site.value;
    token.siteAruSetter = site.setter;
  }

  /** Counts who has committed; the same rule as for arus, over 0 and 1 (recovery.md, "Moving the packets", 4 and 5). */
  #recover(token: Token): void {
    this.#recovery.arrived(token.recovered);
    const done = !this.#recovering || this.#outbox.commit();
    if (this.#recovery.reached < 1) {
      const { value, setter } = this.#recovery.pass(token.recovered, token.recoveredSetter, done ? 1 : 0, false);
      token.recovered = value;
      token.recoveredSetter = setter;
    } else if (this.#recovering && this.#remote?.isRepresentative === true) {
      token.installs = this.#outbox.sitesDone();
    }
    const isOver = this.#remote === undefined ? this.#recovery.reached === 1 : token.installs && done;
    if (isOver && this.#recovering) {
      this.#recovering = false;
      this.#outbox.recovered();
    }
  }

  #useArus(): void {
    this.configuration.local.acknowledged = this.#siteAru.reached;
    this.configuration.local.heldHere = this.#linkAru.reached;
    const { cutLts } = this.configuration;
    const cutGrew = this.#remote !== undefined && cutLts > this.#cutSeen;
    this.#cutSeen = cutLts;
    if (this.configuration.settle() || cutGrew) this.#outbox.stable();
  }
}

/** Alone there is no network that they would have to pass. */
function datagramBytesOf({ members }: Configuration, { datagramBytes, windowBytesStart }: RingConfig): number {
  if (members.length > 1) return datagramBytes;
  return Math.max(datagramBytes, Math.min(ALONE_DATAGRAM_BYTES, windowBytesStart));
}
