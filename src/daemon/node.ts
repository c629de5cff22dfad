import type { DaemonId } from "../base/ids.ts";
import type { EpochRecord } from "../cms/continuity.ts";
import type { SitesKnowledge } from "../groups/group-interests.ts";
import { Groups } from "../groups/groups.ts";
import type { SessionNumber } from "../groups/outbox.ts";
import type { Machine } from "../machine/machine.ts";
import type { Channel, Network } from "../machine/network.ts";
import { Evs } from "../membership/evs.ts";
import type { EvsEvent } from "../membership/events.ts";
import { Content, NUMBER_HEAD_BYTES } from "../ordering/content.ts";
import { ANNOUNCEMENT, EVERYBODY, type Interest } from "../ordering/interest.ts";
import { type OutgoingMessage, wholePayload } from "../ordering/message.ts";
import { serviceRank } from "../ordering/service.ts";
import { type Delivery, payloadOf, type Upcalls } from "../ordering/upcall.ts";
import type { OrderedTransport } from "../session/ordered.ts";
import type {
  AttachedSession,
  ConnectionNumber,
  Peer,
  SessionEvent,
  SessionsKnowledge,
  SessionsOutbox,
} from "../session/outbox.ts";
import { Sessions } from "../session/sessions.ts";
import { encodeGroupFacts } from "../wire/native/node-facts.ts";
import { decodeAnnouncement } from "../wire/interest.ts";
import { Kind, packet, readPrefix, WIRE_VERSION_MIN } from "../wire/prefix.ts";
import { ChangeLog } from "./change-log.ts";
import { GroupsOverview } from "./groups-overview.ts";
import { HeldGroups } from "./held-groups.ts";
import {
  agreementOf,
  evsConfig,
  isOffloaded,
  nameOf,
  type NodeOptions,
  nodeSite,
  sessionOptions,
} from "./node-config.ts";
import type { NetworkEvent } from "./network-event.ts";
import { NodeCounters, nodeStatus } from "./node-status.ts";
import type { SiteConfig } from "./config/site.ts";
import { decodeNotice, encodeNotice } from "./notice.ts";
import { type Keeping, Reload, type ReloadEvent } from "./reload.ts";
import { RegionNodes } from "./region-nodes.ts";
import { RegionOverview } from "./region-overview.ts";
import type { RegionsChange } from "./regions-status.ts";
import { Partings } from "./partings.ts";
import { RepeatFilter } from "./repeat-filter.ts";
import { NO_WINDOW_CHANGE, ringSettings, type WindowChange } from "./ring-settings.ts";
import type { ConfigurationChange, DaemonStatus, DisseminationName } from "./status.ts";

/** What happens in a daemon, for its log and its owner. */
export type NodeEvent =
  | { readonly kind: "configuration"; readonly change: ConfigurationChange }
  /** Regions of nodes have changed, or will not for a while. */
  | { readonly kind: "regions"; readonly change: RegionsChange }
  /** `repeated`: so many equal events since this one was told last have not been told. */
  | { readonly kind: "membership"; readonly event: EvsEvent; readonly repeated: number }
  | { readonly kind: "session"; readonly event: SessionEvent }
  /** A stream to another daemon, or why there is none. */
  | { readonly kind: "network"; readonly event: NetworkEvent }
  /** A monitor asked for something else than a status; the message says what became of it. */
  | { readonly kind: "monitor"; readonly request: MonitorRequestName; readonly message: string }
  /** The name that the file has for a daemon leads elsewhere. `isSelf`: it is this daemon's, which stays where it is until it is started again. */
  | {
      readonly kind: "moved";
      readonly daemon: string;
      readonly host: string;
      readonly from: string;
      readonly to: string;
      readonly isSelf: boolean;
    }
  /** Something of the daemon's host does not work, and it goes on without: `about` it, and what that means. */
  | { readonly kind: "trouble"; readonly about: "state" | "passwords" | "admin"; readonly message: string }
  /** Another configuration file: proposed, in force, or dropped. */
  | { readonly kind: "reload"; readonly event: ReloadEvent }
  /** The daemon has left its configuration, as asked or because the configuration does not have it any more: it may end. */
  | { readonly kind: "left" };

