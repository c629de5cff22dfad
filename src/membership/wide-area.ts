import { type ConfigurationId, configurationKey, type DaemonId, sameConfiguration } from "../base/ids.ts";
import { SiteSet } from "../base/site-set.ts";
import { hopDefaults } from "../hop/config.ts";
import type { HopFailure } from "../hop/hop.ts";
import { type Machine, NEVER } from "../machine/machine.ts";
import type { Configuration } from "../ring/configuration.ts";
import { STREAM_CAPACITY } from "../ring/stream.ts";
import { Routes } from "../routing/routes.ts";
import type { OldConfigurationRecord } from "../wire/form.ts";
import { hopObjectBytesMax } from "../wire/hop/data.ts";
import { Kind, type Prefix, packet, readPrefix } from "../wire/prefix.ts";
import {
  isDigest,
  isLocal,
  isOfConfiguration,
  isRingData,
  isUrgent,
  packetsOfDigest,
  PRUNING_VERSION,
  type RingPacket,
  ringPacket,
} from "../wire/ring-data.ts";
import { type Request, UNLIMITED_CREDIT } from "../wire/ring-token.ts";
import {
  decodeSiteDone,
  decodeSiteUpdate,
  encodeSiteDone,
  encodeSiteUpdate,
  type SiteUpdate,
} from "../wire/site-control.ts";
import { SITE_OBJECT_BYTES_MAX, type SiteObject, usualHead } from "../wire/site-object.ts";
import { Digests } from "./digests.ts";
import { HopClass, SiteHop } from "./site-hop.ts";
import { recordOf } from "./recovery.ts";
import { SiteSupplies } from "./site-supplies.ts";
import { hopSettingsOf, type WideAreaConfig, weightsOf } from "./wide-area-config.ts";

/** Of a recovery packet, whose head names one site. */
const OBJECT_HEAD_BYTES = SITE_OBJECT_BYTES_MAX + 1;
/** What a datagram between sites is longer by than the ring's longest. */
export const HOP_OVERHEAD_BYTES = OBJECT_HEAD_BYTES - hopObjectBytesMax(0);

/** What the representative's part asks of its daemon, which may not call back meanwhile. */
export interface WideAreaOutbox {
  unicast(to: DaemonId, bytes: Uint8Array): void;
  /** A packet of another site for this one: of this configuration, or of an old one that is being recovered. */
  arrived(prefix: Prefix, bytes: Uint8Array, now: number): void;
  /** A hop has failed: the configuration cannot go on. */
  siteLost(site: number, why: HopFailure): void;
  /** A packet that cannot be right was dropped. */
  malformed(): void;
}

export type WideAreaOptions = {
  readonly me: DaemonId;
  readonly config: WideAreaConfig;
  readonly configuration: Configuration;
  /** The one that this daemon comes from. */
  readonly old: Configuration;
  /** Of FORM2. */
  readonly records: readonly OldConfigurationRecord[];
  readonly wire: { readonly confHash: number; readonly version: number };
  /** Of the rings' packets. */
  readonly datagramBytes: number;
  /** Bytes per second that each link has carried before; kept over configurations. */
  readonly rates: Map<number, number>;
};

/**
 * What the representative of a site does for it among the others (docs/protocols/wide-area.md): keeps hops to the neighbours of the
 * source trees, sends the site's packets along its tree, passes on those of others, and tells the others what this site
 * promises and holds. Lives as long as the configuration; that of the site's ring is its own as well.
 */
