import { assert } from "../base/assert.ts";
import type { ConfigurationId, DaemonId } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Channel } from "../machine/network.ts";
import type { OutgoingMessage } from "../ordering/message.ts";
import { Orderer } from "../ordering/orderer.ts";
import { EVERYBODY } from "../ordering/interest.ts";
import { Outgoing } from "../ordering/outgoing.ts";
import { UnreliableReceiver } from "../ordering/unreliable.ts";
import type { RingConfig } from "../ring/config.ts";
import { Configuration } from "../ring/configuration.ts";
import { Ring, type RingOutbox } from "../ring/ring.ts";
import { type RingStatistics, newRingStatistics } from "../ring/statistics.ts";
import type { Stream } from "../ring/stream.ts";
import type { Form1, Form2 } from "../wire/form.ts";
import { Kind, PREFIX_BYTES, WIRE_VERSION_MIN, packet } from "../wire/prefix.ts";
import { encodeRingControl } from "../wire/ring-control.ts";
import type { Announcement } from "../wire/interest.ts";
import { announces, PRUNING_VERSION } from "../wire/ring-data.ts";
import type { Request } from "../wire/ring-token.ts";
import { ChangeRecord } from "./change-record.ts";
import type { Agreement, EvsConfig } from "./config.ts";
import { Dissemination } from "./dissemination.ts";
import type { Evidence, MembershipStateName } from "./events.ts";
import { DataPath, type DataPathHost } from "./data-path.ts";
import type { EvsOutbox } from "./evs-outbox.ts";
import { DatagramIntake, type DropStatistics } from "./intake.ts";
import { Membership } from "./membership.ts";
import type { MembershipOutbox } from "./membership-outbox.ts";
import { beginTransition, emptyRecord, visitRecord } from "./obligation.ts";
import { Forming } from "./forming.ts";
import { type DispatchHost, PacketDispatch } from "./packet-dispatch.ts";
import { isPlausibleForm2 } from "./plausible.ts";
import { isPrimary } from "./primary.ts";
import { Recovery, recordOf } from "./recovery.ts";
import { WideArea } from "./wide-area.ts";
import { gapOf } from "./wide-area-config.ts";