export type MonitorRequestName = "partition" | "flowControl" | "reload" | "ignored";

/** What a daemon asks of its host. None of it may call back into the node. */
export interface NodeOutbox extends Network {
  /** `SessionsOutbox.write`. */
  write(connection: ConnectionNumber, chunks: readonly Uint8Array[]): boolean;
  close(connection: ConnectionNumber, how: "flush" | "drop"): void;
  pauseReading(connection: ConnectionNumber): void;
  resumeReading(connection: ConnectionNumber): void;
  verifyPassword(connection: ConnectionNumber, user: string, password: string): void;
  /** 16 bytes that nobody can guess. */
  randomBytes(count: number): Uint8Array;
  /** Makes the record durable, where anything is, instead of the one before, and calls `persisted` with it. Without that no epoch begins. */
  persist(record: EpochRecord): void;
  /** Without one the configuration stays what it was at the start. */
  readonly file?: FileOutbox;
  report(event: NodeEvent): void;
}

/** What a daemon asks of its host to go over to other configuration files while it runs. */
export interface FileOutbox {
  /** Makes the file durable, aside or in force, and calls `fileKept`. */
  keep(text: string, keeping: Keeping): void;
  /** The daemons of the site are these from now on. */
  goOver(site: SiteConfig): void;
  /** What came of `reload`: undefined if the file is in force, or why not. */
  reloaded(why: string | undefined): void;
}

/** Queued for the ring: beyond this nothing more is read from clients, below half of it they are read again. */
const QUEUED_BYTES_MAX = 2 * 1024 * 1024;
const QUEUED_MESSAGES_MAX = 8_192;
/** What every datagram of a misconfigured daemon says is told once, and then so often. */
const REPEAT_MS = 60_000;
const DAEMON_SESSION = 0;
const PRIORITY_HIGHEST = 15;
const AGREED = serviceRank("agreed");
const SAFE = serviceRank("safe");

/**
 * A daemon without its sockets: extended virtual synchrony below, groups on it, client sessions above
 * (architecture.md 4). The same class runs on Node (daemon/start.ts) and in the simulator.
 */