export class WideArea implements Machine {
  readonly #me: DaemonId;
  readonly #config: WideAreaConfig;
  readonly #configuration: Configuration;
  readonly #wire: { readonly confHash: number; readonly version: number };
  readonly #rates: Map<number, number>;
  readonly #outbox: WideAreaOutbox;
  readonly #routes: Routes;
  readonly #hops: readonly SiteHop[];
  readonly #all: SiteSet;
  /** By source: what the heads of its packets are like. */
  readonly #usual: ReadonlyMap<number, Uint8Array>;
  /** Neighbours that get this site's own packets first. */
  readonly #children: readonly SiteHop[];
  readonly #supplies: SiteSupplies;
  readonly #records: readonly OldConfigurationRecord[];
  /** Recovery: packets of configurations that this daemon was not in, for members of its ring that ask again. */
  readonly #relayed = new Map<string, Uint8Array>();
  readonly #done = new Set<number>();
  /** What the others have been told of this site, by packets or by updates. */
  #told = { lts: 0, aru: 0 };
  #updateAt = NEVER;
  #updatedAt = Number.NEGATIVE_INFINITY;
  #hasNews = false;
  readonly #datagramBytes: number;
  readonly #digests: Digests;
  /** Recovery: the configuration that this daemon comes from. */
  readonly #old: Configuration;
  /** Packets of this site that were for it alone, and of others that this site passed over. */
  readonly pruning = { pruned: 0, passedOver: 0 };
  /** Packets of this site up to here were sent on, if they were for others; the last one of them that was not. */
  #sentSeq = 0;
  #localSeq = 0;
  /** Of packets for others that were not sent on yet. */
  #gatedBytes = 0;
  #digestedAt = Number.NEGATIVE_INFINITY;
  /** Updates of others that wait to be passed on together, and until when. */
  #passing: { readonly hop: SiteHop; readonly object: SiteObject }[] = [];
  #passAt = NEVER;