const LEAVE_COPIES = 3;

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
  readonly #outgoing: Outgoing;
  readonly #dataPath: DataPath;
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
  /** Whether messages may be for this site alone. */
  #prunes = false;
  /** Whose messages this daemon must deliver: grows over failed attempts, shrinks to itself at an install. */
  #obligation: Set<DaemonId>;
  /** Of the configuration, or of the one that forms. */
  #ring: Ring | undefined;
  #forming: Forming | undefined;
  /** At the representative of a site among others, as long as `#ring`. */
  #wideArea: WideArea | undefined;
  readonly #linkRates = new Map<number, number>();
  /** Greatest time that any configuration known here has used. */
  #maxTime: number;
  #version = WIRE_VERSION_MIN;
  readonly #change = new ChangeRecord();
  #now: number;
  #leaving = false;
  #left = false;
  /** Why the ring has to be given up, at the end of the step. */
  #giveUp: Evidence | undefined;
  #hasDataSinceStep = false;

  constructor(config: EvsConfig, outbox: EvsOutbox, now: number) {
    this.#config = { ...config };
    this.#outbox = outbox;
    this.#me = config.me;
    this.#ringConfig = config.ring;
    this.#now = now;
    this.#intake = new DatagramIntake(this.#config, new PacketDispatch(this.#config, this.#dispatchHost()));
    this.#dataPath = new DataPath(this.#config, this.#dataPathHost(), outbox, this.#intake.drops);
    this.#maxTime = Math.max(this.#clockSeconds(), config.incarnation);
    // Before the first form a daemon is a configuration of its own that nobody has seen.
    this.#configuration = this.#newConfiguration({ leader: this.#me, time: this.#maxTime }, [this.#me]);
    this.#orderer = this.#newOrderer(this.#configuration);
    this.#orderer.freeze();
    this.#obligation = new Set([this.#me]);
    this.#unreliable = new UnreliableReceiver((delivery) => this.#outbox.message(delivery));
    this.#outgoing = new Outgoing(
      {
        dependency: () => this.#orderer.delivered,
        prunes: () => this.#prunes,
        stable: () => this.#configuration.stable,
        knowledge: () => this.#configuration.interests.version,
        interest: (message) => outbox.interest?.(message) ?? EVERYBODY,
      },
      outbox.assigned?.bind(outbox),
      (delivery) => this.#outbox.message({ sender: this.#me, ...delivery }),
    );
    this.#membership = new Membership(this.#config, this.#membershipOutbox(), now);
  }

  // ---- for the layers above ---------------------------------------------------------------------------------------

  /** Queues a message; it is stamped when the token allows, in the configuration that is current then. */
  send(message: OutgoingMessage): void {
    this.#outgoing.enqueue(message);
    this.#hasDataSinceStep = true;
  }

  /** Messages and bytes that wait to be stamped: for back-pressure. */
  get queuedMessages(): number {
    return this.#outgoing.queuedMessages;
  }

  get queuedBytes(): number {
    return this.#outgoing.queuedBytes;
  }

  /** Bytes of one session that wait to be stamped: `Packer.queuedBytesOf`. */
  queuedBytesOf(session: number): number {
    return this.#outgoing.queuedBytesOf(session);
  }

  /** Stamps only the daemon's own messages (session 0) until told otherwise; `Packer.holdSessions`. */
  holdSessions(held: boolean): void {
    this.#outgoing.holdSessions(held);
    this.#hasDataSinceStep = true;
  }

  /** What `interest` has said of messages that wait may have changed. */
  releaseSessions(): void {
    this.#outgoing.release();
    this.#hasDataSinceStep = true;
  }

  /** A session has ended: nothing more is queued for it. */
  forgetSession(session: number): void {
    this.#outgoing.forget(session);
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
    // Other sites may have the numbers now.
    this.#linkRates.clear();
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

  /** What this daemon does as the representative of one of several sites; for tools, to be read only. */
  get wideArea(): WideArea | undefined {
    return this.#wideArea;
  }

  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** Settings of the ring that is up, and of those to come. */
  get ringConfig(): RingConfig {
    return this.#ringConfig;
  }

  /** Other windows, another strategy or longer datagrams, from the next visit of the token on. */
  reconfigureRing(config: RingConfig): void {
    this.#ringConfig = config;
    if (this.#ring !== undefined) this.#ring.reconfigure(this.#ringConfigOf(this.#ring.configuration));
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
    return Math.min(this.#membership.deadline, this.#ring?.deadline ?? NEVER, this.#wideArea?.deadline ?? NEVER);
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#left) return;
    const ring = this.#ring;
    if (ring !== undefined && now >= ring.deadline) ring.tick(now);
    this.#wideArea?.tick(now);
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

  #dispatchHost(): DispatchHost {
    return {
      ring: () => this.#ring,
      configuration: () => this.#configuration,
      wideArea: () => this.#wideArea,
      membership: () => this.#membership,
      dataPath: () => this.#dataPath,
      stale: () => this.#intake.drops.stale++,
      event: (event, now) => this.#outbox.event(event, now),
    };
  }

  #dataPathHost(): DataPathHost {
    return {
      ring: () => this.#ring,
      configuration: () => this.#configuration,
      forming: () => this.#forming,
      wideArea: () => this.#wideArea,
      state: () => this.#membership.state,
      isTokenAlive: () => this.#membership.isTokenAlive,
      unreliable: (data, now) => this.#unreliable.receive(data, now),
      foreignTraffic: (from, now) => this.#membership.foreignTraffic(from, now),
    };
  }

  /** What a step has asked for but may not be done inside a machine's own call. */
  #endStep(now: number): void {
    if (this.#giveUp !== undefined) {
      const evidence = this.#giveUp;
      this.#giveUp = undefined;
      this.#membership.lost(evidence, now);
    }
    if (this.#hasDataSinceStep && this.#canSend) {
      this.#hasDataSinceStep = false;
      (this.#ring as Ring).dataQueued(now);
    }
    // Only from the visit after the install on: the others have to see the token once more before they install.
    if (this.#leaving && this.#membership.isTokenAlive) this.#ring?.retire();
    if (this.#wideArea !== undefined) this.#endWideStep(this.#wideArea, now);
    if (this.#left) this.#afterLeave(now);
  }

  /** What has come from other sites may make messages deliverable, and is passed on to the ring and back. */
  #endWideStep(wideArea: WideArea, now: number): void {
    if (wideArea.takeNews()) {
      const { ltsHeld, stable } = this.#configuration;
      const isOfUse = this.#forming !== undefined || ltsHeld > stable;
      if (this.#forming === undefined) {
        this.#configuration.settle();
        this.#advance();
      }
      // When all is stable already, members of the ring wait for nothing.
      if (isOfUse) this.#ring?.remoteNews(now);
    }
    if (now >= wideArea.announceAt) this.#ring?.promise(now);
    this.#wideArea?.endStep(now);
  }

  /** In the next configuration; the present one keeps that in which it was made, whatever is configured since. */
  get #mySite(): number {
    return this.#config.layout.siteOf(this.#me);
  }

  get #canSend(): boolean {
    return this.#ring !== undefined && !this.#ring.isRecovering && this.#membership.isTokenAlive;
  }

  #clockSeconds(): number {
    return Math.floor(this.#config.clockOriginSeconds + this.#now / 1000);
  }

  // ---- the ring's side --------------------------------------------------------------------------------------------

  /** Among other sites it takes a long way until what is stamped is known to be stable: the window is one of its own. */
  #ringConfigOf({ hasOneSite }: Configuration): RingConfig {
    if (hasOneSite) return this.#ringConfig;
    return { ...this.#ringConfig, gapMax: gapOf(this.#config.wideArea, this.#ringConfig.datagramBytes) };
  }

  #newOrderer(configuration: Configuration): Orderer {
    return new Orderer(configuration, (delivery) => this.#outbox.message(delivery));
  }

  #ringOutbox(configuration: Configuration, dissemination: Dissemination): RingOutbox {
    const isInstalled = (): boolean => this.#configuration === configuration;
    const outgoing = this.#outgoing;
    const stamp = { seq: 0, lts: 0, site: configuration.local.site };
    const announcement = (content: number, payload: Uint8Array): Announcement | undefined =>
      this.#outbox.announcement?.(content, payload);
    return {
      multicast: (bytes) => dissemination.multicast(bytes),
      flush: () => this.#outbox.flush?.(),
      multicastUnreliable: (bytes) => {
        dissemination.multicast(bytes);
        this.#wideArea?.forwardUnreliable(bytes);
      },
      control: (to, channel, kind, body) => this.#unicast(to, channel, kind, body, this.#version),
      announce: (kind, body) => dissemination.multicast(this.#packet(this.#version, kind, body)),
      fill: (bytes, at, seq, lts, room) => {
        stamp.seq = seq;
        stamp.lts = lts;
        return outgoing.fill(bytes, at, stamp, room);
      },
      filledFlags: () => outgoing.filledFlags,
      isUrgent: () => outgoing.isUrgent,
      fillUnreliable: (bytes, at, room) => outgoing.fillUnreliable(bytes, at, room),
      unreliableFlags: () => outgoing.unreliableFlags,
      hasData: () => isInstalled() && !outgoing.isEmpty,
      held: (data) => {
        // Before it is acknowledged: what is stable was noted everywhere.
        if (announces(data.bytes)) configuration.interests.noteAll(data, announcement);
        if (data.site === configuration.local.site) this.#wideArea?.forward(data);
        if (isInstalled()) this.#orderer.held(data);
      },
      stable: () => {
        if (isInstalled()) this.#advance();
      },
      awaitsStable: () => isInstalled() && this.#orderer.awaitsStable,
      answerOld: (request) => this.#answerOld(request, dissemination),
      missingOld: () => this.#forming?.requests() ?? [],
      clock: (now) => this.#ltsClock(configuration.id, now),
      credit: () => this.#wideArea?.credit ?? 0,
      sitesDone: () => this.#wideArea?.sitesDone() === true,
      commit: () => this.#commit(),
      recovered: () => this.#install(),
      exhausted: () => {
        this.#giveUp = { kind: "exhausted" };
      },
      retired: () => this.#sendLeave(dissemination),
    };
  }

  /** Milliseconds since the configuration was made, by this daemon's clock and the one of who named it. */
  #ltsClock({ time }: ConfigurationId, now: number): number {
    const { wideArea, clockOriginSeconds } = this.#config;
    return wideArea.lowLatency ? Math.max(0, Math.floor((clockOriginSeconds - time) * 1000 + now)) : 0;
  }

  #unicast(to: DaemonId, channel: Channel, kind: number, body: Uint8Array, version: number): void {
    this.#outbox.unicast(to, channel, this.#packet(version, kind, body));
  }

  #packet(version: number, kind: number, body: Uint8Array): Uint8Array {
    return packet(version, kind, this.#config.confHash, this.#me, body, this.#slab.take(PREFIX_BYTES + body.length));
  }

  #advance(): void {
    this.#orderer.advance();
    const { streams, stable, hasOneSite } = this.#configuration;
    for (let i = 0; i < streams.length; i++) {
      const stream = streams[i] as Stream;
      const upTo = hasOneSite ? Math.min(stable, stream.prefix) : stream.seqUpTo(stable);
      stream.discard(Math.min(upTo, this.#orderer.deliveredSeq(i)));
    }
  }

  // ---- a change of configuration ----------------------------------------------------------------------------------

  #membershipOutbox(): MembershipOutbox {
    return {
      announce: (kind, body) => {
        const bytes = this.#packet(WIRE_VERSION_MIN, kind, body);
        this.#outbox.multicast(this.#config.layout.segmentOf(this.#me), "token", bytes);
      },
      send: (to, kind, body) => this.#unicast(to, "token", kind, body, WIRE_VERSION_MIN),
      ringMembers: () => this.#ring?.configuration.members ?? [],
      configurationId: () => this.#configuration.id,
      freeze: () => this.#freeze(),
      visit: (form) => this.#visit(form),
      recover: (form) => this.#recover(form),
      startToken: (now) => this.#ring?.start(now),
      tokenSeenAt: (now) => this.#ring?.lastTokenAt(now) ?? Number.NEGATIVE_INFINITY,
      recoveryProgressed: () => this.#forming?.progressed() ?? false,
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
    this.#wideArea?.close();
    this.#wideArea = undefined;
    this.#forming = undefined;
    this.#giveUp = undefined;
    this.#orderer.freeze();
  }

  #newConfiguration(id: ConfigurationId, members: readonly DaemonId[]): Configuration {
    const { layout } = this.#config;
    const sites = layout.sites.filter((site) => members.some((member) => layout.siteOf(member) === site));
    return new Configuration(id, members, sites, this.#mySite, (daemon) => layout.siteOf(daemon));
  }

  #visit(form: Form1): boolean {
    this.#change.attempted();
    let record = recordOf(form.records, this.#configuration.id);
    if (record === undefined) {
      record = emptyRecord(this.#configuration);
      form.records.push(record);
    }
    form.maxTime = Math.max(form.maxTime, this.#maxTime);
    return visitRecord(record, this.#configuration, this.#me, this.#mySite, this.#obligation);
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
    if (record.transitionalTime === 0) beginTransition(record, this.#configuration, form.configuration.time - 1);
    const recovery = new Recovery(record, this.#configuration);
    this.#orderer.deliverStable();
    const configuration = this.#newConfiguration(form.configuration, form.members);
    this.#version = Math.max(WIRE_VERSION_MIN, Math.min(form.version, this.#config.versionMax));
    const dissemination = new Dissemination(this.#me, configuration.ring, this.#config.layout, this.#outbox);
    this.#ring = new Ring(
      this.#me,
      configuration,
      this.#ringConfigOf(configuration),
      { confHash: this.#config.confHash, version: this.#version },
      this.#ringStatistics,
      this.#ringOutbox(configuration, dissemination),
      this.#now,
    );
    if (!configuration.hasOneSite && configuration.ring[0] === this.#me) this.#joinSites(configuration, form);
    this.#forming = new Forming(configuration, recovery, this.#configuration, this.#wideArea);
    return true;
  }

  /** This daemon represents its site. */
  #joinSites(configuration: Configuration, { records }: Form2): void {
    const { wideArea, confHash } = this.#config;
    this.#wideArea = new WideArea(
      {
        me: this.#me,
        config: wideArea,
        configuration,
        old: this.#configuration,
        records,
        wire: { confHash, version: this.#version },
        datagramBytes: this.#ringConfig.datagramBytes,
        rates: this.#linkRates,
      },
      {
        unicast: (to, bytes) => this.#outbox.unicast(to, "data", bytes),
        arrived: (prefix, bytes, now) => this.#dataPath.remote(prefix, bytes, now),
        siteLost: (site, why) => {
          this.#giveUp = { kind: "siteLost", site, peer: configuration.representativeOf(site), why };
        },
        malformed: () => this.#intake.drops.malformed++,
      },
      this.#now,
    );
  }

  /** The first reader names the configuration, later than any that a member has been in. */
  #nameConfiguration(form: Form2): void {
    form.maxTime = Math.max(form.maxTime, this.#clockSeconds()) + 2;
    form.configuration = { leader: this.#me, time: form.maxTime };
  }

  #answerOld(request: Request, dissemination: Dissemination): number {
    const forming = this.#forming;
    if (forming === undefined) return 0;
    return forming.answer(request, this.#config.ring.windowBytesStart, (bytes) => {
      this.#ringStatistics.retransmitted++;
      dissemination.multicast(bytes);
    });
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
    this.#outgoing.restart();
    this.#configuration = configuration;
    const isNewEnough = this.#version >= PRUNING_VERSION;
    this.#prunes = isNewEnough && !configuration.hasOneSite && this.#outbox.interest !== undefined;
    this.#intake.installedHash = this.#config.confHash;
    this.#orderer = this.#newOrderer(configuration);
    this.#unreliable = new UnreliableReceiver((delivery) => this.#outbox.message(delivery));
    this.#obligation = new Set([this.#me]);
    this.#forming = undefined;
    this.#dataPath.installed();
    this.#wideArea?.installed();
    this.#primary = isPrimary(this.#config.primary, this.#config.layout, configuration.members);
    const { id } = configuration;
    this.#outbox.regular({ kind: "regular", id, members: configuration.members, primary: this.#primary });
    this.#outbox.event(this.#change.event(configuration, before, this.#primary, this.#now), this.#now);
    this.#membership.installed(this.#now);
    this.#hasDataSinceStep = true;
    this.#advance();
  }

  // ---- leaving ----------------------------------------------------------------------------------------------------

  #sendLeave(dissemination: Dissemination): void {
    const body = encodeRingControl({ configuration: this.#configuration.id, hop: this.#ring?.hop ?? 0 });
    const bytes = this.#packet(this.#version, Kind.leave, body);
    const others = this.#configuration.members.filter((member) => !this.#configuration.ring.includes(member));
    for (let i = 0; i < LEAVE_COPIES; i++) {
      dissemination.multicast(bytes);
      for (const member of others) this.#outbox.unicast(member, "token", bytes);
    }
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
