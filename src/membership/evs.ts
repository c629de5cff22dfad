import { assert } from "../base/assert.ts";
import { type ConfigurationId, type DaemonId, sameConfiguration } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Channel, Network } from "../machine/network.ts";
import type { OutgoingMessage } from "../ordering/message.ts";
import { Orderer } from "../ordering/orderer.ts";
import { Packer } from "../ordering/packer.ts";
import { SERVICES, serviceRank } from "../ordering/service.ts";
import type { Upcalls } from "../ordering/upcall.ts";
import { UnreliableReceiver } from "../ordering/unreliable.ts";
import type { RingConfig } from "../ring/config.ts";
import { Configuration } from "../ring/configuration.ts";
import { Ring, type RingOutbox } from "../ring/ring.ts";
import { type RingStatistics, newRingStatistics } from "../ring/statistics.ts";
import type { Form1, Form2, OldConfigurationRecord } from "../wire/form.ts";
import { Kind, PREFIX_BYTES, type Prefix, WIRE_VERSION_MIN, packet, unroutedCopy } from "../wire/prefix.ts";
import { encodeRingControl } from "../wire/ring-control.ts";
import { isOfConfiguration, isRingData, ringPacket } from "../wire/ring-data.ts";
import type { Request } from "../wire/ring-token.ts";
import { ChangeRecord } from "./change-record.ts";
import type { Agreement, EvsConfig } from "./config.ts";
import { Dissemination } from "./dissemination.ts";
import type { EvsEvent, MembershipStateName } from "./events.ts";
import { DatagramIntake, type DropStatistics, type IntakeOutbox } from "./intake.ts";
import { Membership } from "./membership.ts";
import type { MembershipOutbox } from "./membership-outbox.ts";
import { emptyRecord, holesOf, visitRecord } from "./obligation.ts";
import { areDistinct, isPlausibleForm1, isPlausibleForm2 } from "./plausible.ts";
import { isPrimary } from "./primary.ts";
import { Recovery, recordOf } from "./recovery.ts";

/** What a daemon's membership and ordering ask of their host. None of it may call back into `Evs` but `send`. */
export interface EvsOutbox extends Network, Upcalls {
  /** For logs and tools. */
  event(event: EvsEvent, now: number): void;
  /** The message's last fragment has been stamped: it is part of the total order of the current configuration. */
  assigned?(message: OutgoingMessage): void;
}

/** The daemons form one site while there are no wide-area links. */
const SITE = 0;
const UNRELIABLE = serviceRank("unreliable");
const LEAVE_COPIES = 3;

/** A ring that forms: its configuration is not installed yet, packets of it are kept. */
type Forming = { readonly configuration: Configuration; readonly recovery: Recovery };

/**
 * Extended virtual synchrony on one daemon (protocols.md G, recovery.md): messages in, and messages with transitional and
 * regular configurations out, in one order that all daemons of a configuration share. Puts the ring, the
 * membership, the packing and the ordering together; each of them knows nothing of the others.
 */
export class Evs implements Machine {
  /** Of its own, and shared with its parts: `reconfigure` changes it. */
  readonly #config: EvsConfig;
  readonly #outbox: EvsOutbox;
  readonly #me: DaemonId;
  readonly #membership: Membership;
  readonly #packer: Packer;
  readonly #unreliablePacker: Packer;
  readonly #intake: DatagramIntake;
  readonly #ringStatistics: RingStatistics = newRingStatistics();
  /** For control packets: nobody keeps one for long. */
  readonly #slab = new Slab(64 * 1024);
  #ringConfig: RingConfig;
  #unreliable: UnreliableReceiver;
  /** The configuration installed last; frozen while the next one forms. */
  #configuration: Configuration;
  #orderer: Orderer;
  #primary = false;
  /** Whose messages this daemon must deliver: grows over failed attempts, shrinks to itself at an install. */
  #obligation: Set<DaemonId>;
  /** Of the configuration, or of the one that forms. */
  #ring: Ring | undefined;
  #forming: Forming | undefined;
  /** Greatest time that any configuration known here has used. */
  #maxTime: number;
  #version = WIRE_VERSION_MIN;
  readonly #change = new ChangeRecord();
  #now: number;
  #leaving = false;
  #left = false;
  #exhausted = false;
  #forwardedForeign = false;
  #hasDataSinceStep = false;