  constructor(options: WideAreaOptions, outbox: WideAreaOutbox, now: number) {
    const { me, config, configuration, old, wire, datagramBytes, rates } = options;
    this.#me = me;
    this.#config = config;
    this.#configuration = configuration;
    this.#wire = wire;
    this.#rates = rates;
    this.#outbox = outbox;
    const sites = configuration.streams.map(({ site }) => site);
    this.#routes = new Routes(configuration.local.site, sites, weightsOf(config));
    this.#all = SiteSet.of(...sites);
    this.#usual = new Map(
      sites.map((site) => [site, usualHead(wire, configuration.id, site, configuration.representativeOf(site))]),
    );
    this.#hops = this.#routes.neighbours.map((site) => {
      const { missingMs, helloMs } = config;
      const { rateMax, rateStart, silenceMs, idleMs } = hopSettingsOf(config, configuration.local.site, site);
      const hop = {
        ...hopDefaults,
        silenceMs,
        missingMs,
        idleMs,
        helloMs,
        origin: { ...wire, origin: me },
        // Times of configurations only grow, at each daemon: so do the lives of its hops.
        life: configuration.id.time,
        datagramBytes: datagramBytes + HOP_OVERHEAD_BYTES,
        rateMax,
        rateStart: rates.get(site) ?? rateStart,
      };
      const hopOutbox = {
        transmit: (to: DaemonId, bytes: Uint8Array) => outbox.unicast(to, bytes),
        object: (from: number, object: SiteObject | undefined, at: number) => this.#onObject(from, object, at),
        failed: (lost: number, why: HopFailure) => outbox.siteLost(lost, why),
      };
      const usualOf = (source: number): Uint8Array | undefined => this.#usual.get(source);
      return new SiteHop(site, configuration.representativeOf(site), hop, usualOf, hopOutbox, now);
    });
    this.#children = this.#towards(this.#routes.me, this.#all);
    this.#datagramBytes = datagramBytes;
    this.#digests = new Digests(me, configuration, datagramBytes);
    this.#old = old;
    this.#records = options.records;
    this.#supplies = new SiteSupplies(options.records, this.#routes);
  }

  /** To the neighbours of this site, for tools. */
  get hops(): readonly SiteHop[] {
    return this.#hops;
  }

  get routes(): Routes {
    return this.#routes;
  }

  get deadline(): number {
    let deadline = Math.min(this.#updateAt, this.announceAt, this.#passAt);
    if (this.#digests.hasNews) deadline = Math.min(deadline, this.#digestedAt + this.#config.updateMs);
    for (const { hop } of this.#hops) deadline = Math.min(deadline, hop.deadline);
    return deadline;
  }

  tick(now: number): void {
    for (const { hop } of this.#hops) if (now >= hop.deadline) hop.tick(now);
  }

  /** A packet of a hop. */
  receive(prefix: Prefix, bytes: Uint8Array, now: number): void {
    this.#hops.find(({ peer }) => peer === prefix.origin)?.hop.receive(prefix, bytes, now);
  }

  /** Whether anything has come since the last call that the ring has to know. */
  takeNews(): boolean {
    const had = this.#hasNews;
    this.#hasNews = false;
    return had;
  }

  /** A packet of this site is here, for the first time: for all others, unless it is for this site alone. */
  forward(packet: RingPacket): void {
    if (this.#wire.version < PRUNING_VERSION) {
      this.#send(packet);
      return;
    }
    if (!isLocal(packet.bytes)) this.#gatedBytes += packet.bytes.length;
    this.#sendOn();
  }

  /**
   * Sends packets on that are for others, each once all daemons of this site hold what is before it and for this site alone. So nobody at another site has a message
   * that follows one which is for this site alone, and was lost with its sender.
   */
  #sendOn(): void {
    const { local } = this.#configuration;
    while (this.#sentSeq < local.prefix) {
      const packet = local.get(this.#sentSeq + 1);
      if (packet !== undefined && isLocal(packet.bytes)) {
        this.#localSeq = packet.seq;
        this.pruning.pruned++;
      } else if (packet !== undefined) {
        if (this.#localSeq > local.heldHere) return;
        this.#gatedBytes -= packet.bytes.length;
        this.#send(packet);
      }
      this.#sentSeq++;
    }
  }

  #send({ lts, bytes }: RingPacket): void {
    this.#told.lts = Math.max(this.#told.lts, lts);
    const object = this.#object(undefined, bytes);
    const hopClass = isUrgent(bytes) ? HopClass.urgent : HopClass.data;
    for (const child of this.#children) child.send(object, hopClass);
  }

  forwardUnreliable(bytes: Uint8Array): void {
    if (isLocal(bytes)) return;
    const object = this.#object(undefined, bytes);
    for (const child of this.#children) child.sendUnreliable(object);
  }

  /** Bytes that all hops can take of what this site sends. */
  get credit(): number {
    let credit = UNLIMITED_CREDIT;
    for (const child of this.#children) credit = Math.min(credit, Math.floor(child.credit));
    return Math.max(0, credit - this.#gatedBytes);
  }

  /** When the site should promise what its clock says, though nobody has asked. */
  get announceAt(): number {
    const { lowLatency, announceMs } = this.#config;
    return lowLatency ? this.#updatedAt + announceMs : NEVER;
  }

  /** After each step: tells the others what they wait for, and lets the hops send. */
  endStep(now: number): void {
    const { local } = this.#configuration;
    this.#sendOn();
    if (this.#digests.hasNews && now >= this.#digestedAt + this.#config.updateMs) this.#tellDigests(now);
    const isNew = this.#isAwaited || local.acknowledged > this.#told.aru;
    if (isNew) this.#updateAt = Math.min(this.#updateAt, Math.max(now, this.#updatedAt + this.#config.updateMs));
    if (now >= Math.min(this.#updateAt, this.announceAt)) this.#update(now);
    if (now >= this.#passAt) this.#passOn();
    for (const { hop } of this.#hops) hop.flush(now);
  }

  /** The members of this site have all committed: tells the others, once. Whether all sites have. */
  sitesDone(): boolean {
    const { me } = this.#routes;
    if (!this.#done.has(me)) {
      this.#done.add(me);
      const body = encodeSiteDone({ configuration: this.#configuration.id, site: me });
      this.#sendControl(Kind.siteDone, body);
    }
    return this.#done.size === this.#routes.sites.length;
  }

  /** Changes whenever recovery gets on between sites. */
  get recoveryProgress(): number {
    return this.#done.size - this.#supplies.left;
  }

  /** Recovery: what the ring is asked for on behalf of other sites. */
  requests(): readonly Request[] {
    return this.#supplies.requests();
  }

  /** Recovery: a packet of an old configuration is here, for whoever lacks it. */
  supply(configuration: ConfigurationId, packet: RingPacket): void {
    this.#supply(configuration, packet, () => true);
  }

  #supply(
    configuration: ConfigurationId,
    { site, first, seq, bytes }: RingPacket,
    isFor: (site: number) => boolean,
  ): void {
    const sites = this.#supplies.take(configuration, site, first, seq, isFor);
    if (sites.length === 0) return;
    const object = (to: number): SiteObject => this.#object([to], bytes);
    for (const to of sites) {
      for (const hop of this.#towards(this.#routes.me, SiteSet.of(to))) hop.send(object(to), HopClass.repair);
    }
  }

  /**
   * Recovery: tells others of what was for this site alone and all its daemons had, in place of the packets: these can be far more than lines carry in time. What some
   * daemon of this site may lack others get as it is, so that whoever has something has what can be sent back.
   */
  supplyDigests(): void {
    const { id } = this.#old;
    for (const { bytes } of new Digests(this.#me, this.#old, this.#datagramBytes).take()) {
      this.#supply(id, ringPacket(readPrefix(bytes) as Prefix, bytes), (site) => !this.#hasMemberOfOldSite(site));
    }
  }

  /** Whether somebody of this site, as it was in the configuration that this daemon comes from, is in another one now: the packets were for it too. */
  #hasMemberOfOldSite(site: number): boolean {
    const { members } = this.#configuration;
    return members.some(
      (member) => this.#configuration.siteOf(member) === site && this.#old.siteOf(member) === this.#old.local.site,
    );
  }

  /** Recovery: keeps a packet that came for the ring, which lacks it, and that this daemon itself has no use for. */
  keepRelayed(configuration: ConfigurationId, { site, first, seq: last, bytes }: RingPacket): void {
    const record = recordOf(this.#records, configuration);
    const lacks = record?.lacks.find(({ newSite, stream }) => newSite === this.#routes.me && stream === site);
    if (lacks === undefined) return;
    for (let seq = first; seq <= last; seq++) {
      if (lacks.missing.has(seq)) this.#relayed.set(`${configurationKey(configuration)} ${site} ${seq}`, bytes);
    }
  }

  relayed(configuration: ConfigurationId, site: number, seq: number): Uint8Array | undefined {
    return this.#relayed.get(`${configurationKey(configuration)} ${site} ${seq}`);
  }

  /** All sites have recovered. */
  installed(): void {
    this.#relayed.clear();
  }

  /** The configuration is over. */
  close(): void {
    for (const { site, hop } of this.#hops) if (hop.sender !== undefined) this.#rates.set(site, hop.sender.rate);
  }

  /** Whether other sites wait for a promise that this one can give: they have sent what it has not told to have passed. */
  get #isAwaited(): boolean {
    const { local, ltsHeld } = this.#configuration;
    return ltsHeld > this.#told.lts && local.known.lts > this.#told.lts;
  }

  #update(now: number): void {
    const { id, local } = this.#configuration;
    const { seq, lts } = local.known;
    this.#updateAt = NEVER;
    this.#updatedAt = now;
    this.#told = { lts: Math.max(this.#told.lts, lts), aru: local.acknowledged };
    // The token had reached that when this daemon learnt of the aru, or later.
    const clock = local.announced.lts;
    const update = { configuration: id, site: local.site, seq, lts, aru: local.acknowledged, clock };
    this.#sendControl(Kind.siteUpdate, encodeSiteUpdate(update, this.#wire.version));
  }

  #tellDigests(now: number): void {
    this.#digestedAt = now;
    for (const { bytes, lts } of this.#digests.take()) {
      this.#told.lts = Math.max(this.#told.lts, lts);
      const object = this.#object(undefined, bytes);
      for (const child of this.#children) child.send(object, HopClass.control);
    }
  }

  /** One datagram takes the updates of many sites. */
  #passOn(): void {
    for (const { hop, object } of this.#passing) hop.send(object, HopClass.control);
    this.#passing = [];
    this.#passAt = NEVER;
  }

  #sendControl(kind: number, body: Uint8Array): void {
    const { version, confHash } = this.#wire;
    const object = this.#object(undefined, packet(version, kind, confHash, this.#me, body));
    for (const child of this.#children) child.send(object, HopClass.control);
  }

  #object(sites: readonly number[] | undefined, bytes: Uint8Array): SiteObject {
    return { source: this.#routes.me, sites, packet: bytes };
  }

  #towards(source: number, sites: SiteSet): SiteHop[] {
    const next = this.#routes.next(source, sites);
    return this.#hops.filter(({ site }) => next.includes(site));
  }

  #onObject(from: number, object: SiteObject | undefined, now: number): void {
    const prefix = object === undefined ? "malformed" : readPrefix(object.packet);
    if (object === undefined || typeof prefix === "string" || prefix.length !== object.packet.length) {
      this.#outbox.malformed();
      return;
    }
    const { source, sites } = object;
    // What is carried over from before a reload has the hash of then.
    const isOurs = prefix.kind === Kind.ringData || prefix.confHash === this.#wire.confHash;
    if (!isOurs || !this.#routes.comesFrom(source, from)) {
      this.#outbox.malformed();
      return;
    }
    for (const hop of this.#towards(source, sites === undefined ? this.#all : SiteSet.of(...sites))) {
      if (prefix.kind === Kind.ringUnreliable) hop.sendUnreliable(object);
      else if (prefix.kind === Kind.siteUpdate && this.#config.lowLatency) {
        this.#passing.push({ hop, object });
        this.#passAt = Math.min(this.#passAt, now + this.#config.announceMs / 2);
      } else hop.send(object, classOf(prefix, object, this.#configuration.id));
    }
    if (sites === undefined || sites.includes(this.#routes.me)) this.#onPacket(prefix, object, now);
  }

  #onPacket(prefix: Prefix, { source, packet: bytes }: SiteObject, now: number): void {
    this.#hasNews = true;
    switch (prefix.kind) {
      case Kind.ringData:
      case Kind.ringUnreliable:
        if (!isRingData(prefix)) return;
        if (isOfConfiguration(bytes, this.#configuration.id)) this.pruning.passedOver += packetsOfDigest(bytes);
        this.#outbox.arrived(prefix, bytes, now);
        return;
      case Kind.siteUpdate: {
        const update = decodeSiteUpdate(prefix, bytes);
        if (update === undefined || update.site !== source || !this.#onUpdate(update)) this.#outbox.malformed();
        return;
      }
      case Kind.siteDone: {
        const done = decodeSiteDone(prefix, bytes);
        const isOurs = done?.site === source && sameConfiguration(done.configuration, this.#configuration.id);
        if (isOurs) this.#done.add(source);
        else this.#outbox.malformed();
        return;
      }
      default:
        this.#outbox.malformed();
    }
  }

  /** False if it cannot be right. */
  #onUpdate({ configuration, site, seq, lts, aru, clock }: SiteUpdate): boolean {
    const stream = this.#configuration.stream(site);
    if (stream === undefined || stream === this.#configuration.local) return false;
    if (!sameConfiguration(configuration, this.#configuration.id)) return false;
    if (lts < seq || seq > stream.prefix + STREAM_CAPACITY / 2) return false;
    // What is held there was stamped under a promise of this site.
    const { announced, ltsHeld } = this.#configuration.local;
    if (aru > Math.max(announced.lts, ltsHeld)) return false;
    stream.announce({ seq, lts });
    this.#configuration.clockHeard = Math.max(this.#configuration.clockHeard, clock);
    stream.acknowledged = Math.max(stream.acknowledged, aru);
    return true;
  }
}

function classOf(prefix: Prefix, { packet: bytes }: SiteObject, id: ConfigurationId): number {
  if (prefix.kind !== Kind.ringData || !isRingData(prefix) || isDigest(bytes)) return HopClass.control;
  if (!isOfConfiguration(bytes, id)) return HopClass.repair;
  return isUrgent(bytes) ? HopClass.urgent : HopClass.data;
}