export class DaemonNode implements Machine {
  #options: NodeOptions;
  readonly #outbox: NodeOutbox;
  readonly #reload: Reload;
  readonly #evs: Evs;
  readonly #groups: Groups;
  readonly #sessions: Sessions;
  readonly #regions: RegionNodes;
  #dissemination: DisseminationName = "unicast";
  readonly #overview: RegionOverview;
  readonly #groupsOverview: GroupsOverview;
  readonly #held = new HeldGroups();
  readonly #counters = new NodeCounters();
  readonly #changes: ChangeLog;
  readonly #positions = new Map<DaemonId, number>();
  readonly #names = new Map<DaemonId, string>();
  readonly #ids = new Map<string, DaemonId>();
  readonly #attached = new Map<SessionNumber, AttachedSession>();
  /** Sessions that their clients have ended: what is remembered of them for resumption can go, soon. */
  readonly #gone = new Set<SessionNumber>();
  readonly #partings = new Partings();
  readonly #repeats = new RepeatFilter(REPEAT_MS);
  readonly #startedAt: number;
  #now: number;
  #windows: WindowChange = NO_WINDOW_CHANGE;
  readonly #sites: SitesKnowledge = {
    isNear: (daemon) => this.#evs.configuration.siteOf(daemon) === this.#evs.configuration.local.site,
    isAwaited: (group) => this.#evs.configuration.interests.has(group, (daemon) => !this.#sites.isNear(daemon)),
  };
  #wasCongested = false;
  #stopping = false;

  constructor(options: NodeOptions, outbox: NodeOutbox, now: number) {
    this.#options = options;
    this.#outbox = outbox;
    this.#now = now;
    this.#startedAt = now;
    const { self } = options;
    this.#changes = new ChangeLog((daemon) => this.#nameOf(daemon));
    this.#learnDaemons(options.site);
    this.#groups = new Groups(
      {
        me: self.id,
        daemonName: self.name,
        positionOf: (daemon: DaemonId) => this.#positions.get(daemon) ?? this.#positions.size,
        nameOf: (daemon: DaemonId) => this.#nameOf(daemon),
        daemonNamed: (name: string) => this.#ids.get(name),
      },
      {
        multicast: (service, content, payload) => this.#multicast(serviceRank(service), content, payload),
        deliver: (sessions, frame, tail) => {
          this.#counters.messagesOut += sessions.length;
          this.#sessions.deliver(sessions, frame, tail);
        },
        notify: (session, notice) => this.#sessions.notify(session, notice),
        ordered: (session, number, duplicate) => this.#sessions.ordered(session, number, duplicate),
        refused: (session, number, group, why) => this.#sessions.refused(session, number, group, why),
        ended: (session) => this.#sessions.ended(session),
        block: () => this.#blockClients(true),
        unblock: () => this.#blockClients(false),
        mayJoin: () => this.#evs.releaseSessions(),
        nodeJoins: (session, node) => this.#ofSession(session, (one) => this.#regions.joins(one, node)),
        optionsFixed: (session, group, { slow, repairs, order }) => {
          const facts = { group, policy: slow, repairs, isOrdered: order !== undefined };
          this.#sessions.tell(session, encodeGroupFacts(facts));
        },
        scalableChanged: (daemon, user, group, joined) =>
          this.#regions.service.changed(daemon, user, group, joined, this.#now),
        clientEnded: (daemon, user) => this.#regions.service.ended(daemon, user, this.#now),
        toldDaemon: (session, frame) => this.#ofSession(session, (one) => this.#regions.told(one, frame)),
        configured: (primary, daemons) => {
          this.#sessions.configured(primary, daemons);
          this.#regions.service.settled();
        },
      },
    );
    this.#regions = new RegionNodes(self.id, options.site, options.epoch, {
      multicast: (command) => this.#multicast(SAFE, Content.membership, command),
      persist: (record) => outbox.persist(record),
      tell: (session, frame) => this.#sessions.tell(session, frame),
      site: () => nodeSite(this.#options),
      happened: (change) => outbox.report({ kind: "regions", change }),
      now: () => this.#now,
      timeOfDay: () => Math.round(options.clockOriginMs + this.#now),
      groupsOf: (daemon, user) => this.#groups.nodeGroups.ofClient(daemon, user),
    });
    this.#overview = new RegionOverview(this.#regions);
    this.#groupsOverview = new GroupsOverview(this.#groups, self.id);
    this.#sessions = new Sessions(
      sessionOptions(options),
      this.#transport(),
      this.#knowledge(),
      this.#sessionsOutbox(),
    );
    this.#evs = new Evs(
      evsConfig(options),
      {
        unicast: (to, channel, bytes) => outbox.unicast(to, channel, bytes),
        multicast: (segment, channel, bytes) => outbox.multicast(segment, channel, bytes),
        flush: () => outbox.flush?.(),
        event: (event, at) => this.#onEvent(event, at),
        interest: (message) => this.#interest(message),
        announcement: (content, payload) => (content === Content.interest ? decodeAnnouncement(payload) : undefined),
        ...this.#upcalls(),
      },
      now,
    );
    this.#reload = new Reload(self.id, options.site, {
      multicast: (notice) => this.#multicast(SAFE, Content.notice, encodeNotice(notice)),
      unicastFile: (to, body) => {
        const { site } = this.#options;
        outbox.unicast(to, "data", packet(WIRE_VERSION_MIN, Kind.siteFile, site.hash, self.id, body));
      },
      keep: (text, keeping) => {
        if (outbox.file !== undefined) outbox.file.keep(text, keeping);
        else this.#reload.kept(keeping, "it was started without a configuration file");
      },
      retire: (retiring) => (retiring ? this.#sessions.block() : this.#sessions.unblock()),
      goOver: (fresh) => this.#goOver(fresh),
      removed: () => {
        this.#stopping = true;
        this.#sessions.goAway(`The daemon ${self.name} is no part of the configuration any more.`);
        this.#evs.depart(this.#now);
      },
      finished: (why) => outbox.file?.reloaded(why),
      happened: (event) => outbox.report({ kind: "reload", event }),
    });
    // Nobody may send before the first configuration: the groups block clients only when an exchange begins.
    this.#sessions.block();
  }

  // ---- datagrams and time -----------------------------------------------------------------------------------------

  get deadline(): number {
    const { deadline } = this.#regions.service;
    const own = Math.min(this.#reload.deadline, this.#partings.deadline);
    return Math.min(this.#evs.deadline, this.#sessions.deadline, deadline, own);
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#evs.deadline <= now) this.#evs.tick(now);
    if (this.#sessions.deadline <= now) this.#sessions.tick(now);
    if (this.#regions.service.deadline <= now) this.#regions.service.tick(now);
    if (this.#reload.deadline <= now) this.#reload.tick(now);
    this.#afterStep();
  }

  /** Whether a token goes before data that is here already (protocols.md G46). */
  get prefersToken(): boolean {
    return this.#evs.ring?.prefersToken ?? true;
  }

  /** A datagram from another daemon; the bytes are given away. */
  receive(_channel: Channel, bytes: Uint8Array, now: number): void {
    this.#now = now;
    const prefix = readPrefix(bytes);
    // Of another configuration by its nature: membership would not look at it.
    if (typeof prefix !== "string" && prefix.kind === Kind.siteFile) this.#reload.onSiteFile(prefix, bytes);
    else this.#evs.receive(bytes, now);
    this.#afterStep();
  }

  // ---- connections ------------------------------------------------------------------------------------------------

  connected(connection: ConnectionNumber, peer: Peer, now: number): void {
    this.#now = now;
    this.#sessions.connected(connection, peer, now);
  }

  /** Bytes of a client, given away. */
  received(connection: ConnectionNumber, bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#counters.bytesIn += bytes.length;
    this.#sessions.received(connection, bytes, now);
    this.#afterStep();
  }

  writable(connection: ConnectionNumber, now: number): void {
    this.#now = now;
    this.#sessions.writable(connection, now);
    this.#afterStep();
  }

  /** `byPeer`: `Sessions.closed`. */
  closed(connection: ConnectionNumber, now: number, byPeer = false): void {
    this.#now = now;
    this.#sessions.closed(connection, now, byPeer);
    this.#afterStep();
  }

  verified(connection: ConnectionNumber, good: boolean, now: number): void {
    this.#now = now;
    this.#sessions.verified(connection, good, now);
    this.#afterStep();
  }

  /** The record that `NodeOutbox.persist` asked for is durable. */
  persisted(record: EpochRecord, now: number): void {
    this.#now = now;
    this.#regions.service.persisted(record);
    this.#afterStep();
  }

  /** What `FileOutbox.keep` asked for is done, or cannot be done for the reason given. */
  fileKept(keeping: Keeping, why: string | undefined, now: number): void {
    this.#now = now;
    this.#reload.kept(keeping, why);
    this.#afterStep();
  }

  /** The end of a turn: what it has brought is written to the clients. */
  endTurn(now: number): void {
    this.#now = now;
    this.#sessions.endTurn(now);
    this.#afterStep();
  }

  // ---- for its owner ----------------------------------------------------------------------------------------------

  /** Leaves the configuration; `left` is reported when the others can go on without this daemon. */
  leave(now: number): void {
    if (this.#stopping) return;
    this.#now = now;
    this.#stopping = true;
    this.#sessions.goAway(`The daemon ${this.#options.self.name} stops.`);
    this.#evs.leave(now);
    this.#afterStep();
  }

  /**
   * Puts another configuration file in force, at all daemons (docs/protocols/reload.md). `addresses`: of hosts that it has only names of.
   * Throws a `ConfigError`; returns why it cannot be done, or undefined when it is under way: `FileOutbox.reloaded` then says what came of it.
   */
  reload(text: string, addresses: Readonly<Record<string, string>>, now: number): string | undefined {
    this.#now = now;
    const why = this.#stopping ? "this daemon stops" : this.#reload.request(text, addresses);
    this.#afterStep();
    return why;
  }

  /** The site as it is in force now. */
  get site(): SiteConfig {
    return this.#options.site;
  }

  /** Other windows of the ring, as a monitor may ask for; they last until the daemon ends. */
  changeWindows(change: WindowChange): void {
    this.#windows = {
      global: change.global ?? this.#windows.global,
      personal: change.personal ?? this.#windows.personal,
      accelerated: change.accelerated ?? this.#windows.accelerated,
    };
    this.#reconfigureRing();
  }

  #reconfigureRing(): void {
    const { site, receiveBufferBytes, datagramBytes } = this.#options;
    const padded = isOffloaded(this.#options);
    this.#evs.reconfigureRing(ringSettings(site, receiveBufferBytes, padded, this.#windows, datagramBytes?.()));
  }

  /** Packets that this daemon has asked for or sent again, since its start. */
  get packetsRepaired(): number {
    const { requested, retransmitted } = this.#evs.ringStatistics;
    return requested + retransmitted;
  }

  /** `whole`: with all regions and nodes, however many. */
  status(now: number, whole = false): DaemonStatus {
    return nodeStatus(
      {
        options: this.#options,
        evs: this.#evs,
        groups: this.#groups,
        sessions: this.#sessions,
        regions: this.#regions,
        overview: this.#overview,
        groupsOverview: this.#groupsOverview,
        counters: this.#counters,
        changes: this.#changes,
        startedAt: this.#startedAt,
      },
      now,
      whole,
    );
  }

  /** To be read only: for checks of the simulator. */
  get groups(): Groups {
    return this.#groups;
  }

  /** To be read only: for checks of the simulator. */
  get regions(): RegionNodes {
    return this.#regions;
  }

  /** To be read only: for checks of the simulator. */
  get evs(): Evs {
    return this.#evs;
  }

  // ---- how the parts see each other -------------------------------------------------------------------------------

  #upcalls(): Upcalls {
    let first = true;
    return {
      message: (delivery) => this.#onMessage(delivery),
      transitional: (configuration) => {
        this.#regions.service.transitional();
        this.#groups.transitional(configuration);
      },
      regular: (configuration) => {
        this.#held.configured(configuration.members);
        this.#regions.service.regular(configuration);
        this.#groups.regular(configuration);
        this.#reload.regular(configuration.members, configuration.primary, this.#now);
        if (first) {
          first = false;
          if (this.#groups.state === "GOP") this.#sessions.unblock();
        }
        this.#sessions.heldGroups(this.#held.all, this.#now);
      },
    };
  }

  /** During a state exchange nothing is read from clients, and what was read before is not stamped (K31). */
  #blockClients(blocked: boolean): void {
    this.#evs.holdSessions(blocked);
    if (!blocked) this.#evs.releaseSessions();
    if (blocked) this.#sessions.block();
    else this.#sessions.unblock();
  }

  #onMessage(delivery: Delivery): void {
    if (delivery.content !== Content.numbers) this.#counters.delivered += 1;
    if (delivery.content === Content.notice) this.#onNotice(delivery);
    else if (delivery.content === Content.membership) {
      this.#regions.service.command(delivery.sender, payloadOf(delivery), this.#now);
    } else this.#groups.message(delivery);
  }

  /** What daemons tell each other all have to know. */
  #interest(message: OutgoingMessage): Interest {
    const { content, pieces } = message;
    if (content === Content.interest) return ANNOUNCEMENT;
    const skipped = content === Content.frame ? 0 : content === Content.numberedFrame ? NUMBER_HEAD_BYTES : -1;
    if (skipped < 0) return EVERYBODY;
    const isApart = skipped > 0 && pieces.length === 2 && pieces[0]?.length === skipped;
    const frame = isApart ? pieces[1] : pieces.length === 1 ? pieces[0]?.subarray(skipped) : undefined;
    return this.#groups.interest(frame ?? wholePayload(message).subarray(skipped), message, this.#sites);
  }

  #onNotice(delivery: Delivery): void {
    const { sender } = delivery;
    const notice = decodeNotice(payloadOf(delivery));
    if (notice === undefined) {
      this.#counters.malformedNotices += 1;
    } else if (notice.kind === "forget") {
      this.#groups.forget(notice.token);
    } else if (notice.kind !== "held") {
      this.#reload.onNotice(sender, notice, this.#now);
    } else if (sender !== this.#options.self.id) {
      this.#held.announced(sender, notice.groups);
      this.#sessions.heldGroups(this.#held.all, this.#now);
    }
  }

  #onEvent(event: EvsEvent, now: number): void {
    if (event.kind === "configuration") {
      this.#counters.configured(event, now);
      this.#outbox.report({
        kind: "configuration",
        change: this.#changes.add(event, this.#options.clockOriginMs + now),
      });
    } else if (event.kind === "left") {
      this.#outbox.report({ kind: "left" });
    } else {
      if (event.kind === "configMismatch") this.#reload.mismatch(event.daemon, event.hash, now);
      this.#reportMembership(event, now);
    }
  }

  /** What a daemon was ever called stays known: members that are gone are still spoken of. */
  #learnDaemons({ daemons }: SiteConfig): void {
    this.#positions.clear();
    this.#ids.clear();
    for (const { id, name, index } of daemons) {
      this.#positions.set(id, index);
      this.#names.set(id, name);
      this.#ids.set(name, id);
    }
  }

  #nameOf(daemon: DaemonId): string {
    return this.#names.get(daemon) ?? nameOf(this.#options.site, daemon);
  }

  /** Takes over what all daemons take over together; the rest of the file counts when this daemon is started again. */
  #goOver(fresh: SiteConfig): void {
    const { site, self } = this.#options;
    const { segments, daemons, sites, links, wideAreaOrder, primaryPolicy, hash, spreadHash } = fresh;
    const { agreement, lineage, text } = fresh;
    const agreed = { segments, daemons, sites, links, wideAreaOrder, primaryPolicy, hash, spreadHash };
    const merged = { ...site, ...agreed, agreement, lineage, text };
    const { index, segment, site: number } = daemons.find(({ id }) => id === self.id) ?? self;
    this.#options = { ...this.#options, site: merged, self: { ...self, index, segment, site: number } };
    this.#learnDaemons(merged);
    this.#outbox.file?.goOver(merged);
    this.#evs.reconfigure(agreementOf(merged, this.#options.wideArea), this.#now);
    this.#regions.siteChanged();
  }

  #reportMembership(event: EvsEvent, now: number): void {
    const isOfDatagram = event.kind === "configMismatch" || event.kind === "version";
    const repeated = isOfDatagram ? this.#repeats.admit(`${event.kind} ${event.daemon}`, now) : 0;
    if (repeated !== undefined) this.#outbox.report({ kind: "membership", event, repeated });
  }

  #multicast(service: number, content: number, payload: Uint8Array): void {
    this.#evs.send({ session: DAEMON_SESSION, priority: PRIORITY_HIGHEST, service, content, pieces: [payload] });
  }

  #transport(): OrderedTransport {
    return {
      submit: ({ session, priority, service, content, pieces }) => {
        this.#counters.messagesIn += 1;
        this.#evs.send({ session, priority, service: serviceRank(service), content, pieces });
      },
      isCongested: () => this.#isCongested(),
      queuedBytesOf: (session) => this.#evs.queuedBytesOf(session),
    };
  }

  #isCongested(): boolean {
    const congested = this.#evs.queuedBytes >= QUEUED_BYTES_MAX || this.#evs.queuedMessages >= QUEUED_MESSAGES_MAX;
    this.#wasCongested ||= congested;
    return congested;
  }

  #knowledge(): SessionsKnowledge {
    return {
      isMember: (session, group) => this.#groups.localMembers(group).includes(session),
      policyOf: (group) => this.#groups.optionsOf(group)?.slow ?? "expel",
      hasScalable: () => this.#groups.nodeGroups.areThere,
      nodeOptionsOf: (group) => this.#groups.nodeGroups.optionsOf(group),
      lastOrdered: (token) => this.#groups.lastOrdered(token),
      randomBytes: (count) => this.#outbox.randomBytes(count),
      daemons: () => this.#options.site.daemons.map(({ port, address, host }) => `${port}@${host ?? address}`),
      status: (whole) => JSON.stringify(this.status(this.#now, whole)),
    };
  }

  #sessionsOutbox(): SessionsOutbox {
    const outbox = this.#outbox;
    return {
      write: (connection, chunks) => {
        for (let i = 0; i < chunks.length; i++) this.#counters.bytesOut += (chunks[i] as Uint8Array).length;
        return outbox.write(connection, chunks);
      },
      close: (connection, how) => outbox.close(connection, how),
      pauseReading: (connection) => outbox.pauseReading(connection),
      resumeReading: (connection) => outbox.resumeReading(connection),
      attach: (session) => {
        this.#attached.set(session.number, session);
        if (session.token !== undefined) this.#partings.isBack(session.token);
        this.#groups.attach(session.user, session.number);
      },
      interrupted: (session, byPeer) =>
        this.#ofSession(session, (one) => this.#regions.interrupted(one, byPeer, this.#now)),
      resumed: (session, isComplete) =>
        this.#ofSession(session, (one) => this.#regions.resumed(one, isComplete, this.#now)),
      nodeStatistics: (session, statistics) =>
        this.#ofSession(session, (one) => this.#regions.counted(one, statistics, this.#now)),
      detach: (session) => this.#detach(session),
      verifyPassword: (connection, user, password) => outbox.verifyPassword(connection, user, password),
      holdGroup: (group) => this.#held.hold(group),
      releaseGroup: (group) => this.#held.release(group),
      report: (event) => {
        this.#counters.count(event);
        if (event.kind === "ending" && event.reason === "kill") this.#gone.add(event.session);
        outbox.report({ kind: "session", event });
      },
    };
  }

  #ofSession(number: SessionNumber, action: (session: AttachedSession) => void): void {
    const session = this.#attached.get(number);
    if (session !== undefined) action(session);
  }

  #detach(number: SessionNumber): void {
    const session = this.#attached.get(number);
    this.#attached.delete(number);
    if (session !== undefined) {
      this.#groups.detach(session.user);
      this.#regions.ended(session, this.#now);
    }
    this.#evs.forgetSession(number);
    // Who was cut off may be connected elsewhere by now; only who said goodbye will not come back.
    if (this.#gone.delete(number) && session?.token !== undefined) this.#partings.add(session.token, this.#now);
  }

  /** What the step has left to do between the parts. */
  #afterStep(): void {
    if (this.#options.dissemination() !== this.#dissemination) {
      this.#dissemination = this.#options.dissemination();
      this.#regions.siteChanged();
    }
    const { datagramBytes } = this.#options;
    if (datagramBytes !== undefined && datagramBytes() !== this.#evs.ringConfig.datagramBytes) this.#reconfigureRing();
    for (const token of this.#partings.takeDue(this.#now)) {
      this.#multicast(AGREED, Content.notice, encodeNotice({ kind: "forget", token }));
    }
    const held = this.#held.takeAnnouncement();
    if (held !== undefined) {
      this.#multicast(AGREED, Content.notice, encodeNotice({ kind: "held", groups: held }));
      this.#sessions.heldGroups(this.#held.all, this.#now);
    }
    if (this.#reload.waitsForDrain && this.#evs.queuedMessages === 0) this.#reload.drained();
    const { queuedBytes, queuedMessages } = this.#evs;
    if (!this.#wasCongested || queuedBytes * 2 > QUEUED_BYTES_MAX || queuedMessages * 2 > QUEUED_MESSAGES_MAX) return;
    this.#wasCongested = false;
    this.#sessions.uncongested(this.#now);
  }
}