  constructor(config: EvsConfig, outbox: EvsOutbox, now: number) {
    this.#config = { ...config };
    this.#outbox = outbox;
    this.#me = config.me;
    this.#ringConfig = config.ring;
    this.#now = now;
    this.#intake = new DatagramIntake(this.#config, this.#intakeOutbox());
    this.#maxTime = Math.max(this.#clockSeconds(), config.incarnation);
    // Before the first form a daemon is a configuration of its own that nobody has seen.
    this.#configuration = new Configuration({ leader: this.#me, time: this.#maxTime }, [this.#me], [SITE], SITE);
    this.#orderer = this.#newOrderer(this.#configuration);
    this.#orderer.freeze();
    this.#obligation = new Set([this.#me]);
    this.#unreliable = new UnreliableReceiver((delivery) => this.#outbox.message(delivery));
    const assigned =
      outbox.assigned === undefined ? undefined : (message: OutgoingMessage) => outbox.assigned?.(message);
    this.#packer = new Packer(() => this.#orderer.delivered, assigned);
    this.#unreliablePacker = new Packer(
      () => this.#orderer.delivered,
      (message) => this.#sentUnreliable(message),
    );
    this.#membership = new Membership(this.#config, this.#membershipOutbox(), now);
  }

  // ---- for the layers above ---------------------------------------------------------------------------------------

  /** Queues a message; it is stamped when the token allows, in the configuration that is current then. */
  send(message: OutgoingMessage): void {
    assert(message.service >= 0 && message.service < SERVICES.length, "a message has one of the six services");
    const packer = message.service === UNRELIABLE ? this.#unreliablePacker : this.#packer;
    packer.enqueue(message);
    this.#hasDataSinceStep = true;
  }

  /** Messages and bytes that wait to be stamped: for back-pressure. */
  get queuedMessages(): number {
    return this.#packer.queuedMessages + this.#unreliablePacker.queuedMessages;
  }

  get queuedBytes(): number {
    return this.#packer.queuedBytes + this.#unreliablePacker.queuedBytes;
  }

  /** Bytes of one session that wait to be stamped: `Packer.queuedBytesOf`. */
  queuedBytesOf(session: number): number {
    return this.#packer.queuedBytesOf(session) + this.#unreliablePacker.queuedBytesOf(session);
  }

  /** Stamps only the daemon's own messages (session 0) until told otherwise; `Packer.holdSessions`. */
  holdSessions(held: boolean): void {
    this.#packer.holdSessions(held);
    this.#unreliablePacker.holdSessions(held);
    this.#hasDataSinceStep = true;
  }

  /** A session has ended: nothing more is queued for it. */
  forgetSession(session: number): void {
    this.#packer.forget(session);
    this.#unreliablePacker.forget(session);
  }

  /** Leaves the configuration once all that was sent here is stable; the others then form at once. */
  leave(now: number): void {
    this.#leaving = true;
    if (this.#ring !== undefined) {
      this.#ring.retire();
      return;
    }
    // While a ring forms that counts on this daemon it stays until that is done, rather than make the others wait.
    const counted = this.state === "represented" || this.state === "form" || this.state === "recovery";
    if (!counted) this.#afterLeave(now);
  }

  /**
   * Goes over to another set of daemons, with those of the configuration that do the same; what was sent in the configuration so far is
   * carried over as in any change. This daemon is one of the new ones. Not to be called from an upcall.
   */
  reconfigure(agreement: Agreement, now: number): void {
    assert(agreement.layout.has(this.#me), "who goes over to other daemons is one of them");
    this.#now = now;
    if (this.#left) return;
    Object.assign(this.#config, agreement);
    this.#membership.reconfigured(now);
    this.#endStep(now);
  }

  /** Ends without a word: for a daemon that the others do not count any more. */
  depart(now: number): void {
    this.#now = now;
    this.#afterLeave(now);
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get isPrimary(): boolean {
    return this.#primary;
  }

  get state(): MembershipStateName {
    return this.#membership.state;
  }

  /** Whether a ring is up and takes messages; it does so also while its leader looks for missing daemons. */
  get isServing(): boolean {
    return this.#canSend;
  }

  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** Settings of the ring that is up, and of those to come. */
  get ringConfig(): RingConfig {
    return this.#ringConfig;
  }

  /** Other windows or another strategy, from the next visit of the token on. The size of datagrams has to stay. */
  reconfigureRing(config: RingConfig): void {
    assert(config.datagramBytes === this.#ringConfig.datagramBytes, "a ring's datagrams keep their size");
    this.#ringConfig = config;
    this.#ring?.reconfigure(config);
  }

  get ringStatistics(): RingStatistics {
    return this.#ringStatistics;
  }

  get drops(): DropStatistics {
    return this.#intake.drops;
  }

  /** Wire version of the ring: the lowest of its members' greatest ones. */
  get version(): number {
    return this.#version;
  }

  // ---- machine ----------------------------------------------------------------------------------------------------

  get deadline(): number {
    if (this.#left) return NEVER;
    if (this.#hasDataSinceStep && this.#canSend) return 0;
    return Math.min(this.#membership.deadline, this.#ring?.deadline ?? NEVER);
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#left) return;
    const ring = this.#ring;
    if (ring !== undefined && now >= ring.deadline) ring.tick(now);
    if (now >= this.#membership.deadline) this.#membership.tick(now);
    this.#endStep(now);
  }

  /** Takes a datagram, which may hold several packets; `bytes` are kept. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    if (this.#left) return;
    this.#intake.receive(bytes, now);
    this.#endStep(now);
  }

  #intakeOutbox(): IntakeOutbox {
    return {
      own: (prefix, bytes) => this.#onOwnPacket(prefix, bytes),
      data: (prefix, bytes, now) => this.#onData(prefix, prefix.routed ? this.#route(bytes) : bytes, now),
      earlierData: (prefix, bytes) => {
        if (!isOfConfiguration(bytes, this.#configuration.id)) return false;
        if (!this.#configuration.isMember(prefix.origin)) return false;
        this.#onOldData(prefix, prefix.routed ? this.#route(bytes) : bytes);
        return true;
      },
      token: (from, token, now) => {
        const ring = this.#ringOf(token.configuration);
        if (ring === undefined) return true;
        if (!ring.admits(from, token)) return false;
        if (token.hop > ring.hop) this.#membership.onFirstToken();
        ring.receiveToken(token, now);
        return true;
      },
      control: (kind, from, control, now) => {
        const ring = this.#ringOf(control.configuration);
        if (ring === undefined) return true;
        if (!ring.configuration.isMember(from)) return false;
        if (kind === Kind.ringHurry) ring.receiveHurry(now);
        else if (kind === Kind.ringHeld) ring.receiveHeld(control.hop);
        else this.#membership.onLeave(from, now);
        return true;
      },
      alive: (from, alive, now) => this.#membership.onAlive(from, alive, now),
      join: (from, join, now) => this.#membership.onJoin(from, join, now),
      refer: (refer, now) => this.#membership.onRefer(refer, now),
      form1: (from, form, now) => {
        if (!isPlausibleForm1(form, this.#me, this.#configuration, this.#config.layout)) return false;
        this.#membership.onForm1(from, form, now);
        return true;
      },
      form2: (from, form, now) => {
        if (!areDistinct(form.members) || !form.members.every((daemon) => this.#config.layout.has(daemon)))
          return false;
        this.#membership.onForm2(from, form, now);
        return true;
      },
      formHeld: (from, held) => this.#membership.onFormHeld(from, held),
      event: (event, now) => this.#outbox.event(event, now),
    };
  }

  /** A packet of this daemon's own comes back: a repair by another one. */
  #onOwnPacket(prefix: Prefix, bytes: Uint8Array): void {
    // Repaired by a daemon of another segment: the others of this segment may need it.
    if (prefix.routed) this.#route(bytes);
    // Somebody made it up if it is not known here. But the others hold it, and wait until this daemon holds it too.
    if (this.#forming === undefined || prefix.kind !== Kind.ringData || !isRingData(prefix)) return;
    if (isOfConfiguration(bytes, this.#configuration.id)) this.#onOldData(prefix, bytes);
  }

  /** False when it says to be of a configuration that its maker is not in. */
  #onData(prefix: Prefix, bytes: Uint8Array, now: number): boolean {
    const ring = this.#ring;
    if (ring !== undefined && isOfConfiguration(bytes, ring.configuration.id)) {
      if (!ring.configuration.isMember(prefix.origin)) return false;
      const data = ringPacket(prefix, bytes);
      if (prefix.kind === Kind.ringData) ring.receiveData(data, now);
      else if (this.#membership.isTokenAlive) this.#unreliable.receive(data, now);
      return true;
    }
    if (isOfConfiguration(bytes, this.#configuration.id)) {
      if (!this.#configuration.isMember(prefix.origin)) return false;
      if (prefix.kind === Kind.ringData) this.#onOldData(prefix, bytes);
      return true;
    }
    this.#intake.drops.stale++;
    if (ring !== undefined && !ring.configuration.isMember(prefix.origin)) {
      this.#onForeignData(prefix.origin, bytes, now);
    }
    return true;
  }

  /** A packet of the configuration whose ring is gone: kept while it can still count (recovery.md, "Exchange"). */
  #onOldData(prefix: Prefix, bytes: Uint8Array): void {
    if (this.#membership.state === "form") return;
    const data = ringPacket(prefix, bytes);
    if (this.#forming !== undefined && !this.#forming.recovery.counts(data)) return;
    const stream = this.#configuration.stream(data.site);
    if (stream !== undefined && data.lts === data.seq) stream.hold(data);
  }

  #onForeignData(from: DaemonId, bytes: Uint8Array, now: number): void {
    const ring = this.#ring as Ring;
    const leader = ring.configuration.members[0] as DaemonId;
    if (leader !== this.#me && !this.#forwardedForeign && this.#membership.isTokenAlive) {
      const { layout } = this.#config;
      const mySegment = layout.segmentOf(this.#me);
      const first = layout.firstOf(ring.configuration.members, mySegment);
      if (first === this.#me && layout.segmentOf(leader) !== mySegment) {
        this.#forwardedForeign = true;
        this.#outbox.unicast(leader, "data", bytes);
      }
    }
    this.#membership.foreignTraffic(from, now);
  }

  /** The packet came on behalf of this segment: hands it on, and returns it as it was made. */
  #route(bytes: Uint8Array): Uint8Array {
    const plain = unroutedCopy(bytes);
    this.#outbox.multicast(this.#config.layout.segmentOf(this.#me), "data", plain);
    return plain;
  }

  #ringOf(id: ConfigurationId): Ring | undefined {
    const ring = this.#ring;
    if (ring !== undefined && sameConfiguration(ring.configuration.id, id)) return ring;
    this.#intake.drops.stale++;
    return undefined;
  }

  /** What a step has asked for but may not be done inside a machine's own call. */
  #endStep(now: number): void {
    if (this.#exhausted) {
      this.#exhausted = false;
      this.#membership.lost({ kind: "exhausted" }, now);
    }
    if (this.#hasDataSinceStep && this.#canSend) {
      this.#hasDataSinceStep = false;
      (this.#ring as Ring).dataQueued(now);
    }
    // Only from the visit after the install on: the others have to see the token once more before they install.
    if (this.#leaving && this.#membership.isTokenAlive) this.#ring?.retire();
    if (this.#left) this.#afterLeave(now);
  }

  get #canSend(): boolean {
    return this.#ring !== undefined && !this.#ring.isRecovering && this.#membership.isTokenAlive;
  }

  #clockSeconds(): number {
    return Math.floor(this.#config.clockOriginSeconds + this.#now / 1000);
  }

  // ---- the ring's side --------------------------------------------------------------------------------------------

  #newOrderer(configuration: Configuration): Orderer {
    return new Orderer(configuration, (delivery) => this.#outbox.message(delivery));
  }

  #ringOutbox(configuration: Configuration, dissemination: Dissemination): RingOutbox {
    const isInstalled = (): boolean => this.#configuration === configuration;
    const hasData = (): boolean => !this.#packer.isEmpty || !this.#unreliablePacker.isEmpty;
    return {
      multicast: (bytes) => dissemination.multicast(bytes),
      control: (to, channel, kind, body) => this.#unicast(to, channel, kind, body, this.#version),
      fill: (bytes, at, seq) => this.#packer.fill(bytes, at, seq),
      fillUnreliable: (bytes, at) => this.#unreliablePacker.fill(bytes, at, 0),
      get hasData(): boolean {
        return isInstalled() && hasData();
      },
      held: (data) => {
        if (isInstalled()) this.#orderer.held(data);
      },
      stable: () => {
        if (isInstalled()) this.#advance();
      },
      answerOld: (request) => this.#answerOld(request, dissemination),
      missingOld: () => this.#forming?.recovery.missing(),
      commit: () => this.#commit(),
      recovered: () => this.#install(),
      exhausted: () => {
        this.#exhausted = true;
      },
      retired: () => this.#sendLeave(dissemination),
    };
  }

  #unicast(to: DaemonId, channel: Channel, kind: number, body: Uint8Array, version: number): void {
    this.#outbox.unicast(to, channel, this.#packet(version, kind, body));
  }

  #packet(version: number, kind: number, body: Uint8Array): Uint8Array {
    return packet(version, kind, this.#config.confHash, this.#me, body, this.#slab.take(PREFIX_BYTES + body.length));
  }

  #advance(): void {
    this.#orderer.advance();
    const { local, stable } = this.#configuration;
    local.discard(Math.min(stable, this.#orderer.deliveredSeq, local.prefix));
  }

  #sentUnreliable(message: OutgoingMessage): void {
    const [first, ...others] = message.pieces;
    let payload = first ?? new Uint8Array(0);
    if (others.length > 0) {
      payload = new Uint8Array(message.pieces.reduce((sum, piece) => sum + piece.length, 0));
      let at = 0;
      for (const piece of message.pieces) {
        payload.set(piece, at);
        at += piece.length;
      }
    }
    const { session, content } = message;
    this.#outbox.message({ sender: this.#me, session, service: "unreliable", content, payload });
  }

  // ---- a change of configuration ----------------------------------------------------------------------------------

  #membershipOutbox(): MembershipOutbox {
    const ringMembers = (): readonly DaemonId[] => this.#ring?.configuration.members ?? [];
    const configurationId = (): ConfigurationId => this.#configuration.id;
    return {
      announce: (kind, body) => {
        const bytes = this.#packet(WIRE_VERSION_MIN, kind, body);
        this.#outbox.multicast(this.#config.layout.segmentOf(this.#me), "token", bytes);
      },
      send: (to, kind, body) => this.#unicast(to, "token", kind, body, WIRE_VERSION_MIN),
      get ringMembers(): readonly DaemonId[] {
        return ringMembers();
      },
      get configurationId(): ConfigurationId {
        return configurationId();
      },
      freeze: () => this.#freeze(),
      visit: (form) => this.#visit(form),
      recover: (form) => this.#recover(form),
      startToken: (now) => this.#ring?.start(now),
      tokenSeenAt: (now) => this.#ring?.lastTokenAt(now) ?? Number.NEGATIVE_INFINITY,
      recoveryProgressed: () => this.#forming?.recovery.progressed() ?? false,
      evidence: (evidence, now) => this.#change.note(evidence, now),
      stateChanged: (from, to) => {
        // The leader looked for others and found none, or they did not come along.
        if (from === "gather" && to === "operational") this.#change.abandon();
        this.#outbox.event({ kind: "state", from, to }, this.#now);
      },
    };
  }

  #freeze(): void {
    this.#change.stopped(this.#ring?.lastTokenAt(this.#now), this.#now);
    this.#ring = undefined;
    this.#forming = undefined;
    this.#orderer.freeze();
  }

  #visit(form: Form1): boolean {
    this.#change.attempted();
    let record = recordOf(form.records, this.#configuration.id);
    if (record === undefined) {
      record = emptyRecord(this.#configuration);
      form.records.push(record);
    }
    form.maxTime = Math.max(form.maxTime, this.#maxTime);
    return visitRecord(record, this.#configuration, this.#me, SITE, this.#obligation);
  }

  /** FORM2: takes over what the survivors know, and begins to gather what this daemon lacks (recovery.md). */
  #recover(form: Form2): boolean {
    const record = recordOf(form.records, this.#configuration.id);
    const plausible = isPlausibleForm2(form, this.#me, this.#configuration, this.#maxTime, this.#obligation);
    if (record === undefined || !plausible) {
      this.#intake.drops.malformed++;
      return false;
    }
    if (form.position === 0) this.#nameConfiguration(form);
    this.#maxTime = Math.max(this.#maxTime, form.maxTime);
    if (record.transitionalTime === 0) this.#closeStreams(record, form);
    const recovery = new Recovery(record, this.#configuration);
    this.#orderer.deliverStable();
    const configuration = new Configuration(form.configuration, form.members, [SITE], SITE);
    this.#forming = { configuration, recovery };
    this.#version = Math.max(WIRE_VERSION_MIN, Math.min(form.version, this.#config.versionMax));
    const dissemination = new Dissemination(this.#me, form.members, this.#config.layout, this.#outbox);
    this.#ring = new Ring(
      this.#me,
      configuration,
      this.#ringConfig,
      { confHash: this.#config.confHash, version: this.#version },
      this.#ringStatistics,
      this.#ringOutbox(configuration, dissemination),
      this.#now,
    );
    return true;
  }

  /** The first reader names the configuration, later than any that a member has been in. */
  #nameConfiguration(form: Form2): void {
    form.maxTime = Math.max(form.maxTime, this.#clockSeconds()) + 2;
    form.configuration = { leader: this.#me, time: form.maxTime };
  }

  /** The first reader from an old configuration names the transitional one, and closes streams nobody can add to. */
  #closeStreams(record: OldConfigurationRecord, form: Form2): void {
    record.transitionalTime = form.configuration.time - 1;
    const everybody = this.#configuration.members.every((member) => record.transitional.includes(member));
    // A hole that nobody can fill is in front of a packet that nobody has sent: what is behind it stays uncertain.
    for (const stream of record.streams) stream.closed ||= everybody && holesOf(record, stream.site).isEmpty;
  }

  #answerOld(request: Request, dissemination: Dissemination): number {
    if (!sameConfiguration(request.configuration, this.#configuration.id)) return 0;
    const stream = this.#configuration.stream(request.site);
    if (stream === undefined) return 0;
    let sent = 0;
    for (const seq of Array.from(request.missing.numbers())) {
      const held = stream.get(seq);
      if (held === undefined || sent >= this.#config.ring.windowBytesStart) continue;
      request.missing.remove(seq);
      sent += held.bytes.length;
      this.#ringStatistics.retransmitted++;
      dissemination.multicast(held.bytes);
    }
    return sent;
  }

  #commit(): boolean {
    const forming = this.#forming;
    if (forming === undefined || !forming.recovery.commit()) return false;
    this.#obligation = forming.recovery.obligation;
    return true;
  }

  /** Everybody has committed: the rest of the old configuration, then the new one (recovery.md, "Delivery at install"). */
  #install(): void {
    const { configuration, recovery } = this.#forming as Forming;
    const { record } = recovery;
    assert(recovery.isCommitted, "who installs has committed");
    const before = this.#configuration.members;
    const members = this.#config.layout.sorted(record.transitional);
    this.#orderer.finish(this.#obligation, () => {
      const id = { leader: members[0] as DaemonId, time: record.transitionalTime };
      this.#outbox.transitional({ kind: "transitional", id, members });
    });
    this.#packer.restart();
    this.#unreliablePacker.restart();
    this.#configuration = configuration;
    this.#intake.installedHash = this.#config.confHash;
    this.#orderer = this.#newOrderer(configuration);
    this.#unreliable = new UnreliableReceiver((delivery) => this.#outbox.message(delivery));
    this.#obligation = new Set([this.#me]);
    this.#forming = undefined;
    this.#forwardedForeign = false;
    this.#primary = isPrimary(this.#config.primary, this.#config.layout, configuration.members);
    const { id } = configuration;
    this.#outbox.regular({ kind: "regular", id, members: configuration.members, primary: this.#primary });
    this.#explain(configuration, before);
    this.#membership.installed(this.#now);
    this.#hasDataSinceStep = true;
    this.#advance();
  }

  #explain(configuration: Configuration, before: readonly DaemonId[]): void {
    const { id, members } = configuration;
    this.#outbox.event(
      {
        kind: "configuration",
        id,
        members,
        primary: this.#primary,
        came: members.filter((member) => !before.includes(member)),
        left: before.filter((member) => !members.includes(member)),
        ...this.#change.finish(this.#now),
      },
      this.#now,
    );
  }

  // ---- leaving ----------------------------------------------------------------------------------------------------

  #sendLeave(dissemination: Dissemination): void {
    const body = encodeRingControl({ configuration: this.#configuration.id, hop: this.#ring?.hop ?? 0 });
    const bytes = this.#packet(this.#version, Kind.leave, body);
    for (let i = 0; i < LEAVE_COPIES; i++) dissemination.multicast(bytes);
    this.#left = true;
  }

  #afterLeave(now: number): void {
    if (this.#membership.state === "left") return;
    this.#left = true;
    this.#freeze();
    this.#membership.leave();
    this.#outbox.event({ kind: "left" }, now);
  }
}
